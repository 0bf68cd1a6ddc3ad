#include "rate/cuda/device.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <exception>

#include "core/errors.hpp"
#include "rate/cuda/backend.hpp"

namespace lpl::rate {

int cuda_device_count() {
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess) return count;
  cudaGetLastError();  // no driver is no error
  return 0;
}

}  // namespace lpl::rate

namespace lpl::rate::cuda {
namespace {

constexpr std::size_t kBlasWorkspace = 32 << 20;  // what cuBLAS recommends for the newest devices

}  // namespace

std::shared_ptr<Device> Device::open(int index) {
  const int count = cuda_device_count();
  if (index < 0 || index >= count)
    throw ConfigError(count == 0 ? "no CUDA device: there is none here, or no driver for it; use --device cpu"
                                 : fmt::format("no CUDA device {}: this machine has 0 to {}", index, count - 1));
  return std::shared_ptr<Device>(new Device(index));
}

Device::Device(int index) : name_(fmt::format("CUDA device {}", index)) {
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, index), "cudaGetDeviceProperties");
  name_ += fmt::format(" ({})", properties.name);
  check(cudaSetDevice(index), "cudaSetDevice");
  check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  check(cublasCreate(&blas_), "cublasCreate");
  check(cublasSetStream(blas_, stream_), "cublasSetStream");
  check(cudnnCreate(&dnn_), "cudnnCreate");
  check(cudnnSetStream(dnn_, stream_), "cudnnSetStream");
  for (Staging& s : stagings_)
    check(cudaEventCreateWithFlags(&s.sent, cudaEventDisableTiming), "cudaEventCreateWithFlags");
  // cuBLAS would otherwise allocate its own, which a graph cannot hold.
  check(cudaMalloc(&blas_workspace_, kBlasWorkspace), "cudaMalloc of the workspace of cuBLAS");
  check(cublasSetWorkspace(blas_, blas_workspace_, kBlasWorkspace), "cublasSetWorkspace");
  // Memory that was given back stays with the process.
  check(cudaDeviceGetDefaultMemPool(&pool_, index), "cudaDeviceGetDefaultMemPool");
  std::uint64_t keep = UINT64_MAX;
  check(cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrReleaseThreshold, &keep), "cudaMemPoolSetAttribute");
}

// The process is about to end, or an error is on its way: nobody could do anything about another one.
Device::~Device() {
  cudaStreamSynchronize(stream_);
  for (Staging& s : stagings_) {
    cudaEventDestroy(s.sent);
    if (s.memory) cudaFreeHost(s.memory);
  }
  cudnnDestroy(dnn_);
  cublasDestroy(blas_);
  cudaFree(blas_workspace_);
  cudaStreamDestroy(stream_);
}

void Device::check(cudaError_t status, std::string_view call) const {
  if (status != cudaSuccess)
    throw DeviceError(
        fmt::format("{}: {} failed: {} ({})", name_, call, cudaGetErrorString(status), cudaGetErrorName(status)));
}
void Device::check(cublasStatus_t status, std::string_view call) const {
  if (status != CUBLAS_STATUS_SUCCESS)
    throw DeviceError(fmt::format("{}: {} failed: {}", name_, call, cublasGetStatusString(status)));
}
void Device::check(cudnnStatus_t status, std::string_view call) const {
  if (status == CUDNN_STATUS_SUCCESS) return;
  char detail[512] = {};
  cudnnGetLastErrorString(detail, sizeof detail);
  throw DeviceError(fmt::format("{}: {} failed: {} {}", name_, call, cudnnGetErrorString(status), detail));
}

std::shared_ptr<void> Device::allocate(std::int64_t bytes) {
  void* memory = nullptr;
  const cudaError_t status =
      cudaMallocAsync(&memory, static_cast<std::size_t>(std::max<std::int64_t>(bytes, 1)), stream_);
  if (status == cudaErrorMemoryAllocation)
    throw DeviceError(
        fmt::format("{}: out of memory: another {} MiB do not fit; use a smaller batch, "
                    "training.precision = \"bf16\" or more devices",
                    name_, (bytes >> 20) + 1));
  check(status, "cudaMallocAsync");
  // A failure to free shows in the next call: errors of a device stay.
  return {memory, [device = shared_from_this()](void* p) { cudaFreeAsync(p, device->stream_); }};
}

void Device::clear(void* memory, std::int64_t bytes) {
  check(cudaMemsetAsync(memory, 0, static_cast<std::size_t>(bytes), stream_), "cudaMemsetAsync");
}

void Device::copy(void* to, const void* from, std::int64_t bytes) {
  check(cudaMemcpyAsync(to, from, static_cast<std::size_t>(bytes), cudaMemcpyDeviceToDevice, stream_),
        "cudaMemcpyAsync on the device");
}

// Relaxed: libraries may do on the way what cannot be recorded but does no harm, such as loading a kernel. A graph has
// memory of its own, as much as the same calls took before; that goes back first.
Device::Graph Device::record(const std::function<void()>& enqueue) {
  check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");
  check(cudaMemPoolTrimTo(pool_, 0), "cudaMemPoolTrimTo");
  check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeRelaxed), "cudaStreamBeginCapture");
  recording_ = true;
  std::exception_ptr failure;
  try {
    enqueue();
  } catch (...) {
    failure = std::current_exception();
  }
  recording_ = false;
  cudaGraph_t graph = nullptr;
  const cudaError_t ended = cudaStreamEndCapture(stream_, &graph);
  const std::unique_ptr<CUgraph_st, decltype(&cudaGraphDestroy)> owner(graph, &cudaGraphDestroy);
  if (failure) std::rethrow_exception(failure);
  check(ended, "cudaStreamEndCapture");
  cudaGraphExec_t executable = nullptr;
  check(cudaGraphInstantiate(&executable, graph, 0), "cudaGraphInstantiate");
  return {executable, [device = shared_from_this()](cudaGraphExec_t g) {
            // Where an exception is on its way, what was launched may wait for other ranks for ever.
            if (std::uncaught_exceptions() == 0) cudaStreamSynchronize(device->stream_);
            cudaGraphExecDestroy(g);
          }};
}

void Device::launch(const Graph& graph) { check(cudaGraphLaunch(graph.get(), stream_), "cudaGraphLaunch"); }

void Device::refuse_recording(std::string_view call) const {
  if (recording_)
    throw Error(fmt::format("{}: {} in a step that is recorded, which cannot reach the host", name_, call));
}

void* Device::staging(std::int64_t bytes) {
  refuse_recording("an upload");
  turn_ = (turn_ + 1) % stagings_.size();
  Staging& s = stagings_[turn_];
  check(cudaEventSynchronize(s.sent), "cudaEventSynchronize");
  if (s.bytes < bytes) {
    if (s.memory) check(cudaFreeHost(s.memory), "cudaFreeHost");
    s = {nullptr, 0, s.sent};
    check(cudaMallocHost(&s.memory, static_cast<std::size_t>(bytes)), "cudaMallocHost");
    s.bytes = bytes;
  }
  return s.memory;
}

void Device::send(void* to, const void* staged, std::int64_t bytes) {
  check(cudaMemcpyAsync(to, staged, static_cast<std::size_t>(bytes), cudaMemcpyHostToDevice, stream_),
        "cudaMemcpyAsync to the device");
  check(cudaEventRecord(stagings_[turn_].sent, stream_), "cudaEventRecord");
}

void Device::download(void* to, const void* from, std::int64_t bytes) {
  refuse_recording("a download");
  if (bytes == 0) return;
  check(cudaMemcpyAsync(to, from, static_cast<std::size_t>(bytes), cudaMemcpyDeviceToHost, stream_),
        "cudaMemcpyAsync from the device");
  check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");
}

}  // namespace lpl::rate::cuda
