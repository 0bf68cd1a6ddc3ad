// Sums of numbers that do not depend on their order, nor on how they are spread over ranks: in whole multiples of a
// small part of a unit.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "comm/communicator.hpp"
#include "core/quantity.hpp"

namespace lpl::spiking {

// What 1 (SI) is in sums: 2^30 of the smallest usual unit.
double fixed_point_of(Dimension dimension);

// A whole number of 128 bits, and its parts, which can be added up over ranks one by one.
class ExactSum {
 public:
  __extension__ using Wide = __int128;
  static constexpr std::size_t kParts = 4;

  void add(Wide value) { sum_ += value; }
  void append_parts(std::vector<std::int64_t>& parts) const;
  // Of parts that were added up.
  static long double of(std::span<const std::int64_t, kParts> parts);

 private:
  Wide sum_ = 0;
};

}  // namespace lpl::spiking
