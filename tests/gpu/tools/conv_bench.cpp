// conv_bench [N]: the convolutions of VGG-11 (N maps of 32 x 32, bfloat16, channels-last) on a device: a line for each
// engine that cuDNN offers and lpl_rate may take, best first as cuDNN thinks, timed by events; and what would be gained
// by timing them.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "rate/cuda/convolution_plans.hpp"

namespace {

using namespace lpl::rate::cuda;

constexpr std::size_t kRoom = std::size_t{4} << 30;  // for workspaces
constexpr int kRepeats = 7;
constexpr double kNever = std::numeric_limits<double>::infinity();

void check(cudnnStatus_t status, const char* call) {
  if (status != CUDNN_STATUS_SUCCESS) throw std::runtime_error(std::string(call) + ": " + cudnnGetErrorString(status));
}

void check_cuda(cudaError_t status, const char* call) {
  if (status != cudaSuccess) throw std::runtime_error(std::string(call) + ": " + cudaGetErrorString(status));
}

struct Device {
  cudaStream_t stream = nullptr;
  cudnnHandle_t dnn = nullptr;
  Device() {
    check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
    check(cudnnCreate(&dnn), "cudnnCreate");
    check(cudnnSetStream(dnn, stream), "cudnnSetStream");
  }
};

class Memory {
 public:
  explicit Memory(std::size_t bytes) { check_cuda(cudaMalloc(&memory_, bytes), "cudaMalloc"); }
  ~Memory() { cudaFree(memory_); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  void* get() const { return memory_; }
  // Of about +-1: zeros are faster than data.
  void fill(std::int64_t count) {
    std::vector<std::uint16_t> values(static_cast<std::size_t>(count));
    std::uint32_t state = 1;
    for (std::uint16_t& v : values) {
      state = state * 1664525u + 1013904223u;
      v = static_cast<std::uint16_t>(0x3f00u | (state >> 25) | ((state & 0x10000u) != 0 ? 0x8000u : 0u));
    }
    check_cuda(cudaMemcpy(memory_, values.data(), 2 * values.size(), cudaMemcpyHostToDevice), "cudaMemcpy");
  }

 private:
  void* memory_ = nullptr;
};

// Median microseconds of a call; infinite where it cannot.
double time_of(const Device& device, const std::function<cudnnStatus_t()>& call) {
  if (call() != CUDNN_STATUS_SUCCESS) return kNever;
  cudaEvent_t begin = nullptr, end = nullptr;
  check_cuda(cudaEventCreate(&begin), "cudaEventCreate");
  check_cuda(cudaEventCreate(&end), "cudaEventCreate");
  std::vector<float> times;
  for (int i = 0; i < kRepeats; ++i) {
    float milliseconds = 0;
    cudaEventRecord(begin, device.stream);
    check(call(), "a convolution");
    cudaEventRecord(end, device.stream);
    check_cuda(cudaEventSynchronize(end), "cudaEventSynchronize");
    cudaEventElapsedTime(&milliseconds, begin, end);
    times.push_back(milliseconds);
  }
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  std::ranges::sort(times);
  return 1e3 * static_cast<double>(times[times.size() / 2]);
}

struct Arrays {
  Memory x, filters, y, workspace{kRoom};
  explicit Arrays(const ConvolutionProblem& p)
      : x(size(p.samples * p.rows * p.columns * p.in)),
        filters(size(p.out * p.in * p.side * p.side)),
        y(size(p.samples * p.out_rows() * p.out_columns() * p.out)) {
    x.fill(p.samples * p.rows * p.columns * p.in);
    filters.fill(p.out * p.in * p.side * p.side);
    y.fill(p.samples * p.out_rows() * p.out_columns() * p.out);
  }
  static std::size_t size(std::int64_t count) { return 2 * static_cast<std::size_t>(count); }
};

double operations(const ConvolutionProblem& p) {
  return 2.0 * static_cast<double>(p.samples * p.out_rows() * p.out_columns() * p.out * p.in * p.side * p.side);
}

// Microseconds of the engine that lpl_rate takes, and of the fastest that it might.
struct Times {
  double taken, fastest;
};
Times time_engines(const Device& device, const ConvolutionProblem& p, Operation operation, const Arrays& arrays) {
  const PlanTarget here{device.dnn, nullptr};
  const auto time = [&](const ConvolutionPlan& plan) {
    return time_of(device, [&] {
      return execute(plan, device.dnn, {arrays.x.get(), arrays.filters.get(), arrays.y.get()}, arrays.workspace.get());
    });
  };
  const ChosenPlan taken = choose_plan(p, operation, here, static_cast<std::int64_t>(kRoom),
                                       [&](const auto& plan) { return time(plan) < kNever ? "" : "it cannot"; });
  Times times{time(taken.plan), kNever};
  std::size_t offer = 0;
  for (const Engine& engine : engines(p, operation, here)) {
    ++offer;
    if (!engine.suits(p.type)) continue;
    const ConvolutionPlan plan = plan_of(engine, here);
    if (!plan.descriptor || plan.workspace > static_cast<std::int64_t>(kRoom)) continue;
    const double us = time(plan);
    std::printf("  engine %3d: %9.1f us %6.1f TFLOP/s, workspace %9lld%s\n", static_cast<int>(engine.index), us,
                operations(p) / us / 1e6, static_cast<long long>(plan.workspace),
                offer == taken.offer ? "   <- lpl_rate takes this" : "");
    times.fastest = std::min(times.fastest, us);
  }
  return times;
}

void bench(std::int64_t samples) {
  struct Layer {
    std::int64_t in, out, side;
    bool of_network;
  };
  // Beside the first layer, the same with its three channels padded to eight.
  constexpr Layer kLayers[] = {{3, 64, 32, true},   {8, 64, 32, false},  {64, 128, 16, true},
                               {128, 256, 8, true}, {256, 256, 8, true}, {256, 512, 4, true},
                               {512, 512, 4, true}, {512, 512, 2, true}, {512, 512, 2, true}};
  const Device device;
  std::printf("cuDNN %zu, %lld maps\n", cudnnGetVersion(), static_cast<long long>(samples));
  Times sums[2] = {};
  for (const Layer& l : kLayers) {
    const ConvolutionProblem problem{CUDNN_DATA_BFLOAT16, samples, l.in, l.out, l.side, l.side, 3, 1, 1};
    const Arrays arrays(problem);
    for (const Operation operation : {Operation::forward, Operation::filter_gradient}) {
      const bool forward = operation == Operation::forward;
      std::printf("%s %lld -> %lld channels of %lldx%lld, %.1f GFLOP\n", forward ? "forward pass" : "filter gradient",
                  static_cast<long long>(l.in), static_cast<long long>(l.out), static_cast<long long>(l.side),
                  static_cast<long long>(l.side), operations(problem) / 1e9);
      const Times times = time_engines(device, problem, operation, arrays);
      std::fflush(stdout);
      if (!l.of_network) continue;
      sums[forward ? 0 : 1].taken += times.taken;
      sums[forward ? 0 : 1].fastest += times.fastest;
    }
  }
  std::printf(
      "sums over the network, forward + filter gradient: as lpl_rate takes them %.0f + %.0f us, the fastest that suit "
      "%.0f + %.0f us\n",
      sums[0].taken, sums[1].taken, sums[0].fastest, sums[1].fastest);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    bench(argc > 1 ? std::atoll(argv[1]) : 2048);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "conv_bench: %s\n", error.what());
    return 1;
  }
  return 0;
}
