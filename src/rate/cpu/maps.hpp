// Maps of the CPU backend, and what it does with them without oneDNN. They lie in blocks of 16 channels: samples x
// blocks x rows x columns x 16, the last block filled up with zeros.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

#include "rate/backend.hpp"
#include "rate/cpu/bfloat16.hpp"
#include "rate/cpu/kernels.hpp"

namespace lpl::rate {

inline std::int64_t bytes_of(Precision precision) { return precision == Precision::float32 ? 4 : 2; }

inline std::shared_ptr<void> allocate(std::int64_t bytes) {
  constexpr std::align_val_t kAlignment{64};
  void* memory = ::operator new(static_cast<std::size_t>(std::max<std::int64_t>(bytes, 64)), kAlignment);
  return {memory, [](void* p) { ::operator delete(p, kAlignment); }};
}

inline std::int64_t padded_size(const Shape& shape) {
  return shape.samples * blocks(shape.channels) * kLanes * shape.positions();
}

inline Tensor new_tensor(const Shape& shape, Precision precision) {
  return {shape, precision, allocate(padded_size(shape) * bytes_of(precision))};
}

template <class T>
T* as(const std::shared_ptr<void>& data) {
  return static_cast<T*>(data.get());
}

// Calls f with the elements of a tensor as float* or std::uint16_t*.
template <class F>
decltype(auto) with_elements(const Tensor& tensor, F f) {
  if (tensor.precision == Precision::float32) return f(as<float>(tensor.data));
  return f(as<std::uint16_t>(tensor.data));
}

// Brings the gradient of pooled, rectified maps to maps of `shape`: what flows through output `at` of them goes to the
// element winner(at) of its window, or nowhere.
template <class Winner>
Tensor gradient_of_winners(const Pooling& pooling, const Shape& shape, const Tensor& dy, Precision precision,
                           Winner winner) {
  const Shape y = pooling.output(shape);
  const bool everywhere = dy.shape.positions() == 1;
  // Windows may overlap, so sums are formed in float32 first.
  Tensor sums = new_tensor(shape, Precision::float32);
  std::memset(sums.data.get(), 0, static_cast<std::size_t>(padded_size(shape)) * 4);
  float* const to = as<float>(sums.data);
  with_elements(dy, [&](const auto* gradients) {
#pragma omp parallel for schedule(static)
    for (std::int64_t map = 0; map < y.samples * blocks(y.channels); ++map)
      for (std::int64_t p = 0; p < y.positions(); ++p) {
        const std::int64_t top = p / y.width * pooling.stride - pooling.padding;
        const std::int64_t left = p % y.width * pooling.stride - pooling.padding;
        for (std::int64_t lane = 0; lane < kLanes; ++lane) {
          const std::int64_t at = (map * y.positions() + p) * kLanes + lane;
          const std::int64_t won = winner(at);
          if (won == kSilent) continue;
          const std::int64_t r = top + won / pooling.side, c = left + won % pooling.side;
          to[(map * shape.positions() + r * shape.width + c) * kLanes + lane] +=
              widen(gradients[everywhere ? map * kLanes + lane : at]);
        }
      }
  });
  if (precision == Precision::float32) return sums;
  Tensor narrowed = new_tensor(shape, precision);
  for (std::int64_t i = 0; i < padded_size(shape); ++i) narrow(to[i], as<std::uint16_t>(narrowed.data)[i]);
  return narrowed;
}

// The operations of the interface that are made of loops over maps.
class MapOperations : public Backend {
 protected:
  // A gradient with respect to maps like y: `dy` itself, or what stands for the same at every position where it is that
  // with respect to their means.
  Tensor by_position(const Tensor& dy, const Shape& y);

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
};

}  // namespace lpl::rate
