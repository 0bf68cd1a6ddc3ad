#include "rate/cuda/device.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "core/errors.hpp"
#include "rate/cuda/backend.hpp"

namespace lpl::rate {
namespace {

std::string version(int number) { return fmt::format("{}.{}", number / 1000, number % 1000 / 10); }

// What is known of some errors, as what to do.
std::string_view advice(cudaError_t status) {
  switch (status) {
    case cudaErrorInsufficientDriver:
      return "; install a newer driver, or build lpl_rate with the driver's CUDA";
    case cudaErrorDevicesUnavailable:
      return "; another process may have the device for itself (see nvidia-smi)";
    case cudaErrorInvalidDevice:
      return "; look at CUDA_VISIBLE_DEVICES";
    case cudaErrorSystemNotReady:
      return "; see whether the fabric manager (nvidia-fabricmanager) is up";
    case cudaErrorSystemDriverMismatch:
      return "; the driver was changed while it ran: start this machine again";
    default:
      return "";
  }
}

std::string described(cudaError_t status) {
  return fmt::format("{} ({}, {})", cudaGetErrorString(status), cudaGetErrorName(status), static_cast<int>(status));
}

}  // namespace

int cuda_device_count() {
  int driver = 0, runtime = 0, count = 0;
  if (cudaDriverGetVersion(&driver) == cudaSuccess && driver == 0) return 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaSuccess) return count;
  cudaGetLastError();
  if (status == cudaErrorNoDevice) return 0;
  cudaRuntimeGetVersion(&runtime);
  throw Error(
      fmt::format("the driver of the CUDA devices fails: cudaGetDeviceCount: {}; the driver is for CUDA {}, lpl_rate "
                  "uses CUDA {}{}; nvidia-smi may say more, and --device cpu does without",
                  described(status), version(driver), version(runtime), advice(status)));
}

std::string cuda_device_address(int device) {
  char address[32] = {};
  if (cudaDeviceGetPCIBusId(address, sizeof address, device) == cudaSuccess) return address;
  cudaGetLastError();
  return "";
}

}  // namespace lpl::rate

// The tests' own device sees what an arena is used for: a piece of it is there from now on, or no longer.
#ifdef LPL_WATCHED_ARENA
void watch_piece(cudaStream_t stream, void* memory, std::size_t bytes, bool there);
#else
static void watch_piece(cudaStream_t, void*, std::size_t, bool) {}
#endif

namespace lpl::rate::cuda {
namespace {

constexpr std::size_t kBlasWorkspace = 32 << 20;  // what cuBLAS recommends for the newest devices

std::string mebibytes(std::int64_t bytes) { return fmt::format("{} MiB", (bytes >> 20) + 1); }

bool is_on(const char* variable) {
  const char* const value = std::getenv(variable);
  return value && std::string_view(value) != "" && std::string_view(value) != "0";
}

// Of work that was enqueued: a call that follows reports it.
bool is_fault_of_work(cudaError_t status) {
  switch (status) {
    case cudaErrorIllegalAddress:
    case cudaErrorMisalignedAddress:
    case cudaErrorLaunchFailure:
    case cudaErrorLaunchTimeout:
    case cudaErrorIllegalInstruction:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorHardwareStackError:
    case cudaErrorAssert:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::shared_ptr<Device> Device::open(int index) {
  const int count = cuda_device_count();
  if (index < 0 || index >= count)
    throw ConfigError(count == 0 ? "no CUDA device: there is none here, or no driver for it; use --device cpu"
                                 : fmt::format("no CUDA device {}: this machine has 0 to {}", index, count - 1));
  return std::shared_ptr<Device>(new Device(index));
}

Device::Device(int index) : name_(fmt::format("CUDA device {}", index)), logging_(is_on("LPL_CUDA_LOG")) {
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, index), "cudaGetDeviceProperties");
  name_ += fmt::format(" ({})", properties.name);
  memory_ = static_cast<std::int64_t>(properties.totalGlobalMem);
  check(cudaSetDevice(index), "cudaSetDevice");
  for (cudaStream_t* const stream : {&main_, &side_})
    check(cudaStreamCreateWithFlags(stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  stream_ = main_;
  check(cublasCreate(&blas_), "cublasCreate");
  check(cublasSetStream(blas_, stream_), "cublasSetStream");
  check(cudnnCreate(&dnn_), "cudnnCreate");
  check(cudnnSetStream(dnn_, stream_), "cudnnSetStream");
  const auto create = [this](cudaEvent_t& event) {
    check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreateWithFlags");
  };
  for (Staging& s : stagings_) create(s.sent);
  create(let_);
  create(made_);
  // cuBLAS would otherwise allocate its own, which a graph cannot hold.
  check(cudaMalloc(&blas_workspace_, kBlasWorkspace), "cudaMalloc of the workspace of cuBLAS");
  check(cublasSetWorkspace(blas_, blas_workspace_, kBlasWorkspace), "cublasSetWorkspace");
  // Memory that was given back stays with the process.
  check(cudaDeviceGetDefaultMemPool(&pool_, index), "cudaDeviceGetDefaultMemPool");
  std::uint64_t keep = UINT64_MAX;
  check(cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrReleaseThreshold, &keep), "cudaMemPoolSetAttribute");
  synchronous_ = is_on("LPL_CUDA_SYNC");
}

// The process is about to end, or an error is on its way: nobody could do anything about another one.
Device::~Device() {
  synchronise();
  cudaEventDestroy(let_);
  cudaEventDestroy(made_);
  for (Staging& s : stagings_) {
    cudaEventDestroy(s.sent);
    if (s.memory) cudaFreeHost(s.memory);
  }
  cudnnDestroy(dnn_);
  cublasDestroy(blas_);
  cudaFree(blas_workspace_);
  cudaStreamDestroy(side_);
  cudaStreamDestroy(main_);
}

void Device::log(std::string_view text) const {
  if (logging_) fmt::print(stderr, "{}: {}\n", name_, text);
}

std::int64_t Device::peak_memory() const {
  std::uint64_t pool = 0;
  check(cudaMemPoolGetAttribute(pool_, cudaMemPoolAttrReservedMemHigh, &pool), "cudaMemPoolGetAttribute");
  return static_cast<std::int64_t>(pool + kBlasWorkspace);
}

// What is told here is not to be blamed on the kernel that comes next.
void Device::fail(cudaError_t status, std::string_view call) const {
  cudaGetLastError();
  const bool elsewhere = is_fault_of_work(status) && !synchronous_;
  throw DeviceError(
      fmt::format("{}: {} failed: {}{}", name_, call, described(status),
                  elsewhere ? "; the cause may be a call before it: LPL_CUDA_SYNC=1 tells which" : advice(status)));
}

void Device::fail_for_memory(std::string_view what) const {
  std::size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  throw OutOfMemory(
      fmt::format("{}: out of memory: {} ({} of {} MiB are free); use a smaller batch, "
                  "training.precision = \"bf16\" or more devices",
                  name_, what, free >> 20, total >> 20));
}

cudaError_t Device::synchronise() const {
  const cudaError_t side = cudaStreamSynchronize(side_), main = cudaStreamSynchronize(main_);
  return side != cudaSuccess ? side : main;
}

void Device::settle(std::string_view call) const {
  if (!synchronous_ || recording_) return;
  const cudaError_t status = synchronise();
  if (status != cudaSuccess) fail(status, call);
}

void Device::check(cudaError_t status, std::string_view call) const {
  if (freeing_ != cudaSuccess) fail(freeing_, "cudaFreeAsync");
  if (status != cudaSuccess) fail(status, call);
  settle(call);
}
void Device::check(cublasStatus_t status, std::string_view call) const {
  if (status != CUBLAS_STATUS_SUCCESS)
    throw DeviceError(fmt::format("{}: {} failed: {}", name_, call, cublasGetStatusString(status)));
  settle(call);
}
void Device::check(cudnnStatus_t status, std::string_view call) const {
  if (status != CUDNN_STATUS_SUCCESS) throw DeviceError(fmt::format("{}: {} failed: {}", name_, call, text_of(status)));
  settle(call);
}

// What is kept for later is given back before it is tried again.
std::shared_ptr<void> Device::take_memory(std::int64_t bytes, std::string_view what) {
  void* memory = nullptr;
  const auto size = static_cast<std::size_t>(std::max<std::int64_t>(bytes, 1));
  cudaError_t status = cudaMallocAsync(&memory, size, stream_);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    if (when_full_) when_full_();
    trim();
    status = cudaMallocAsync(&memory, size, stream_);
  }
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    fail_for_memory(what);
  }
  check(status, "cudaMallocAsync");
  return {memory, [device = shared_from_this()](void* p) {
            const cudaError_t freed = cudaFreeAsync(p, device->stream_);
            if (device->freeing_ == cudaSuccess) device->freeing_ = freed;
          }};
}

std::shared_ptr<void> Device::allocate_aside(std::int64_t bytes) {
  refuse_recording("memory that was not noted is allocated");
  return take_memory(bytes, fmt::format("another {} do not fit", mebibytes(bytes)));
}

std::shared_ptr<void> Device::allocate(std::int64_t bytes) {
  if (recording_) return allocate_in_arena(bytes);
  std::shared_ptr<void> memory = allocate_aside(bytes);
  if (!noting_) return memory;
  void* const address = memory.get();
  return {address, [memory = std::move(memory), noted = noting_, piece = noting_->note(bytes)](void*) {
            noted->note_return(piece);
          }};
}

std::shared_ptr<void> Device::allocate_in_arena(std::int64_t bytes) {
  const std::optional<StepMemory::Place> place = recording_->take(bytes);
  if (!place) refuse_deviation();
  const auto size = static_cast<std::size_t>(bytes);
  void* const address = static_cast<char*>(arena_.get()) + place->offset;
  watch_piece(stream_, address, size, true);
  return {address, [device = shared_from_this(), step = recording_, piece = place->piece, size](void* p) {
            watch_piece(device->stream_, p, size, false);
            step->give_back(piece);
          }};
}

void Device::refuse_deviation() const {
  throw DeviceError(fmt::format(
      "{}: a step that is recorded has other memory than the first time: {}; this is a mistake in lpl_rate, "
      "which LPL_CUDA_SYNC=1 avoids",
      name_, recording_->deviation()));
}

void Device::clear(void* memory, std::int64_t bytes) {
  check(cudaMemsetAsync(memory, 0, static_cast<std::size_t>(bytes), stream_), "cudaMemsetAsync");
}

void Device::copy(void* to, const void* from, std::int64_t bytes) {
  check(cudaMemcpyAsync(to, from, static_cast<std::size_t>(bytes), cudaMemcpyDeviceToDevice, stream_),
        "cudaMemcpyAsync on the device");
}

std::shared_ptr<StepMemory> Device::note(const std::function<void()>& enqueue) {
  auto memory = std::make_shared<StepMemory>();
  noting_ = memory;
  const std::shared_ptr<void> end(nullptr, [this](void*) { noting_ = nullptr; });
  enqueue();
  memory->lay_out();
  return memory;
}

std::shared_ptr<void> Device::reserve(std::int64_t bytes) {
  const std::string size = mebibytes(bytes);
  std::shared_ptr<void> arena =
      take_memory(bytes, fmt::format("a step needs {} at once, which do not fit beside what stays", size));
  watch_piece(stream_, arena.get(), static_cast<std::size_t>(bytes), false);
  return arena;
}

// Relaxed: libraries may do on the way what cannot be recorded but does no harm, such as loading a kernel.
Device::Graph Device::record(const std::shared_ptr<StepMemory>& memory, const std::shared_ptr<void>& arena,
                             const std::function<void()>& enqueue) {
  check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeRelaxed), "cudaStreamBeginCapture");
  recording_ = memory;
  arena_ = arena;
  memory->begin();
  std::exception_ptr failure;
  try {
    enqueue();
    memory->end();
    if (!memory->deviation().empty()) refuse_deviation();
  } catch (...) {
    failure = std::current_exception();
  }
  recording_ = nullptr;
  arena_ = nullptr;
  cudaGraph_t graph = nullptr;
  const cudaError_t ended = cudaStreamEndCapture(stream_, &graph);
  const std::unique_ptr<CUgraph_st, decltype(&cudaGraphDestroy)> owner(graph, &cudaGraphDestroy);
  if (failure) {
    cudaGetLastError();
    std::rethrow_exception(failure);
  }
  check(ended, "cudaStreamEndCapture");
  cudaGraphExec_t executable = nullptr;
  check(cudaGraphInstantiate(&executable, graph, 0), "cudaGraphInstantiate");
  return {executable, [device = shared_from_this(), arena](cudaGraphExec_t g) {
            // Where an exception is on its way, what was launched may wait for other ranks for ever.
            if (std::uncaught_exceptions() == 0) device->synchronise();
            cudaGraphExecDestroy(g);
          }};
}

void Device::launch(const Graph& graph) { check(cudaGraphLaunch(graph.get(), stream_), "cudaGraphLaunch"); }

void Device::let_ahead() { check(cudaEventRecord(let_, main_), "cudaEventRecord"); }

// Also where it fails, what was enqueued is waited for: its memory is given back in the order of the main stream.
void Device::ahead(const std::function<void()>& enqueue) {
  refuse_recording("what goes ahead");
  check(cudaStreamWaitEvent(side_, let_, 0), "cudaStreamWaitEvent");
  stream_ = side_;
  std::exception_ptr failure;
  try {
    enqueue();
  } catch (...) {
    failure = std::current_exception();
  }
  stream_ = main_;
  const cudaError_t recorded = cudaEventRecord(made_, side_), waiting = cudaStreamWaitEvent(main_, made_, 0);
  if (failure) std::rethrow_exception(failure);
  check(recorded, "cudaEventRecord");
  check(waiting, "cudaStreamWaitEvent");
}

void Device::trim() {
  check(synchronise(), "cudaStreamSynchronize");
  check(cudaMemPoolTrimTo(pool_, 0), "cudaMemPoolTrimTo");
}

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
