#include "rate/cuda/backend.hpp"

#include <fmt/format.h>

#include <functional>
#include <map>
#include <string_view>
#include <type_traits>
#include <utility>

#include "core/errors.hpp"
#include "core/random.hpp"
#include "rate/cuda/convolution.hpp"
#include "rate/cuda/exchange.hpp"
#include "rate/cuda/images.hpp"
#include "rate/cuda/launch.hpp"
#include "rate/cuda/loops.hpp"
#include "rate/data/augment.hpp"
#include "rate/exchange.hpp"

namespace lpl::rate {
namespace {

using namespace cuda;
using Bfloat = std::uint16_t;

Index to_index(std::int64_t value) { return static_cast<Index>(value); }

std::int64_t kibibytes(std::int64_t bytes) { return (bytes + 1023) >> 10; }

std::int64_t bytes_of(Precision precision) { return precision == Precision::float32 ? 4 : 2; }

MapSize size_of(const Shape& s) { return {to_index(s.height), to_index(s.width), to_index(s.channels)}; }

// Calls f with the elements of a tensor as float* or Bfloat*.
template <class F>
decltype(auto) with_elements(const Tensor& tensor, F f) {
  if (tensor.precision == Precision::float32) return f(static_cast<float*>(tensor.data.get()));
  return f(static_cast<Bfloat*>(tensor.data.get()));
}

template <class Pointer>
using ElementOf = std::remove_cv_t<std::remove_pointer_t<Pointer>>;

// A layer whose maps are vectors is a matrix product.
bool is_product(const Convolution& layer, const Shape& x) {
  return layer.kernel == 1 && layer.padding == 0 && x.positions() == 1;
}

Windows windows_of(const Convolution& layer, const Shape& x) {
  const MapSize in = size_of(layer.convolved(x)), out = size_of(layer.output(x));
  if (layer.pool == 0) return {in, out, 1, 1};
  return {in, out, to_index(layer.pool), to_index(layer.pool_stride)};
}

Windows windows_of(const Pooling& pooling, const Shape& x) {
  return {size_of(x), size_of(pooling.output(x)), to_index(pooling.side), to_index(pooling.stride),
          to_index(pooling.padding)};
}

// Whether the bodies of rate/cuda/tile_bodies.hpp know windows.
bool tiles(const Windows& windows) { return windows.tile() && windows.side <= 2; }

Tiles tiles_of(const Windows& windows) {
  return {windows.out.rows * windows.out.columns, windows.out.channels, Divisor(windows.out.columns)};
}

// Calls f(side, width) with what the bodies are made for.
template <class F>
void with_tiles(const Windows& windows, F f) {
  const auto with_side = [&](auto side) {
    if (windows.out.channels % 8 == 0)
      f(side, std::integral_constant<Index, 8>());
    else
      f(side, std::integral_constant<Index, 1>());
  };
  if (windows.side == 1)
    with_side(std::integral_constant<Index, 1>());
  else
    with_side(std::integral_constant<Index, 2>());
}

// Bfloat16 numbers beside those of an array.
struct Beside {
  Array array;
  std::shared_ptr<Bfloat> data;
  // Beside the numbers of a part of the array; null for any other one.
  Bfloat* beside(const Array& part) const {
    const std::less<> before;
    const float* const first = array.at();
    const bool within = data && !before(part.at(), first) && before(part.at(), first + array.size);
    return within ? data.get() + (part.at() - first) : nullptr;
  }
};

struct DeviceFilters {
  std::shared_ptr<void> weights;
  std::shared_ptr<float> bias;
};

// What the forward pass leaves for the gradient.
struct DeviceTrace {
  std::shared_ptr<void> y;                // kept where the layer rectifies without pooling
  std::shared_ptr<std::uint8_t> winners;  // kept where it pools: by output
};

// What a rectifier leaves for its gradient.
struct RectifierTrace {
  Shape shape;  // of the input
  Precision precision;
  std::shared_ptr<std::uint8_t> winners;  // by output
};

// Both views of the whole batch at one hook, on the device.
struct Views {
  HookShape hook;
  SliceOrder order;
  std::shared_ptr<float> z, gradient;  // z may be what was given
};

class CudaBackend final : public Backend {
 public:
  CudaBackend(Communicator& comm, int device) : comm_(comm), device_(open(comm, device)), convolutions_(*device_) {
    if (comm.size() > 1)
      exchange_ = make_device_exchange(comm, *device_);
    else
      device_->when_full([this] { forget_graphs(); });  // several ranks record together or not at all
  }
  ~CudaBackend() override { device_->when_full(nullptr); }

  std::string description() const override {
    const int runtime = CUDART_VERSION;
    const auto dnn = static_cast<int>(cudnnGetVersion());
    return fmt::format("{}, CUDA {}.{}, cuDNN {}.{}.{}", device_->name(), runtime / 1000, runtime % 1000 / 10,
                       dnn / 10000, dnn % 10000 / 100, dnn % 100);
  }

  std::int64_t device_memory() const override { return device_->peak_memory(); }

  bool supports(Precision) const override { return true; }  // of every architecture that is compiled for

  // Each device does its share at once: many small slices would leave most of it idle.
  std::int64_t most_slices() const override { return comm_.size(); }
  std::int64_t steps_ahead() const override { return 256; }
  void repeat(const Batch& batch, std::vector<Tensor> x, const std::function<void(std::vector<Tensor>)>& step) override;

  Array zeros(std::int64_t size) override {
    Array array{size, allocate<float>(*device_, size)};
    clear(array);
    return array;
  }
  void clear(Array& array) override { device_->clear(array.at(), array.size * 4); }
  void write(Array& array, const std::vector<float>& values) override {
    send(*device_, values, array.at());
    if (Bfloat* const rounded = values_.beside(array)) round(array, rounded);
  }
  std::vector<float> read(const Array& array) override {
    std::vector<float> values(static_cast<std::size_t>(array.size));
    device_->download(values.data(), array.at(), array.size * 4);
    if (const Bfloat* const rounded = gradients_.beside(array)) {
      std::vector<Bfloat> rest(values.size());
      device_->download(rest.data(), rounded, array.size * 2);
      for (std::size_t i = 0; i < values.size(); ++i) values[i] += widen(rest[i]);
    }
    return values;
  }

  void add(const Array& from, Array& to) override {
    launch(*device_, "the kernel of sums", from.size, Sum<float>{to.at(), from.at(), to.at()});
  }
  void scale(Array& array, float factor) override {
    launch(*device_, "the scaling kernel", array.size, Scale<float>{array.at(), factor, array.at()});
  }
  void copy(const Array& from, Array& to, std::int64_t offset) override {
    device_->copy(to.at(offset), from.at(), from.size * 4);
  }
  Indices indices(std::int64_t room) override { return {0, allocate<std::int32_t>(*device_, room)}; }
  void write(Indices& indices, const std::vector<std::int32_t>& values) override {
    indices.size = static_cast<std::int64_t>(values.size());
    send(*device_, values, indices.at());
  }

  bool makes_views(const ViewSource& source) override;
  Tensor make_views(const ViewSource& source, const std::vector<ViewRequest>& requests, Precision precision) override;

  Tensor upload(const std::vector<float>& values, const Shape& shape, Precision precision) override;
  std::vector<float> download(const Tensor& tensor) override;

  Filters prepare(const Convolution& layer, const Array& weight, const Array& bias, Precision precision) override;
  Tensor forward(const Convolution& layer, const Filters& filters, const Tensor& x, Trace* trace) override;
  void add_gradient(const Convolution& layer, std::span<const Trace> traces, std::span<const Tensor> x,
                    std::span<const Tensor> dy, Array& weight, Array& bias) override;
  Tensor input_gradient(const Convolution& layer, const Filters& filters, const Trace& trace, const Tensor& x,
                        const Tensor& dy) override;

  Tensor mean_over_space(const Tensor& x) override;
  Tensor adaptive_mean(const Tensor& x, std::int64_t side) override;
  Tensor adaptive_mean_gradient(const Tensor& dy, const Shape& shape, Precision precision) override;
  Tensor dropout(const Dropout& dropout, const Tensor& x) override;
  Tensor sum(const Tensor& x, const Tensor& y) override;

  Tensor rectify(const Pooling& pooling, const Tensor& x, Trace* trace) override;
  Tensor rectifier_gradient(const Pooling& pooling, const Trace& trace, const Tensor& dy) override;
  void add_moments(const Tensor& x, const Tensor* dy, const Array& centre, Array& sums) override;
  Tensor combine(const Tensor& x, const Tensor* dy, const Array& coefficients) override;
  void normalise(const NormalisingStep& step) override {
    std::visit([&](const auto& own) { launch(*device_, "the kernel of normalisation", own.calls(), own); }, step);
  }

  std::vector<Tensor> loss(const HookLoss& loss, const Batch& batch, const std::vector<Tensor>& z, Array& losses,
                           std::int64_t offset) override;
  void reduce(const Batch& batch, std::vector<Array>& parts) override;

  void learn_rounded(const Array& values, const Array& gradients) override;
  void adam(const AdamForm& form, const Array& rates, const Array& gradient, Array& value, Array& mean,
            Array& square) override;
  void sgd(const SgdForm& form, const Array& rates, const Array& gradient, Array& value, Array& buffer) override;

 private:
  void add_slice_gradient(const Convolution& layer, const Trace& trace, const Tensor& x, const Tensor& dy,
                          Array& weight, Array& bias);
  static std::shared_ptr<Device> open(Communicator& comm, int index) {
    std::shared_ptr<Device> device;
    agree(comm, [&] { device = Device::open(index); });
    return device;
  }

  // Kernels count in 32 bits. Slices may differ, so this may happen to one rank alone.
  Tensor new_tensor(const Shape& shape, Precision precision) {
    if (shape.size() > INT32_MAX)
      throw DeviceError(
          fmt::format("{}: a map has {} numbers, more than the 2^31 that are possible; use a smaller batch",
                      device_->name(), shape.size()));
    return {shape, precision, device_->allocate(shape.size() * bytes_of(precision))};
  }

  void round(const Array& values, Bfloat* to) {
    launch(*device_, "the kernel that rounds filters", values.size, Narrow{values.at(), to});
  }

  // Calls f with the gradient with respect to the outputs of a layer, where it flows.
  template <class F>
  void with_flowing_gradient(const Convolution& layer, const Trace& trace, const Tensor& x, const Tensor& dy, F f);
  void pool(const Windows& windows, const float* bias, bool rectified, const Tensor& x, Tensor& y,
            std::uint8_t* winners);
  // Brings a gradient from the outputs of windows to the map `dx` that they lie on, and adds its sums by channel to
  // `bias` unless null.
  template <class Gradient, class Element>
  void unpool(const FlowingGradient<Gradient, Element>& gradient, const Windows& windows, const Tensor& dx,
              Array* bias);
  // Sums over rows, added to `to`.
  template <class Value>
  void add_sums(std::int64_t rows, std::int64_t columns, const Value& value, Array& to) {
    const SummedColumns sums = summed_columns(*device_, "the kernel of the bias gradient", rows, columns, value);
    launch(*device_, "the kernel of the bias gradient", columns, AddSums{sums.parts, to.at()});
  }
  // The gradient before pooling and rectifier, in the precision of x. The bias's is added to `bias` unless null.
  Tensor unpooled_gradient(const Convolution& layer, const Trace& trace, const Tensor& x, const Tensor& dy,
                           Array* bias);
  Views gather(const Batch& batch, const std::vector<Tensor>& z);
  std::vector<Tensor> scatter(const Batch& batch, const std::vector<Tensor>& z, const Views& views);

  Communicator& comm_;
  std::shared_ptr<Device> device_;
  Convolutions convolutions_;
  std::unique_ptr<DeviceExchange> exchange_;  // of several ranks
  // What repeat() knows of batches, by their number of samples: the maps that a step is given, its memory and, once it
  // is recorded, the graph.
  struct Recording {
    std::vector<Tensor> x;
    std::shared_ptr<StepMemory> memory;
    Device::Graph graph;
  };
  std::map<std::int64_t, Recording> recordings_;
  std::shared_ptr<void> arena_;  // of all graphs
  void make_arena();
  void forget_graphs();
  // Of parameters that learn rounded: their copies, and what is to be added to the gradients.
  Beside values_, gradients_;
  // Of the source that was last asked about; empty where the host makes its views.
  const ImageStore* store_ = nullptr;
  std::unique_ptr<ResidentImages> images_;
};

// The first time everything is done call by call: libraries choose their algorithms, and it shows what memory a step
// needs. The second time it is recorded.
void CudaBackend::repeat(const Batch& batch, std::vector<Tensor> x,
                         const std::function<void(std::vector<Tensor>)>& step) {
  if (device_->synchronous()) return step(std::move(x));
  const auto place = recordings_.find(batch.samples());
  if (place == recordings_.end()) {
    forget_graphs();
    device_->trim();
    const std::shared_ptr<StepMemory> memory = device_->note([&] { step(x); });
    recordings_[batch.samples()] = {std::move(x), memory, nullptr};
    device_->log(fmt::format("a step of {} samples takes memory {} times, {} KiB at once, {} KiB as it is laid out",
                             batch.samples(), memory->pieces(), kibibytes(memory->at_once()),
                             kibibytes(memory->bytes())));
    return make_arena();
  }
  Recording& known = place->second;
  for (std::size_t s = 0; s < x.size(); ++s)
    device_->copy(known.x[s].data.get(), x[s].data.get(), x[s].shape.size() * bytes_of(x[s].precision));
  if (!arena_) make_arena();
  if (!known.graph) known.graph = device_->record(known.memory, arena_, [&] { step(known.x); });
  device_->launch(known.graph);
}

// Beside what the pool keeps of steps that were done call by call it might not fit.
void CudaBackend::make_arena() {
  std::int64_t bytes = 0;
  for (const auto& [samples, known] : recordings_) bytes = std::max(bytes, known.memory->bytes());
  device_->trim();
  arena_ = device_->reserve(bytes);
}

void CudaBackend::forget_graphs() {
  for (auto& [samples, known] : recordings_) known.graph = nullptr;
  arena_ = nullptr;
}

bool CudaBackend::makes_views(const ViewSource& source) {
  if (source.store.get() != store_) {
    store_ = source.store.get();
    images_.reset();
    const auto side = static_cast<int>(source.side);
    if (ResidentImages::obstacle(*device_, *source.store, side).empty())
      images_ = std::make_unique<ResidentImages>(*device_, source.store, side, source.normalisation);
  }
  return images_ != nullptr;
}

Tensor CudaBackend::make_views(const ViewSource& source, const std::vector<ViewRequest>& requests,
                               Precision precision) {
  Tensor views = new_tensor({static_cast<std::int64_t>(requests.size()), 3, source.side, source.side}, precision);
  images_->make(requests, precision, views.data.get());
  return views;
}

Tensor CudaBackend::upload(const std::vector<float>& values, const Shape& shape, Precision precision) {
  const Tensor tensor = new_tensor(shape, precision);
  const std::int64_t bytes = shape.size() * bytes_of(precision);
  void* const staged = device_->staging(bytes);
  if (precision == Precision::float32) {
    std::memcpy(staged, values.data(), static_cast<std::size_t>(bytes));
  } else {
    auto* const to = static_cast<Bfloat*>(staged);
    for (std::size_t i = 0; i < values.size(); ++i) narrow(values[i], to[i]);
  }
  device_->send(tensor.data.get(), staged, bytes);
  return tensor;
}

std::vector<float> CudaBackend::download(const Tensor& tensor) {
  std::vector<float> values(static_cast<std::size_t>(tensor.shape.size()));
  with_elements(tensor, [&](const auto* from) {
    std::vector<ElementOf<decltype(from)>> elements(values.size());
    device_->download(elements.data(), from, tensor.shape.size() * bytes_of(tensor.precision));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = widen(elements[i]);
  });
  return values;
}

Filters CudaBackend::prepare(const Convolution&, const Array& weight, const Array& bias, Precision precision) {
  auto filters = std::make_shared<DeviceFilters>();
  filters->weights = weight.data;
  filters->bias = bias.data;
  if (precision == Precision::bfloat16) {
    if (Bfloat* const rounded = values_.beside(weight)) {
      filters->weights = std::shared_ptr<void>(values_.data, rounded);
    } else {
      const std::shared_ptr<Bfloat> narrowed = allocate<Bfloat>(*device_, weight.size);
      round(weight, narrowed.get());
      filters->weights = narrowed;
    }
  }
  return {filters};
}

Tensor CudaBackend::forward(const Convolution& layer, const Filters& filters, const Tensor& x, Trace* trace) {
  const auto& own = *static_cast<const DeviceFilters*>(filters.data.get());
  const Tensor convolved = new_tensor(layer.convolved(x.shape), x.precision);
  if (is_product(layer, x.shape))
    multiply(*device_, false, true, x.shape.samples, layer.out, layer.in, x.data.get(), own.weights.get(), x.precision,
             0.0f, convolved.data.get(), x.precision);
  else
    convolutions_.forward(layer, x, own.weights.get(), convolved.data.get());

  const Windows windows = windows_of(layer, x.shape);
  const auto kept = std::make_shared<DeviceTrace>();
  if (trace) trace->data = kept;
  Tensor y = layer.pool == 0 ? convolved : new_tensor(layer.output(x.shape), x.precision);
  if (trace && layer.pool > 0) kept->winners = allocate<std::uint8_t>(*device_, y.shape.size());
  pool(windows, own.bias.get(), layer.rectified, convolved, y, kept->winners.get());
  if (layer.pool == 0 && layer.rectified) kept->y = y.data;
  return y;
}

// y = max over windows of rectify(x + bias), and its means over space where they come with it.
void CudaBackend::pool(const Windows& windows, const float* bias, bool rectified, const Tensor& x, Tensor& y,
                       std::uint8_t* winners) {
  with_elements(y, [&](auto* to) {
    using Element = ElementOf<decltype(to)>;
    const auto* const from = static_cast<const Element*>(x.data.get());
    if (!tiles(windows)) {
      launch(*device_, "the pooling kernel", y.shape.size(), PoolMax<Element>{windows, bias, from, to, winners});
      return;
    }
    y.means = allocate<float>(*device_, y.shape.samples * y.shape.channels);
    with_tiles(windows, [&](auto side, auto width) {
      launch_samples(
          *device_, "the pooling kernel", y.shape.samples,
          PoolTiles<Element, side, width>{tiles_of(windows), bias, rectified, from, to, winners, y.means.get()});
    });
  });
}

template <class F>
void CudaBackend::with_flowing_gradient(const Convolution& layer, const Trace& trace, const Tensor& x, const Tensor& dy,
                                        F f) {
  const auto& kept = *static_cast<const DeviceTrace*>(trace.data.get());
  const Shape y = layer.output(x.shape);
  with_elements(x, [&](const auto* any) {
    using Element = ElementOf<decltype(any)>;
    with_elements(dy, [&](const auto* gradient) {
      f(FlowingGradient<ElementOf<decltype(gradient)>, Element>{
          gradient, kept.winners.get(), static_cast<const Element*>(kept.y.get()), to_index(y.positions()),
          to_index(y.channels), dy.shape.positions() == 1});
    });
  });
}

template <class Gradient, class Element>
void CudaBackend::unpool(const FlowingGradient<Gradient, Element>& gradient, const Windows& windows, const Tensor& dx,
                         Array* bias) {
  auto* const to = static_cast<Element*>(dx.data.get());
  const std::int64_t samples = dx.shape.samples, channels = dx.shape.channels;
  if (!tiles(windows)) {
    launch(*device_, "the unpooling kernel", dx.shape.size(), Unpool<Gradient, Element>{gradient, windows, to});
    if (bias) add_sums(samples * windows.out.rows * windows.out.columns, channels, gradient, *bias);
    return;
  }
  const std::shared_ptr<float> totals = bias ? allocate<float>(*device_, samples * channels) : nullptr;
  with_tiles(windows, [&](auto side, auto width) {
    launch_samples(*device_, "the unpooling kernel", samples,
                   UnpoolTiles<Gradient, Element, side, width>{tiles_of(windows), gradient.dy, gradient.everywhere,
                                                               gradient.winners, gradient.y, to, totals.get()});
  });
  if (bias) add_sums(samples, channels, Rows{totals.get(), to_index(channels)}, *bias);
}

Tensor CudaBackend::unpooled_gradient(const Convolution& layer, const Trace& trace, const Tensor& x, const Tensor& dy,
                                      Array* bias) {
  const Tensor dense = new_tensor(layer.convolved(x.shape), x.precision);
  with_flowing_gradient(layer, trace, x, dy,
                        [&](const auto& gradient) { unpool(gradient, windows_of(layer, x.shape), dense, bias); });
  return dense;
}

void CudaBackend::add_gradient(const Convolution& layer, std::span<const Trace> traces, std::span<const Tensor> x,
                               std::span<const Tensor> dy, Array& weight, Array& bias) {
  for (std::size_t s = 0; s < x.size(); ++s) add_slice_gradient(layer, traces[s], x[s], dy[s], weight, bias);
}

void CudaBackend::add_slice_gradient(const Convolution& layer, const Trace& trace, const Tensor& x, const Tensor& dy,
                                     Array& weight, Array& bias) {
  const Tensor dense = unpooled_gradient(layer, trace, x, dy, &bias);
  if (Bfloat* const rounded = gradients_.beside(weight);
      rounded && x.precision == Precision::bfloat16 && !is_product(layer, x.shape))
    return convolutions_.filter_gradient(layer, x, dense.data.get(), rounded);
  // cuDNN gives the gradient of a slice in the precision of its maps, a matrix product in float32.
  const Precision precision = is_product(layer, x.shape) ? Precision::float32 : x.precision;
  const Tensor sum = new_tensor({1, layer.weights(), 1, 1}, precision);
  if (is_product(layer, x.shape))
    multiply(*device_, true, false, layer.out, layer.in, x.shape.samples, dense.data.get(), x.data.get(), x.precision,
             0.0f, sum.data.get(), precision);
  else
    convolutions_.filter_gradient(layer, x, dense.data.get(), sum.data.get());
  with_elements(sum, [&](const auto* from) {
    launch(*device_, "the kernel that adds gradients", layer.weights(),
           Accumulate<ElementOf<decltype(from)>>{from, weight.at()});
  });
}

Tensor CudaBackend::input_gradient(const Convolution& layer, const Filters& filters, const Trace& trace,
                                   const Tensor& x, const Tensor& dy) {
  const auto& own = *static_cast<const DeviceFilters*>(filters.data.get());
  const Tensor dense = unpooled_gradient(layer, trace, x, dy, nullptr);
  Tensor dx = new_tensor(x.shape, x.precision);
  if (is_product(layer, x.shape))
    multiply(*device_, false, false, x.shape.samples, layer.in, layer.out, dense.data.get(), own.weights.get(),
             x.precision, 0.0f, dx.data.get(), x.precision);
  else
    convolutions_.input_gradient(layer, x, own.weights.get(), dense.data.get(), dx.data.get());
  return dx;
}

Tensor CudaBackend::mean_over_space(const Tensor& x) {
  if (x.means) return {{x.shape.samples, x.shape.channels, 1, 1}, Precision::float32, x.means};
  Tensor means = new_tensor({x.shape.samples, x.shape.channels, 1, 1}, Precision::float32);
  with_elements(x, [&](const auto* from) {
    launch(*device_, "the kernel of means over space", means.shape.size(),
           MeanOverSpace<ElementOf<decltype(from)>>{to_index(x.shape.positions()), to_index(x.shape.channels), from,
                                                    static_cast<float*>(means.data.get())});
  });
  return means;
}

Tensor CudaBackend::adaptive_mean(const Tensor& x, std::int64_t side) {
  Tensor y = new_tensor({x.shape.samples, x.shape.channels, side, side}, x.precision);
  with_elements(x, [&](const auto* from) {
    using Element = ElementOf<decltype(from)>;
    launch(*device_, "the kernel of the adaptive mean", y.shape.size(),
           AdaptiveMean<Element>{size_of(x.shape), size_of(y.shape), from, static_cast<Element*>(y.data.get())});
  });
  return y;
}

Tensor CudaBackend::adaptive_mean_gradient(const Tensor& dy, const Shape& shape, Precision precision) {
  Tensor dx = new_tensor(shape, precision);
  with_elements(dy, [&](const auto* from) {
    with_elements(dx, [&](auto* to) {
      launch(*device_, "the kernel of the adaptive mean's gradient", shape.size(),
             AdaptiveMeanGradient<ElementOf<decltype(from)>, ElementOf<decltype(to)>>{size_of(shape), size_of(dy.shape),
                                                                                      from, to});
    });
  });
  return dx;
}

Tensor CudaBackend::dropout(const Dropout& dropout, const Tensor& x) {
  Tensor y = new_tensor(x.shape, x.precision);
  with_elements(x, [&](const auto* from) {
    using Element = ElementOf<decltype(from)>;
    launch(*device_, "the kernel of dropout", x.shape.size(),
           DropOut<Element>{dropout.probability, static_cast<float>(1.0 / (1.0 - dropout.probability)),
                            static_cast<Index>(Draw::dropout), dropout.layer, dropout.seed.at(),
                            to_index(dropout.samples.first), to_index(dropout.samples.count),
                            to_index(x.shape.size() / x.shape.samples), from, static_cast<Element*>(y.data.get())});
  });
  return y;
}

Tensor CudaBackend::sum(const Tensor& x, const Tensor& y) {
  Tensor z = new_tensor(x.shape, x.precision);
  with_elements(z, [&](auto* to) {
    using Element = ElementOf<decltype(to)>;
    launch(*device_, "the kernel of sums", x.shape.size(),
           Sum<Element>{static_cast<const Element*>(x.data.get()), static_cast<const Element*>(y.data.get()), to});
  });
  return z;
}

Tensor CudaBackend::rectify(const Pooling& pooling, const Tensor& x, Trace* trace) {
  Tensor y = new_tensor(pooling.output(x.shape), x.precision);
  const auto kept = std::make_shared<RectifierTrace>(RectifierTrace{x.shape, x.precision, {}});
  if (trace) {
    kept->winners = allocate<std::uint8_t>(*device_, y.shape.size());
    trace->data = kept;
  }
  pool(windows_of(pooling, x.shape), nullptr, true, x, y, kept->winners.get());
  return y;
}

Tensor CudaBackend::rectifier_gradient(const Pooling& pooling, const Trace& trace, const Tensor& dy) {
  const auto& kept = *static_cast<const RectifierTrace*>(trace.data.get());
  const Shape y = pooling.output(kept.shape);
  Tensor dx = new_tensor(kept.shape, kept.precision);
  with_elements(dx, [&](auto* to) {
    using Element = ElementOf<decltype(to)>;
    with_elements(dy, [&](const auto* gradient) {
      using Gradient = ElementOf<decltype(gradient)>;
      const FlowingGradient<Gradient, Element> flowing{gradient,
                                                       kept.winners.get(),
                                                       nullptr,
                                                       to_index(y.positions()),
                                                       to_index(y.channels),
                                                       dy.shape.positions() == 1};
      unpool(flowing, windows_of(pooling, kept.shape), dx, nullptr);
    });
  });
  return dx;
}

void CudaBackend::add_moments(const Tensor& x, const Tensor* dy, const Array& centre, Array& sums) {
  const std::int64_t rows = x.shape.samples / 2 * x.shape.positions(), channels = x.shape.channels;
  with_elements(x, [&](const auto* from) {
    with_elements(dy ? *dy : x, [&](const auto* gradient) {
      const Moments<ElementOf<decltype(gradient)>, ElementOf<decltype(from)>> value{
          from, dy ? gradient : nullptr, centre.at(), to_index(rows), to_index(channels)};
      const SummedColumns summed = summed_columns(*device_, "the kernel of moments", rows, 4 * channels, value);
      launch(*device_, "the kernel of moments", 4 * channels, AddSums{summed.parts, sums.at()});
    });
  });
}

Tensor CudaBackend::combine(const Tensor& x, const Tensor* dy, const Array& coefficients) {
  Tensor y = new_tensor(x.shape, x.precision);
  const std::int64_t view_1 = x.shape.samples / 2 * x.shape.channels * x.shape.positions();
  with_elements(y, [&](auto* to) {
    using Element = ElementOf<decltype(to)>;
    with_elements(dy ? *dy : x, [&](const auto* gradient) {
      launch(*device_, "the normalising kernel", x.shape.size(),
             Combine<ElementOf<decltype(gradient)>, Element>{static_cast<const Element*>(x.data.get()),
                                                             dy ? gradient : nullptr, coefficients.at(),
                                                             to_index(view_1), to_index(x.shape.channels), to});
    });
  });
  return y;
}

Views CudaBackend::gather(const Batch& batch, const std::vector<Tensor>& z) {
  Views views;
  views.hook = hook_shape(comm_, batch, z);
  const std::int64_t row = views.hook.columns();
  views.order = {to_index(batch.samples()), to_index(batch.slices()[0].count), to_index(row)};
  views.gradient = allocate<float>(*device_, 2 * views.hook.view());
  // One slice is the views.
  if (comm_.size() == 1 && z.size() == 1 && z[0].precision == Precision::float32) {
    views.z = std::static_pointer_cast<float>(z[0].data);
    return views;
  }
  views.z = allocate<float>(*device_, 2 * views.hook.view());
  if (comm_.size() == 1) {
    const std::vector<Slice>& slices = batch.slices();
    for (std::size_t s = 0; s < z.size(); ++s)
      with_elements(z[s], [&](const auto* from) {
        launch(*device_, "the kernel that gathers slices", z[s].shape.size(),
               FromSlice<ElementOf<decltype(from)>>{views.order, to_index(2 * slices[s].first * row), from,
                                                    views.z.get()});
      });
    return views;
  }
  const std::shared_ptr<float> own = allocate<float>(*device_, 2 * batch.samples_of(comm_.rank()) * row);
  float* to = own.get();
  for (const Tensor& slice : z) {
    with_elements(slice, [&](const auto* from) {
      launch(*device_, "the kernel that gathers slices", slice.shape.size(),
             Widen<ElementOf<decltype(from)>>{from, to});
    });
    to += slice.shape.size();
  }
  std::vector<std::int64_t> counts;
  for (int r = 0; r < comm_.size(); ++r) counts.push_back(2 * batch.samples_of(r) * row);
  const std::shared_ptr<float> all = allocate<float>(*device_, 2 * views.hook.view());
  exchange_->gather(counts, own.get(), all.get());
  launch(*device_, "the kernel that gathers slices", 2 * views.hook.view(),
         FromSlice<float>{views.order, 0, all.get(), views.z.get()});
  return views;
}

std::vector<Tensor> CudaBackend::scatter(const Batch& batch, const std::vector<Tensor>& z, const Views& views) {
  if (batch.slices().size() == 1 && z.size() == 1) return {{z[0].shape, Precision::float32, views.gradient}};
  const std::shared_ptr<float> slices = allocate<float>(*device_, 2 * views.hook.view());
  launch(*device_, "the kernel that deals out slices", 2 * views.hook.view(),
         ToSlices{views.order, views.gradient.get(), slices.get()});
  std::vector<Tensor> gradients;
  const std::vector<Slice> mine = batch.mine();
  for (std::size_t s = 0; s < mine.size(); ++s)
    gradients.push_back({z[s].shape, Precision::float32,
                         std::shared_ptr<void>(slices, slices.get() + 2 * mine[s].first * views.hook.columns())});
  return gradients;
}

std::vector<Tensor> CudaBackend::loss(const HookLoss& loss, const Batch& batch, const std::vector<Tensor>& z,
                                      Array& losses, std::int64_t offset) {
  const Views v = gather(batch, z);
  const Hook<float> hook{v.hook, v.z.get(), v.gradient.get(), losses.at(offset)};
  std::visit([&](const auto& own) { own.evaluate(DeviceLoops{*device_}, hook); }, loss);
  return scatter(batch, z, v);
}

void CudaBackend::reduce(const Batch& batch, std::vector<Array>& parts) {
  if (comm_.size() == 1) return;  // already summed in the order of the slices
  std::vector<const float*> own;
  for (std::size_t s = 0; s < batch.mine().size(); ++s) own.push_back(parts[s].at());
  exchange_->sum(batch, parts[0].size, own, parts[0].at());
}

void CudaBackend::learn_rounded(const Array& values, const Array& gradients) {
  values_ = {values, allocate<Bfloat>(*device_, values.size)};
  gradients_ = {gradients, allocate<Bfloat>(*device_, gradients.size)};
  round(values, values_.data.get());
  device_->clear(gradients_.data.get(), gradients.size * 2);
}

void CudaBackend::adam(const AdamForm& form, const Array& rates, const Array& gradient, Array& value, Array& mean,
                       Array& square) {
  const auto number = [](double x) { return static_cast<float>(x); };
  const AdamUpdate update{rates.at(),
                          number(form.epsilon),
                          number(form.weight_decay),
                          number(form.beta1),
                          number(1 - form.beta1),
                          number(form.beta2),
                          number(1 - form.beta2),
                          gradient.at(),
                          value.at(),
                          mean.at(),
                          square.at()};
  if (Bfloat* const rounded = values_.beside(value))
    launch(*device_, "the kernel of Adam", value.size, AdamRounded{update, gradients_.beside(gradient), rounded});
  else
    launch(*device_, "the kernel of Adam", value.size, update);
}

void CudaBackend::sgd(const SgdForm& form, const Array& rates, const Array& gradient, Array& value, Array& buffer) {
  launch(*device_, "the kernel of SGD", value.size,
         SgdUpdate{rates.at(), static_cast<float>(form.momentum), static_cast<float>(form.weight_decay), gradient.at(),
                   value.at(), buffer.at()});
}

}  // namespace

std::unique_ptr<Backend> make_cuda_backend(Communicator& comm, int device) {
  return std::make_unique<CudaBackend>(comm, device);
}

}  // namespace lpl::rate
