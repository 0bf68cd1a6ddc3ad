// What the device on the host (fake_device.cpp, fake_cuda.cpp) takes and what it refuses; and what the backend does on
// one that is full or fails.
#include <cublas_v2.h>
#include <cudnn.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <optional>

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

  // Done, then recorded with an arena of its own.
  Device::Graph recorded(const std::function<void()>& step) {
    recording_ = false;
    const std::shared_ptr<StepMemory> memory = device_->note(step);
    recording_ = true;
    return device_->record(memory, device_->reserve(memory->bytes()), step);
  }

  bool recording_ = false;
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
  EXPECT_DEATH(widen(a_.get(), freed, kCount, device_->stream()), "is used that is freed");
  EXPECT_DEATH(device_->clear(freed, 4), "memory that is freed");
  EXPECT_DEATH(cudaFreeAsync(freed, device_->stream()), "memory is freed that is not allocated");
  EXPECT_DEATH(widen(a_.get() + 128, a_.get(), 1, device_->stream()), "beyond its end");
  EXPECT_DEATH(device_->clear(a_.get(), 600), "memory that is smaller");
  std::vector<float> host(kCount);
  EXPECT_DEATH(device_->clear(host.data(), 4), "memory that is not the device's");
}

TEST_F(FakeDeviceDeathTest, PiecesOfAnArenaAreUsedWhileTheyAreThere) {
  float* outside = nullptr;
  const auto step = [&] {
    const std::shared_ptr<float> fresh = allocate<float>(*device_, kCount);
    outside = fresh.get();
    device_->clear(fresh.get(), 4 * kCount);
    widen(fresh.get(), b_.get(), kCount, device_->stream());
  };
  const Device::Graph graph = recorded(step);
  device_->launch(graph);
  device_->launch(graph);
  std::vector<float> host(kCount, 1);
  device_->download(host.data(), b_.get(), 4 * kCount);
  EXPECT_EQ(host, std::vector<float>(kCount, 0));

  // What was written meanwhile shows when somebody has it next, and what is read is no number.
  widen(outside, b_.get(), kCount, device_->stream());
  device_->download(host.data(), b_.get(), 4 * kCount);
  EXPECT_TRUE(std::isnan(host[0]));
  device_->clear(outside, 4);
  EXPECT_DEATH(device_->launch(graph), "a piece of an arena was written that was not there");

  // Whole pages are closed.
  const Device::Graph late = recorded([&] {
    float* const freed = allocate<float>(*device_, 10000).get();
    if (recording_) widen(freed + 5000, b_.get(), kCount, device_->stream());
  });
  EXPECT_DEATH(device_->launch(late), "a piece of an arena is used that is not there");
}

TEST_F(FakeDeviceDeathTest, ARecordedStepTakesNoMemoryButTheArenas) {
  void* memory = nullptr;
  EXPECT_DEATH(recorded([&] {
                 if (recording_) cudaMallocAsync(&memory, 4, device_->stream());
               }),
               "memory is allocated in a recorded step");
  EXPECT_THAT(failure_of<Error>([&] { recorded([&] { device_->allocate_aside(4); }); }),
              HasSubstr("memory that was not noted is allocated in a step that is recorded"));
}

// A device whose stream `late` does its work as late as it may.
struct LateDevice {
  explicit LateDevice(const std::string& late) : setting("LPL_DEVICE_LATE", late), device(Device::open(0)) {}
  Setting setting;
  std::shared_ptr<Device> device;
};
constexpr const char *kMain = "0", *kSide = "1";

// What went ahead is there for what comes next, whichever of them is late; what does not wait sees what was before.
TEST_F(FakeDevice, WhatGoesAheadIsWaitedFor) {
  for (const char* const late : {kMain, kSide}) {
    const LateDevice other(late);
    std::vector<float> host(1);
    std::shared_ptr<float> made;
    std::shared_ptr<float> result = allocate<float>(*other.device, 1);
    cudaStream_t side = nullptr;
    for (const int byte : {0, 0x3f}) {
      other.device->ahead([&] {
        side = other.device->stream();
        made = allocate<float>(*other.device, 1);
        cudaMemsetAsync(made.get(), byte, 4, side);
      });
      widen(made.get(), result.get(), 1, other.device->stream());
      made.reset();
      other.device->let_ahead();
    }
    other.device->download(host.data(), result.get(), 4);
    EXPECT_NEAR(host[0], 0.747f, 1e-3f);  // 0x3f3f3f3f

    const std::shared_ptr<float> shared = allocate<float>(*other.device, 1);
    other.device->clear(shared.get(), 4);
    other.device->download(host.data(), shared.get(), 4);
    cudaMemsetAsync(shared.get(), 0x3f, 4, side);
    other.device->download(host.data(), shared.get(), 4);
    EXPECT_EQ(host[0] == 0.0f, late == kSide);
    cudaStreamSynchronize(side);
  }
}

// What goes ahead is of one step at a time: were it of all steps that the host has enqueued, memory would be, too.
TEST_F(FakeDevice, WhatGoesAheadIsOfOneStep) {
  constexpr std::int64_t kMebibyte = 1 << 20;
  const LateDevice other(kMain);
  const std::int64_t before = other.device->peak_memory();
  for (int step = 0; step < 100; ++step) {
    std::shared_ptr<void> made;
    other.device->ahead([&] { made = other.device->allocate(kMebibyte); });
    other.device->clear(made.get(), kMebibyte);
    made.reset();
    other.device->let_ahead();
  }
  EXPECT_LE(other.device->peak_memory() - before, 2 * kMebibyte);
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
    return failure_of<DeviceError>([&] { device_->record(std::make_shared<StepMemory>(), nullptr, call); });
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
  const Device::Graph graph = recorded([] {});
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
  failure_of<DeviceError>([&] { device_->record(std::make_shared<StepMemory>(), nullptr, [&] { lost.reset(); }); });
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

// Offers 1 to 8 are not deterministic, four times not exact, not planned, fail, and need more than the device has.
TEST_F(FakeConvolution, TheEngineIsLogged) {
  EXPECT_THAT(log_of_convolution(),
              HasSubstr("CUDA device 0 (host): the forward pass of a 1x1 convolution from 1 to 1 channels of 2x2 maps: "
                        "offer 9 of 10 of cuDNN, engine 8, no tensor cores, workspace 1024 KiB"));
}

TEST_F(FakeConvolution, WithoutRoomForAWorkspaceTheNextEngineIsTaken) {
  const Setting small("LPL_DEVICE_MEMORY", "100");
  device_->trim();
  std::size_t free = 0, total = 0;
  cudaMemGetInfo(&free, &total);
  // Half a workspace remains, and the 32 MiB of a device that is opened.
  const std::shared_ptr<void> filling = device_->allocate(static_cast<std::int64_t>(free) - (32 << 20) - (1 << 19));
  EXPECT_THAT(log_of_convolution(), HasSubstr("offer 10 of 10"));
}

TEST_F(FakeConvolution, AFailureOfAnotherKindEndsTheSearchWithItsCause) {
  const Setting failing("LPL_CUDNN_FAILURE", std::to_string(CUDNN_STATUS_EXECUTION_FAILED));
  EXPECT_THAT(failure_of<DeviceError>([&] { convolve(); }),
              HasSubstr("channels of 2x2 maps by cuDNN failed: an error as told by cuDNN"));
}

TEST_F(FakeConvolution, AFailureToPlanEndsTheSearchWithItsCauseButNotAnEngineThatDoesNotCompile) {
  {
    const Setting failing("LPL_CUDNN_PLANNING", std::to_string(CUDNN_STATUS_ALLOC_FAILED));
    EXPECT_THAT(failure_of<DeviceError>([&] { convolve(); }), HasSubstr("cuDNN, planning: an error as told by cuDNN"));
  }
  const Setting uncompiled("LPL_CUDNN_PLANNING", std::to_string(CUDNN_STATUS_INTERNAL_ERROR_COMPILATION_FAILED));
  EXPECT_EQ(failure_of<DeviceError>([&] { convolve(); }), "nothing failed");
}

TEST_F(FakeConvolution, MapsAreAligned) {
  a_ = std::shared_ptr<float>(a_, a_.get() + 1);
  EXPECT_THAT(failure_of<DeviceError>([&] { convolve(); }), HasSubstr("by cuDNN failed"));
}

TEST_F(FakeDevice, AStepThatTakesOtherMemoryThanTheFirstTimeIsNotRecorded) {
  std::int64_t count = 10, times = 1;
  std::shared_ptr<float> kept;
  const auto step = [&] {
    for (std::int64_t i = 0; i < times; ++i) allocate<float>(*device_, count);
    if (times == 0) kept = allocate<float>(*device_, count);
  };
  const std::shared_ptr<StepMemory> memory = device_->note(step);
  const std::shared_ptr<void> arena = device_->reserve(memory->bytes());
  const auto failure = [&] { return failure_of<DeviceError>([&] { device_->record(memory, arena, step); }); };
  EXPECT_EQ(failure(), "nothing failed");
  count = 11;
  EXPECT_THAT(failure(), HasSubstr("other memory than the first time: 44 bytes are taken where the first time 40 bytes "
                                   "were taken; this is a mistake in lpl_rate, which LPL_CUDA_SYNC=1 avoids"));
  count = 10;
  times = 2;
  EXPECT_THAT(failure(), HasSubstr("40 bytes are taken where the first time nothing followed"));
  times = 0;
  EXPECT_THAT(failure(), HasSubstr("nothing follows where the first time piece 0 of 40 bytes was given back"));
  kept = nullptr;
  times = 1;
  EXPECT_EQ(failure(), "nothing failed");
}

// A device on which 8 MiB are free.
class SmallDevice : public FakeDevice {
 protected:
  void SetUp() override {
    device_->trim();
    std::size_t free = 0, total = 0;
    cudaMemGetInfo(&free, &total);
    small_.emplace("LPL_DEVICE_MEMORY", std::to_string(((total - free) >> 20) + 8));
  }
  void take(std::int64_t mebibytes) { device_->clear(device_->allocate(mebibytes << 20).get(), 4); }

  std::unique_ptr<Communicator> comm_ = make_serial_communicator();
  std::unique_ptr<Backend> backend_ = make_cuda_backend(*comm_, 0);
  std::optional<Setting> small_;
};

TEST_F(SmallDevice, WhatIsKeptIsGivenBackBeforeMemoryIsTriedForAgain) {
  std::shared_ptr<void> kept = device_->reserve(4 << 20);
  EXPECT_THAT(failure_of<OutOfMemory>([&] { take(4); }),
              testing::ContainsRegex("out of memory: another 5 MiB do not fit \\(3 of [0-9]+ MiB are free\\); use a "
                                     "smaller batch"));
  widen(a_.get(), b_.get(), kCount, device_->stream());  // which is not blamed
  device_->when_full([&] { kept = nullptr; });
  take(4);
  EXPECT_FALSE(kept);
}

TEST_F(SmallDevice, AnArenaThatDoesNotFitIsTold) {
  const std::shared_ptr<void> held = device_->allocate(4 << 20);
  EXPECT_THAT(failure_of<OutOfMemory>([&] { device_->reserve(4 << 20); }),
              testing::ContainsRegex("out of memory: a step needs 5 MiB at once, which do not fit beside what stays "
                                     "\\(3 of [0-9]+ MiB are free\\); use a smaller batch"));
}

// Steps of two sizes, of 4 and of 5 MiB, and what is done call by call do not fit beside an arena.
TEST_F(SmallDevice, StepsOfSeveralSizesAndOthersTakeTurns) {
  std::uint64_t none = 0;
  cudaMemPool_t pool = nullptr;
  cudaDeviceGetDefaultMemPool(&pool, 0);
  cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReservedMemHigh, &none);
  const std::int64_t before = backend_->device_memory();
  Array sum = backend_->zeros(1), one = backend_->zeros(1);
  backend_->write(one, {1});
  const auto step = [&](std::int64_t samples) {
    backend_->repeat(Batch(samples, 0, 1, 1), {}, [&](const std::vector<Tensor>&) {
      Array values = backend_->zeros(samples << 17);
      backend_->copy(one, values, 5);
      backend_->add(values.part(5, 1), sum);
    });
  };
  for (const std::int64_t samples : {8, 8, 8, 10, 8, 10, 10, 8}) step(samples);
  EXPECT_GE(backend_->device_memory(), before + (5 << 20));
  EXPECT_LT(backend_->device_memory(), before + (6 << 20));
  backend_->zeros(1 << 20);
  step(8);
  step(10);
  EXPECT_EQ(backend_->read(sum), std::vector<float>({10}));
}

}  // namespace
}  // namespace lpl::rate::cuda
