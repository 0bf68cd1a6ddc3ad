// One CUDA device as the backend uses it: a stream on which everything is enqueued, memory that is given and taken in
// the order of the stream, and the handles of cuBLAS and cuDNN. Only download() and the destructor wait for the device.
// What is enqueued can be recorded instead, as a graph that is launched at once and any number of times.
#pragma once

#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <cudnn.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

namespace lpl::rate::cuda {

// A device failed. No lpl::Error: only one rank may know, and the others may wait for its device, so the program ends
// at once.
class DeviceError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Device : public std::enable_shared_from_this<Device> {
 public:
  // Throws ConfigError where there is no such device.
  static std::shared_ptr<Device> open(int index);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  cudaStream_t stream() const { return stream_; }
  cublasHandle_t blas() const { return blas_; }
  cudnnHandle_t dnn() const { return dnn_; }
  // Such as "CUDA device 0 (NVIDIA H100)".
  const std::string& name() const { return name_; }

  // Throw DeviceError that names the call and the device, unless `status` is success.
  void check(cudaError_t status, std::string_view call) const;
  void check(cublasStatus_t status, std::string_view call) const;
  void check(cudnnStatus_t status, std::string_view call) const;

  // Not initialised. Outlives the device's owner where it must.
  std::shared_ptr<void> allocate(std::int64_t bytes);
  void clear(void* memory, std::int64_t bytes);
  // From memory of the device to other memory of it.
  void copy(void* to, const void* from, std::int64_t bytes);

  // What `enqueue` enqueues, not done yet. Memory that it allocates it must give back, and none that was there before;
  // the host's memory is out of reach.
  using Graph = std::shared_ptr<CUgraphExec_st>;
  Graph record(const std::function<void()>& enqueue);
  void launch(const Graph& graph);

  // Page-locked memory for `bytes` bytes, which send() copies to the device. It is used again a while later.
  void* staging(std::int64_t bytes);
  void send(void* to, const void* staged, std::int64_t bytes);
  // Waits for all that was enqueued.
  void download(void* to, const void* from, std::int64_t bytes);

 private:
  explicit Device(int index);
  // Throws Error while a graph is being recorded.
  void refuse_recording(std::string_view call) const;

  struct Staging {
    void* memory = nullptr;
    std::int64_t bytes = 0;
    cudaEvent_t sent = nullptr;  // after which the memory is free
  };

  std::string name_;
  cudaStream_t stream_ = nullptr;
  cudaMemPool_t pool_ = nullptr;
  cublasHandle_t blas_ = nullptr;
  cudnnHandle_t dnn_ = nullptr;
  void* blas_workspace_ = nullptr;
  bool recording_ = false;
  // Taken in turn; who comes round to one that is still being sent waits for it.
  std::array<Staging, 32> stagings_;
  std::size_t turn_ = 0;
};

}  // namespace lpl::rate::cuda
