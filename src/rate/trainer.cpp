#include "rate/trainer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "core/errors.hpp"
#include "core/text.hpp"
#include "rate/schedule.hpp"

namespace lpl::rate {
namespace {

AdamForm form_of(const AdamOptimizer& adam, double decay) { return {adam.beta1, adam.beta2, adam.epsilon, decay}; }

}  // namespace

EncoderDescription fitted_encoder(const TrainingDescription& d, const PairSource& pairs) {
  const bool supervised = d.objective->needs().labels;
  if (supervised && pairs.classes() == 0)
    throw ConfigError(d.name + ": supervised learning needs labels, and this data set has none");
  return make_encoder(d.net, pairs.sample(), d.biases, d.scope == Scope::end_to_end, d.projector,
                      supervised ? pairs.classes() : 0);
}

Trainer::Trainer(const TrainingDescription& description, const EncoderDescription& encoder, Backend& backend,
                 Communicator& comm)
    : description_(description),
      encoder_description_(encoder),
      backend_(backend),
      comm_(comm),
      encoder_(encoder, backend, description.seed),
      repeatable_(!description.objective->terms().empty()),
      batch_(description.batch, comm.rank(), comm.size(), backend.most_slices()) {
  if (description.objective->needs().estimates) estimates_.resize(hooks());
  losses_ = backend_.zeros(static_cast<std::int64_t>(hooks()) * kLossTerms);
  log_ = backend_.zeros(backend_.steps_ahead() * description.accumulate * losses_.size);
  labels_ = backend_.indices(description.batch);
  positives_ = {backend_.indices(description.batch), backend_.indices(description.batch)};
  rates_ = backend_.zeros(2);
  seed_ = backend_.indices(2);
  make_room_for_gradients();
  if (at_once() && description.precision == Precision::bfloat16 &&
      std::holds_alternative<AdamOptimizer>(description.optimizer.kind))
    backend_.learn_rounded(encoder_.all().value, gradients_);
}

void Trainer::step(std::int64_t step, double learning_rate, PairSource& pairs, Inspection* inspection) {
  const auto* adam = std::get_if<AdamOptimizer>(&description_.optimizer.kind);
  backend_.write(rates_, adam ? adam_rates(form_of(*adam, 0), learning_rate, step + 1) : sgd_rates(learning_rate));

  const Steps steps{pairs.batches_per_epoch(), description_.accumulate};
  const std::int64_t first = steps.first_batch(step), batches = steps.batches(step);
  std::int64_t row = std::accumulate(logged_.begin(), logged_.end(), std::int64_t{0});
  for (std::int64_t batch = first; batch < first + batches; ++batch) {
    inspection_ = batch + 1 == first + batches ? inspection : nullptr;
    Slices x = take_batch(batch, pairs);
    const std::uint64_t seed = description_.seed + static_cast<std::uint64_t>(batch) * 0x9e3779b97f4a7c15u;
    backend_.write(seed_, {static_cast<std::int32_t>(seed), static_cast<std::int32_t>(seed >> 32)});
    if (repeatable_ && !inspection_)
      backend_.repeat(batch_, std::move(x), [this](Slices given) { learn(std::move(given)); });
    else
      learn(std::move(x));
    backend_.copy(losses_, log_, row++ * losses_.size);
  }
  logged_.push_back(batches);
  if (accumulates()) learn_from_sums(batches);
}

StepLosses Trainer::judge(std::int64_t batch, PairSource& pairs) {
  inspection_ = nullptr;
  Slices x = take_batch(batch, pairs);
  std::vector<Block>& blocks = encoder_.blocks();
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    x = forward(blocks[b], x, nullptr);
    if (description_.scope == Scope::layer_local || b + 1 == blocks.size()) judge_at_hook(b, x);
  }
  return losses_of(backend_.read(losses_));
}

Trainer::Slices Trainer::take_batch(std::int64_t batch, PairSource& pairs) {
  batch_ = Batch(pairs.batch(batch), comm_.rank(), comm_.size(), backend_.most_slices());
  Slices x;
  // Data may fail on one rank alone.
  agree(comm_, [&] {
    if (description_.objective->needs().labels) backend_.write(labels_, pairs.labels(batch));
    if (description_.positives == Positives::shuffled) {
      const std::vector<std::int64_t> positives = pairs.shuffled(batch);
      backend_.write(positives_.of_first, {positives.begin(), positives.end()});
      backend_.write(positives_.of_second, inverse_positives(positives));
    }
    for (const Slice& slice : batch_.mine()) x.push_back(samples(pairs, batch, slice));
  });
  return x;
}

Tensor Trainer::samples(PairSource& pairs, std::int64_t batch, const Slice& slice) {
  Shape shape = encoder_description_.input;
  shape.samples = 2 * slice.count;
  const ViewSource* const source = pairs.view_source();
  if (!source || !backend_.makes_views(*source))
    return backend_.upload(pairs.make(batch, slice), shape, description_.precision);
  Tensor views = backend_.make_views(*source, pairs.views(batch, slice), description_.precision);
  views.shape = shape;  // a dense network takes them as vectors
  return views;
}

void Trainer::learn(Slices x) {
  std::vector<Block>& blocks = encoder_.blocks();
  if (at_once()) backend_.clear(gradients_);
  if (description_.scope == Scope::layer_local) {
    for (std::size_t b = 0; b < blocks.size(); ++b) {
      BlockPass pass;
      Slices y = forward(blocks[b], x, &pass);
      if (description_.objective->terms().empty())
        learn_without_losses(blocks[b].layers.front(), x, y);
      else
        backward(blocks[b], pass, learn_at_hook(b, y), false);
      x = std::move(y);
    }
  } else {
    std::vector<BlockPass> passes(blocks.size());
    for (std::size_t b = 0; b < blocks.size(); ++b) x = forward(blocks[b], x, &passes[b]);
    Slices dy = learn_at_hook(blocks.size() - 1, x);
    for (std::size_t b = blocks.size(); b-- > 0;) {
      dy = backward(blocks[b], passes[b], dy, b > 0);
      passes[b] = {};
    }
  }
  if (at_once()) learn_at_once();
}

std::vector<StepLosses> Trainer::take_losses() {
  const std::int64_t rows = std::accumulate(logged_.begin(), logged_.end(), std::int64_t{0});
  const std::vector<float> log = backend_.read(log_.part(0, rows * losses_.size));
  std::vector<StepLosses> steps;
  std::span<const float> left(log);
  for (const std::int64_t batches : std::exchange(logged_, {})) {
    const auto size = static_cast<std::size_t>(batches * losses_.size);
    steps.push_back(losses_of(left.first(size)));
    left = left.subspan(size);
  }
  return steps;
}

StepLosses Trainer::losses_of(std::span<const float> rows) const {
  StepLosses losses;
  const auto row = static_cast<std::size_t>(losses_.size);
  const std::size_t batches = rows.size() / row;
  const auto count = static_cast<double>(batches);
  for (std::size_t h = 0; h < hooks(); ++h) {
    LossTerms& hook = losses.hooks.emplace_back();
    for (std::size_t t = 0; t < kLossTerms; ++t)
      for (std::size_t i = h * kLossTerms + t; i < rows.size(); i += row)
        hook[t] += static_cast<double>(rows[i]) / count;
    losses.total += description_.objective->total(hook);
  }
  return losses;
}

std::vector<StaleEstimates> Trainer::estimates() {
  std::vector<StaleEstimates> values;
  for (const EstimateArrays& e : estimates_) values.push_back({backend_.read(e.mean), backend_.read(e.variance)});
  return values;
}

bool Trainer::fits(const std::vector<StaleEstimates>& estimates) const {
  return estimates.size() == estimates_.size() &&
         std::ranges::all_of(estimates, [](const StaleEstimates& e) { return e.mean.size() == e.variance.size(); });
}

void Trainer::set_estimates(const std::vector<StaleEstimates>& estimates) {
  for (std::size_t h = 0; h < estimates_.size(); ++h)
    estimates_[h] = {array_of(estimates.at(h).mean), array_of(estimates.at(h).variance)};
}

Trainer::Slices Trainer::forward(Block& block, const Slices& given, BlockPass* pass) {
  if (pass) pass->layers.resize(block.layers.size());
  Slices y = given;
  for (std::size_t l = 0; l < block.layers.size(); ++l)
    y = forward(block.layers[l], y, pass ? &pass->layers[l] : nullptr);
  if (!block.description.residual) return y;
  const Slices skipped = block.shortcut ? forward(*block.shortcut, given, pass ? &pass->shortcut : nullptr) : given;
  if (pass) pass->traces.resize(y.size());
  backend_.each_slice(y.size(), [&](std::size_t s) {
    y[s] = backend_.rectify({}, backend_.sum(y[s], skipped[s]), pass ? &pass->traces[s] : nullptr);
  });
  return y;
}

Trainer::Slices Trainer::forward(Layer& layer, const Slices& given, Pass* pass) {
  const LayerDescription& d = layer.description;
  const Filters filters = backend_.prepare(d.convolution, layer.weight.value, layer.bias.value,
                                           given.empty() ? Precision::float32 : given[0].precision);
  Slices outputs(given.size());
  if (pass) {
    pass->filters = filters;
    pass->given = given;
    pass->x.resize(given.size());
    pass->traces.resize(given.size());
  }
  backend_.each_slice(given.size(), [&](std::size_t s) {
    Tensor x = given[s];
    if (d.adaptive_pool > 0) x = backend_.adaptive_mean(x, d.adaptive_pool);
    if (pass && d.dropout > 0) x = backend_.dropout(dropout(layer, s), x);
    outputs[s] = backend_.forward(d.convolution, filters, x, pass ? &pass->traces[s] : nullptr);
    if (pass) pass->x[s] = std::move(x);
  });
  if (layer.norm) return forward(*layer.norm, outputs, pass ? &pass->norm : nullptr);
  return outputs;
}

Trainer::Slices Trainer::forward(Norm& norm, const Slices& given, NormPass* pass) {
  const std::int64_t channels = norm.weight.size();
  const auto width = static_cast<std::uint32_t>(channels);
  const float *weight = norm.weight.value.at(), *bias = norm.bias.value.at();
  float *mean = norm.mean.value.at(), *variance = norm.variance.value.at();
  const Array coefficients = backend_.zeros(8 * channels);
  if (pass) {
    const auto count = static_cast<double>(batch_.samples() * norm.description.positions);
    pass->moments = backend_.zeros(4 * channels);
    float* const moments = pass->moments.at();
    const Array about_zero = sum_moments(norm, given, nullptr, backend_.zeros(2 * channels));
    backend_.normalise(BatchMeans{width, count, about_zero.at(), moments});
    const Array about_means = sum_moments(norm, given, nullptr, pass->moments.part(0, 2 * channels));
    backend_.normalise(
        BatchNormalisation{width, count, about_means.at(), moments, weight, bias, mean, variance, coefficients.at()});
  } else {
    backend_.normalise(RunningNormalisation{width, weight, bias, mean, variance, coefficients.at()});
  }
  Slices outputs(given.size());
  if (pass) {
    pass->x = given;
    pass->traces.resize(given.size());
  }
  backend_.each_slice(given.size(), [&](std::size_t s) {
    Tensor y = backend_.combine(given[s], nullptr, coefficients);
    if (norm.description.rectified)
      y = backend_.rectify(norm.description.pooling, y, pass ? &pass->traces[s] : nullptr);
    outputs[s] = std::move(y);
  });
  return outputs;
}

Array Trainer::sum_moments(const Norm& norm, const Slices& x, const Slices* dy, const Array& centre) {
  std::vector<Array> sums = clear_parts(moments_, 4 * norm.weight.size());
  for (std::size_t s = 0; s < x.size(); ++s)
    backend_.add_moments(x[s], dy ? &(*dy)[s] : nullptr, centre, sums[comm_.size() > 1 ? s : 0]);
  backend_.reduce(batch_, sums);
  return sums[0];
}

Array Trainer::array_of(const std::vector<float>& values) {
  Array array = backend_.zeros(static_cast<std::int64_t>(values.size()));
  backend_.write(array, values);
  return array;
}

Trainer::Slices Trainer::backward(Block& block, BlockPass& pass, const Slices& dy, bool wanted) {
  Slices gradients = dy;
  if (block.description.residual)
    backend_.each_slice(dy.size(),
                        [&](std::size_t s) { gradients[s] = backend_.rectifier_gradient({}, pass.traces[s], dy[s]); });
  Slices skipped = gradients;
  for (std::size_t l = block.layers.size(); l-- > 0;)
    gradients = backward(block.layers[l], pass.layers[l], std::move(gradients), wanted || l > 0);
  if (!block.description.residual) return gradients;
  if (block.shortcut) skipped = backward(*block.shortcut, pass.shortcut, std::move(skipped), wanted);
  backend_.each_slice(gradients.size(), [&](std::size_t s) { gradients[s] = backend_.sum(gradients[s], skipped[s]); });
  return gradients;
}

Trainer::Slices Trainer::backward(Norm& norm, NormPass& pass, Slices dy) {
  if (norm.description.rectified)
    backend_.each_slice(dy.size(), [&](std::size_t s) {
      dy[s] = backend_.rectifier_gradient(norm.description.pooling, pass.traces[s], dy[s]);
    });
  const std::int64_t channels = norm.weight.size();
  const Array sums = sum_moments(norm, pass.x, &dy, pass.moments.part(0, 2 * channels));
  const Array coefficients = backend_.zeros(8 * channels);
  const Array weight = at_once() ? gradient_of(norm.weight) : backend_.zeros(channels);
  const Array bias = at_once() ? gradient_of(norm.bias) : backend_.zeros(channels);
  backend_.normalise(NormalisationGradient{
      static_cast<std::uint32_t>(channels), static_cast<double>(batch_.samples() * norm.description.positions),
      sums.at(), pass.moments.at(), norm.weight.value.at(), coefficients.at(), weight.at(), bias.at()});
  backend_.each_slice(dy.size(), [&](std::size_t s) { dy[s] = backend_.combine(pass.x[s], &dy[s], coefficients); });
  update(norm.weight, weight);
  update(norm.bias, bias);
  return dy;
}

Trainer::Slices Trainer::backward(Layer& layer, Pass& pass, Slices dy, bool wanted) {
  const LayerDescription& d = layer.description;
  if (layer.norm) dy = backward(*layer.norm, pass.norm, std::move(dy));
  if (!wanted) pass.filters = {};  // room for the gradient
  std::vector<Array> weight = weight_parts(layer), bias = bias_parts(layer);
  const std::size_t of_a_part = comm_.size() > 1 ? 1 : dy.size();  // slices
  for (std::size_t s = 0; s < dy.size(); s += of_a_part) {
    const auto part = [&](const auto& all) { return std::span(all).subspan(s, of_a_part); };
    backend_.add_gradient(d.convolution, part(pass.traces), part(pass.x), part(std::as_const(dy)),
                          weight[s / of_a_part], bias[s / of_a_part]);
  }
  Slices gradients(wanted ? dy.size() : 0);
  backend_.each_slice(gradients.size(), [&](std::size_t s) {
    Tensor dx = backend_.input_gradient(d.convolution, pass.filters, pass.traces[s], pass.x[s], dy[s]);
    if (d.dropout > 0) dx = backend_.dropout(dropout(layer, s), dx);
    if (d.adaptive_pool > 0) dx = backend_.adaptive_mean_gradient(dx, pass.given[s].shape, pass.given[s].precision);
    gradients[s] = std::move(dx);
  });
  apply(layer, weight, bias);
  return gradients;
}

void Trainer::apply(Layer& layer, std::vector<Array>& weight, std::vector<Array>& bias) {
  backend_.reduce(batch_, weight);
  update(layer.weight, weight[0]);
  if (!layer.description.convolution.biased) return;
  backend_.reduce(batch_, bias);
  update(layer.bias, bias[0]);
}

Trainer::Slices Trainer::learn_at_hook(std::size_t block, const Slices& y) {
  Block& b = encoder_.blocks()[block];
  const std::size_t hook = hook_of(block);
  Slices z = at_hook(y);
  std::vector<Pass> passes(b.projector.size());
  for (std::size_t l = 0; l < b.projector.size(); ++l) z = forward(b.projector[l], z, &passes[l]);

  if (inspection_) inspect(z);
  Pass classified;
  if (b.classifier) z = forward(*b.classifier, z, &classified);
  Slices dz = hook_losses(hook, z, estimates_.empty() ? nullptr : &estimates_[hook]);
  if (b.classifier) dz = backward(*b.classifier, classified, std::move(dz), true);
  for (std::size_t l = b.projector.size(); l-- > 0;) dz = backward(b.projector[l], passes[l], std::move(dz), true);
  return dz;
}

void Trainer::judge_at_hook(std::size_t block, const Slices& y) {
  Block& b = encoder_.blocks()[block];
  const std::size_t hook = hook_of(block);
  Slices z = at_hook(y);
  for (Layer& layer : b.projector) z = forward(layer, z, nullptr);
  if (b.classifier) z = forward(*b.classifier, z, nullptr);
  if (estimates_.empty()) {
    hook_losses(hook, z, nullptr);
  } else {
    EstimateArrays held{copy_of(estimates_[hook].mean), copy_of(estimates_[hook].variance)};
    hook_losses(hook, z, &held);
  }
}

Trainer::Slices Trainer::at_hook(const Slices& y) {
  if (!description_.pooled) return y;
  Slices z(y.size());
  backend_.each_slice(y.size(), [&](std::size_t s) { z[s] = backend_.mean_over_space(y[s]); });
  return z;
}

Array Trainer::copy_of(const Array& array) {
  Array copy = backend_.zeros(array.size);
  backend_.copy(array, copy, 0);
  return copy;
}

void Trainer::inspect(const Slices& z) {
  for (int view = 0; view < 2; ++view) {
    std::vector<float>& values = inspection_->hooks[view].emplace_back();
    for (const Tensor& slice : z) {
      const std::vector<float> both = backend_.download(slice);
      const auto half = static_cast<std::ptrdiff_t>(both.size() / 2);
      values.insert(values.end(), both.begin() + view * half, both.begin() + (view + 1) * half);
    }
  }
}

Trainer::Slices Trainer::hook_losses(std::size_t hook, const Slices& z, EstimateArrays* estimates) {
  const Partners* const positives = description_.positives == Positives::shuffled ? &positives_ : nullptr;
  const bool rounded = description_.precision == Precision::bfloat16;
  return backend_.loss(description_.objective->loss({positives, estimates, labels_, rounded}), batch_, z, losses_,
                       static_cast<std::int64_t>(hook) * kLossTerms);
}

// Both views are samples.
void Trainer::learn_without_losses(Layer& layer, const Slices& x, const Slices& z) {
  const std::vector<float> weights = backend_.read(layer.weight.value);
  std::vector<Array> gradients = weight_parts(layer), none = bias_parts(layer);
  const double scale = 1.0 / static_cast<double>(2 * batch_.samples());
  for (std::size_t s = 0; s < x.size(); ++s) {
    Array& part = gradients[comm_.size() > 1 ? s : 0];
    std::vector<float> sum = backend_.read(part);
    const std::vector<float> gradient = description_.objective->layer_gradient(
        weights, backend_.download(x[s]), backend_.download(z[s]), layer.description.convolution.out, scale);
    // The slice's sum is complete before it is added, as in add_gradient().
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += gradient[i];
    backend_.write(part, sum);
  }
  apply(layer, gradients, none);
}

void Trainer::update(Parameter& parameter, const Array& gradient) {
  if (accumulates()) {
    Array sum = gradient_of(parameter);
    return backend_.add(gradient, sum);
  }
  inspect(parameter, gradient);
  if (!at_once()) optimise(parameter.decayed, gradient, parameter.value, parameter.mean, parameter.square);
}

void Trainer::learn_from_sums(std::int64_t batches) {
  backend_.scale(gradients_, 1.0f / static_cast<float>(batches));
  for (const Parameter* p : encoder_.parameters()) inspect(*p, gradient_of(*p));
  learn_at_once();
  backend_.clear(gradients_);
}

void Trainer::inspect(const Parameter& parameter, const Array& gradient) {
  if (inspection_) inspection_->gradients[parameter.name] = to_torch_order(backend_.read(gradient), parameter.shape);
}

void Trainer::learn_at_once() {
  const AllParameters& all = encoder_.all();
  const std::int64_t size = all.value.size;
  for (const auto& [first, end] : {std::pair{std::int64_t{0}, all.decayed}, {all.decayed, size}})
    if (first < end)
      optimise(first < all.decayed, gradients_.part(first, end - first), all.value.part(first, end - first),
               all.mean.part(first, end - first), all.square.part(first, end - first));
}

void Trainer::optimise(bool decayed, const Array& gradient, Array value, Array mean, Array square) {
  const OptimizerDescription& o = description_.optimizer;
  const double decay = decayed ? o.weight_decay : 0.0;
  if (const auto* adam = std::get_if<AdamOptimizer>(&o.kind))
    backend_.adam(form_of(*adam, decay), rates_, gradient, value, mean, square);
  else
    backend_.sgd({std::get<SgdOptimizer>(o.kind).momentum, decay}, rates_, gradient, value, mean);
}

std::size_t Trainer::gradient_parts() const {
  return comm_.size() > 1 ? std::max<std::size_t>(1, batch_.mine().size()) : 1;
}

// Once and for all: what is recorded by Backend::repeat() keeps to its memory.
void Trainer::make_room_for_gradients() {
  std::int64_t weights = 0, biases = 0, moments = 0;
  const auto fit = [&](const Layer& layer) {
    weights = std::max(weights, layer.weight.size());
    biases = std::max(biases, layer.bias.size());
    if (layer.norm) moments = std::max(moments, 4 * layer.norm->weight.size());
  };
  for (const Block& block : encoder_.blocks()) {
    for (const Layer& layer : block.layers) fit(layer);
    if (block.shortcut) fit(*block.shortcut);
    for (const Layer& layer : block.projector) fit(layer);
    if (block.classifier) fit(*block.classifier);
  }
  if (at_once() || accumulates()) gradients_ = backend_.zeros(encoder_.all().value.size);
  if (at_once()) weights = 0;
  for (std::size_t p = 0; p < gradient_parts(); ++p) {
    weight_gradient_.push_back(backend_.zeros(weights));
    bias_gradient_.push_back(backend_.zeros(biases));
    moments_.push_back(backend_.zeros(moments));
  }
}

std::vector<Array> Trainer::clear_parts(const std::vector<Array>& store, std::int64_t size) {
  std::vector<Array> room;
  for (std::size_t p = 0; p < gradient_parts(); ++p) {
    room.push_back(store[p].part(0, size));
    backend_.clear(room.back());
  }
  return room;
}

std::vector<Array> Trainer::weight_parts(const Layer& layer) {
  if (at_once()) return {gradient_of(layer.weight)};
  return clear_parts(weight_gradient_, layer.weight.size());
}

// Those of a layer without a bias are formed all the same, and not used.
std::vector<Array> Trainer::bias_parts(const Layer& layer) {
  if (at_once() && layer.description.convolution.biased) return {gradient_of(layer.bias)};
  return clear_parts(bias_gradient_, layer.bias.size());
}

Dropout Trainer::dropout(const Layer& layer, std::size_t slice) const {
  return {layer.description.dropout, hash_name(layer.weight.name), batch_.mine()[slice], seed_};
}

std::vector<std::vector<float>> Trainer::features(const std::vector<float>& images, std::int64_t samples) {
  const Shape input = encoder_description_.input;
  const std::int64_t size = input.channels * input.positions();
  const Batch batch(samples, 0, 1, backend_.most_slices());
  Slices x(batch.slices().size());
  backend_.each_slice(x.size(), [&](std::size_t s) {
    const Slice& slice = batch.slices()[s];
    const auto first = images.begin() + slice.first * size;
    Shape shape = input;
    shape.samples = slice.count;
    x[s] = backend_.upload({first, first + slice.count * size}, shape, description_.precision);
  });
  std::vector<std::vector<float>> all;
  for (Block& block : encoder_.blocks()) {
    x = forward(block, x, nullptr);
    std::vector<std::vector<float>> means(x.size());
    backend_.each_slice(x.size(), [&](std::size_t s) { means[s] = backend_.download(backend_.mean_over_space(x[s])); });
    std::vector<float>& joined = all.emplace_back();
    for (const std::vector<float>& own : means) joined.insert(joined.end(), own.begin(), own.end());
  }
  return all;
}

}  // namespace lpl::rate
