#include "spiking/exact_sum.hpp"

#include <algorithm>

namespace lpl::spiking {

double fixed_point_of(Dimension dimension) {
  double smallest = 1;
  for (const std::string& unit : units_of(dimension)) smallest = std::min(smallest, parse_unit(unit)->to_si(1));
  return 0x1p30 / smallest;
}

void ExactSum::append_parts(std::vector<std::int64_t>& parts) const {
  Wide rest = sum_;
  for (std::size_t part = 0; part + 1 < kParts; ++part) {
    parts.push_back(static_cast<std::int64_t>(rest & 0xffffffff));
    rest >>= 32;
  }
  parts.push_back(static_cast<std::int64_t>(rest));
}

long double ExactSum::of(std::span<const std::int64_t, kParts> parts) {
  Wide sum = 0;
  for (std::size_t part = kParts; part-- > 0;) sum = sum * (Wide{1} << 32) + parts[part];
  return static_cast<long double>(sum);
}

}  // namespace lpl::spiking
