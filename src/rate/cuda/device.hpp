// One CUDA device as the backend uses it: a stream on which everything is enqueued but what goes ahead of it, memory
// that is given and taken in the order of the stream, and the handles of cuBLAS and cuDNN. Only download() and the
// destructor wait for the device. What is enqueued can be recorded instead, as a graph that is launched at once and any
// number of times.
//
// To look for faults: LPL_CUDA_SYNC=1 waits for the device after every call, so that an error names the call that it
// comes from; LPL_CUDA_LOG=1 says on stderr what was chosen.
#pragma once

#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <cudnn.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "rate/cuda/device_error.hpp"
#include "rate/cuda/step_memory.hpp"

namespace lpl::rate::cuda {

class Device : public std::enable_shared_from_this<Device> {
 public:
  // Throws ConfigError where there is no such device, Error where the driver fails.
  static std::shared_ptr<Device> open(int index);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  // That of ahead() within it.
  cudaStream_t stream() const { return stream_; }
  cublasHandle_t blas() const { return blas_; }
  cudnnHandle_t dnn() const { return dnn_; }
  // Such as "CUDA device 0 (NVIDIA H100)".
  const std::string& name() const { return name_; }
  // Whether every call is waited for; then nothing should be recorded.
  bool synchronous() const { return synchronous_; }
  // Only under LPL_CUDA_LOG.
  void log(std::string_view text) const;
  // Bytes of the device, whoever uses them.
  std::int64_t memory() const { return memory_; }
  // Bytes that this process had of it at most.
  std::int64_t peak_memory() const;

  // Throw DeviceError that names the call and the device, unless `status` is success and nothing failed before.
  void check(cudaError_t status, std::string_view call) const;
  void check(cublasStatus_t status, std::string_view call) const;
  void check(cudnnStatus_t status, std::string_view call) const;

  // Not initialised. Throws OutOfMemory. Outlives the device's owner where it must.
  std::shared_ptr<void> allocate(std::int64_t bytes);
  // The same, of what a step does not do every time: not noted, not recorded.
  std::shared_ptr<void> allocate_aside(std::int64_t bytes);
  void clear(void* memory, std::int64_t bytes);
  // From memory of the device to other memory of it.
  void copy(void* to, const void* from, std::int64_t bytes);

  // What `enqueue` allocates and gives back, which is done.
  std::shared_ptr<StepMemory> note(const std::function<void()>& enqueue);
  // An arena of `bytes` bytes for all steps that are recorded, which one after the other use it. Throws OutOfMemory.
  std::shared_ptr<void> reserve(std::int64_t bytes);
  // What `enqueue` enqueues, not done yet; what it allocates is `memory`, noted before, in an arena that is as large.
  // Throws DeviceError where it allocates otherwise, or gives back memory that was there before; the host's memory is
  // out of reach.
  using Graph = std::shared_ptr<CUgraphExec_st>;
  Graph record(const std::shared_ptr<StepMemory>& memory, const std::shared_ptr<void>& arena,
               const std::function<void()>& enqueue);
  void launch(const Graph& graph);
  // Gives back memory that is kept for what is allocated next.
  void trim();
  // What is done before memory is tried for again; nothing by default.
  void when_full(std::function<void()> give_back) { when_full_ = std::move(give_back); }

  // What `enqueue` enqueues need not wait for what was enqueued before, but for the last let_ahead(): so it is done
  // beside the step that came after that. What comes next waits for it, and may use the memory that was allocated
  // within. It uses no other memory that changes.
  void ahead(const std::function<void()>& enqueue);
  void let_ahead();

  // Page-locked memory for `bytes` bytes, which send() copies to the device. It is used again a while later.
  void* staging(std::int64_t bytes);
  void send(void* to, const void* staged, std::int64_t bytes);
  // Waits for all that was enqueued.
  void download(void* to, const void* from, std::int64_t bytes);

 private:
  explicit Device(int index);
  [[noreturn]] void fail(cudaError_t status, std::string_view call) const;
  [[noreturn]] void fail_for_memory(std::string_view what) const;
  // From the pool; `what` is said where it is full.
  std::shared_ptr<void> take_memory(std::int64_t bytes, std::string_view what);
  std::shared_ptr<void> allocate_in_arena(std::int64_t bytes);
  void refuse_deviation() const;
  // Waits for both streams.
  cudaError_t synchronise() const;
  // What enqueued work is to blame for is the call's where calls are waited for.
  void settle(std::string_view call) const;
  // Throws Error while a graph is being recorded.
  void refuse_recording(std::string_view call) const;

  struct Staging {
    void* memory = nullptr;
    std::int64_t bytes = 0;
    cudaEvent_t sent = nullptr;  // after which the memory is free
  };

  std::string name_;
  bool synchronous_ = false, logging_ = false;
  std::int64_t memory_ = 0;
  cudaStream_t main_ = nullptr, side_ = nullptr, stream_ = nullptr;  // stream_: which of them is used
  cudaEvent_t let_ = nullptr, made_ = nullptr;                       // of ahead()
  cudaMemPool_t pool_ = nullptr;
  cublasHandle_t blas_ = nullptr;
  cudnnHandle_t dnn_ = nullptr;
  void* blas_workspace_ = nullptr;
  std::function<void()> when_full_;
  std::shared_ptr<StepMemory> noting_, recording_;  // while that is done
  std::shared_ptr<void> arena_;                     // of what is being recorded
  cudaError_t freeing_ = cudaSuccess;               // the first failure of it, which could not be thrown
  // Taken in turn; who comes round to one that is still being sent waits for it.
  std::array<Staging, 32> stagings_;
  std::size_t turn_ = 0;
};

}  // namespace lpl::rate::cuda
