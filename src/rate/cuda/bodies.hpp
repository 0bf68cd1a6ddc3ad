// What one thread of each CUDA kernel does, in plain C++: the kernels of kernels.cu only hand out the indices. The host
// runs the same bodies in tests/unit/cuda_bodies_test.cpp, where it needs no device.
#pragma once

#include <cmath>
#include <cstdint>

#include "rate/cuda/elements.hpp"
#include "rate/cuda/map_bodies.hpp"
#include "rate/cuda/sum_bodies.hpp"
#include "rate/cuda/thin_bodies.hpp"
#include "rate/cuda/tile_bodies.hpp"
#include "rate/loss_bodies.hpp"
#include "rate/normalisation.hpp"

namespace lpl::rate::cuda {

// ---- Numbers one by one

struct Narrow {
  const float* from;
  std::uint16_t* to;
  LPL_DEVICE void operator()(Index i) const { narrow(from[i], to[i]); }
};

template <class Element>
struct Widen {
  const Element* from;
  float* to;
  LPL_DEVICE void operator()(Index i) const { to[i] = widen(from[i]); }
};

// to += from.
template <class Element>
struct Accumulate {
  const Element* from;
  float* to;
  LPL_DEVICE void operator()(Index i) const { to[i] += widen(from[i]); }
};

// ---- Between slices and views
// Slices hold their samples twice, view 1 before view 2; all slices but the last have `length` samples.

struct SliceOrder {
  Index samples, length, units;
  // Where element i of the slices, laid one after the other, lies among the views.
  LPL_DEVICE Index in_views(Index i) const {
    const Index row = i / units, first = row / (2 * length) * length;
    const Index count = samples - first < length ? samples - first : length;
    const Index within = row - 2 * first;
    return (within / count * samples + first + within % count) * units + i % units;
  }
};

// One slice to the views; `offset` is the index of its first element among the slices.
template <class Element>
struct FromSlice {
  SliceOrder order;
  Index offset;
  const Element* slice;
  float* views;
  LPL_DEVICE void operator()(Index i) const { views[order.in_views(offset + i)] = widen(slice[i]); }
};

// All slices from the views.
struct ToSlices {
  SliceOrder order;
  const float* views;
  float* slices;
  LPL_DEVICE void operator()(Index i) const { slices[i] = views[order.in_views(i)]; }
};

// ---- Optimisers. One thread a parameter.

struct AdamUpdate {
  const float* rates;  // adam_rates()
  float epsilon, decay, beta1, rest1, beta2, rest2;
  const float* gradient;
  float *value, *mean, *square;
  LPL_DEVICE void operator()(Index i) const { learn(i, gradient[i]); }
  LPL_DEVICE void learn(Index i, float from) const {
    const float g = from + decay * value[i];
    mean[i] = beta1 * mean[i] + rest1 * g;
    square[i] = beta2 * square[i] + rest2 * g * g;
    value[i] -= rates[0] * (mean[i] / (std::sqrt(square[i]) * rates[1] + epsilon));
  }
};

// The same where a part of the gradient, or all of it, is in bfloat16, and what is learned is rounded to it.
struct AdamRounded {
  AdamUpdate update;
  const std::uint16_t* gradient;
  std::uint16_t* value;
  LPL_DEVICE void operator()(Index i) const {
    update.learn(i, update.gradient[i] + widen(gradient[i]));
    narrow(update.value[i], value[i]);
  }
};

struct SgdUpdate {
  const float* rates;  // sgd_rates()
  float momentum, decay;
  const float* gradient;
  float *value, *buffer;
  LPL_DEVICE void operator()(Index i) const {
    buffer[i] = momentum * buffer[i] + (gradient[i] + decay * value[i]);
    value[i] -= rates[0] * buffer[i];
  }
};

// ---- Matrix products
// cuBLAS sees matrices by columns. A product c = op(a) op(b) of matrices by rows is op(b)' op(a)' by columns.
struct ProductByColumns {
  bool transposed_first, transposed_second;  // `first` is b, `second` is a
  std::int64_t rows, columns, inner, first_stride, second_stride, stride;
};
inline ProductByColumns by_columns(bool transposed_a, bool transposed_b, std::int64_t rows, std::int64_t columns,
                                   std::int64_t inner) {
  return {transposed_b, transposed_a, columns, rows, inner, transposed_b ? inner : columns, transposed_a ? rows : inner,
          columns};
}

// ---- Between ranks

// to = ((0 + part 0) + part 1) + ..., parts `stride` numbers apart. One thread a number.
struct SumParts {
  const float* parts;
  Index count;
  std::int64_t stride;
  float* to;
  LPL_DEVICE void operator()(Index i) const {
    float sum = 0;
    for (Index p = 0; p < count; ++p) sum += parts[p * stride + i];
    to[i] = sum;
  }
};

}  // namespace lpl::rate::cuda
