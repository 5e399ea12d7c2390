#include <cstdlib>
#include <map>

#include "shop.h"

namespace shop {

struct Price {
    int pad[4];
    int cents;
};

static std::map<std::string, Price *> prices;

int unit_price(const std::string &name) {
    Price *price = prices[name];
    return price->cents * 2;
}

int discount(int share) {
    volatile int whole = 1200;
    return whole / share;
}

int sum(int count) {
    int *cents = new int[4]();
    int total = 0;
    for (int at = 0; at <= count; at++) {
        total += cents[at];
    }
    delete[] cents;
    return total;
}

void pricing(const std::string &what, const char *value) {
    if (what == "price-null") {
        unit_price(value);
    } else if (what == "price-zero") {
        discount(std::atoi(value));
    } else {
        std::exit(sum(4));
    }
}

}  // namespace shop
