// What the device on the host (fake_device.cpp, fake_cuda.cpp) takes and what it refuses; and what the backend does on
// one that is full or fails.
#include <cublas_v2.h>
#include <cudnn.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "core/errors.hpp"
#include "fake_stream.hpp"
#include "rate/cuda/backend.hpp"
#include "rate/cuda/convolution.hpp"
#include "rate/cuda/launch.hpp"

namespace lpl::rate::cuda {
namespace {

using testing::HasSubstr;

// A variable of the environment while this is there.
class Setting {
 public:
  Setting(const char* name, const std::string& value) : name_(name) { setenv(name, value.c_str(), 1); }
  ~Setting() { unsetenv(name_); }
  Setting(const Setting&) = delete;
  Setting& operator=(const Setting&) = delete;

 private:
  const char* name_;
};

template <class Failure, class F>
std::string failure_of(F call) {
  try {
    call();
  } catch (const Failure& failure) {
    return failure.what();
  }
  return "nothing failed";
}

class FakeDevice : public testing::Test {
 protected:
  static constexpr std::int64_t kCount = 100;  // floats, which end within their last 256 bytes

  // Launches Widen over `count` floats.
  void widen(const float* from, float* to, std::int64_t count, cudaStream_t stream) {
    device_->check(for_each(stream, count, Widen<float>{from, to}), "the kernel");
  }

  std::shared_ptr<Device> device_ = Device::open(0);
  std::shared_ptr<float> a_ = allocate<float>(*device_, kCount), b_ = allocate<float>(*device_, kCount);
};

using FakeDeviceDeathTest = FakeDevice;

TEST_F(FakeDeviceDeathTest, EveryCallNeedsAStreamOfTheDevice) {
  widen(a_.get(), b_.get(), kCount, device_->stream());
  EXPECT_DEATH(widen(a_.get(), b_.get(), kCount, nullptr), "a call on no stream of the device");
  EXPECT_DEATH(cudaMemsetAsync(a_.get(), 0, 4, nullptr), "a call on no stream of the device");
  void* memory = nullptr;
  EXPECT_DEATH(cudaMallocAsync(&memory, 4, nullptr), "memory is allocated on no stream");
  EXPECT_DEATH(cudaFreeAsync(a_.get(), nullptr), "memory is freed on no stream");
  cublasHandle_t blas = nullptr;
  cublasCreate(&blas);
  const float one = 1;
  EXPECT_DEATH(cublasGemmEx_64(blas, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &one, a_.get(), CUDA_R_32F, 1, a_.get(),
                               CUDA_R_32F, 1, &one, b_.get(), CUDA_R_32F, 1, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
               "a call on no stream of the device");
  EXPECT_DEATH(cublasSetWorkspace(blas, a_.get(), 4), "a workspace before it has a stream");
  cublasDestroy(blas);
}

TEST_F(FakeDeviceDeathTest, MemoryIsUsedWhereItIsAndWhileItIsThere) {
  float* const freed = b_.get();
  b_.reset();
  EXPECT_DEATH(widen(a_.get(), freed, kCount, device_->stream()), "is freed, or not yet there");
  EXPECT_DEATH(device_->clear(freed, 4), "memory that is freed");
  EXPECT_DEATH(cudaFreeAsync(freed, device_->stream()), "memory is freed that is not allocated");
  EXPECT_DEATH(widen(a_.get() + 128, a_.get(), 1, device_->stream()), "beyond its end");
  EXPECT_DEATH(device_->clear(a_.get(), 600), "memory that is smaller");
  std::vector<float> host(kCount);
  EXPECT_DEATH(device_->clear(host.data(), 4), "memory that is not the device's");
}

TEST_F(FakeDeviceDeathTest, MemoryOfAGraphIsUsedWhileItIsThere) {
  const Device::Graph graph = device_->record([&] {
    const std::shared_ptr<float> fresh = allocate<float>(*device_, kCount);
    device_->clear(fresh.get(), 4 * kCount);
    widen(fresh.get(), b_.get(), kCount, device_->stream());
  });
  device_->launch(graph);
  std::vector<float> host(kCount, 1);
  device_->download(host.data(), b_.get(), 4 * kCount);
  EXPECT_EQ(host, std::vector<float>(kCount, 0));

  const Device::Graph wrong = device_->record([&] {
    float* const freed = allocate<float>(*device_, kCount).get();
    widen(freed, b_.get(), kCount, device_->stream());
  });
  EXPECT_DEATH(device_->launch(wrong), "is freed, or not yet there");
  float* outside = nullptr;
  const Device::Graph kept = device_->record([&] { outside = allocate<float>(*device_, kCount).get(); });
  device_->launch(kept);
  EXPECT_DEATH(widen(outside, b_.get(), kCount, device_->stream()), "is freed, or not yet there");
}

TEST_F(FakeDeviceDeathTest, LaunchesStayWithinTheLimits) {
  check_launch(INT32_MAX, 65535, 1024, 163 << 10);
  EXPECT_DEATH(check_launch(std::size_t{1} << 31, 1, 1, 0), "a grid that is too large");
  EXPECT_DEATH(check_launch(1, 65536, 1, 0), "a grid that is too large");
  EXPECT_DEATH(check_launch(1, 1, 1025, 0), "a block of too many threads");
  EXPECT_DEATH(check_launch(1, 1, 1, (163 << 10) + 1), "too much shared memory");
  EXPECT_DEATH(check_launch(0, 1, 1, 0), "a launch without threads");
  // A view of 300 x 300 pixels does not fit into a block's memory.
  ViewBatch views{};
  views.side = views.size = 300;
  EXPECT_DEATH(make_views(device_->stream(), 1, views, a_.get()), "too much shared memory");
}

TEST_F(FakeDeviceDeathTest, AddressesAreMultiplesOfWhatIsThere) {
  const auto* const odd = reinterpret_cast<const float*>(reinterpret_cast<const char*>(a_.get()) + 2);
  EXPECT_DEATH(widen(odd, b_.get(), 1, device_->stream()), "misaligned address");

  // Eight floats together, from where one lies.
  const auto pool = [&](const float* x) {
    return for_each_sample(device_->stream(), 1,
                           PoolTiles<float, 1, 8>{{1, 8, Divisor(1)}, nullptr, true, x, b_.get(), nullptr, nullptr});
  };
  EXPECT_EQ(pool(a_.get() + 4), cudaSuccess);
  EXPECT_DEATH(pool(a_.get() + 1), "elements are moved together from a misaligned address");
}

TEST_F(FakeDeviceDeathTest, WhatCannotBeRecordedIsRefused) {
  const auto recording = [&](const std::function<void()>& call) {
    return failure_of<DeviceError>([&] { device_->record(call); });
  };
  EXPECT_THAT(recording([&] { device_->check(cudaStreamSynchronize(device_->stream()), "waiting"); }),
              HasSubstr("waiting failed: operation not permitted when stream is capturing"));
  // One who ignores the answer.
  EXPECT_THAT(recording([&] { cudaStreamSynchronize(device_->stream()); }), HasSubstr("cudaStreamEndCapture failed"));
  cudaEvent_t event = nullptr;
  cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
  EXPECT_THAT(recording([&] {
                cudaEventRecord(event, device_->stream());
                cudaEventSynchronize(event);
              }),
              HasSubstr("cudaStreamEndCapture failed"));
  cudaEventDestroy(event);
  const Device::Graph graph = device_->record([] {});
  EXPECT_THAT(recording([&] { cudaGraphLaunch(graph.get(), device_->stream()); }),
              HasSubstr("cudaStreamEndCapture failed"));
  std::vector<float> host(1);
  EXPECT_DEATH(recording([&] { cudaMemcpyAsync(b_.get(), host.data(), 4, cudaMemcpyHostToDevice, device_->stream()); }),
               "a recorded copy from or to the host");
  EXPECT_THAT(recording([&] { a_.reset(); }), HasSubstr("cudaFreeAsync failed"));
}

// What is not checked is not blamed on the kernel that comes next.
TEST_F(FakeDevice, AFailedFreeIsTold) {
  std::shared_ptr<float> lost = allocate<float>(*device_, 1);
  failure_of<DeviceError>([&] { device_->record([&] { lost.reset(); }); });
  EXPECT_THAT(failure_of<DeviceError>([&] { widen(a_.get(), b_.get(), 1, device_->stream()); }),
              HasSubstr("cudaFreeAsync failed"));
}

TEST_F(FakeDevice, DriversThatFailAreTold) {
  const std::pair<int, const char*> errors[] = {{cudaErrorInsufficientDriver, "install a newer driver"},
                                                {cudaErrorSystemNotReady, "nvidia-fabricmanager"},
                                                {cudaErrorDevicesUnavailable, "another process may have"},
                                                {cudaErrorUnknown, "nvidia-smi may say more"}};
  for (const auto& [error, advice] : errors) {
    const Setting answer("LPL_DEVICE_ERROR", std::to_string(error)), driver("LPL_DEVICE_DRIVER", "12040");
    const std::string text = failure_of<Error>([] { cuda_device_count(); });
    EXPECT_THAT(text, HasSubstr(fmt::format(", {}); the driver is for CUDA 12.4, lpl_rate uses CUDA {}.{}", error,
                                            CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10)));
    EXPECT_THAT(text, HasSubstr(advice));
  }
  {
    const Setting answer("LPL_DEVICE_ERROR", std::to_string(cudaErrorNoDevice));
    EXPECT_EQ(cuda_device_count(), 0);
  }
  // So answers CUDA where there is no driver.
  const Setting answer("LPL_DEVICE_ERROR", std::to_string(cudaErrorInsufficientDriver));
  const Setting driver("LPL_DEVICE_DRIVER", "0");
  EXPECT_EQ(cuda_device_count(), 0);
  EXPECT_THAT(failure_of<ConfigError>([] { Device::open(0); }), HasSubstr("no CUDA device: there is none here"));
}

// A convolution of one map, which nobody has done before.
class FakeConvolution : public FakeDevice {
 protected:
  void convolve() {
    Convolution layer;
    layer.in = layer.out = 1;
    layer.kernel = 1;
    const Tensor x{{1, 1, 2, 2}, Precision::float32, a_};
    const std::shared_ptr<float> filter = allocate<float>(*device_, 1);
    Convolutions(*device_).forward(layer, x, filter.get(), b_.get());
  }
  std::string log_of_convolution() {
    const Setting logging("LPL_CUDA_LOG", "1");
    device_ = Device::open(0);
    testing::internal::CaptureStderr();
    convolve();
    return testing::internal::GetCapturedStderr();
  }
};

// Offers 1 to 5 are not deterministic, not exact, not possible, fail, and need more than the device has.
TEST_F(FakeConvolution, TheAlgorithmIsLogged) {
  EXPECT_THAT(log_of_convolution(),
              HasSubstr("CUDA device 0 (host): the forward pass of a 1x1 convolution from 1 to 1 channels of 2x2 maps: "
                        "offer 6 of 7 of cuDNN, algorithm 2, no tensor cores, workspace 1024 KiB"));
}

TEST_F(FakeConvolution, WithoutRoomForAWorkspaceTheNextAlgorithmIsTaken) {
  const Setting small("LPL_DEVICE_MEMORY", "100");
  device_->trim();
  std::size_t free = 0, total = 0;
  cudaMemGetInfo(&free, &total);
  // Half a workspace remains, and the 32 MiB of a device that is opened.
  const std::shared_ptr<void> filling = device_->allocate(static_cast<std::int64_t>(free) - (32 << 20) - (1 << 19));
  EXPECT_THAT(log_of_convolution(), HasSubstr("offer 7 of 7"));
}

TEST_F(FakeConvolution, AFailureOfAnotherKindEndsTheSearchWithItsCause) {
  const Setting failing("LPL_CUDNN_FAILURE", std::to_string(CUDNN_STATUS_EXECUTION_FAILED));
  EXPECT_THAT(failure_of<DeviceError>([&] { convolve(); }),
              HasSubstr("channels of 2x2 maps by cuDNN failed: an error as told by cuDNN"));
}

TEST_F(FakeConvolution, MapsAreAligned) {
  a_ = std::shared_ptr<float>(a_, a_.get() + 1);
  EXPECT_THAT(failure_of<DeviceError>([&] { convolve(); }), HasSubstr("by cuDNN failed"));
}

// 4 MiB of a graph and 4 of the pool do not fit beside each other.
TEST_F(FakeDevice, MemoryOfGraphsAndOfDirectCallsIsGivenBack) {
  std::size_t free = 0, total = 0;
  cudaMemGetInfo(&free, &total);
  const Setting small("LPL_DEVICE_MEMORY", std::to_string(((total - free) >> 20) + 8));
  std::uint64_t none = 0;
  cudaMemPool_t pool = nullptr;
  cudaDeviceGetDefaultMemPool(&pool, 0);
  cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReservedMemHigh, &none);
  const auto take = [&] { device_->clear(device_->allocate(4 << 20).get(), 4); };
  const Device::Graph graph = device_->record(take);
  for (int i = 0; i < 3; ++i) {
    device_->launch(graph);
    take();
  }
  EXPECT_GE(device_->peak_memory(), (32 + 4) << 20);
  EXPECT_LE(device_->peak_memory(), (32 + 8 + 2) << 20);
  const std::shared_ptr<void> held = device_->allocate(4 << 20);
  EXPECT_THAT(failure_of<OutOfMemory>([&] { device_->launch(graph); }),
              testing::ContainsRegex(
                  "out of memory: a step that was recorded does not fit \\(3 of [0-9]+ MiB are free\\); use a "
                  "smaller batch"));
  EXPECT_THAT(failure_of<OutOfMemory>(take), HasSubstr("another 5 MiB do not fit (3 of"));
  widen(a_.get(), b_.get(), kCount, device_->stream());  // which is not blamed
}

}  // namespace
}  // namespace lpl::rate::cuda
