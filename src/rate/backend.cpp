#include "rate/backend.hpp"

#include <algorithm>

namespace lpl {

Shape Convolution::convolved(const Shape& x) const {
  const auto side = [&](std::int64_t size) { return (size + 2 * padding - kernel) / stride + 1; };
  return {x.samples, out, side(x.height), side(x.width)};
}

Shape Convolution::output(const Shape& x) const {
  Shape y = convolved(x);
  if (pool == 0) return y;
  y.height = (y.height - pool) / pool_stride + 1;
  y.width = (y.width - pool) / pool_stride + 1;
  return y;
}

Batch::Batch(std::int64_t samples, int rank, int ranks) : samples_(samples), rank_(rank), ranks_(ranks) {
  constexpr std::int64_t kMostSlices = 16, kSmallestSlice = 8;
  const std::int64_t length = std::max(kSmallestSlice, (samples + kMostSlices - 1) / kMostSlices);
  for (std::int64_t first = 0; first < samples; first += length)
    slices_.push_back({first, std::min(length, samples - first)});
}

std::size_t Batch::first_slice(int rank) const {
  return slices_.size() * static_cast<std::size_t>(rank) / static_cast<std::size_t>(ranks_);
}

std::vector<Slice> Batch::mine() const {
  const auto at = [&](int rank) { return slices_.begin() + static_cast<std::ptrdiff_t>(first_slice(rank)); };
  return {at(rank_), at(rank_ + 1)};
}

}  // namespace lpl
