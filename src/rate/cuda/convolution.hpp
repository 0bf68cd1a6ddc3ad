// Convolutions by cuDNN: maps channels-last, filters out x row x column x in, which is the order of Arrays. Sums are
// float32; elements float32 (no TF32) or bfloat16. Of the algorithms that cuDNN has, the fastest deterministic one by
// its own estimate that can be run.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <tuple>

#include "rate/backend.hpp"
#include "rate/cuda/device.hpp"

namespace lpl::rate::cuda {

class Convolutions {
 public:
  // `device` must outlive this.
  explicit Convolutions(Device& device) : device_(device) {}

  // y = filters * x, before bias, rectifier and pooling: maps of layer.convolved(x.shape).
  void forward(const Convolution& layer, const Tensor& x, const void* filters, void* y);
  // Gradient with respect to the filters, in the precision of x.
  void filter_gradient(const Convolution& layer, const Tensor& x, const void* dy, void* dfilters);
  // Gradient with respect to x, for maps like x.
  void input_gradient(const Convolution& layer, const Tensor& x, const void* filters, const void* dy, void* dx);

 private:
  struct Plan;
  using Key = std::tuple<std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t,
                         std::int64_t, std::int64_t, Precision>;

  Plan& plan(const Convolution& layer, const Tensor& x);

  Device& device_;
  std::map<Key, std::shared_ptr<Plan>> plans_;
};

}  // namespace lpl::rate::cuda
