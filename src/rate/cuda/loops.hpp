// The loops of losses (rate/losses.hpp) on a device.
#pragma once

#include "rate/cuda/launch.hpp"
#include "rate/losses.hpp"

namespace lpl::rate::cuda {

struct DeviceLoops {
  Device& device;

  template <class N>
  std::shared_ptr<N> allocate(std::int64_t count) const {
    return cuda::allocate<N>(device, count);
  }
  Array array(std::int64_t size) const { return {size, allocate<float>(size)}; }

  template <class Body>
  void each(std::string_view what, std::int64_t count, const Body& body) const {
    launch(device, what, count, body);
  }
  template <class Body>
  void columns(std::string_view what, const Body& body) const {
    device.check(for_each_column(device.stream(), body), what);
  }
  template <class Value>
  SumTerms sums(std::string_view what, std::int64_t rows, std::int64_t columns, const Value& value) const {
    const SummedColumns sums = summed_columns(device, what, rows, columns, value);
    return {sums.memory, sums.parts.chunks * sums.parts.columns};
  }
  void multiply(bool coarse, bool transposed_a, bool transposed_b, std::int64_t rows, std::int64_t columns,
                std::int64_t inner, const float* a, const float* b, float beta, float* c) const {
    multiply_views(device, coarse, transposed_a, transposed_b, rows, columns, inner, a, b, beta, c);
  }
  void add_up(const LossSums& sums, Index count, float* to) const {
    device.check(sum_losses(device.stream(), sums, count, to), "the kernel that sums losses");
  }
};

}  // namespace lpl::rate::cuda
