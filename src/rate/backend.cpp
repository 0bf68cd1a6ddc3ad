#include "rate/backend.hpp"

#include <algorithm>
#include <cmath>

namespace lpl::rate {

namespace {

// How many windows fit side by side; 0 where not even one does.
std::int64_t windows(std::int64_t size, std::int64_t window, std::int64_t stride) {
  return size < window ? 0 : (size - window) / stride + 1;
}

}  // namespace

Shape Convolution::convolved(const Shape& x) const {
  return {x.samples, out, windows(x.height + 2 * padding, kernel, stride),
          windows(x.width + 2 * padding, kernel, stride)};
}

Shape Convolution::output(const Shape& x) const {
  Shape y = convolved(x);
  if (pool == 0) return y;
  y.height = windows(y.height, pool, pool_stride);
  y.width = windows(y.width, pool, pool_stride);
  return y;
}

Shape Pooling::output(const Shape& x) const {
  return {x.samples, x.channels, windows(x.height + 2 * padding, side, stride),
          windows(x.width + 2 * padding, side, stride)};
}

std::vector<float> adam_rates(const AdamForm& form, double learning_rate, std::int64_t step) {
  const auto n = static_cast<double>(step);
  return {static_cast<float>(learning_rate / (1 - std::pow(form.beta1, n))),
          static_cast<float>(1.0 / std::sqrt(1 - std::pow(form.beta2, n)))};
}

std::vector<float> sgd_rates(double learning_rate) { return {static_cast<float>(learning_rate), 0.0f}; }

Batch::Batch(std::int64_t samples, int rank, int ranks, std::int64_t most_slices)
    : samples_(samples), rank_(rank), ranks_(ranks) {
  constexpr std::int64_t kSmallestSlice = 8;
  const std::int64_t length = std::max(kSmallestSlice, (samples + most_slices - 1) / most_slices);
  for (std::int64_t first = 0; first < samples; first += length)
    slices_.push_back({first, std::min(length, samples - first)});
}

std::size_t Batch::first_slice(int rank) const {
  return slices_.size() * static_cast<std::size_t>(rank) / static_cast<std::size_t>(ranks_);
}

std::vector<Slice> Batch::of(int rank) const {
  const auto at = [&](int r) { return slices_.begin() + static_cast<std::ptrdiff_t>(first_slice(r)); };
  return {at(rank), at(rank + 1)};
}

std::int64_t Batch::samples_of(int rank) const {
  std::int64_t samples = 0;
  for (const Slice& slice : of(rank)) samples += slice.count;
  return samples;
}

}  // namespace lpl::rate
