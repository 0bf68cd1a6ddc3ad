// conv_bench [N]: the convolutions of VGG-11 (N maps of 32 x 32, bfloat16, channels-last) on a device: what cuDNN's
// legacy calls choose and take, and what its graph API does. One line an algorithm or engine, timed by events.
#include <cuda_runtime_api.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <limits>

#include "convolution_engines.hpp"

namespace {

using namespace lpl::tools;

constexpr std::size_t kRoom = std::size_t{2} << 30;  // for workspaces
constexpr std::size_t kOffers = 16, kEngines = 6;
constexpr int kRepeats = 15;

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
  if (call() != CUDNN_STATUS_SUCCESS) return std::numeric_limits<double>::infinity();
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
  explicit Arrays(const Problem& p)
      : x(size(p.samples * p.rows * p.columns * p.in)),
        filters(size(p.out * p.in * p.side * p.side)),
        y(size(p.samples * p.out_rows() * p.out_columns() * p.out)) {
    x.fill(p.samples * p.rows * p.columns * p.in);
    filters.fill(p.out * p.in * p.side * p.side);
    y.fill(p.samples * p.out_rows() * p.out_columns() * p.out);
  }
  static std::size_t size(std::int64_t count) { return 2 * static_cast<std::size_t>(count); }
};

double operations(const Problem& p) {
  return 2.0 * static_cast<double>(p.samples * p.out_rows() * p.out_columns() * p.out * p.in * p.side * p.side);
}

void print(const char* what, std::int64_t number, bool deterministic, double us, double flop, std::int64_t workspace,
           const char* remark) {
  std::printf("  %s %2d %s: %9.1f us %6.1f TFLOP/s, workspace %9lld%s\n", what, static_cast<int>(number),
              deterministic ? "deterministic" : "varying      ", us, flop / us / 1e6, static_cast<long long>(workspace),
              remark);
}

// Descriptors of the legacy calls.
struct Legacy {
  cudnnTensorDescriptor_t x = nullptr, y = nullptr;
  cudnnFilterDescriptor_t filters = nullptr;
  cudnnConvolutionDescriptor_t convolution = nullptr;
  explicit Legacy(const Problem& p) {
    const auto number = [](std::int64_t value) { return static_cast<int>(value); };
    check(cudnnCreateTensorDescriptor(&x), "cudnnCreateTensorDescriptor");
    check(cudnnCreateTensorDescriptor(&y), "cudnnCreateTensorDescriptor");
    check(cudnnCreateFilterDescriptor(&filters), "cudnnCreateFilterDescriptor");
    check(cudnnCreateConvolutionDescriptor(&convolution), "cudnnCreateConvolutionDescriptor");
    check(cudnnSetTensor4dDescriptor(x, CUDNN_TENSOR_NHWC, p.type, number(p.samples), number(p.in), number(p.rows),
                                     number(p.columns)),
          "cudnnSetTensor4dDescriptor");
    check(cudnnSetTensor4dDescriptor(y, CUDNN_TENSOR_NHWC, p.type, number(p.samples), number(p.out),
                                     number(p.out_rows()), number(p.out_columns())),
          "cudnnSetTensor4dDescriptor");
    check(cudnnSetFilter4dDescriptor(filters, p.type, CUDNN_TENSOR_NHWC, number(p.out), number(p.in), number(p.side),
                                     number(p.side)),
          "cudnnSetFilter4dDescriptor");
    const int padding = number(p.padding), stride = number(p.stride);
    check(cudnnSetConvolution2dDescriptor(convolution, padding, padding, stride, stride, 1, 1, CUDNN_CROSS_CORRELATION,
                                          CUDNN_DATA_FLOAT),
          "cudnnSetConvolution2dDescriptor");
    check(cudnnSetConvolutionMathType(convolution, CUDNN_TENSOR_OP_MATH), "cudnnSetConvolutionMathType");
  }
};

// Microseconds of the one that lpl_rate takes: the first deterministic one that can.
template <class Offer, class Size, class Execute>
double time_offers(const Device& device, const Legacy& legacy, const std::vector<Offer>& offers, double flop, Size size,
                   Execute execute) {
  double taken = std::numeric_limits<double>::infinity();
  for (const Offer& offer : offers) {
    std::size_t bytes = 0;
    cudnnSetConvolutionMathType(legacy.convolution, offer.mathType);
    if (offer.status != CUDNN_STATUS_SUCCESS || size(offer.algo, &bytes) != CUDNN_STATUS_SUCCESS || bytes > kRoom)
      continue;
    const double us = time_of(device, [&] { return execute(offer.algo, bytes); });
    const bool deterministic = offer.determinism == CUDNN_DETERMINISTIC;
    const bool takes = deterministic && us < 1e9 && taken > 1e9;
    if (takes) taken = us;
    print("legacy algorithm", offer.algo, deterministic, us, flop, static_cast<std::int64_t>(bytes),
          takes ? "   <- lpl_rate takes this" : "");
  }
  return taken;
}

double time_legacy(const Device& device, const Problem& p, Operation operation, const Arrays& arrays) {
  const Legacy l(p);
  const float one = 1, zero = 0;
  int count = 0;
  if (operation == Operation::forward) {
    std::vector<cudnnConvolutionFwdAlgoPerf_t> offers(kOffers);
    check(cudnnGetConvolutionForwardAlgorithm_v7(device.dnn, l.x, l.filters, l.convolution, l.y, kOffers, &count,
                                                 offers.data()),
          "cudnnGetConvolutionForwardAlgorithm_v7");
    offers.resize(static_cast<std::size_t>(count));
    return time_offers(
        device, l, offers, operations(p),
        [&](auto algorithm, std::size_t* bytes) {
          return cudnnGetConvolutionForwardWorkspaceSize(device.dnn, l.x, l.filters, l.convolution, l.y, algorithm,
                                                         bytes);
        },
        [&](auto algorithm, std::size_t bytes) {
          return cudnnConvolutionForward(device.dnn, &one, l.x, arrays.x.get(), l.filters, arrays.filters.get(),
                                         l.convolution, algorithm, arrays.workspace.get(), bytes, &zero, l.y,
                                         arrays.y.get());
        });
  }
  std::vector<cudnnConvolutionBwdFilterAlgoPerf_t> offers(kOffers);
  check(cudnnGetConvolutionBackwardFilterAlgorithm_v7(device.dnn, l.x, l.y, l.convolution, l.filters, kOffers, &count,
                                                      offers.data()),
        "cudnnGetConvolutionBackwardFilterAlgorithm_v7");
  offers.resize(static_cast<std::size_t>(count));
  return time_offers(
      device, l, offers, operations(p),
      [&](auto algorithm, std::size_t* bytes) {
        return cudnnGetConvolutionBackwardFilterWorkspaceSize(device.dnn, l.x, l.y, l.convolution, l.filters, algorithm,
                                                              bytes);
      },
      [&](auto algorithm, std::size_t bytes) {
        return cudnnConvolutionBackwardFilter(device.dnn, &one, l.x, arrays.x.get(), l.y, arrays.y.get(), l.convolution,
                                              algorithm, arrays.workspace.get(), bytes, &zero, l.filters,
                                              arrays.filters.get());
      });
}

// Microseconds of the fastest deterministic one.
double time_graph(const Device& device, const Problem& p, Operation operation, const Arrays& arrays) {
  double best = std::numeric_limits<double>::infinity();
  std::vector<Engine> offers = engines(operation_graph(p, operation, device.dnn), CUDNN_HEUR_MODE_A, nullptr);
  if (offers.size() > kEngines) offers.resize(kEngines);
  for (const Engine& engine : offers) {
    const Plan plan = plan_of(engine, device.dnn, nullptr);
    if (!plan.descriptor || plan.workspace > static_cast<std::int64_t>(kRoom)) continue;
    const Descriptor pack = make(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    void* const pointers[] = {arrays.x.get(), arrays.filters.get(), arrays.y.get()};
    const std::int64_t ids[] = {kX, kFilters, kY};
    void* const workspace = arrays.workspace.get();
    set(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 3, pointers);
    set(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 3, ids);
    set(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace);
    finish(pack);
    const double us =
        time_of(device, [&] { return cudnnBackendExecute(device.dnn, plan.descriptor.get(), pack.get()); });
    print("graph engine    ", engine.index, engine.deterministic(), us, operations(p), plan.workspace, "");
    if (engine.deterministic()) best = std::min(best, us);
  }
  return best;
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
  double legacy[2] = {}, graph[2] = {};
  for (const Layer& l : kLayers) {
    const Problem problem{CUDNN_DATA_BFLOAT16, samples, l.in, l.out, l.side, l.side, 3, 1, 1};
    const Arrays arrays(problem);
    for (const Operation operation : {Operation::forward, Operation::filter_gradient}) {
      std::printf("%s %lld -> %lld channels of %lldx%lld, %.1f GFLOP\n", name_of(operation),
                  static_cast<long long>(l.in), static_cast<long long>(l.out), static_cast<long long>(l.side),
                  static_cast<long long>(l.side), operations(problem) / 1e9);
      const double by_legacy = time_legacy(device, problem, operation, arrays);
      const double by_graph = time_graph(device, problem, operation, arrays);
      std::fflush(stdout);
      if (!l.of_network) continue;
      legacy[static_cast<int>(operation)] += by_legacy;
      graph[static_cast<int>(operation)] += by_graph;
    }
  }
  std::printf(
      "sums over the network, forward + filter gradient: legacy as taken %.0f + %.0f us, fastest deterministic "
      "graph engine %.0f + %.0f us\n",
      legacy[0], legacy[1], graph[0], graph[1]);
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
