#include <cstdlib>
#include <map>
#include <vector>

#include "shop.h"

namespace shop {

struct Shelf {
    int pad[4];
    int count;
};

class Store {
  public:
    int reserve(const std::string &name) {
        Shelf *shelf = shelves_[name];
        return shelf->count - 1;
    }

    int count_at(std::size_t place) {
        return counts_.at(place);
    }

    int sell(int rounds) {
        Shelf *shelf = new Shelf();
        shelf->count = rounds;
        delete shelf;
        return shelf->count;
    }

    void close(int rounds) {
        char *buffer = static_cast<char *>(std::malloc(64 + rounds));
        buffer[0] = 'x';
        std::free(buffer);
        std::free(buffer);
    }

  private:
    std::map<std::string, Shelf *> shelves_;
    std::vector<int> counts_ = {4, 5, 6};
};

void stock(const std::string &what, const char *value) {
    Store store;
    int number = std::atoi(value);
    if (what == "stock-null") {
        store.reserve(value);
    } else if (what == "stock-range") {
        store.count_at(100 + number);
    } else if (what == "stock-freed") {
        std::exit(store.sell(number));
    } else {
        store.close(number);
    }
}

}  // namespace shop
