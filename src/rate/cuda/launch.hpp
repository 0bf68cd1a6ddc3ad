// Kernels and products, enqueued on a device, with their status checked.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "rate/backend.hpp"
#include "rate/cuda/device.hpp"
#include "rate/cuda/kernels.hpp"

namespace lpl::rate::cuda {

template <class T>
std::shared_ptr<T> allocate(Device& device, std::int64_t count) {
  return std::static_pointer_cast<T>(device.allocate(count * static_cast<std::int64_t>(sizeof(T))));
}

template <class T>
void send(Device& device, const std::vector<T>& values, T* to) {
  if (values.empty()) return;
  const auto bytes = static_cast<std::int64_t>(values.size() * sizeof(T));
  void* const staged = device.staging(bytes);
  std::memcpy(staged, values.data(), static_cast<std::size_t>(bytes));
  device.send(to, staged, bytes);
}

// A copy of `values` on the device.
template <class T>
std::shared_ptr<T> copy_of(Device& device, const std::vector<T>& values) {
  const std::shared_ptr<T> copy = allocate<T>(device, static_cast<std::int64_t>(values.size()));
  send(device, values, copy.get());
  return copy;
}

template <class Body>
void launch(const Device& device, std::string_view kernel, std::int64_t count, const Body& body) {
  device.check(for_each(device.stream(), count, body), kernel);
}

template <class Body>
void launch_samples(const Device& device, std::string_view kernel, std::int64_t samples, const Body& body) {
  device.check(for_each_sample(device.stream(), samples, body), kernel);
}

template <class Body>
void launch_warps(const Device& device, std::string_view kernel, std::int64_t warps, const Body& body) {
  device.check(for_each_warp(device.stream(), warps, body), kernel);
}

// Sums over the rows of each column, cut into parts; `parts` points into `memory`.
struct SummedColumns {
  std::shared_ptr<double> memory;
  ColumnParts parts;
};

template <class Value>
SummedColumns summed_columns(Device& device, std::string_view kernel, std::int64_t rows, std::int64_t columns,
                             const Value& value) {
  const Index chunks = chunks_of(static_cast<Index>(rows));
  SummedColumns sums{allocate<double>(device, chunks * columns), {}};
  sums.parts = {sums.memory.get(), chunks, static_cast<Index>(columns)};
  device.check(
      sum_columns(device.stream(), static_cast<Index>(rows), static_cast<Index>(columns), value, sums.memory.get()),
      kernel);
  return sums;
}

// The same sums, added to `to`.
template <class Value>
void add_sums(Device& device, std::string_view kernel, std::int64_t rows, std::int64_t columns, const Value& value,
              Array& to) {
  const SummedColumns sums = summed_columns(device, kernel, rows, columns, value);
  launch(device, kernel, columns, AddSums{sums.parts, to.at()});
}

inline cublasOperation_t operation(bool transposed) { return transposed ? CUBLAS_OP_T : CUBLAS_OP_N; }

// c (rows x columns) = op(a) op(b) + beta c by rows; op(a) is rows x inner, op(b) inner x columns. Accumulates in
// float32.
inline void multiply(const Device& device, bool transposed_a, bool transposed_b, std::int64_t rows,
                     std::int64_t columns, std::int64_t inner, const void* a, const void* b, Precision factors,
                     float beta, void* c, Precision product) {
  const auto type = [](Precision p) { return p == Precision::float32 ? CUDA_R_32F : CUDA_R_16BF; };
  const ProductByColumns p = by_columns(transposed_a, transposed_b, rows, columns, inner);
  const float one = 1;
  device.check(
      cublasGemmEx_64(device.blas(), operation(p.transposed_first), operation(p.transposed_second), p.rows, p.columns,
                      p.inner, &one, b, type(factors), p.first_stride, a, type(factors), p.second_stride, &beta, c,
                      type(product), p.stride, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
      "cublasGemmEx");
}

// The same in float32 for both views, whose matrices lie one after the other. `coarse`: factors may be rounded to TF32.
inline void multiply_views(const Device& device, bool coarse, bool transposed_a, bool transposed_b, std::int64_t rows,
                           std::int64_t columns, std::int64_t inner, const float* a, const float* b, float beta,
                           float* c) {
  const ProductByColumns p = by_columns(transposed_a, transposed_b, rows, columns, inner);
  const float one = 1;
  device.check(cublasGemmStridedBatchedEx_64(
                   device.blas(), operation(p.transposed_first), operation(p.transposed_second), p.rows, p.columns,
                   p.inner, &one, b, CUDA_R_32F, p.first_stride, inner * columns, a, CUDA_R_32F, p.second_stride,
                   rows * inner, &beta, c, CUDA_R_32F, p.stride, rows * columns, 2,
                   coarse ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
               "cublasGemmStridedBatchedEx");
}

}  // namespace lpl::rate::cuda
