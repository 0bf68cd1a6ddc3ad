// Maps of a device, channels-last, and what own kernels do with them.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include "rate/backend.hpp"
#include "rate/cuda/device.hpp"
#include "rate/cuda/kernels.hpp"

namespace lpl::rate::cuda {

using Bfloat = std::uint16_t;

inline Index to_index(std::int64_t value) { return static_cast<Index>(value); }

inline std::int64_t bytes_of(Precision precision) { return precision == Precision::float32 ? 4 : 2; }

// Calls f with the elements of a tensor as float* or Bfloat*.
template <class F>
decltype(auto) with_elements(const Tensor& tensor, F f) {
  if (tensor.precision == Precision::float32) return f(static_cast<float*>(tensor.data.get()));
  return f(static_cast<Bfloat*>(tensor.data.get()));
}

template <class Pointer>
using ElementOf = std::remove_cv_t<std::remove_pointer_t<Pointer>>;

// Of the pooling behind a convolution, or of none.
Windows windows_of(const Convolution& layer, const Shape& x);
Windows windows_of(const Pooling& pooling, const Shape& x);

// A gradient with respect to outputs, and which of them lets it through.
struct OutputGradient {
  const Tensor& dy;             // with respect to the outputs, or to their means over space
  Shape outputs;                // pooled, where they are
  const std::uint8_t* winners;  // of pooled outputs; else null
  const void* y;                // of rectified outputs that are not pooled, in the precision of the maps; else null
};

// The operations of the interface that are kernels on maps.
class MapOperations : public Backend {
 public:
  Tensor mean_over_space(const Tensor& x) override;
  Tensor adaptive_mean(const Tensor& x, std::int64_t side) override;
  Tensor adaptive_mean_gradient(const Tensor& dy, const Shape& shape, Precision precision) override;
  Tensor dropout(const Dropout& dropout, const Tensor& x) override;
  Tensor sum(const Tensor& x, const Tensor& y) override;

  Tensor rectify(const Pooling& pooling, const Tensor& x, Trace* trace) override;
  Tensor rectifier_gradient(const Pooling& pooling, const Trace& trace, const Tensor& dy) override;
  void add_moments(const Tensor& x, const Tensor* dy, const Array& centre, Array& sums) override;
  Tensor combine(const Tensor& x, const Tensor* dy, const Array& coefficients) override;
  void normalise(const NormalisingStep& step) override;

 protected:
  explicit MapOperations(std::shared_ptr<Device> device) : device_(std::move(device)) {}

  Tensor new_tensor(const Shape& shape, Precision precision);
  // y = max over windows of rectify(x + bias), and its means over space where they come with it.
  void pool(const Windows& windows, const float* bias, bool rectified, const Tensor& x, Tensor& y,
            std::uint8_t* winners);
  // Brings a gradient from the outputs of windows to the map `dx` that they lie on, and adds its sums by channel to
  // `bias` unless null.
  void unpool(const OutputGradient& gradient, const Windows& windows, const Tensor& dx, Array* bias);

  std::shared_ptr<Device> device_;
};

}  // namespace lpl::rate::cuda
