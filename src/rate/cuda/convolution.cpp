#include "rate/cuda/convolution.hpp"

#include <fmt/format.h>

#include <array>
#include <optional>

namespace lpl::rate::cuda {
namespace {

// A cuDNN descriptor that destroys itself.
template <class T, auto kCreate, auto kDestroy>
class Descriptor {
 public:
  explicit Descriptor(const Device& device) { device.check(kCreate(&value_), "creating a descriptor of cuDNN"); }
  ~Descriptor() { kDestroy(value_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  T get() const { return value_; }

 private:
  T value_ = nullptr;
};

using MapDescriptor = Descriptor<cudnnTensorDescriptor_t, cudnnCreateTensorDescriptor, cudnnDestroyTensorDescriptor>;
using FilterDescriptor = Descriptor<cudnnFilterDescriptor_t, cudnnCreateFilterDescriptor, cudnnDestroyFilterDescriptor>;
using ConvolutionDescriptor =
    Descriptor<cudnnConvolutionDescriptor_t, cudnnCreateConvolutionDescriptor, cudnnDestroyConvolutionDescriptor>;

// One of the three operations of a layer: how cuDNN does it.
template <class Algorithm>
struct Choice {
  Algorithm algorithm;
  cudnnMathType_t math;
  std::size_t workspace = 0;
};

constexpr float kOne = 1, kZero = 0;

// The share of a device that a workspace may take. Of all its memory, not of what is free: what is chosen, and with it
// the last bits of the numbers, must not depend on who else uses the device, or on whether a run was interrupted.
constexpr std::int64_t kWorkspaceShare = 8;

bool is_unsupported(cudnnStatus_t status) { return CUDNN_STATUS_CATEGORY(status) == CUDNN_STATUS_NOT_SUPPORTED; }

// Algorithms that transform the maps save products, and lose digits.
bool transforms(cudnnConvolutionFwdAlgo_t a) {
  return a == CUDNN_CONVOLUTION_FWD_ALGO_FFT || a == CUDNN_CONVOLUTION_FWD_ALGO_FFT_TILING ||
         a == CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD || a == CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD_NONFUSED;
}
bool transforms(cudnnConvolutionBwdFilterAlgo_t a) {
  return a == CUDNN_CONVOLUTION_BWD_FILTER_ALGO_FFT || a == CUDNN_CONVOLUTION_BWD_FILTER_ALGO_FFT_TILING ||
         a == CUDNN_CONVOLUTION_BWD_FILTER_ALGO_WINOGRAD || a == CUDNN_CONVOLUTION_BWD_FILTER_ALGO_WINOGRAD_NONFUSED;
}
bool transforms(cudnnConvolutionBwdDataAlgo_t a) {
  return a == CUDNN_CONVOLUTION_BWD_DATA_ALGO_FFT || a == CUDNN_CONVOLUTION_BWD_DATA_ALGO_FFT_TILING ||
         a == CUDNN_CONVOLUTION_BWD_DATA_ALGO_WINOGRAD || a == CUDNN_CONVOLUTION_BWD_DATA_ALGO_WINOGRAD_NONFUSED;
}

}  // namespace

struct Convolutions::Plan {
  explicit Plan(const Device& device) : x(device), y(device), filters(device), convolution(device) {}
  MapDescriptor x, y;
  FilterDescriptor filters;
  ConvolutionDescriptor convolution;
  std::string name;
  Precision precision = Precision::float32;
  std::optional<Choice<cudnnConvolutionFwdAlgo_t>> forward;
  std::optional<Choice<cudnnConvolutionBwdFilterAlgo_t>> filter_gradient;
  std::optional<Choice<cudnnConvolutionBwdDataAlgo_t>> input_gradient;

  void set_math(const Device& device, cudnnMathType_t math) {
    device.check(cudnnSetConvolutionMathType(convolution.get(), math), "cudnnSetConvolutionMathType");
  }

  // Does an operation by the choice that is known for it; the first time, by the first offer that can. `list` fills in
  // what cuDNN offers, best first, `size_workspace` what an algorithm needs; execute(choice, workspace) calls it.
  template <class Offer, class Known, class List, class SizeWorkspace, class Execute>
  void run(Device& device, const char* operation, Known& known, List list, SizeWorkspace size_workspace,
           Execute execute) {
    const std::string what = fmt::format("the {} of {}", operation, name);
    const bool first = !known;
    if (first) known = choose<Offer>(device, what, list, size_workspace, execute);
    // The first time it was done in passing, and a step's memory is the same every time.
    const auto workspace = device.allocate(static_cast<std::int64_t>(known->workspace));
    if (first) return;
    set_math(device, known->math);
    device.check(execute(*known, workspace.get()), what + " by cuDNN");
  }

  template <class Offer, class List, class SizeWorkspace, class Execute>
  auto choose(Device& device, const std::string& what, List list, SizeWorkspace size_workspace, Execute execute) {
    std::array<Offer, 16> offers{};
    int count = 0;
    set_math(device, precision == Precision::float32 ? CUDNN_FMA_MATH : CUDNN_TENSOR_OP_MATH);
    device.check(list(static_cast<int>(offers.size()), &count, offers.data()),
                 fmt::format("asking cuDNN for algorithms of {}", what));
    std::string why = "none of its algorithms is deterministic";
    // Whether the call succeeded; throws where the cause is not that the algorithm cannot.
    const auto can = [&](cudnnStatus_t status) {
      if (status == CUDNN_STATUS_SUCCESS || !is_unsupported(status)) device.check(status, what + " by cuDNN");
      if (status != CUDNN_STATUS_SUCCESS) why = Device::text_of(status);
      return status == CUDNN_STATUS_SUCCESS;
    };
    for (int i = 0; i < count; ++i) {
      const Offer& offer = offers[static_cast<std::size_t>(i)];
      if (offer.status != CUDNN_STATUS_SUCCESS || offer.determinism != CUDNN_DETERMINISTIC) continue;
      if (precision == Precision::float32 && transforms(offer.algo)) continue;
      Choice<decltype(offer.algo)> choice{offer.algo, offer.mathType};
      if (precision == Precision::float32) choice.math = CUDNN_FMA_MATH;
      set_math(device, choice.math);
      if (!can(size_workspace(choice.algorithm, &choice.workspace))) continue;
      const auto bytes = static_cast<std::int64_t>(choice.workspace);
      if (bytes > device.memory() / kWorkspaceShare) {
        why = fmt::format("algorithm {} needs a workspace of {} MiB", static_cast<int>(choice.algorithm), bytes >> 20);
        continue;
      }
      try {
        const auto workspace = device.allocate_aside(bytes);
        if (!can(execute(choice, workspace.get()))) continue;
      } catch (const OutOfMemory& error) {
        why = error.what();
        continue;
      }
      device.log(fmt::format("{}: offer {} of {} of cuDNN, algorithm {}, {}, workspace {} KiB", what, i + 1, count,
                             static_cast<int>(choice.algorithm),
                             choice.math == CUDNN_FMA_MATH ? "no tensor cores" : "tensor cores where it can",
                             (bytes + 1023) >> 10));
      return choice;
    }
    throw DeviceError(
        fmt::format("{}: cuDNN has no deterministic algorithm for {}: {}; use --device cpu", device.name(), what, why));
  }
};

Convolutions::Plan& Convolutions::plan(const Convolution& layer, const Tensor& x) {
  const Key key{layer.in,        layer.out,      layer.kernel,  layer.stride, layer.padding,
                x.shape.samples, x.shape.height, x.shape.width, x.precision};
  std::shared_ptr<Plan>& known = plans_[key];
  if (known) return *known;
  const auto made = std::make_shared<Plan>(device_);
  made->precision = x.precision;
  made->name = fmt::format("a {0}x{0} convolution from {1} to {2} channels of {3}x{4} maps", layer.kernel, layer.in,
                           layer.out, x.shape.height, x.shape.width);
  const cudnnDataType_t type = x.precision == Precision::float32 ? CUDNN_DATA_FLOAT : CUDNN_DATA_BFLOAT16;
  const auto number = [](std::int64_t value) { return static_cast<int>(value); };
  const auto describe = [&](const MapDescriptor& map, const Shape& s) {
    device_.check(cudnnSetTensor4dDescriptor(map.get(), CUDNN_TENSOR_NHWC, type, number(s.samples), number(s.channels),
                                             number(s.height), number(s.width)),
                  "cudnnSetTensor4dDescriptor");
  };
  describe(made->x, x.shape);
  describe(made->y, layer.convolved(x.shape));
  device_.check(cudnnSetFilter4dDescriptor(made->filters.get(), type, CUDNN_TENSOR_NHWC, number(layer.out),
                                           number(layer.in), number(layer.kernel), number(layer.kernel)),
                "cudnnSetFilter4dDescriptor");
  device_.check(cudnnSetConvolution2dDescriptor(made->convolution.get(), number(layer.padding), number(layer.padding),
                                                number(layer.stride), number(layer.stride), 1, 1,
                                                CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT),
                "cudnnSetConvolution2dDescriptor");
  known = made;
  return *known;
}

void Convolutions::forward(const Convolution& layer, const Tensor& x, const void* filters, void* y) {
  Plan& p = plan(layer, x);
  p.run<cudnnConvolutionFwdAlgoPerf_t>(
      device_, "forward pass", p.forward,
      [&](int most, int* count, cudnnConvolutionFwdAlgoPerf_t* offers) {
        return cudnnGetConvolutionForwardAlgorithm_v7(device_.dnn(), p.x.get(), p.filters.get(), p.convolution.get(),
                                                      p.y.get(), most, count, offers);
      },
      [&](cudnnConvolutionFwdAlgo_t algorithm, std::size_t* bytes) {
        return cudnnGetConvolutionForwardWorkspaceSize(device_.dnn(), p.x.get(), p.filters.get(), p.convolution.get(),
                                                       p.y.get(), algorithm, bytes);
      },
      [&](const auto& choice, void* workspace) {
        return cudnnConvolutionForward(device_.dnn(), &kOne, p.x.get(), x.data.get(), p.filters.get(), filters,
                                       p.convolution.get(), choice.algorithm, workspace, choice.workspace, &kZero,
                                       p.y.get(), y);
      });
}

void Convolutions::filter_gradient(const Convolution& layer, const Tensor& x, const void* dy, void* dfilters) {
  Plan& p = plan(layer, x);
  p.run<cudnnConvolutionBwdFilterAlgoPerf_t>(
      device_, "gradient of the filters", p.filter_gradient,
      [&](int most, int* count, cudnnConvolutionBwdFilterAlgoPerf_t* offers) {
        return cudnnGetConvolutionBackwardFilterAlgorithm_v7(device_.dnn(), p.x.get(), p.y.get(), p.convolution.get(),
                                                             p.filters.get(), most, count, offers);
      },
      [&](cudnnConvolutionBwdFilterAlgo_t algorithm, std::size_t* bytes) {
        return cudnnGetConvolutionBackwardFilterWorkspaceSize(device_.dnn(), p.x.get(), p.y.get(), p.convolution.get(),
                                                              p.filters.get(), algorithm, bytes);
      },
      [&](const auto& choice, void* workspace) {
        return cudnnConvolutionBackwardFilter(device_.dnn(), &kOne, p.x.get(), x.data.get(), p.y.get(), dy,
                                              p.convolution.get(), choice.algorithm, workspace, choice.workspace,
                                              &kZero, p.filters.get(), dfilters);
      });
}

void Convolutions::input_gradient(const Convolution& layer, const Tensor& x, const void* filters, const void* dy,
                                  void* dx) {
  Plan& p = plan(layer, x);
  p.run<cudnnConvolutionBwdDataAlgoPerf_t>(
      device_, "gradient of the input", p.input_gradient,
      [&](int most, int* count, cudnnConvolutionBwdDataAlgoPerf_t* offers) {
        return cudnnGetConvolutionBackwardDataAlgorithm_v7(device_.dnn(), p.filters.get(), p.y.get(),
                                                           p.convolution.get(), p.x.get(), most, count, offers);
      },
      [&](cudnnConvolutionBwdDataAlgo_t algorithm, std::size_t* bytes) {
        return cudnnGetConvolutionBackwardDataWorkspaceSize(device_.dnn(), p.filters.get(), p.y.get(),
                                                            p.convolution.get(), p.x.get(), algorithm, bytes);
      },
      [&](const auto& choice, void* workspace) {
        return cudnnConvolutionBackwardData(device_.dnn(), &kOne, p.filters.get(), filters, p.y.get(), dy,
                                            p.convolution.get(), choice.algorithm, workspace, choice.workspace, &kZero,
                                            p.x.get(), dx);
      });
}

}  // namespace lpl::rate::cuda
