// A device on the host, for cuda_twin_tests: the kernels' bodies in loops, the CUDA runtime with everything done at
// once, and the calls of cuBLAS and cuDNN that the backend makes, computed literally. So all of the backend but the
// threads and NVIDIA's libraries is run and compared where there is no device. Fresh memory is filled with what is no
// number. While a stream is captured, calls are kept and not done.
#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <cudnn.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <set>
#include <vector>

#include "fake_stream.hpp"
#include "rate/cuda/kernels.hpp"
#include "support/serial_block.hpp"
#include "support/column_block.hpp"
#include "support/sample_block.hpp"

struct CUgraph_st {
  std::vector<std::function<void()>> calls;
  std::vector<void*> memory;
  std::set<void*> taken;  // and not given back
  bool valid = true;
  std::size_t allocations = 0;
  ~CUgraph_st() {
    for (void* m : memory) std::free(m);
  }
};

namespace {

CUgraph_st* capture = nullptr;

}  // namespace

void enqueue(std::function<void()> call) {
  if (capture)
    capture->calls.push_back(std::move(call));
  else
    call();
}

namespace lpl::rate::cuda {

template <class Body>
cudaError_t for_each(cudaStream_t, std::int64_t count, const Body& body) {
  if (count < 0 || count > INT32_MAX) return cudaErrorInvalidValue;
  enqueue([count, body] {
    for (Index i = 0; i < count; ++i) body(i);
  });
  return cudaSuccess;
}

template <class Body>
cudaError_t for_each_sample(cudaStream_t, std::int64_t samples, const Body& body) {
  if (samples < 0 || samples > INT32_MAX || body.tiles.positions == 0) return cudaErrorInvalidValue;
  enqueue([samples, body] { walk_samples(static_cast<Index>(samples), body); });
  return cudaSuccess;
}

template <class Value>
cudaError_t sum_columns(cudaStream_t, Index rows, Index columns, const Value& value, double* parts) {
  const Index chunks = chunks_of(rows);
  if (chunks == 0 || columns == 0) return cudaErrorInvalidValue;
  enqueue([=] {
    for (Index chunk = 0; chunk < chunks; ++chunk)
      for (Index column = 0; column < columns; ++column) {
        double total = 0;
        for (Index lane = 0; lane < kLanes; ++lane) total += lane_sum(value, rows, chunks, chunk, lane, column);
        parts[chunk * columns + column] = total;
      }
  });
  return cudaSuccess;
}

template <class Body>
cudaError_t for_each_column(cudaStream_t, const Body& body) {
  if (body.z.columns == 0) return cudaErrorInvalidValue;
  enqueue([body] { walk_columns(body); });
  return cudaSuccess;
}

cudaError_t sum_losses(cudaStream_t, const LossSums& sums, Index count, float* to) {
  if (count == 0 || count > kMostLosses) return cudaErrorInvalidValue;
  enqueue([=] {
    for (Index i = 0; i < count; ++i) {
      const LossSum& loss = sums.losses[i];
      to[i] = static_cast<float>(loss.factor * thread_sum(loss.terms, loss.count, 0, 1));
    }
  });
  return cudaSuccess;
}

template <class Element>
cudaError_t make_views(cudaStream_t, std::int64_t views, const ViewBatch& batch, Element* to) {
  enqueue([=] {
    for (Index view = 0; view < views; ++view)
      make_view(batch, view, view % 2 == 1, to + static_cast<std::size_t>(view) * (3 * batch.size * batch.size));
  });
  return cudaSuccess;
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

// Of room for a whole data set most is never touched.
constexpr std::size_t kFilled = 64 << 20;

cudaError_t allocate(void** memory, std::size_t bytes) {
  *memory = std::malloc(bytes);
  std::memset(*memory, 0xff, std::min(bytes, kFilled));
  return cudaSuccess;
}

// LPL_DEVICE_FULL="R N": of rank R, from the N-th time on that memory is asked for.
bool is_full() {
  static const char* const when = std::getenv("LPL_DEVICE_FULL");
  static const char* const rank = std::getenv("OMPI_COMM_WORLD_RANK");
  static int asked = 0;
  int full_rank = 0, full_after = 0;
  if (!when || std::sscanf(when, "%d %d", &full_rank, &full_after) != 2) return false;
  return std::atoi(rank ? rank : "0") == full_rank && ++asked >= full_after;
}

template <class T>
T* handle() {
  return reinterpret_cast<T*>(std::malloc(1));
}

}  // namespace

// ---- CUDA runtime

// A rank takes one of its own.
constexpr int kDevices = 4;
cudaError_t cudaGetDeviceCount(int* count) {
  *count = kDevices;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetPCIBusId(char* address, int size, int device) {
  if (device < 0 || device >= kDevices) return cudaErrorInvalidDevice;
  std::snprintf(address, static_cast<std::size_t>(size), "host:%d", device);
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {};
  std::strcpy(properties->name, "host");
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int) { return cudaSuccess; }
cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr, int) {
  *value = 163 << 10;  // shared memory of a block, as of an A100
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  *free = *total = std::size_t{4} << 30;
  return cudaSuccess;
}
cudaError_t cudaGetLastError() { return cudaSuccess; }
const char* cudaGetErrorName(cudaError_t) { return "an error"; }
const char* cudaGetErrorString(cudaError_t status) {
  return status == cudaErrorMemoryAllocation ? "out of memory" : "an error";
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t*, unsigned) { return cudaSuccess; }
cudaError_t cudaStreamDestroy(cudaStream_t) { return cudaSuccess; }
cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }
cudaError_t cudaEventCreateWithFlags(cudaEvent_t*, unsigned) { return cudaSuccess; }
cudaError_t cudaEventDestroy(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) { return cudaSuccess; }
cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t*, int) { return cudaSuccess; }
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, std::size_t) { return cudaSuccess; }
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) { return cudaSuccess; }
cudaError_t cudaMalloc(void** memory, std::size_t bytes) { return allocate(memory, bytes); }
cudaError_t cudaMallocAsync(void** memory, std::size_t bytes, cudaStream_t) {
  if (is_full()) return cudaErrorMemoryAllocation;
  allocate(memory, bytes);
  if (!capture) return cudaSuccess;
  capture->memory.push_back(*memory);
  capture->taken.insert(*memory);
  ++capture->allocations;
  enqueue([fresh = *memory, bytes] { std::memset(fresh, 0xff, bytes); });
  return cudaSuccess;
}
cudaError_t cudaMallocHost(void** memory, std::size_t bytes) { return allocate(memory, bytes); }
cudaError_t cudaFree(void* memory) {
  std::free(memory);
  return cudaSuccess;
}
cudaError_t cudaFreeAsync(void* memory, cudaStream_t) {
  if (!capture) return cudaFree(memory);
  if (capture->taken.erase(memory) == 0) capture->valid = false;
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* memory) {
  std::free(memory);
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind, cudaStream_t) {
  enqueue([=] { std::memcpy(to, from, bytes); });
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* memory, int value, std::size_t bytes, cudaStream_t) {
  enqueue([=] { std::memset(memory, value, bytes); });
  return cudaSuccess;
}

// A graph and what can be launched of it are the same thing here. One that frees memory from before it, or keeps memory
// of its own, could not be launched twice on a device.
struct CUgraphExec_st : CUgraph_st {};
cudaError_t cudaStreamBeginCapture(cudaStream_t, cudaStreamCaptureMode) {
  capture = new CUgraphExec_st;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t* graph) {
  *graph = capture;
  capture = nullptr;
  return (*graph)->valid && (*graph)->taken.empty() ? cudaSuccess : cudaErrorStreamCaptureInvalidated;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  *executable = new CUgraphExec_st;
  std::swap(**executable, *static_cast<CUgraphExec_st*>(graph));
  // What a device would do for each launch. Memory that is filled here is made there.
  if (std::getenv("LPL_DEVICE_COUNTS"))
    std::fprintf(stderr, "recorded: %zu operations, %zu allocations\n",
                 (*executable)->calls.size() - (*executable)->allocations, (*executable)->allocations);
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete static_cast<CUgraphExec_st*>(graph);
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t) {
  for (const auto& call : executable->calls) call();
  return cudaSuccess;
}

// ---- cuBLAS

cublasStatus_t cublasCreate_v2(cublasHandle_t* blas) {
  *blas = handle<cublasContext>();
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasDestroy_v2(cublasHandle_t blas) {
  std::free(blas);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t, void*, std::size_t) { return CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasSetStream_v2(cublasHandle_t, cudaStream_t) { return CUBLAS_STATUS_SUCCESS; }
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

cublasStatus_t cublasGemmEx_64(cublasHandle_t, cublasOperation_t ta, cublasOperation_t tb, std::int64_t m,
                               std::int64_t n, std::int64_t k, const void* alpha, const void* a, cudaDataType type_a,
                               std::int64_t lda, const void* b, cudaDataType type_b, std::int64_t ldb, const void* beta,
                               void* c, cudaDataType type_c, std::int64_t ldc, cublasComputeType_t, cublasGemmAlgo_t) {
  const Product product{
      ta, tb, m, n, k, lda, ldb, ldc, type_a == CUDA_R_16BF, type_c == CUDA_R_16BF, number(alpha), number(beta)};
  if (!product.valid() || type_a != type_b) return CUBLAS_STATUS_INVALID_VALUE;
  enqueue([=] { product.form(a, b, c); });
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGemmStridedBatchedEx_64(cublasHandle_t, cublasOperation_t ta, cublasOperation_t tb, std::int64_t m,
                                             std::int64_t n, std::int64_t k, const void* alpha, const void* a,
                                             cudaDataType type_a, std::int64_t lda, long long step_a, const void* b,
                                             cudaDataType type_b, std::int64_t ldb, long long step_b, const void* beta,
                                             void* c, cudaDataType type_c, std::int64_t ldc, long long step_c,
                                             std::int64_t batches, cublasComputeType_t, cublasGemmAlgo_t) {
  const Product product{ta, tb, m, n, k, lda, ldb, ldc, false, false, number(alpha), number(beta)};
  if (!product.valid() || type_a != CUDA_R_32F || type_b != CUDA_R_32F || type_c != CUDA_R_32F)
    return CUBLAS_STATUS_INVALID_VALUE;
  enqueue([=] {
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
void cudnnGetLastErrorString(char* message, std::size_t) { *message = 0; }
cudnnStatus_t cudnnCreate(cudnnHandle_t* dnn) {
  *dnn = handle<cudnnContext>();
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnDestroy(cudnnHandle_t dnn) {
  std::free(dnn);
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetStream(cudnnHandle_t, cudaStream_t) { return CUDNN_STATUS_SUCCESS; }
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
// that says yes and fails, and one to take. Numbers are those of all three operations.
constexpr int kTransforming = 4, kFailing = 3, kGood = 1;
template <class Offer>
cudnnStatus_t offer(int most, int* count, Offer* offers) {
  const int algorithms[] = {0, kTransforming, 0, kFailing, kGood};
  *count = 5;
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

// Sums products into a zeroed result of float32, then stores it. `to(sums, x, w, y)` adds one product.
template <class F>
cudnnStatus_t convolve(cudnnTensorDescriptor_t x, cudnnFilterDescriptor_t w, cudnnConvolutionDescriptor_t conv,
                       cudnnTensorDescriptor_t y, const cudnnTensorStruct result, void* out, int algorithm, F to) {
  const bool math = x->bfloat ? conv->math == CUDNN_TENSOR_OP_MATH : conv->math == CUDNN_FMA_MATH;
  if (algorithm == kTransforming && !x->bfloat) std::abort();  // not as exact as was asked for
  if (algorithm != kGood || !math) return CUDNN_STATUS_NOT_SUPPORTED;
  enqueue([=] {
    std::vector<float> sums(static_cast<std::size_t>(size_of(result)), 0.0f);
    for_each_product(x, w, conv, y, [&](std::int64_t i, std::int64_t j, std::int64_t k) { to(sums.data(), i, j, k); });
    for (std::int64_t i = 0; i < size_of(result); ++i) store(sums[static_cast<std::size_t>(i)], out, result.bfloat, i);
  });
  return CUDNN_STATUS_SUCCESS;
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
                                                      cudnnConvolutionFwdAlgo_t, std::size_t* bytes) {
  *bytes = 0;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnGetConvolutionBackwardFilterWorkspaceSize(cudnnHandle_t, cudnnTensorDescriptor_t,
                                                             cudnnTensorDescriptor_t, cudnnConvolutionDescriptor_t,
                                                             cudnnFilterDescriptor_t, cudnnConvolutionBwdFilterAlgo_t,
                                                             std::size_t* bytes) {
  *bytes = 64;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnGetConvolutionBackwardDataWorkspaceSize(cudnnHandle_t, cudnnFilterDescriptor_t,
                                                           cudnnTensorDescriptor_t, cudnnConvolutionDescriptor_t,
                                                           cudnnTensorDescriptor_t, cudnnConvolutionBwdDataAlgo_t,
                                                           std::size_t* bytes) {
  *bytes = 64;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnConvolutionForward(cudnnHandle_t, const void*, cudnnTensorDescriptor_t x, const void* px,
                                      cudnnFilterDescriptor_t w, const void* pw, cudnnConvolutionDescriptor_t conv,
                                      cudnnConvolutionFwdAlgo_t algorithm, void*, std::size_t, const void*,
                                      cudnnTensorDescriptor_t y, void* py) {
  return convolve(x, w, conv, y, *y, py, algorithm, [=](float* sums, std::int64_t i, std::int64_t j, std::int64_t k) {
    sums[k] += load(px, x->bfloat, i) * load(pw, w->bfloat, j);
  });
}
cudnnStatus_t cudnnConvolutionBackwardFilter(cudnnHandle_t, const void*, cudnnTensorDescriptor_t x, const void* px,
                                             cudnnTensorDescriptor_t y, const void* py,
                                             cudnnConvolutionDescriptor_t conv,
                                             cudnnConvolutionBwdFilterAlgo_t algorithm, void*, std::size_t, const void*,
                                             cudnnFilterDescriptor_t w, void* pw) {
  return convolve(x, w, conv, y, *w, pw, algorithm, [=](float* sums, std::int64_t i, std::int64_t j, std::int64_t k) {
    sums[j] += load(px, x->bfloat, i) * load(py, y->bfloat, k);
  });
}
cudnnStatus_t cudnnConvolutionBackwardData(cudnnHandle_t, const void*, cudnnFilterDescriptor_t w, const void* pw,
                                           cudnnTensorDescriptor_t y, const void* py, cudnnConvolutionDescriptor_t conv,
                                           cudnnConvolutionBwdDataAlgo_t algorithm, void*, std::size_t, const void*,
                                           cudnnTensorDescriptor_t x, void* px) {
  return convolve(x, w, conv, y, *x, px, algorithm, [=](float* sums, std::int64_t i, std::int64_t j, std::int64_t k) {
    sums[i] += load(pw, w->bfloat, j) * load(py, y->bfloat, k);
  });
}
