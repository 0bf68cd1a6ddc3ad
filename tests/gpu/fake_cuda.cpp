// NVIDIA's part of the CUDA backend on the host, for cuda_twin_tests: the kernels' bodies in loops, and the calls of
// cuBLAS and cuDNN that the backend makes, computed literally, on the device of fake_device.cpp. So all of the backend
// but the threads and NVIDIA's libraries is run and compared where there is no device.
#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <cudnn.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

#include "fake_stream.hpp"
#define LPL_CHECK_ALIGNED(address, bytes) check_aligned(address, bytes)
#include "rate/cuda/kernels.hpp"
#include "support/column_block.hpp"
#include "support/sample_block.hpp"
#include "support/serial_block.hpp"

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

namespace {

using lpl::rate::cuda::narrow;
using lpl::rate::cuda::widen;

float load(const void* data, bool bfloat, std::int64_t i) {
  return bfloat ? widen(static_cast<const std::uint16_t*>(data)[i]) : static_cast<const float*>(data)[i];
}
void store(float value, void* data, bool bfloat, std::int64_t i) {
  if (bfloat)
    narrow(value, static_cast<std::uint16_t*>(data)[i]);
  else
    static_cast<float*>(data)[i] = value;
}

}  // namespace

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

// ---- cuDNN: maps and filters channels-last

struct cudnnTensorStruct {
  bool bfloat;
  int samples, channels, rows, columns;
  std::int64_t at(int n, int r, int c, int k) const {
    return ((static_cast<std::int64_t>(n) * rows + r) * columns + c) * channels + k;
  }
};
struct cudnnFilterStruct : cudnnTensorStruct {};
struct cudnnConvolutionStruct {
  int padding, stride;
  cudnnMathType_t math;
};

std::size_t cudnnGetVersion() { return CUDNN_VERSION; }
const char* cudnnGetErrorString(cudnnStatus_t) { return "an error"; }
void cudnnGetLastErrorString(char* message, std::size_t bytes) { std::snprintf(message, bytes, "as told by cuDNN"); }
struct cudnnContext {
  cudaStream_t stream = nullptr;
};
cudnnStatus_t cudnnCreate(cudnnHandle_t* dnn) {
  *dnn = new cudnnContext;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnDestroy(cudnnHandle_t dnn) {
  delete dnn;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetStream(cudnnHandle_t dnn, cudaStream_t stream) {
  dnn->stream = stream;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnCreateTensorDescriptor(cudnnTensorDescriptor_t* d) {
  *d = new cudnnTensorStruct{};
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnCreateFilterDescriptor(cudnnFilterDescriptor_t* d) {
  *d = new cudnnFilterStruct{};
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnCreateConvolutionDescriptor(cudnnConvolutionDescriptor_t* d) {
  *d = new cudnnConvolutionStruct{};
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnDestroyTensorDescriptor(cudnnTensorDescriptor_t d) {
  delete d;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnDestroyFilterDescriptor(cudnnFilterDescriptor_t d) {
  delete d;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnDestroyConvolutionDescriptor(cudnnConvolutionDescriptor_t d) {
  delete d;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetTensor4dDescriptor(cudnnTensorDescriptor_t d, cudnnTensorFormat_t format, cudnnDataType_t type,
                                         int n, int c, int h, int w) {
  *d = {type == CUDNN_DATA_BFLOAT16, n, c, h, w};
  return format == CUDNN_TENSOR_NHWC ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_BAD_PARAM;
}
cudnnStatus_t cudnnSetFilter4dDescriptor(cudnnFilterDescriptor_t d, cudnnDataType_t type, cudnnTensorFormat_t format,
                                         int k, int c, int h, int w) {
  *d = {{type == CUDNN_DATA_BFLOAT16, k, c, h, w}};
  return format == CUDNN_TENSOR_NHWC ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_BAD_PARAM;
}
cudnnStatus_t cudnnSetConvolution2dDescriptor(cudnnConvolutionDescriptor_t d, int padding, int, int stride, int, int,
                                              int, cudnnConvolutionMode_t mode, cudnnDataType_t sums) {
  *d = {padding, stride, CUDNN_DEFAULT_MATH};
  return mode == CUDNN_CROSS_CORRELATION && sums == CUDNN_DATA_FLOAT ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_BAD_PARAM;
}
cudnnStatus_t cudnnSetConvolutionMathType(cudnnConvolutionDescriptor_t d, cudnnMathType_t math) {
  d->math = math;
  return CUDNN_STATUS_SUCCESS;
}

namespace {

// Offers, in this order, an algorithm that is not deterministic, one that transforms the maps, one that says no, one
// that says yes and fails (with LPL_CUDNN_FAILURE), one that needs more memory than a device has, one that needs a fair
// share of it, and one to take. Numbers are those of all three operations; where 2 and 3 transform they are passed
// over.
constexpr int kTransforming = 4, kFailing = 3, kGreedy = 0, kLarge = 2, kGood = 1;
template <class Offer>
cudnnStatus_t offer(int most, int* count, Offer* offers) {
  const int algorithms[] = {kGood, kTransforming, kGood, kFailing, kGreedy, kLarge, kGood};
  *count = 7;
  if (most < *count) return CUDNN_STATUS_BAD_PARAM;
  for (int i = 0; i < *count; ++i) {
    offers[i] = {};
    offers[i].algo = static_cast<decltype(offers[i].algo)>(algorithms[i]);
    offers[i].status = i == 2 ? CUDNN_STATUS_NOT_SUPPORTED : CUDNN_STATUS_SUCCESS;
    offers[i].determinism = i == 0 ? CUDNN_NON_DETERMINISTIC : CUDNN_DETERMINISTIC;
    offers[i].mathType = CUDNN_TENSOR_OP_MATH;
  }
  return CUDNN_STATUS_SUCCESS;
}

// Calls f(index of x, of w, of y) for every product of a convolution, y by y.
template <class F>
void for_each_product(cudnnTensorDescriptor_t x, cudnnFilterDescriptor_t w, cudnnConvolutionDescriptor_t conv,
                      cudnnTensorDescriptor_t y, F f) {
  for (int n = 0; n < y->samples; ++n)
    for (int r = 0; r < y->rows; ++r)
      for (int c = 0; c < y->columns; ++c)
        for (int k = 0; k < y->channels; ++k)
          for (int i = 0; i < w->rows; ++i)
            for (int j = 0; j < w->columns; ++j) {
              const int row = r * conv->stride + i - conv->padding, column = c * conv->stride + j - conv->padding;
              if (row < 0 || row >= x->rows || column < 0 || column >= x->columns) continue;
              for (int m = 0; m < x->channels; ++m) f(x->at(n, row, column, m), w->at(k, i, j, m), y->at(n, r, c, k));
            }
}

std::int64_t size_of(const cudnnTensorStruct& d) {
  return static_cast<std::int64_t>(d.samples) * d.channels * d.rows * d.columns;
}

cudnnStatus_t size_workspace(int algorithm, std::size_t* bytes) {
  *bytes = algorithm == kGreedy ? std::size_t{1} << 40 : algorithm == kLarge ? std::size_t{1} << 20 : 64;
  return CUDNN_STATUS_SUCCESS;
}

struct Workspace {
  void* memory;
  std::size_t bytes;
};

// Sums products into a zeroed result of float32, then stores it. `to(sums, x, w, y)` adds one product.
template <class F>
cudnnStatus_t convolve(cudnnHandle_t dnn, cudnnTensorDescriptor_t x, cudnnFilterDescriptor_t w,
                       cudnnConvolutionDescriptor_t conv, cudnnTensorDescriptor_t y, const cudnnTensorStruct result,
                       void* out, const Workspace& workspace, int algorithm, F to) {
  const bool math = x->bfloat ? conv->math == CUDNN_TENSOR_OP_MATH : conv->math == CUDNN_FMA_MATH;
  if (algorithm == kTransforming && !x->bfloat) end_test("an algorithm that is not as exact as was asked for");
  if (algorithm == kFailing) {
    const char* const status = std::getenv("LPL_CUDNN_FAILURE");
    return static_cast<cudnnStatus_t>(status ? std::atoi(status) : CUDNN_STATUS_NOT_SUPPORTED);
  }
  if ((algorithm != kGood && algorithm != kLarge) || !math) return CUDNN_STATUS_NOT_SUPPORTED;
  std::size_t needed = 0;
  size_workspace(algorithm, &needed);
  if (workspace.bytes < needed) return CUDNN_STATUS_BAD_PARAM_SIZE_INSUFFICIENT;
  enqueue(dnn->stream, [=] {
    check_memory(workspace.memory, workspace.bytes, "a convolution's workspace");
    std::vector<float> sums(static_cast<std::size_t>(size_of(result)), 0.0f);
    for_each_product(x, w, conv, y, [&](std::int64_t i, std::int64_t j, std::int64_t k) { to(sums.data(), i, j, k); });
    for (std::int64_t i = 0; i < size_of(result); ++i) store(sums[static_cast<std::size_t>(i)], out, result.bfloat, i);
  });
  return CUDNN_STATUS_SUCCESS;
}

// As tensor cores want it.
bool aligned(const void* a, const void* b, const void* c) {
  return (reinterpret_cast<std::uintptr_t>(a) | reinterpret_cast<std::uintptr_t>(b) |
          reinterpret_cast<std::uintptr_t>(c)) %
             16 ==
         0;
}

}  // namespace

cudnnStatus_t cudnnGetConvolutionForwardAlgorithm_v7(cudnnHandle_t, cudnnTensorDescriptor_t, cudnnFilterDescriptor_t,
                                                     cudnnConvolutionDescriptor_t, cudnnTensorDescriptor_t, int most,
                                                     int* count, cudnnConvolutionFwdAlgoPerf_t* offers) {
  return offer(most, count, offers);
}
cudnnStatus_t cudnnGetConvolutionBackwardFilterAlgorithm_v7(cudnnHandle_t, cudnnTensorDescriptor_t,
                                                            cudnnTensorDescriptor_t, cudnnConvolutionDescriptor_t,
                                                            cudnnFilterDescriptor_t, int most, int* count,
                                                            cudnnConvolutionBwdFilterAlgoPerf_t* offers) {
  return offer(most, count, offers);
}
cudnnStatus_t cudnnGetConvolutionBackwardDataAlgorithm_v7(cudnnHandle_t, cudnnFilterDescriptor_t,
                                                          cudnnTensorDescriptor_t, cudnnConvolutionDescriptor_t,
                                                          cudnnTensorDescriptor_t, int most, int* count,
                                                          cudnnConvolutionBwdDataAlgoPerf_t* offers) {
  return offer(most, count, offers);
}
cudnnStatus_t cudnnGetConvolutionForwardWorkspaceSize(cudnnHandle_t, cudnnTensorDescriptor_t, cudnnFilterDescriptor_t,
                                                      cudnnConvolutionDescriptor_t, cudnnTensorDescriptor_t,
                                                      cudnnConvolutionFwdAlgo_t algorithm, std::size_t* bytes) {
  return size_workspace(algorithm, bytes);
}
cudnnStatus_t cudnnGetConvolutionBackwardFilterWorkspaceSize(cudnnHandle_t, cudnnTensorDescriptor_t,
                                                             cudnnTensorDescriptor_t, cudnnConvolutionDescriptor_t,
                                                             cudnnFilterDescriptor_t,
                                                             cudnnConvolutionBwdFilterAlgo_t algorithm,
                                                             std::size_t* bytes) {
  return size_workspace(algorithm, bytes);
}
cudnnStatus_t cudnnGetConvolutionBackwardDataWorkspaceSize(cudnnHandle_t, cudnnFilterDescriptor_t,
                                                           cudnnTensorDescriptor_t, cudnnConvolutionDescriptor_t,
                                                           cudnnTensorDescriptor_t,
                                                           cudnnConvolutionBwdDataAlgo_t algorithm,
                                                           std::size_t* bytes) {
  return size_workspace(algorithm, bytes);
}
cudnnStatus_t cudnnConvolutionForward(cudnnHandle_t dnn, const void*, cudnnTensorDescriptor_t x, const void* px,
                                      cudnnFilterDescriptor_t w, const void* pw, cudnnConvolutionDescriptor_t conv,
                                      cudnnConvolutionFwdAlgo_t algorithm, void* workspace, std::size_t bytes,
                                      const void*, cudnnTensorDescriptor_t y, void* py) {
  if (!aligned(px, pw, py)) return CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER;
  return convolve(dnn, x, w, conv, y, *y, py, {workspace, bytes}, algorithm,
                  [=](float* sums, std::int64_t i, std::int64_t j, std::int64_t k) {
                    sums[k] += load(px, x->bfloat, i) * load(pw, w->bfloat, j);
                  });
}
cudnnStatus_t cudnnConvolutionBackwardFilter(cudnnHandle_t dnn, const void*, cudnnTensorDescriptor_t x, const void* px,
                                             cudnnTensorDescriptor_t y, const void* py,
                                             cudnnConvolutionDescriptor_t conv,
                                             cudnnConvolutionBwdFilterAlgo_t algorithm, void* workspace,
                                             std::size_t bytes, const void*, cudnnFilterDescriptor_t w, void* pw) {
  if (!aligned(px, pw, py)) return CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER;
  return convolve(dnn, x, w, conv, y, *w, pw, {workspace, bytes}, algorithm,
                  [=](float* sums, std::int64_t i, std::int64_t j, std::int64_t k) {
                    sums[j] += load(px, x->bfloat, i) * load(py, y->bfloat, k);
                  });
}
cudnnStatus_t cudnnConvolutionBackwardData(cudnnHandle_t dnn, const void*, cudnnFilterDescriptor_t w, const void* pw,
                                           cudnnTensorDescriptor_t y, const void* py, cudnnConvolutionDescriptor_t conv,
                                           cudnnConvolutionBwdDataAlgo_t algorithm, void* workspace, std::size_t bytes,
                                           const void*, cudnnTensorDescriptor_t x, void* px) {
  if (!aligned(px, pw, py)) return CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER;
  return convolve(dnn, x, w, conv, y, *x, px, {workspace, bytes}, algorithm,
                  [=](float* sums, std::int64_t i, std::int64_t j, std::int64_t k) {
                    sums[i] += load(pw, w->bfloat, j) * load(py, y->bfloat, k);
                  });
}
