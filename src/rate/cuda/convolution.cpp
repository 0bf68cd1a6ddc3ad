#include "rate/cuda/convolution.hpp"

#include <fmt/format.h>

#include <array>
#include <optional>

#include "core/errors.hpp"

namespace lpl::cuda {
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

  // `list` fills in what cuDNN offers, best first; `size_workspace` says what an algorithm needs.
  template <class Offer, class List, class SizeWorkspace>
  auto choose(const Device& device, const char* operation, List list, SizeWorkspace size_workspace) {
    std::array<Offer, 16> offers{};
    int count = 0;
    set_math(device, precision == Precision::float32 ? CUDNN_FMA_MATH : CUDNN_TENSOR_OP_MATH);
    device.check(list(static_cast<int>(offers.size()), &count, offers.data()),
                 fmt::format("asking cuDNN for algorithms of the {} of {}", operation, name));
    for (int i = 0; i < count; ++i) {
      const Offer& offer = offers[static_cast<std::size_t>(i)];
      if (offer.status != CUDNN_STATUS_SUCCESS || offer.determinism != CUDNN_DETERMINISTIC) continue;
      Choice<decltype(offer.algo)> choice{offer.algo, offer.mathType};
      if (precision == Precision::float32) choice.math = CUDNN_FMA_MATH;
      set_math(device, choice.math);
      if (size_workspace(choice.algorithm, &choice.workspace) == CUDNN_STATUS_SUCCESS) return choice;
    }
    throw Error(fmt::format("{}: cuDNN has no deterministic algorithm for the {} of {}; use --device cpu",
                            device.name(), operation, name));
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
  if (!p.forward)
    p.forward = p.choose<cudnnConvolutionFwdAlgoPerf_t>(
        device_, "forward pass",
        [&](int most, int* count, cudnnConvolutionFwdAlgoPerf_t* offers) {
          return cudnnGetConvolutionForwardAlgorithm_v7(device_.dnn(), p.x.get(), p.filters.get(), p.convolution.get(),
                                                        p.y.get(), most, count, offers);
        },
        [&](cudnnConvolutionFwdAlgo_t algorithm, std::size_t* bytes) {
          return cudnnGetConvolutionForwardWorkspaceSize(device_.dnn(), p.x.get(), p.filters.get(), p.convolution.get(),
                                                         p.y.get(), algorithm, bytes);
        });
  p.set_math(device_, p.forward->math);
  const auto workspace = device_.allocate(static_cast<std::int64_t>(p.forward->workspace));
  const float one = 1, zero = 0;
  device_.check(cudnnConvolutionForward(device_.dnn(), &one, p.x.get(), x.data.get(), p.filters.get(), filters,
                                        p.convolution.get(), p.forward->algorithm, workspace.get(),
                                        p.forward->workspace, &zero, p.y.get(), y),
                fmt::format("cudnnConvolutionForward of {}", p.name));
}

void Convolutions::filter_gradient(const Convolution& layer, const Tensor& x, const void* dy, void* dfilters) {
  Plan& p = plan(layer, x);
  if (!p.filter_gradient)
    p.filter_gradient = p.choose<cudnnConvolutionBwdFilterAlgoPerf_t>(
        device_, "gradient of the filters",
        [&](int most, int* count, cudnnConvolutionBwdFilterAlgoPerf_t* offers) {
          return cudnnGetConvolutionBackwardFilterAlgorithm_v7(device_.dnn(), p.x.get(), p.y.get(), p.convolution.get(),
                                                               p.filters.get(), most, count, offers);
        },
        [&](cudnnConvolutionBwdFilterAlgo_t algorithm, std::size_t* bytes) {
          return cudnnGetConvolutionBackwardFilterWorkspaceSize(device_.dnn(), p.x.get(), p.y.get(),
                                                                p.convolution.get(), p.filters.get(), algorithm, bytes);
        });
  p.set_math(device_, p.filter_gradient->math);
  const auto workspace = device_.allocate(static_cast<std::int64_t>(p.filter_gradient->workspace));
  const float one = 1, zero = 0;
  device_.check(cudnnConvolutionBackwardFilter(device_.dnn(), &one, p.x.get(), x.data.get(), p.y.get(), dy,
                                               p.convolution.get(), p.filter_gradient->algorithm, workspace.get(),
                                               p.filter_gradient->workspace, &zero, p.filters.get(), dfilters),
                fmt::format("cudnnConvolutionBackwardFilter of {}", p.name));
}

void Convolutions::input_gradient(const Convolution& layer, const Tensor& x, const void* filters, const void* dy,
                                  void* dx) {
  Plan& p = plan(layer, x);
  if (!p.input_gradient)
    p.input_gradient = p.choose<cudnnConvolutionBwdDataAlgoPerf_t>(
        device_, "gradient of the input",
        [&](int most, int* count, cudnnConvolutionBwdDataAlgoPerf_t* offers) {
          return cudnnGetConvolutionBackwardDataAlgorithm_v7(device_.dnn(), p.filters.get(), p.y.get(),
                                                             p.convolution.get(), p.x.get(), most, count, offers);
        },
        [&](cudnnConvolutionBwdDataAlgo_t algorithm, std::size_t* bytes) {
          return cudnnGetConvolutionBackwardDataWorkspaceSize(device_.dnn(), p.filters.get(), p.y.get(),
                                                              p.convolution.get(), p.x.get(), algorithm, bytes);
        });
  p.set_math(device_, p.input_gradient->math);
  const auto workspace = device_.allocate(static_cast<std::int64_t>(p.input_gradient->workspace));
  const float one = 1, zero = 0;
  device_.check(cudnnConvolutionBackwardData(device_.dnn(), &one, p.filters.get(), filters, p.y.get(), dy,
                                             p.convolution.get(), p.input_gradient->algorithm, workspace.get(),
                                             p.input_gradient->workspace, &zero, p.x.get(), dx),
                fmt::format("cudnnConvolutionBackwardData of {}", p.name));
}

}  // namespace lpl::cuda
