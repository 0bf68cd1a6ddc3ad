// What a number in a description may be.
#pragma once

#include <limits>

namespace lpl {

struct Bounds {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_excluded = false;
};
inline constexpr Bounds kAny{};
inline constexpr Bounds kPositive{0, std::numeric_limits<double>::infinity(), true};
inline constexpr Bounds kNonNegative{0, std::numeric_limits<double>::infinity(), false};
inline constexpr Bounds kProbability{0, 1, false};

}  // namespace lpl
