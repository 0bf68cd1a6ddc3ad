#include "rate/cuda/kernels.hpp"

namespace lpl::cuda {
namespace {

constexpr Index kBlock = 256;
constexpr Index kColumns = 32;  // of a block that sums columns: one warp reads neighbouring columns

template <class Body>
__global__ void for_each_kernel(Index count, Body body) {
  const Index i = blockIdx.x * kBlock + threadIdx.x;
  if (i < count) body(i);
}

template <class Value>
__global__ void sum_columns_kernel(Index rows, Index columns, Index chunks, Value value, double* parts) {
  __shared__ double sums[kLanes][kColumns];
  const Index column = blockIdx.x * kColumns + threadIdx.x;
  if (column < columns) sums[threadIdx.y][threadIdx.x] = lane_sum(value, rows, chunks, blockIdx.y, threadIdx.y, column);
  __syncthreads();
  if (threadIdx.y != 0 || column >= columns) return;
  double total = 0;
  for (Index lane = 0; lane < kLanes; ++lane) total += sums[lane][threadIdx.x];
  parts[blockIdx.y * columns + column] = total;
}

__global__ void sum_terms_kernel(const double* terms, Index count, double factor, float* to) {
  __shared__ double sums[kBlock];
  sums[threadIdx.x] = thread_sum(terms, count, threadIdx.x, kBlock);
  for (Index half = kBlock / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
  }
  if (threadIdx.x == 0) *to = static_cast<float>(factor * sums[0]);
}

}  // namespace

template <class Body>
cudaError_t for_each(cudaStream_t stream, std::int64_t count, const Body& body) {
  if (count == 0) return cudaSuccess;
  if (count < 0 || count > INT32_MAX) return cudaErrorInvalidValue;
  const auto size = static_cast<Index>(count);
  for_each_kernel<<<(size + kBlock - 1) / kBlock, kBlock, 0, stream>>>(size, body);
  return cudaGetLastError();
}

template <class Value>
cudaError_t sum_columns(cudaStream_t stream, Index rows, Index columns, const Value& value, double* parts) {
  const Index chunks = chunks_of(rows);
  if (chunks == 0 || columns == 0) return cudaErrorInvalidValue;
  const dim3 grid((columns + kColumns - 1) / kColumns, chunks);
  sum_columns_kernel<<<grid, dim3(kColumns, kLanes), 0, stream>>>(rows, columns, chunks, value, parts);
  return cudaGetLastError();
}

cudaError_t sum_terms(cudaStream_t stream, const double* terms, Index count, double factor, float* to) {
  sum_terms_kernel<<<1, kBlock, 0, stream>>>(terms, count, factor, to);
  return cudaGetLastError();
}

}  // namespace lpl::cuda

#include "rate/cuda/instances.hpp"
