// How many of a number of draws fall into a part of the whole, and draws without replacement.
#pragma once

#include <cstdint>
#include <vector>

#include "core/random.hpp"

namespace lpl {

// Of `draws` with replacement from `left` + `right` things, how many are of the left ones.
std::uint64_t draw_binomial(Random& random, std::uint64_t draws, std::uint64_t left, std::uint64_t right);

// The same without replacement; `draws` are at most left + right.
std::uint64_t draw_hypergeometric(Random& random, std::uint64_t draws, std::uint64_t left, std::uint64_t right);

// Different numbers below a bound, in no order (Floyd 1987).
class DistinctDraws {
 public:
  // Appends `count` of the numbers 0 .. size-1; count <= size.
  void operator()(Random& random, std::uint32_t count, std::uint32_t size, std::vector<std::uint32_t>& numbers);

 private:
  std::vector<bool> taken_;  // all false between calls
};

}  // namespace lpl
