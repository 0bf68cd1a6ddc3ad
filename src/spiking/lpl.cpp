#include "spiking/lpl.hpp"

#include <algorithm>
#include <cmath>

namespace lpl::spiking {
namespace {

// The tail ends where the filter's slowest kernel has fallen to exp(-20) = 2e-9. Shorter is not safe: the first spikes
// of a neuron whose variance is still zero make errors a thousand times the usual ones, which reach far back.
constexpr double kTailConstants = 20;

Step steps_of(double seconds, double dt) { return std::llround(seconds / dt); }

}  // namespace

Step LplPlasticity::own_memory(const LplRule& rule, double dt, Step lateness) {
  return std::max(steps_of(rule.horizon, dt), lateness) + 1;
}

LplPlasticity::LplPlasticity(const LplRule& rule, const ConnectionDescription& connection, double dt, Step lateness,
                             Step block, std::size_t post_blocks, EpochLayout layout, std::size_t synapses)
    : rule_(rule),
      constants_(lpl_constants(rule, dt, lateness)),
      layout_(layout),
      delay_(connection.delay),
      window_(steps_of(rule.window, dt)),
      tail_(static_cast<Step>(std::ceil(
          kTailConstants * std::max({rule.tau_rise, rule.tau_fall, rule.tau_membrane, rule.tau_synapse}) / dt))),
      block_(std::min(block, window_ + tail_)),
      blocks_(post_blocks),
      history_(static_cast<std::size_t>(window_ + tail_ + lateness + kLongestEpoch + 1)) {
  const double window = static_cast<double>(window_) * dt;
  keep_squared_gradient_ = static_cast<float>(std::exp(-window / rule.tau_rms));
  if (rule.weight_decay_time)
    decay_per_window_ = static_cast<float>(rule.learning_rate * (1 - std::exp(-window / *rule.weight_decay_time)));
  const std::size_t padded = blocks_ * kBlock;
  mean_.assign(padded, static_cast<float>(connection.initial_mean_rate * rule.tau_mean));
  variance_.assign(padded, static_cast<float>(connection.initial_variance));
  error_rise_.assign(padded, 0.0f);
  error_.assign(padded, 0.0f);
  error_history_.assign(padded * history_, 0.0f);
  derivative_history_.assign(padded * history_, 0.0f);
  adjoint_.resize(padded * 4);
  const std::size_t groups = (static_cast<std::size_t>(block_) + layout.slots() - 1) / layout.slots();
  sensitivity_.resize(groups * layout.size(blocks_));
  gradient_.assign(synapses, 0.0);
  if (rule.gradient == Gradient::augmented) squared_gradient_.assign(synapses, 0.0);
}

void LplPlasticity::advance(const Neurons& neurons, Step first, std::uint32_t steps) {
  LplTraceEpoch epoch;
  epoch.blocks = blocks_;
  epoch.steps = steps;
  epoch.slots = layout_.slots();
  epoch.V_integrated = neurons.integrated_potential();
  epoch.spike_lanes = neurons.spike_lanes();
  epoch.ring = neurons.ring();
  const auto ring = static_cast<Step>(epoch.ring);
  const auto ring_slot = [&](Step step) { return static_cast<std::size_t>((step % ring + ring) % ring); };
  epoch.now = ring_slot(first);
  epoch.late = ring_slot(first - constants_.lateness);
  epoch.past = ring_slot(first - constants_.horizon);
  epoch.mean = mean_.data();
  epoch.variance = variance_.data();
  epoch.error_rise = error_rise_.data();
  epoch.error = error_.data();
  epoch.history = history_;
  epoch.history_position = slot(first);
  epoch.error_history = error_history_.data();
  epoch.derivative_history = derivative_history_.data();
  advance_lpl_traces(constants_, epoch);
}

void LplPlasticity::update(Step now, const SpikeHistory& source, Synapses& synapses, bool learns) {
  // A plain gradient that moves nothing need not be known; the augmented one keeps its memory of sizes.
  if (!learns && rule_.gradient == Gradient::plain) return;
  accumulate_gradient(now, source, synapses);
  apply(synapses, learns);
}

void LplPlasticity::accumulate_gradient(Step now, const SpikeHistory& source, const Synapses& synapses) {
  std::fill(gradient_.begin(), gradient_.end(), 0.0);
  std::fill(adjoint_.begin(), adjoint_.end(), 0.0f);
  // Arrival step t meets the error of step t + lateness.
  const Step latest = now - constants_.lateness;
  const Step window_start = now - window_ + 1;
  const Step first_with_error = window_start - constants_.lateness;
  filter_range(latest, first_with_error, true, source, synapses);
  filter_range(first_with_error - 1, first_with_error - tail_, false, source, synapses);
  if (rule_.transmitter_form == TransmitterForm::per_spike) {
    for (Step step = std::max<Step>(window_start, 0); step <= now; ++step)
      for (const NeuronId pre : source.at(step - delay_))
        for (std::uint64_t s = synapses.row[pre]; s < synapses.row[pre + 1]; ++s)
          gradient_[s] += rule_.transmitter_strength;
  }
}

// Runs the filter over arrival steps `from` down to `to` (none before step 0), a block at a time, and lets the
// arrivals of each block add to the gradient, latest first. The block length decides what stays in cache, nothing else.
void LplPlasticity::filter_range(Step from, Step to, bool with_error, const SpikeHistory& source,
                                 const Synapses& synapses) {
  to = std::max<Step>(to, 0);
  for (Step latest = from; latest >= to; latest -= block_) {
    LplFilterChunk chunk;
    chunk.blocks = blocks_;
    chunk.steps = static_cast<std::size_t>(std::min(block_, latest - to + 1));
    chunk.history = history_;
    chunk.derivative_position = slot(latest);
    chunk.error_position = slot(latest + constants_.lateness);
    chunk.with_error = with_error;
    chunk.error_history = error_history_.data();
    chunk.derivative_history = derivative_history_.data();
    chunk.adjoint = adjoint_.data();
    chunk.sensitivity = sensitivity_.data();
    chunk.slots = layout_.slots();
    filter_lpl_backwards(constants_, chunk);
    for (std::size_t t = 0; t < chunk.steps; ++t) {
      const float* const sensitivity =
          sensitivity_.data() + t / chunk.slots * layout_.size(blocks_) + t % chunk.slots * kBlock;
      const std::span<const NeuronId> arrived = source.at(latest - static_cast<Step>(t) - delay_);
      for (std::size_t i = 0; i < arrived.size(); ++i) {
        if (i + 1 < arrived.size()) prefetch_row(synapses, arrived[i + 1]);
        const std::uint64_t end = synapses.row[arrived[i] + 1];
        for (std::uint64_t s = synapses.row[arrived[i]]; s < end; ++s) gradient_[s] += sensitivity[synapses.target[s]];
      }
    }
  }
}

void LplPlasticity::prefetch_row(const Synapses& synapses, NeuronId pre) const {
  const std::uint64_t begin = synapses.row[pre];
  __builtin_prefetch(synapses.target.data() + begin);
  __builtin_prefetch(gradient_.data() + begin, 1);
}

void LplPlasticity::apply(Synapses& synapses, bool learns) {
  const double per_step = 1.0 / static_cast<double>(window_);
  const auto eta = static_cast<float>(rule_.learning_rate), w_max = static_cast<float>(rule_.w_max);
  const bool augmented = rule_.gradient == Gradient::augmented;
  float* const weight = synapses.weight.data();
  for (std::size_t s = 0; s < gradient_.size(); ++s) {
    auto step = static_cast<float>(gradient_[s] * per_step);
    if (augmented) {
      float& squared = squared_gradient_[s];
      squared = std::max(step * step, squared * keep_squared_gradient_);
      step /= std::sqrt(squared) + 1e-32f;
    }
    if (learns) {
      const float decayed = weight[s] - decay_per_window_ * weight[s];
      weight[s] = std::clamp(decayed + eta * step, 0.0f, w_max);
    }
  }
}

void LplPlasticity::list(Variables& variables, const std::string& name, std::size_t connection,
                         std::size_t population) {
  const auto add = [&](const char* what, std::span<float> values, std::size_t history = 1) {
    variables.add({.name = name + "." + what,
                   .unit = "1",
                   .by = By::neuron,
                   .owner = population,
                   .data = values,
                   .history = history});
  };
  add("mean", mean_);
  add("variance", variance_);
  add("error_rise", error_rise_);
  add("error", error_);
  add("error_history", error_history_, history_);
  add("derivative_history", derivative_history_, history_);
  if (rule_.gradient == Gradient::augmented)
    variables.add({.name = name + ".squared_gradient",
                   .unit = "1",
                   .by = By::synapse,
                   .owner = connection,
                   .data = std::span<float>(squared_gradient_)});
}

std::size_t LplPlasticity::buffer_bytes() const {
  return (adjoint_.size() + sensitivity_.size()) * sizeof(float) + gradient_.size() * sizeof(double);
}

}  // namespace lpl::spiking
