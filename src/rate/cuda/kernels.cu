#include "rate/cuda/kernels.hpp"

namespace lpl::rate::cuda {
namespace {

template <class Body>
__global__ void for_each_kernel(Index count, Body body) {
  const Index i = blockIdx.x * kBlock + threadIdx.x;
  if (i < count) body(i);
}

template <class Body>
__global__ void __launch_bounds__(kSampleThreads) for_each_sample_kernel(Index groups, Body body) {
  __shared__ float parts[Body::kSums * kSampleThreads];
  const Index group = blockIdx.y * blockDim.x + threadIdx.x;
  float sums[Body::kSums] = {};
  if (group < groups) body.lane(blockIdx.x, group, threadIdx.y, blockDim.y, sums);
  const auto part = [&](Index k, Index lane) { return (k * blockDim.y + lane) * blockDim.x + threadIdx.x; };
  for (Index k = 0; k < Body::kSums; ++k) parts[part(k, threadIdx.y)] = sums[k];
  __syncthreads();
  if (group >= groups) return;
  for (Index k = threadIdx.y; k < Body::kSums; k += blockDim.y) {
    float total = 0;
    for (Index lane = 0; lane < blockDim.y; ++lane) total += parts[part(k, lane)];
    body.finish(blockIdx.x, group, k, total);
  }
}

// A warp of threads.
struct Warp {
  template <class T>
  struct Each {
    T own;
    __device__ T& operator[](Index) { return own; }
    __device__ const T& operator[](Index) const { return own; }
  };

  template <class F>
  __device__ void each(F f) const {
    f(threadIdx.x % kWarp);
  }
  __device__ void multiply(const Each<LeftFactor>& left, const Each<RightFactor>& right,
                           Each<ProductPart>& product) const {
    const std::uint32_t(&a)[4] = left.own.pairs, (&b)[2] = right.own.pairs;
    float(&c)[4] = product.own.values;
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  }
  template <Index kCount, class Sums>
  __device__ void add_rows(Each<Sums>& sums) const {
    for (Index step = 4; step < kWarp; step *= 2) LPL_UNROLL
    for (Index i = 0; i < kCount; ++i) sums.own.values[i] += __shfl_xor_sync(~0u, sums.own.values[i], step);
  }
};

template <class Body>
__global__ void __launch_bounds__(kBlockWarps* kWarp) for_each_warp_kernel(Index warps, Body body) {
  const Index warp = blockIdx.x * kBlockWarps + threadIdx.x / kWarp;
  if (warp < warps) body(Warp(), warp);
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

__global__ void sum_losses_kernel(LossSums all, float* to) {
  __shared__ double sums[kBlock];
  const LossSum loss = all.losses[blockIdx.x];
  sums[threadIdx.x] = thread_sum(loss.terms, loss.count, threadIdx.x, kBlock);
  for (Index half = kBlock / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
  }
  if (threadIdx.x == 0) to[blockIdx.x] = static_cast<float>(loss.factor * sums[0]);
}

// The threads of a block of columns: neighbouring ones read neighbouring columns.
struct ColumnBlock {
  static constexpr Index kColumns = kBlockColumns;
  Index column;
  bool there;
  double (*parts)[kColumnLanes][kBlockColumns];

  template <Index kCount, class Value>
  __device__ void sums(Index rows, Value value, double* to) const {
    static_assert(kCount <= kMostColumnSums);
    const Index c = threadIdx.x, lane = threadIdx.y;
    double terms[kCount] = {};
    if (there)
      for (Index row = lane; row < rows; row += kColumnLanes) value(row, column, c, terms);
    for (Index i = 0; i < kCount; ++i) parts[i][lane][c] = terms[i];
    for (Index half = kColumnLanes / 2; half > 0; half /= 2) {
      __syncthreads();
      if (lane < half)
        for (Index i = 0; i < kCount; ++i) parts[i][lane][c] += parts[i][lane + half][c];
    }
    if (lane == 0)
      for (Index i = 0; i < kCount; ++i) to[i * kBlockColumns + c] = parts[i][0][c];
    __syncthreads();
  }
  template <class Body>
  __device__ void each(Index rows, Body body) const {
    if (there)
      for (Index row = threadIdx.y; row < rows; row += kColumnLanes) body(row, column, threadIdx.x);
    __syncthreads();
  }
  template <class Body>
  __device__ void once(Body body) const {
    if (there && threadIdx.y == 0) body(column, threadIdx.x);
    __syncthreads();
  }
};

template <class Body>
__global__ void __launch_bounds__(kBlockColumns* kColumnLanes) for_each_column_kernel(Index columns, Body body) {
  __shared__ double parts[kMostColumnSums][kColumnLanes][kBlockColumns];
  __shared__ double memory[column_memory(kBlockColumns)];
  const Index column = blockIdx.x * kBlockColumns + threadIdx.x;
  body(ColumnBlock{column, column < columns, parts}, memory);
}

// The threads of a block, for ViewCanvas. Sums of whole numbers have no order.
struct ThreadBlock {
  template <class Body>
  __device__ void each(Index count, Body body) const {
    for (Index i = threadIdx.x; i < count; i += kBlock) body(i);
    __syncthreads();
  }
  template <class Value>
  __device__ int sum(Index count, Value value, int* total) const {
    if (threadIdx.x == 0) *total = 0;
    __syncthreads();
    int mine = 0;
    for (Index i = threadIdx.x; i < count; i += kBlock) mine += value(i);
    atomicAdd(total, mine);
    __syncthreads();
    const int sum = *total;
    __syncthreads();
    return sum;
  }
};

template <class Element>
__global__ void __launch_bounds__(kBlock) make_views_kernel(ViewBatch batch, Element* to) {
  extern __shared__ float memory[];
  const ThreadBlock block;
  const std::size_t values = 3 * batch.size * batch.size;
  ViewCanvas(block, batch, memory).make(blockIdx.x, to + blockIdx.x * values);
}

}  // namespace

template <class Body>
cudaError_t for_each(cudaStream_t stream, std::int64_t count, const Body& body) {
  if (count == 0) return cudaSuccess;
  if (count < 0 || count > INT32_MAX) return cudaErrorInvalidValue;
  const auto size = static_cast<Index>(count);
  for_each_kernel<<<blocks_of(size), kBlock, 0, stream>>>(size, body);
  return cudaGetLastError();
}

template <class Body>
cudaError_t for_each_sample(cudaStream_t stream, std::int64_t samples, const Body& body) {
  if (samples == 0) return cudaSuccess;
  if (samples < 0 || samples > INT32_MAX || body.tiles.positions == 0) return cudaErrorInvalidValue;
  const Index groups = body.tiles.channels / Body::kGroup;
  const SampleBlock block = sample_block(groups, body.tiles.positions);
  const dim3 grid(static_cast<unsigned>(samples), (groups + block.groups - 1) / block.groups);
  for_each_sample_kernel<<<grid, dim3(block.groups, block.lanes), 0, stream>>>(groups, body);
  return cudaGetLastError();
}

template <class Body>
cudaError_t for_each_warp(cudaStream_t stream, std::int64_t warps, const Body& body) {
  if (warps == 0) return cudaSuccess;
  if (warps < 0 || warps > INT32_MAX || body.maps.windows == 0) return cudaErrorInvalidValue;
  const auto count = static_cast<Index>(warps);
  for_each_warp_kernel<<<(count + kBlockWarps - 1) / kBlockWarps, kBlockWarps * kWarp, 0, stream>>>(count, body);
  return cudaGetLastError();
}

template <class Value>
cudaError_t sum_columns(cudaStream_t stream, Index rows, Index columns, const Value& value, double* parts) {
  const Index chunks = chunks_of(rows);
  if (chunks == 0 || columns == 0) return cudaErrorInvalidValue;
  const dim3 grid(column_blocks_of(columns), chunks);
  sum_columns_kernel<<<grid, dim3(kColumns, kLanes), 0, stream>>>(rows, columns, chunks, value, parts);
  return cudaGetLastError();
}

template <class Body>
cudaError_t for_each_column(cudaStream_t stream, const Body& body) {
  const Index columns = body.z.columns;
  if (columns == 0) return cudaErrorInvalidValue;
  const dim3 block(kBlockColumns, kColumnLanes);
  for_each_column_kernel<<<(columns + kBlockColumns - 1) / kBlockColumns, block, 0, stream>>>(columns, body);
  return cudaGetLastError();
}

cudaError_t sum_losses(cudaStream_t stream, const LossSums& sums, Index count, float* to) {
  if (count == 0 || count > kLossTerms) return cudaErrorInvalidValue;
  sum_losses_kernel<<<count, kBlock, 0, stream>>>(sums, to);
  return cudaGetLastError();
}

template <class Element>
cudaError_t make_views(cudaStream_t stream, std::int64_t views, const ViewBatch& batch, Element* to) {
  if (views <= 0 || views > INT32_MAX) return cudaErrorInvalidValue;
  // More than 48 KiB must be asked for.
  const auto bytes = static_cast<int>(view_memory(batch.side, batch.size));
  const cudaError_t status =
      cudaFuncSetAttribute(make_views_kernel<Element>, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  if (status != cudaSuccess) return status;
  make_views_kernel<<<static_cast<unsigned>(views), kBlock, bytes, stream>>>(batch, to);
  return cudaGetLastError();
}

}  // namespace lpl::rate::cuda

#include "rate/cuda/instances.hpp"
