// Normal numbers, for tests.
#pragma once

#include <cstddef>
#include <random>
#include <vector>

namespace lpl {

inline std::vector<float> draw(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& v : values) v = normal(random);
  return values;
}

}  // namespace lpl
