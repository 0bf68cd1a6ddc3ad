// NVIDIA's part of the CUDA backend on the host, for cuda_twin_tests: the kernels' bodies in loops, and the calls of
// cuBLAS that the backend makes, computed literally, on the device of fake_device.cpp; fake_cudnn.cpp has those of
// cuDNN. So all of the backend but the threads and NVIDIA's libraries is run and compared where there is no device.
#include <cublas_v2.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "fake_stream.hpp"
#define LPL_CHECK_ALIGNED(address, bytes) check_aligned(address, bytes)
#include "fake_numbers.hpp"
#include "rate/cuda/kernels.hpp"
#include "support/column_block.hpp"
#include "support/sample_block.hpp"
#include "support/serial_block.hpp"
#include "support/warp.hpp"

namespace lpl::rate::cuda {

template <class Body>
cudaError_t for_each(cudaStream_t stream, std::int64_t count, const Body& body) {
  if (count == 0) return cudaSuccess;
  if (count < 0 || count > INT32_MAX) return cudaErrorInvalidValue;
  check_launch(blocks_of(static_cast<Index>(count)), 1, kBlock, 0);
  enqueue(stream, [count, body] {
    for (Index i = 0; i < count; ++i) body(i);
  });
  return cudaGetLastError();
}

template <class Body>
cudaError_t for_each_sample(cudaStream_t stream, std::int64_t samples, const Body& body) {
  if (samples == 0) return cudaSuccess;
  if (samples < 0 || samples > INT32_MAX || body.tiles.positions == 0) return cudaErrorInvalidValue;
  const Index groups = body.tiles.channels / Body::kGroup;
  const SampleBlock block = sample_block(groups, body.tiles.positions);
  check_launch(static_cast<std::size_t>(samples), (groups + block.groups - 1) / block.groups,
               block.groups * block.lanes, sizeof(float) * Body::kSums * kSampleThreads);
  enqueue(stream, [samples, body] { walk_samples(static_cast<Index>(samples), body); });
  return cudaGetLastError();
}

template <class Body>
cudaError_t for_each_warp(cudaStream_t stream, std::int64_t warps, const Body& body) {
  if (warps == 0) return cudaSuccess;
  if (warps < 0 || warps > INT32_MAX || body.maps.windows == 0) return cudaErrorInvalidValue;
  const auto count = static_cast<Index>(warps);
  check_launch((count + kBlockWarps - 1) / kBlockWarps, 1, kBlockWarps * kWarp, 0);
  enqueue(stream, [count, body] {
    for (Index warp = 0; warp < count; ++warp) body(SerialWarp(), warp);
  });
  return cudaGetLastError();
}

template <class Value>
cudaError_t sum_columns(cudaStream_t stream, Index rows, Index columns, const Value& value, double* parts) {
  const Index chunks = chunks_of(rows);
  if (chunks == 0 || columns == 0) return cudaErrorInvalidValue;
  check_launch(column_blocks_of(columns), chunks, kColumns * kLanes, sizeof(double) * kColumns * kLanes);
  enqueue(stream, [=] {
    for (Index chunk = 0; chunk < chunks; ++chunk)
      for (Index column = 0; column < columns; ++column) {
        double total = 0;
        for (Index lane = 0; lane < kLanes; ++lane) total += lane_sum(value, rows, chunks, chunk, lane, column);
        parts[chunk * columns + column] = total;
      }
  });
  return cudaGetLastError();
}

template <class Body>
cudaError_t for_each_column(cudaStream_t stream, const Body& body) {
  if (body.z.columns == 0) return cudaErrorInvalidValue;
  check_launch((body.z.columns + kBlockColumns - 1) / kBlockColumns, 1, kBlockColumns * kColumnLanes,
               sizeof(double) * (kMostColumnSums * kColumnLanes * kBlockColumns + column_memory(kBlockColumns)));
  enqueue(stream, [body] { walk_columns(body); });
  return cudaGetLastError();
}

cudaError_t sum_losses(cudaStream_t stream, const LossSums& sums, Index count, float* to) {
  if (count == 0 || count > kLossTerms) return cudaErrorInvalidValue;
  check_launch(count, 1, kBlock, sizeof(double) * kBlock);
  enqueue(stream, [=] {
    for (Index i = 0; i < count; ++i) {
      const LossSum& loss = sums.losses[i];
      to[i] = static_cast<float>(loss.factor * thread_sum(loss.terms, loss.count, 0, 1));
    }
  });
  return cudaGetLastError();
}

template <class Element>
cudaError_t make_views(cudaStream_t stream, std::int64_t views, const ViewBatch& batch, Element* to) {
  if (views <= 0 || views > INT32_MAX) return cudaErrorInvalidValue;
  check_launch(static_cast<std::size_t>(views), 1, kBlock,
               static_cast<std::size_t>(view_memory(batch.side, batch.size)));
  enqueue(stream, [=] {
    for (Index view = 0; view < views; ++view)
      make_view(batch, view, view % 2 == 1, to + static_cast<std::size_t>(view) * (3 * batch.size * batch.size));
  });
  return cudaGetLastError();
}

}  // namespace lpl::rate::cuda

#include "rate/cuda/instances.hpp"

// ---- cuBLAS

struct cublasContext {
  cudaStream_t stream = nullptr;
};
cublasStatus_t cublasCreate_v2(cublasHandle_t* blas) {
  *blas = new cublasContext;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasDestroy_v2(cublasHandle_t blas) {
  delete blas;
  return CUBLAS_STATUS_SUCCESS;
}
// Without one cuBLAS allocates its own, which a graph cannot hold; a new stream undoes it.
cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t blas, void* memory, std::size_t bytes) {
  if (!blas->stream) end_test("cuBLAS has a workspace before it has a stream");
  check_memory(memory, bytes, "cublasSetWorkspace");
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetStream_v2(cublasHandle_t blas, cudaStream_t stream) {
  blas->stream = stream;
  return CUBLAS_STATUS_SUCCESS;
}
const char* cublasGetStatusString(cublasStatus_t) { return "an error"; }

namespace {

// c (m x n) = alpha op(a) op(b) + beta c, by columns.
struct Product {
  cublasOperation_t ta, tb;
  std::int64_t m, n, k, lda, ldb, ldc;
  bool bfloat_factors, bfloat_product;
  float alpha, beta;
  bool valid() const { return lda >= (ta == CUBLAS_OP_N ? m : k) && ldb >= (tb == CUBLAS_OP_N ? k : n) && ldc >= m; }
  void form(const void* a, const void* b, void* c) const {
    for (std::int64_t j = 0; j < n; ++j)
      for (std::int64_t i = 0; i < m; ++i) {
        float sum = 0;
        for (std::int64_t l = 0; l < k; ++l)
          sum += load(a, bfloat_factors, ta == CUBLAS_OP_N ? l * lda + i : i * lda + l) *
                 load(b, bfloat_factors, tb == CUBLAS_OP_N ? j * ldb + l : l * ldb + j);
        sum *= alpha;
        store(beta == 0 ? sum : sum + beta * load(c, bfloat_product, j * ldc + i), c, bfloat_product, j * ldc + i);
      }
  }
};

float number(const void* scalar) { return *static_cast<const float*>(scalar); }

}  // namespace

cublasStatus_t cublasGemmEx_64(cublasHandle_t blas, cublasOperation_t ta, cublasOperation_t tb, std::int64_t m,
                               std::int64_t n, std::int64_t k, const void* alpha, const void* a, cudaDataType type_a,
                               std::int64_t lda, const void* b, cudaDataType type_b, std::int64_t ldb, const void* beta,
                               void* c, cudaDataType type_c, std::int64_t ldc, cublasComputeType_t, cublasGemmAlgo_t) {
  const Product product{
      ta, tb, m, n, k, lda, ldb, ldc, type_a == CUDA_R_16BF, type_c == CUDA_R_16BF, number(alpha), number(beta)};
  if (!product.valid() || type_a != type_b) return CUBLAS_STATUS_INVALID_VALUE;
  enqueue(blas->stream, [=] { product.form(a, b, c); });
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGemmStridedBatchedEx_64(cublasHandle_t blas, cublasOperation_t ta, cublasOperation_t tb,
                                             std::int64_t m, std::int64_t n, std::int64_t k, const void* alpha,
                                             const void* a, cudaDataType type_a, std::int64_t lda, long long step_a,
                                             const void* b, cudaDataType type_b, std::int64_t ldb, long long step_b,
                                             const void* beta, void* c, cudaDataType type_c, std::int64_t ldc,
                                             long long step_c, std::int64_t batches, cublasComputeType_t,
                                             cublasGemmAlgo_t) {
  const Product product{ta, tb, m, n, k, lda, ldb, ldc, false, false, number(alpha), number(beta)};
  if (!product.valid() || type_a != CUDA_R_32F || type_b != CUDA_R_32F || type_c != CUDA_R_32F)
    return CUBLAS_STATUS_INVALID_VALUE;
  enqueue(blas->stream, [=] {
    for (std::int64_t i = 0; i < batches; ++i)
      product.form(static_cast<const float*>(a) + i * step_a, static_cast<const float*>(b) + i * step_b,
                   static_cast<float*>(c) + i * step_c);
  });
  return CUBLAS_STATUS_SUCCESS;
}
