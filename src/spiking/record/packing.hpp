// Lists of numbers as bytes, to travel to rank 0.
#pragma once

#include <cstring>
#include <string>
#include <vector>

namespace lpl::spiking {

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

template <class T>
void append_values(const std::string& bytes, std::vector<T>& to) {
  const std::size_t before = to.size();
  to.resize(before + bytes.size() / sizeof(T));
  if (!bytes.empty()) std::memcpy(to.data() + before, bytes.data(), bytes.size());
}

template <class T>
std::vector<T> values_from(const std::string& bytes) {
  std::vector<T> values;
  append_values(bytes, values);
  return values;
}

}  // namespace lpl::spiking
