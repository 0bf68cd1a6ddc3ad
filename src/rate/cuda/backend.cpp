#include "rate/cuda/backend.hpp"

#include <fmt/format.h>

#include <functional>
#include <map>
#include <string_view>
#include <utility>
#include <variant>

#include "core/errors.hpp"
#include "rate/cuda/convolution.hpp"
#include "rate/cuda/exchange.hpp"
#include "rate/cuda/images.hpp"
#include "rate/cuda/launch.hpp"
#include "rate/cuda/loops.hpp"
#include "rate/cuda/maps.hpp"
#include "rate/cuda/thin_convolution.hpp"
#include "rate/data/augment.hpp"
#include "rate/exchange.hpp"

namespace lpl::rate {
namespace {

using namespace cuda;

std::int64_t kibibytes(std::int64_t bytes) { return (bytes + 1023) >> 10; }

// A layer whose maps are vectors is a matrix product.
bool is_product(const Convolution& layer, const Shape& x) {
  return layer.kernel == 1 && layer.padding == 0 && x.positions() == 1;
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

// Both views of the whole batch at one hook, on the device.
struct Views {
  HookShape hook;
  SliceOrder order;
  std::shared_ptr<float> z, gradient;  // z may be what was given
};

class CudaBackend final : public MapOperations {
 public:
  CudaBackend(Communicator& comm, int device)
      : MapOperations(open(comm, device)), comm_(comm), convolutions_(*device_) {
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

  void round(const Array& values, Bfloat* to) {
    launch(*device_, "the kernel that rounds filters", values.size, Narrow{values.at(), to});
  }

  // The gradient before pooling and rectifier, in the precision of x. The bias's is added to `bias` unless null.
  Tensor unpooled_gradient(const Convolution& layer, const Trace& trace, const Tensor& x, const Tensor& dy,
                           Array* bias);
  Views gather(const Batch& batch, const std::vector<Tensor>& z);
  std::vector<Tensor> scatter(const Batch& batch, const std::vector<Tensor>& z, const Views& views);

  Communicator& comm_;
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
  x.clear();
  device_->let_ahead();
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
      device_->ahead(
          [&] { images_ = std::make_unique<ResidentImages>(*device_, source.store, side, source.normalisation); });
  }
  return images_ != nullptr;
}

Tensor CudaBackend::make_views(const ViewSource& source, const std::vector<ViewRequest>& requests,
                               Precision precision) {
  Tensor views;
  device_->ahead([&] {
    views = new_tensor({static_cast<std::int64_t>(requests.size()), 3, source.side, source.side}, precision);
    images_->make(requests, precision, views.data.get());
  });
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
  const auto kept = std::make_shared<DeviceTrace>();
  if (trace) trace->data = kept;
  if (trace && layer.pool > 0) kept->winners = allocate<std::uint8_t>(*device_, layer.output(x.shape).size());
  if (is_thin(layer, x)) {
    Tensor y = new_tensor(layer.output(x.shape), x.precision);
    thin_forward(*device_, layer, x, own.weights.get(), own.bias.get(), y, kept->winners.get());
    return y;
  }
  const Tensor convolved = new_tensor(layer.convolved(x.shape), x.precision);
  if (is_product(layer, x.shape))
    multiply(*device_, false, true, x.shape.samples, layer.out, layer.in, x.data.get(), own.weights.get(), x.precision,
             0.0f, convolved.data.get(), x.precision);
  else
    convolutions_.forward(layer, x, own.weights.get(), convolved.data.get());

  const Windows windows = windows_of(layer, x.shape);
  Tensor y = layer.pool == 0 ? convolved : new_tensor(layer.output(x.shape), x.precision);
  pool(windows, own.bias.get(), layer.rectified, convolved, y, kept->winners.get());
  if (layer.pool == 0 && layer.rectified) kept->y = y.data;
  return y;
}

Tensor CudaBackend::unpooled_gradient(const Convolution& layer, const Trace& trace, const Tensor& x, const Tensor& dy,
                                      Array* bias) {
  const auto& kept = *static_cast<const DeviceTrace*>(trace.data.get());
  const Tensor dense = new_tensor(layer.convolved(x.shape), x.precision);
  unpool({dy, layer.output(x.shape), kept.winners.get(), kept.y.get()}, windows_of(layer, x.shape), dense, bias);
  return dense;
}

void CudaBackend::add_gradient(const Convolution& layer, std::span<const Trace> traces, std::span<const Tensor> x,
                               std::span<const Tensor> dy, Array& weight, Array& bias) {
  for (std::size_t s = 0; s < x.size(); ++s) add_slice_gradient(layer, traces[s], x[s], dy[s], weight, bias);
}

void CudaBackend::add_slice_gradient(const Convolution& layer, const Trace& trace, const Tensor& x, const Tensor& dy,
                                     Array& weight, Array& bias) {
  if (is_thin(layer, x) && is_of_means(dy))
    return add_thin_gradient(*device_, layer, x, static_cast<const DeviceTrace*>(trace.data.get())->winners.get(), dy,
                             weight, bias);
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
