#pragma once
#include <string>

namespace shop {
void pricing(const std::string &what, const char *value);
void stock(const std::string &what, const char *value);
void records(const std::string &what, const char *value);
void orders(const std::string &what, const char *value);
}  // namespace shop
