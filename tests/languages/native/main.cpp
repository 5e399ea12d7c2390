// The shop, with three ways in: at the till, in a report over all orders, and in a thread at night.
#include <functional>
#include <thread>
#include <vector>

#include "shop.h"

namespace {

void handle(const std::string &what, const char *value) {
    if (what.rfind("price", 0) == 0) {
        shop::pricing(what, value);
    } else if (what.rfind("stock", 0) == 0) {
        shop::stock(what, value);
    } else if (what.rfind("record", 0) == 0) {
        shop::records(what, value);
    } else {
        shop::orders(what, value);
    }
}

void checkout(const std::string &what, const char *value) {
    handle(what, value);
}

void each(const std::vector<std::string> &kinds, const std::function<void(const std::string &)> &run) {
    for (const auto &kind : kinds) {
        run(kind);
    }
}

void report(const std::string &what, const char *value) {
    each({what}, [value](const std::string &kind) { handle(kind, value); });
}

void nightly(const std::string &what, const char *value) {
    std::thread worker([&] { handle(what, value); });
    worker.join();
}

}  // namespace

int main(int count, char **arguments) {
    if (count < 4) {
        return 2;
    }
    std::string entry = arguments[1];
    if (entry == "checkout") {
        checkout(arguments[2], arguments[3]);
    } else if (entry == "report") {
        report(arguments[2], arguments[3]);
    } else {
        nightly(arguments[2], arguments[3]);
    }
    return 0;
}
