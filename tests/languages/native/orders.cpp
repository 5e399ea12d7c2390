#include <climits>
#include <cstdlib>
#include <stdexcept>

#include "shop.h"

namespace shop {

struct Refused : std::runtime_error {
    using std::runtime_error::runtime_error;
};

void pay(const char *card) {
    if (card[0] != 0) {
        throw Refused("the order was refused");
    }
}

void deliver(const char *address) {
    if (address[0] != 0) {
        throw Refused("the order was refused");
    }
}

int depth(volatile int *level) {
    volatile char room[256];
    room[0] = static_cast<char>(*level);
    int next = *level + 1;
    return depth(&next) + room[0];
}

int cost(int cents, int count) {
    return (INT_MAX - 5 + cents) * count;
}

void orders(const std::string &what, const char *value) {
    if (what == "order-payment") {
        pay(value);
    } else if (what == "order-address") {
        deliver(value);
    } else if (what == "order-tree") {
        int level = 1;
        std::exit(depth(&level));
    } else {
        std::exit(cost(100, std::atoi(value)));
    }
}

}  // namespace shop
