#include "rate/cpu/backend.hpp"

#include <fmt/format.h>
#include <malloc.h>
#include <omp.h>

#include <algorithm>
#include <cstring>
#include <dnnl.hpp>
#include <limits>
#include <map>
#include <mutex>
#include <tuple>

#include "core/denormals.hpp"
#include "core/errors.hpp"
#include "rate/cpu/bfloat16.hpp"
#include "rate/cpu/filter_gradient.hpp"
#include "rate/cpu/kernels.hpp"
#include "rate/cpu/loops.hpp"
#include "rate/cpu/maps.hpp"
#include "rate/cpu/patch_products.hpp"
#include "rate/exchange.hpp"
#include "rate/first_error.hpp"

namespace lpl::rate {
namespace {

using dnnl::memory;

memory::data_type type_of(Precision precision) {
  return precision == Precision::float32 ? memory::data_type::f32 : memory::data_type::bf16;
}

memory::dims dims_of(const Shape& s) { return {s.samples, s.channels, s.height, s.width}; }

memory::desc map_layout(const Shape& shape, Precision precision) {
  return {dims_of(shape), type_of(precision), memory::format_tag::nChw16c};
}

// The layout to ask a convolution for. oneDNN has no fast code for incomplete blocks of channels in our layout; such
// maps are converted to what it likes.
memory::desc liked_layout(const Shape& shape, Precision precision) {
  if (shape.channels % kLanes == 0) return map_layout(shape, precision);
  return {dims_of(shape), type_of(precision), memory::format_tag::any};
}

struct ConvolutionFilters {
  memory plain;    // out x tap x in, float32: the array that they were made of
  memory weights;  // in the layout and precision that the forward pass asks for
  memory bias;
  // As the gradient of the input asks for them, for the first slice that does.
  std::mutex converting;
  memory backward;
};

// Threads execute a primitive side by side, so none may use the library's own memory.
dnnl::primitive_attr with_own_scratchpad() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

using LayerKey = std::tuple<std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t>;
using PlanKey = std::tuple<LayerKey, std::int64_t, std::int64_t, std::int64_t, Precision>;

LayerKey key_of(const Convolution& c) { return {c.in, c.out, c.kernel, c.stride, c.padding}; }

class CpuBackend final : public MapOperations {
 public:
  explicit CpuBackend(Communicator& comm)
      : comm_(comm), engine_(dnnl::engine::kind::cpu, 0), stream_(engine_), patches_(engine_) {
    // A network whose activity dies out has weights and moments of nothing else. OpenMP's threads take this over from
    // this one (LLVM) or keep their own (GNU).
    flush_denormals();
#pragma omp parallel
    flush_denormals();
  }

  std::string description() const override {
    const dnnl_version_t* v = dnnl::version();
    return fmt::format("CPU (oneDNN {}.{}.{}, vectors {}, {} {} a rank)", v->major, v->minor, v->patch,
                       rate_vector_target(), omp_get_max_threads(), omp_get_max_threads() == 1 ? "thread" : "threads");
  }

  bool supports(Precision precision) const override {
    // oneDNN has bfloat16 convolutions for AVX-512 and what followed.
    const auto has = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
    const auto needs = static_cast<unsigned>(dnnl::cpu_isa::avx512_core);
    return precision == Precision::float32 || (has & needs) == needs;
  }

  std::int64_t most_slices() const override { return 16; }
  std::int64_t steps_ahead() const override { return 1; }
  void each_slice(std::size_t count, const std::function<void(std::size_t)>& work) override;
  void repeat(const Batch&, std::vector<Tensor> x, const std::function<void(std::vector<Tensor>)>& step) override {
    step(std::move(x));
  }

  Array zeros(std::int64_t size) override {
    Array array{size, std::static_pointer_cast<float>(allocate(size * 4))};
    clear(array);
    return array;
  }
  void clear(Array& array) override { std::memset(array.at(), 0, static_cast<std::size_t>(array.size) * 4); }
  void write(Array& array, const std::vector<float>& values) override {
    std::copy(values.begin(), values.end(), array.at());
  }
  std::vector<float> read(const Array& array) override { return {array.at(), array.at(array.size)}; }
  void add(const Array& from, Array& to) override {
    std::transform(from.at(), from.at(from.size), to.at(), to.at(), std::plus<>());
  }
  void scale(Array& array, float factor) override {
    std::for_each(array.at(), array.at(array.size), [factor](float& value) { value *= factor; });
  }
  void copy(const Array& from, Array& to, std::int64_t offset) override {
    std::copy_n(from.at(), from.size, to.at(offset));
  }
  Indices indices(std::int64_t room) override {
    return {0, std::static_pointer_cast<std::int32_t>(allocate(room * 4))};
  }
  void write(Indices& indices, const std::vector<std::int32_t>& values) override {
    indices.size = static_cast<std::int64_t>(values.size());
    std::copy(values.begin(), values.end(), indices.at());
  }

  bool makes_views(const ViewSource&) override { return false; }
  Tensor make_views(const ViewSource&, const std::vector<ViewRequest>&, Precision) override {
    throw Error("views are made on the host");
  }

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

  void adam(const AdamForm& form, const Array& rates, const Array& gradient, Array& value, Array& mean,
            Array& square) override;
  void sgd(const SgdForm& form, const Array& rates, const Array& gradient, Array& value, Array& buffer) override;

 private:
  struct Plan {
    dnnl::convolution_forward::primitive_desc description;
    dnnl::convolution_forward forward;
  };

  const Plan& plan(const Convolution& layer, const Shape& x, Precision precision);
  memory converted(memory from, const memory::desc& to);
  memory backward_weights(ConvolutionFilters& filters, const memory::desc& wanted);
  // y = filters * x + bias in float32, before rectifier and pooling.
  void convolve(const Convolution& layer, const ConvolutionFilters& filters, const Tensor& x, const Tensor& y);
  // The gradient before pooling and rectifier, dense, as oneDNN wants it.
  Tensor unpooled_gradient(const Convolution& layer, const Trace& trace, const Shape& x, const Tensor& dy,
                           Precision precision);
  void add_dense_gradient(const Convolution& layer, const Trace& trace, const Tensor& x, const Tensor& dy,
                          Array& weight, Array& bias);
  // Both views of the whole batch at one hook, from all ranks, and the way back.
  std::vector<float> gather(const Batch& batch, const HookShape& shape, const std::vector<Tensor>& z);
  std::vector<Tensor> scatter(const Batch& batch, const HookShape& shape, const std::vector<Tensor>& z,
                              const std::vector<float>& gradient);

  Communicator& comm_;
  dnnl::engine engine_;
  dnnl::stream stream_;
  std::mutex planning_;
  std::map<PlanKey, Plan> plans_;
  PatchProducts patches_;
  FilterGradient filter_gradient_;
};

void CpuBackend::each_slice(std::size_t count, const std::function<void(std::size_t)>& work) {
  // Threads that begin and end something together cost microseconds each time, so each takes slices of its own; where
  // a quarter of them would be idle at the end, they rather share the work within a slice.
  const auto threads = static_cast<std::size_t>(omp_get_max_threads());
  const std::size_t rounds = (count + threads - 1) / threads;
  if (4 * count < 3 * rounds * threads) return Backend::each_slice(count, work);
  FirstError error(count);
#pragma omp parallel for schedule(static)
  for (std::size_t s = 0; s < count; ++s) error.watch(s, [&] { work(s); });
  error.rethrow();
}

Tensor CpuBackend::upload(const std::vector<float>& values, const Shape& shape, Precision precision) {
  Tensor tensor = new_tensor(shape, precision);
  const std::int64_t channel_blocks = blocks(shape.channels);
  with_elements(tensor, [&](auto* to) {
#pragma omp parallel for schedule(static)
    for (std::int64_t n = 0; n < shape.samples; ++n)
      for (std::int64_t b = 0; b < channel_blocks; ++b)
        for (std::int64_t p = 0; p < shape.positions(); ++p)
          for (std::int64_t lane = 0; lane < kLanes; ++lane) {
            const std::int64_t c = b * kLanes + lane;
            const float value = c < shape.channels
                                    ? values[static_cast<std::size_t>((n * shape.positions() + p) * shape.channels + c)]
                                    : 0.0f;
            narrow(value, to[((n * channel_blocks + b) * shape.positions() + p) * kLanes + lane]);
          }
  });
  return tensor;
}

std::vector<float> CpuBackend::download(const Tensor& tensor) {
  const Shape& shape = tensor.shape;
  std::vector<float> values(static_cast<std::size_t>(shape.size()));
  const std::int64_t channel_blocks = blocks(shape.channels);
  with_elements(tensor, [&](const auto* from) {
    for (std::int64_t n = 0; n < shape.samples; ++n)
      for (std::int64_t c = 0; c < shape.channels; ++c)
        for (std::int64_t p = 0; p < shape.positions(); ++p)
          values[static_cast<std::size_t>((n * shape.positions() + p) * shape.channels + c)] =
              widen(from[((n * channel_blocks + c / kLanes) * shape.positions() + p) * kLanes + c % kLanes]);
  });
  return values;
}

const CpuBackend::Plan& CpuBackend::plan(const Convolution& layer, const Shape& x, Precision precision) {
  // Maps of any number of samples share the layout of the filters.
  const PlanKey key{key_of(layer), x.samples, x.height, x.width, precision};
  const std::lock_guard lock(planning_);
  const auto found = plans_.find(key);
  if (found != plans_.end()) return found->second;
  const memory::data_type type = type_of(precision);
  const memory::desc source = liked_layout(x, precision);
  const memory::desc weights({layer.out, layer.in, layer.kernel, layer.kernel}, type, memory::format_tag::any);
  const memory::desc bias({layer.out}, memory::data_type::f32, memory::format_tag::x);
  const memory::desc destination = liked_layout(layer.convolved(x), precision);
  const memory::dims stride{layer.stride, layer.stride};
  const memory::dims padding{layer.padding, layer.padding};
  const dnnl::convolution_forward::primitive_desc description(
      {dnnl::prop_kind::forward_training, dnnl::algorithm::convolution_direct, source, weights, bias, destination,
       stride, padding, padding},
      with_own_scratchpad(), engine_);
  return plans_.emplace(key, Plan{description, dnnl::convolution_forward(description)}).first->second;
}

memory CpuBackend::converted(memory from, const memory::desc& to) {
  if (from.get_desc() == to) return from;
  memory result(to, engine_);
  dnnl::reorder(from, result).execute(stream_, from, result);
  stream_.wait();
  return result;
}

Filters CpuBackend::prepare(const Convolution& layer, const Array& weight, const Array& bias, Precision precision) {
  const memory::desc plain({layer.out, layer.in, layer.kernel, layer.kernel}, memory::data_type::f32,
                           memory::format_tag::ohwi);
  auto filters = std::make_shared<ConvolutionFilters>();
  filters->plain = memory(plain, engine_, weight.at());
  filters->bias = memory({{1, layer.out}, memory::data_type::f32, memory::format_tag::ab}, engine_, bias.at());
  if (precision == Precision::bfloat16) {
    filters->weights = patches_.pack(layer, weight.at());
    return {filters};
  }
  // The layout of the filters is fixed by the layer: asked for with the smallest map that it accepts.
  const std::int64_t side = std::max<std::int64_t>(layer.kernel - 2 * layer.padding, 1) + 1;
  const memory::desc wanted = plan(layer, {1, layer.in, side, side}, precision).description.weights_desc();
  if (layer.in % kLanes == 0 && layer.out % kLanes == 0 &&
      wanted == memory::desc(plain.dims(), memory::data_type::f32, memory::format_tag::OIhw16i16o)) {
    filters->weights = memory(wanted, engine_);
    block_filters(layer.out, layer.kernel * layer.kernel, layer.in, weight.at(),
                  static_cast<float*>(filters->weights.get_data_handle()));
  } else {
    filters->weights = converted(filters->plain, wanted);
  }
  return {filters};
}

void rectify_in_place(const Tensor& maps) {
  constexpr std::int64_t kPiece = 1 << 10;  // blocks that a thread takes at once
  const std::int64_t count = padded_size(maps.shape) / kLanes;
  with_elements(maps, [&](auto* x) {
#pragma omp parallel for schedule(static)
    for (std::int64_t first = 0; first < count; first += kPiece)
      rectify_blocks(std::min(kPiece, count - first), x + first * kLanes);
  });
}

void CpuBackend::convolve(const Convolution& layer, const ConvolutionFilters& filters, const Tensor& x,
                          const Tensor& y) {
  const Plan& p = plan(layer, x.shape, x.precision);
  const memory source =
      converted(memory(map_layout(x.shape, x.precision), engine_, x.data.get()), p.description.src_desc());
  memory own_result(map_layout(y.shape, y.precision), engine_, y.data.get());
  const bool direct = p.description.dst_desc() == own_result.get_desc();
  memory result = direct ? own_result : memory(p.description.dst_desc(), engine_);
  const memory weights = converted(filters.weights, p.description.weights_desc());
  const memory bias(p.description.bias_desc(), engine_, filters.bias.get_data_handle());
  p.forward.execute(stream_, {{DNNL_ARG_SRC, source},
                              {DNNL_ARG_WEIGHTS, weights},
                              {DNNL_ARG_BIAS, bias},
                              {DNNL_ARG_DST, result},
                              {DNNL_ARG_SCRATCHPAD, memory(p.description.scratchpad_desc(), engine_)}});
  if (!direct) dnnl::reorder(result, own_result).execute(stream_, result, own_result);
  stream_.wait();
}

Tensor CpuBackend::forward(const Convolution& layer, const Filters& filters, const Tensor& x, Trace* trace) {
  const auto& own = *as<ConvolutionFilters>(filters.data);
  Tensor y = new_tensor(layer.convolved(x.shape), x.precision);
  if (x.precision == Precision::bfloat16)
    patches_.forward(layer, own.weights, own.bias, x, y);
  else
    convolve(layer, own, x, y);
  auto kept = std::make_shared<ConvolutionTrace>();
  if (layer.pool == 0) {
    if (layer.rectified) rectify_in_place(y);
    kept->y = y;
  } else {
    const Tensor pooled = new_tensor(layer.output(x.shape), x.precision);
    const std::int64_t maps = blocks(layer.out);
    const std::int64_t step_in = maps * y.shape.positions() * kLanes;
    const std::int64_t step_out = maps * pooled.shape.positions() * kLanes;
    if (trace) kept->winners = std::static_pointer_cast<std::uint8_t>(allocate(padded_size(pooled.shape)));
    const PoolShape shape{maps, y.shape.height, y.shape.width, layer.pool, layer.pool_stride};
    with_elements(y, [&](const auto* from) {
      using Element = std::remove_cvref_t<decltype(*from)>;
      auto* const to = as<Element>(pooled.data);
#pragma omp parallel for schedule(static)
      for (std::int64_t n = 0; n < y.shape.samples; ++n)
        pool_max(shape, from + n * step_in, to + n * step_out,
                 kept->winners ? kept->winners.get() + n * step_out : nullptr);
    });
    y = pooled;
  }
  if (trace) trace->data = std::move(kept);
  return y;
}

void CpuBackend::add_gradient(const Convolution& layer, std::span<const Trace> traces, std::span<const Tensor> x,
                              std::span<const Tensor> dy, Array& weight, Array& bias) {
  const bool every_position = layer.stride == 1 || (!x.empty() && x[0].shape.positions() == 1);
  if (layer.kernel == 1 && layer.padding == 0 && layer.pool == 0 && every_position) {
    for (std::size_t s = 0; s < x.size(); ++s) add_dense_gradient(layer, traces[s], x[s], dy[s], weight, bias);
    return;
  }
  std::vector<Tensor> gradients;
  for (std::size_t s = 0; s < x.size(); ++s) gradients.push_back(by_position(dy[s], layer.output(x[s].shape)));
  filter_gradient_.add(layer, traces, x, gradients, weight, bias);
}

void CpuBackend::add_dense_gradient(const Convolution& layer, const Trace& trace, const Tensor& x, const Tensor& dy,
                                    Array& weight, Array& bias) {
  const std::int64_t rows = x.shape.samples * x.shape.positions();
  std::vector<float> gradient = download(unpooled_gradient(layer, trace, x.shape, dy, Precision::float32));
  const std::vector<float> input = download(x);
  std::vector<float> sum(static_cast<std::size_t>(layer.out * layer.in));
  multiply(true, false, layer.out, layer.in, rows, gradient.data(), input.data(), 0.0f, sum.data());
  for (std::size_t i = 0; i < sum.size(); ++i) weight.at()[i] += sum[i];
  std::vector<float> total(static_cast<std::size_t>(layer.out));
  for (std::int64_t n = 0; n < rows; ++n)
    for (std::int64_t o = 0; o < layer.out; ++o)
      total[static_cast<std::size_t>(o)] += gradient[static_cast<std::size_t>(n * layer.out + o)];
  for (std::size_t o = 0; o < total.size(); ++o) bias.at()[o] += total[o];
}

Tensor CpuBackend::unpooled_gradient(const Convolution& layer, const Trace& trace, const Shape& x, const Tensor& given,
                                     Precision precision) {
  const auto& kept = *as<ConvolutionTrace>(trace.data);
  const Tensor dy = by_position(given, layer.output(x));
  const Shape shape = layer.convolved(x);
  const std::uint8_t* const winners = kept.winners.get();
  if (layer.pool)
    return gradient_of_winners({layer.pool, layer.pool_stride, 0}, shape, dy, precision,
                               [&](std::int64_t at) { return winners[at]; });
  if (!layer.rectified)
    return gradient_of_winners({}, shape, dy, precision, [](std::int64_t) { return std::uint8_t{0}; });
  return with_elements(kept.y, [&](const auto* outputs) {
    return gradient_of_winners({}, shape, dy, precision,
                               [&](std::int64_t at) { return widen(outputs[at]) > 0 ? std::uint8_t{0} : kSilent; });
  });
}

memory CpuBackend::backward_weights(ConvolutionFilters& filters, const memory::desc& wanted) {
  const std::lock_guard lock(filters.converting);
  if (!filters.backward || filters.backward.get_desc() != wanted) filters.backward = converted(filters.plain, wanted);
  return filters.backward;
}

Tensor CpuBackend::input_gradient(const Convolution& layer, const Filters& filters, const Trace& trace, const Tensor& x,
                                  const Tensor& dy) {
  const Tensor gradient = unpooled_gradient(layer, trace, x.shape, dy, x.precision);
  const Plan& hint = plan(layer, x.shape, x.precision);
  const memory::dims stride{layer.stride, layer.stride};
  const memory::dims padding{layer.padding, layer.padding};
  const memory::desc weights({layer.out, layer.in, layer.kernel, layer.kernel}, type_of(x.precision),
                             memory::format_tag::any);
  const dnnl::convolution_backward_data::primitive_desc description(
      {dnnl::algorithm::convolution_direct, liked_layout(x.shape, x.precision), weights,
       liked_layout(gradient.shape, x.precision), stride, padding, padding},
      with_own_scratchpad(), engine_, hint.description);
  Tensor dx = new_tensor(x.shape, x.precision);
  const memory from = converted(memory(map_layout(gradient.shape, x.precision), engine_, gradient.data.get()),
                                description.diff_dst_desc());
  memory to(description.diff_src_desc(), engine_);
  memory own_result(map_layout(x.shape, x.precision), engine_, dx.data.get());
  const memory own = backward_weights(*as<ConvolutionFilters>(filters.data), description.weights_desc());
  dnnl::convolution_backward_data(description)
      .execute(stream_, {{DNNL_ARG_DIFF_DST, from},
                         {DNNL_ARG_WEIGHTS, own},
                         {DNNL_ARG_DIFF_SRC, to},
                         {DNNL_ARG_SCRATCHPAD, memory(description.scratchpad_desc(), engine_)}});
  dnnl::reorder(to, own_result).execute(stream_, to, own_result);
  stream_.wait();
  return dx;
}

std::vector<float> CpuBackend::gather(const Batch& batch, const HookShape& shape, const std::vector<Tensor>& z) {
  const std::int64_t row = shape.columns();
  std::vector<std::vector<float>> values(z.size());
  each_slice(z.size(), [&](std::size_t s) { values[s] = download(z[s]); });
  std::vector<float> own;
  for (const std::vector<float>& slice : values) own.insert(own.end(), slice.begin(), slice.end());
  std::vector<float> all = gather_slices(comm_, batch, row, std::move(own));
  if (batch.slices().size() == 1) return all;
  std::vector<float> views(all.size());
  auto from = all.begin();
  for (const Slice& slice : batch.slices())
    for (const std::int64_t view : {0, 1}) {
      std::copy_n(from, slice.count * row, views.begin() + view * shape.view() + slice.first * row);
      from += slice.count * row;
    }
  return views;
}

std::vector<Tensor> CpuBackend::scatter(const Batch& batch, const HookShape& shape, const std::vector<Tensor>& z,
                                        const std::vector<float>& gradient) {
  if (batch.slices().size() == 1 && !z.empty()) return {upload(gradient, z[0].shape, Precision::float32)};
  const std::int64_t row = shape.columns();
  const std::vector<Slice> mine = batch.mine();
  std::vector<Tensor> gradients(mine.size());
  each_slice(mine.size(), [&](std::size_t s) {
    std::vector<float> values;
    for (const std::int64_t view : {0, 1}) {
      const auto first = gradient.begin() + view * shape.view() + mine[s].first * row;
      values.insert(values.end(), first, first + mine[s].count * row);
    }
    gradients[s] = upload(values, z[s].shape, Precision::float32);
  });
  return gradients;
}

std::vector<Tensor> CpuBackend::loss(const HookLoss& loss, const Batch& batch, const std::vector<Tensor>& z,
                                     Array& losses, std::int64_t offset) {
  const HookShape shape = hook_shape(comm_, batch, z);
  const std::vector<float> views = gather(batch, shape, z);
  std::vector<float> gradient(views.size());
  const Hook<float> hook{shape, views.data(), gradient.data(), losses.at(offset)};
  std::visit([&](const auto& own) { own.evaluate(HostLoops(), hook); }, loss);
  return scatter(batch, shape, z, gradient);
}

void CpuBackend::reduce(const Batch& batch, std::vector<Array>& parts) {
  if (comm_.size() == 1) return;  // already summed in the order of the slices
  std::vector<const float*> own;
  for (std::size_t s = 0; s < batch.mine().size(); ++s) own.push_back(parts[s].at());
  sum_slices(comm_, batch, parts[0].size, own, parts[0].at());
}

void CpuBackend::adam(const AdamForm& form, const Array& rates, const Array& gradient, Array& value, Array& mean,
                      Array& square) {
  constexpr std::int64_t kChunk = 1 << 14;
#pragma omp parallel for schedule(static)
  for (std::int64_t first = 0; first < value.size; first += kChunk)
    adam_update(form, rates.at(), std::min(kChunk, value.size - first), gradient.at(first), value.at(first),
                mean.at(first), square.at(first));
}

void CpuBackend::sgd(const SgdForm& form, const Array& rates, const Array& gradient, Array& value, Array& buffer) {
  const float rate = rates.at()[0];
  const auto momentum = static_cast<float>(form.momentum);
  const auto decay = static_cast<float>(form.weight_decay);
  for (std::int64_t i = 0; i < value.size; ++i) {
    float& v = value.at()[i];
    float& m = buffer.at()[i];
    m = momentum * m + (gradient.at()[i] + decay * v);
    v -= rate * m;
  }
}

}  // namespace

std::unique_ptr<Backend> make_cpu_backend(Communicator& comm) {
  // A step asks for the same maps as the step before: kept in the process, their pages are not cleared anew. The
  // largest arrays, of parameters, live apart, so that they do not break up the room.
  mallopt(M_MMAP_THRESHOLD, 12 << 20);
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
  return std::make_unique<CpuBackend>(comm);
}

}  // namespace lpl::rate
