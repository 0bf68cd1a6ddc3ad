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

#define LPL_FOR_EACH(...) template cudaError_t for_each(cudaStream_t, std::int64_t, const __VA_ARGS__&)
#define LPL_SUM_COLUMNS(...) template cudaError_t sum_columns(cudaStream_t, Index, Index, const __VA_ARGS__&, double*)
using Bfloat = std::uint16_t;

LPL_FOR_EACH(AddBias<float>);
LPL_FOR_EACH(AddBias<Bfloat>);
LPL_FOR_EACH(PoolMax<float>);
LPL_FOR_EACH(PoolMax<Bfloat>);
LPL_FOR_EACH(Unpool<float, float>);
LPL_FOR_EACH(Unpool<float, Bfloat>);
LPL_FOR_EACH(Unpool<Bfloat, float>);
LPL_FOR_EACH(Unpool<Bfloat, Bfloat>);
LPL_FOR_EACH(MeanOverSpace<float>);
LPL_FOR_EACH(MeanOverSpace<Bfloat>);
LPL_FOR_EACH(AdaptiveMean<float>);
LPL_FOR_EACH(AdaptiveMean<Bfloat>);
LPL_FOR_EACH(AdaptiveMeanGradient<float, float>);
LPL_FOR_EACH(AdaptiveMeanGradient<float, Bfloat>);
LPL_FOR_EACH(AdaptiveMeanGradient<Bfloat, float>);
LPL_FOR_EACH(AdaptiveMeanGradient<Bfloat, Bfloat>);
LPL_FOR_EACH(Product<float>);
LPL_FOR_EACH(Product<Bfloat>);
LPL_FOR_EACH(Scale<float>);
LPL_FOR_EACH(Scale<Bfloat>);
LPL_FOR_EACH(Narrow);
LPL_FOR_EACH(Accumulate<float>);
LPL_FOR_EACH(Accumulate<Bfloat>);
LPL_FOR_EACH(FinishSums);
LPL_FOR_EACH(AddSums);
LPL_FOR_EACH(FromSlice<float>);
LPL_FOR_EACH(FromSlice<Bfloat>);
LPL_FOR_EACH(ToSlices);
LPL_FOR_EACH(Centre);
LPL_FOR_EACH(PushColumns);
LPL_FOR_EACH(StalePushColumns);
LPL_FOR_EACH(MeanOfViews);
LPL_FOR_EACH(LplGradient);
LPL_FOR_EACH(ScaleOffDiagonal);
LPL_FOR_EACH(NormaliseRows);
LPL_FOR_EACH(CosinePull);
LPL_FOR_EACH(ThroughNormalisation);
LPL_FOR_EACH(CrossEntropy);
LPL_FOR_EACH(AdamUpdate);
LPL_FOR_EACH(SgdUpdate);

LPL_SUM_COLUMNS(FlowingGradient<float, float>);
LPL_SUM_COLUMNS(FlowingGradient<float, Bfloat>);
LPL_SUM_COLUMNS(FlowingGradient<Bfloat, float>);
LPL_SUM_COLUMNS(FlowingGradient<Bfloat, Bfloat>);
LPL_SUM_COLUMNS(ViewColumns);
LPL_SUM_COLUMNS(ViewSquares);
LPL_SUM_COLUMNS(PairSquares);
LPL_SUM_COLUMNS(OffDiagonalSquares);
LPL_SUM_COLUMNS(PairProducts);

}  // namespace lpl::cuda
