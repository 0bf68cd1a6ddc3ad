// A matrix of features: one row a sample, one column a unit. A view; the values belong to someone else.
#pragma once

#include <cstddef>
#include <span>

namespace lpl::rate {

struct Features {
  std::span<const float> values;  // (samples, units), row-major
  std::size_t samples = 0;
  std::size_t units = 0;

  std::span<const float> row(std::size_t sample) const { return values.subspan(sample * units, units); }
};

}  // namespace lpl::rate
