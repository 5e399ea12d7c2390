#include <cassert>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "shop.h"

namespace shop {

int quantity(const char *text) {
    return std::stoi(std::string("no ") + text);
}

void field(const char *text, bool named) {
    assert(named && "the record has no quantity");
    assert(text[0] != '?');
}

template <typename Row>
int width(const Row &row, std::size_t place) {
    return row.at(place);
}

int copy(const char *text) {
    char code[8];
    std::strcpy(code, text);
    return code[0];
}

void records(const std::string &what, const char *value) {
    if (what == "record-number") {
        quantity(value);
    } else if (what == "record-field") {
        field(value, false);
    } else if (what == "record-sku") {
        field((std::string("?") + value).c_str(), true);
    } else if (what == "record-range") {
        width(std::vector<int>(3), 100 + std::strlen(value));
    } else {
        std::exit(copy((std::string(value) + " and twenty more letters").c_str()));
    }
}

}  // namespace shop
