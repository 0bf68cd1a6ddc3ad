#include "spiking/plasticity/lpl.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "spiking/description.hpp"
#include "spiking/neurons.hpp"
#include "spiking/plasticity/lpl_kernels.hpp"
#include "spiking/synapses.hpp"

namespace lpl::spiking {
namespace {

// The tail ends where the filter's slowest kernel has fallen to exp(-20) = 2e-9. Shorter is not safe: the first spikes
// of a neuron whose variance is still zero make errors a thousand times the usual ones, which reach far back.
constexpr double kTailConstants = 20;

Step tail_of(const LplRule& rule, double dt) {
  const double slowest = std::max({rule.tau_rise, rule.tau_fall, rule.tau_membrane, rule.tau_synapse});
  return static_cast<Step>(std::ceil(kTailConstants * slowest / dt));
}

class LplPlasticity final : public Plasticity {
 public:
  LplPlasticity(const Lpl& lpl, const RulePlace& place);

  void advance(const Neurons& neurons, Step first, std::uint32_t steps) override;
  void update(Step now, const SpikeHistory& source, bool learns) override;
  void list(Variables& variables) override;
  std::size_t buffer_bytes() const override;

 private:
  void accumulate_gradient(Step now, const SpikeHistory& source);
  void filter_range(Step from, Step to, bool with_error, const SpikeHistory& source);
  void prefetch_row(NeuronId pre) const;
  void apply(bool learns);
  std::size_t slot(Step step) const { return static_cast<std::size_t>(step) % history_; }

  const LplRule& rule_;
  LplConstants constants_;
  RulePlace place_;
  Step window_, tail_, block_;
  float keep_squared_gradient_ = 0, decay_per_window_ = 0;
  std::size_t blocks_, history_;
  AlignedVector<float> mean_, variance_, error_rise_, error_;
  AlignedVector<float> error_history_, derivative_history_;  // [block][history][16]
  AlignedVector<float> adjoint_, sensitivity_;
  // Per synapse. The gradient sums contributions that largely cancel, hence float64.
  AlignedVector<double> gradient_;
  AlignedVector<float> squared_gradient_;
};

LplPlasticity::LplPlasticity(const Lpl& lpl, const RulePlace& place)
    : rule_(lpl.rule),
      constants_(lpl_constants(rule_, lpl.dt, lpl.lateness)),
      place_(place),
      window_(lpl.window),
      tail_(tail_of(rule_, lpl.dt)),
      block_(std::min(place.plasticity_block, window_ + tail_)),
      blocks_(place.post.blocks()),
      history_(static_cast<std::size_t>(window_ + tail_ + lpl.lateness + kLongestEpoch + 1)) {
  const double window = static_cast<double>(window_) * lpl.dt;
  keep_squared_gradient_ = static_cast<float>(std::exp(-window / rule_.tau_rms));
  if (rule_.weight_decay_time)
    decay_per_window_ = static_cast<float>(rule_.learning_rate * (1 - std::exp(-window / *rule_.weight_decay_time)));
  const std::size_t padded = blocks_ * kBlock;
  mean_.assign(padded, static_cast<float>(lpl.initial_mean_rate * rule_.tau_mean));
  variance_.assign(padded, static_cast<float>(lpl.initial_variance));
  error_rise_.assign(padded, 0.0f);
  error_.assign(padded, 0.0f);
  error_history_.assign(padded * history_, 0.0f);
  derivative_history_.assign(padded * history_, 0.0f);
  adjoint_.resize(padded * 4);
  const std::size_t groups = (static_cast<std::size_t>(block_) + place.layout.slots() - 1) / place.layout.slots();
  sensitivity_.resize(groups * place.layout.size(blocks_));
  gradient_.assign(place.synapses.size(), 0.0);
  if (rule_.gradient == Gradient::augmented) squared_gradient_.assign(place.synapses.size(), 0.0);
}

void LplPlasticity::advance(const Neurons& neurons, Step first, std::uint32_t steps) {
  LplTraceEpoch epoch;
  epoch.blocks = blocks_;
  epoch.steps = steps;
  epoch.slots = place_.layout.slots();
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

void LplPlasticity::update(Step now, const SpikeHistory& source, bool learns) {
  // A plain gradient that moves nothing need not be known; the augmented one keeps its memory of sizes.
  if (!learns && rule_.gradient == Gradient::plain) return;
  accumulate_gradient(now, source);
  apply(learns);
}

void LplPlasticity::accumulate_gradient(Step now, const SpikeHistory& source) {
  std::fill(gradient_.begin(), gradient_.end(), 0.0);
  std::fill(adjoint_.begin(), adjoint_.end(), 0.0f);
  // Arrival step t meets the error of step t + lateness.
  const Step latest = now - constants_.lateness;
  const Step window_start = now - window_ + 1;
  const Step first_with_error = window_start - constants_.lateness;
  filter_range(latest, first_with_error, true, source);
  filter_range(first_with_error - 1, first_with_error - tail_, false, source);
  if (rule_.transmitter_form == TransmitterForm::per_spike) {
    for (Step step = std::max<Step>(window_start, 0); step <= now; ++step)
      for (const NeuronId pre : source.at(step - place_.connection.delay))
        for (auto [s, end] = place_.synapses.of(pre); s < end; ++s) gradient_[s] += rule_.transmitter_strength;
  }
}

// Runs the filter over arrival steps `from` down to `to` (none before step 0), a block at a time, and lets the
// arrivals of each block add to the gradient, latest first. The block length decides what stays in cache, nothing else.
void LplPlasticity::filter_range(Step from, Step to, bool with_error, const SpikeHistory& source) {
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
    chunk.slots = place_.layout.slots();
    filter_lpl_backwards(constants_, chunk);
    for (std::size_t t = 0; t < chunk.steps; ++t) {
      const float* const sensitivity =
          sensitivity_.data() + t / chunk.slots * place_.layout.size(blocks_) + t % chunk.slots * kBlock;
      const std::span<const NeuronId> arrived = source.at(latest - static_cast<Step>(t) - place_.connection.delay);
      for (std::size_t i = 0; i < arrived.size(); ++i) {
        if (i + 1 < arrived.size()) prefetch_row(arrived[i + 1]);
        for (auto [s, end] = place_.synapses.of(arrived[i]); s < end; ++s)
          gradient_[s] += sensitivity[place_.synapses.target[s]];
      }
    }
  }
}

void LplPlasticity::prefetch_row(NeuronId pre) const {
  const std::uint64_t begin = place_.synapses.of(pre).begin;
  __builtin_prefetch(place_.synapses.target.data() + begin);
  __builtin_prefetch(gradient_.data() + begin, 1);
}

void LplPlasticity::apply(bool learns) {
  const double per_step = 1.0 / static_cast<double>(window_);
  const auto eta = static_cast<float>(rule_.learning_rate), w_max = static_cast<float>(rule_.w_max);
  const bool augmented = rule_.gradient == Gradient::augmented;
  float* const weight = place_.synapses.weight.data();
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

void LplPlasticity::list(Variables& variables) {
  const ConnectionDescription& c = place_.connection;
  const auto add = [&](const char* what, std::span<float> values, std::size_t history = 1) {
    variables.add({.name = c.name + "." + what,
                   .unit = "1",
                   .by = By::neuron,
                   .owner = c.to,
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
    variables.add({.name = c.name + ".squared_gradient",
                   .unit = "1",
                   .by = By::synapse,
                   .owner = place_.index,
                   .data = std::span<float>(squared_gradient_)});
}

std::size_t LplPlasticity::buffer_bytes() const {
  return (adjoint_.size() + sensitivity_.size()) * sizeof(float) + gradient_.size() * sizeof(double);
}

std::shared_ptr<const RuleDescription> read(const RuleReading& reading) {
  const Grid& grid = reading.grid;
  Table& connection = reading.connection;
  const auto lpl = std::make_shared<Lpl>();
  lpl->rule = read_lpl(reading.rule);
  const LplRule& rule = lpl->rule;
  if (reading.receptor != "AMPA")
    connection.fail("plasticity", fmt::format("the lpl rule '{}' is for AMPA synapses", reading.described.rule_name));
  Table predictive = reading.rule.table("predictive"), hebbian = reading.rule.table("hebbian"),
        eligibility = reading.rule.table_or_defaults("eligibility"), update = reading.rule.table_or_defaults("update");
  lpl->window = grid.steps(update, "window", rule.window);
  const Step horizon = grid.steps(predictive, "horizon", rule.horizon);
  if (lpl->window < 1 || lpl->window > 10'000'000)
    update.fail("window", fmt::format("{}, which is {} steps; it must be from 1 to 10,000,000", update.stated("window"),
                                      lpl->window));
  lpl->lateness = grid.read_delay(eligibility, "lateness", grid.default_delay());
  if (horizon < lpl->lateness || horizon > kLongestDelay)
    predictive.fail("horizon", fmt::format("{}, which is {} steps; it must be from the lateness ({}) to {}",
                                           predictive.stated("horizon"), horizon, lpl->lateness, kLongestDelay));
  const std::pair<const char*, double> filters[] = {{"tau_rise", rule.tau_rise},
                                                    {"tau_fall", rule.tau_fall},
                                                    {"tau_membrane", rule.tau_membrane},
                                                    {"tau_synapse", rule.tau_synapse}};
  for (const auto& [key, tau] : filters)
    if (tau <= grid.dt || tau > 10)
      eligibility.fail(key,
                       fmt::format("{}; it must lie between dt = {} and 10 s", eligibility.stated(key), grid.stated));
  const std::pair<const char*, double> traces_of[] = {{"tau_mean", rule.tau_mean}, {"tau_variance", rule.tau_variance}};
  for (const auto& [key, tau] : traces_of) {
    if (tau < grid.dt)
      hebbian.fail(key, fmt::format("{}; it cannot be below dt = {}", hebbian.stated(key), grid.stated));
    grid.check_decay(hebbian, key, tau, grid.dt);
  }
  if (rule.gradient == Gradient::augmented) grid.check_decay(update, "tau_rms", rule.tau_rms, rule.window);
  if (connection.has("initial_traces")) {
    Table traces = connection.table("initial_traces");
    lpl->initial_mean_rate = traces.quantity("mean_rate", Dimension::frequency, kNonNegative, "0 Hz");
    grid.check_neuron_rate(traces, "mean_rate", lpl->initial_mean_rate);
    lpl->initial_variance = traces.number("variance", kNonNegative, 0.0);
    traces.finish();
  }
  lpl->dt = grid.dt;
  lpl->moves = Moves::at_windows;
  lpl->source_memory = lpl->window + tail_of(rule, grid.dt) + lpl->lateness + reading.described.delay;
  lpl->own_memory = std::max(horizon, lpl->lateness) + 1;
  lpl->w_max = rule.w_max;
  lpl->recordable = {"mean", "variance", "error"};
  return lpl;
}

}  // namespace

std::unique_ptr<Plasticity> Lpl::make(const RulePlace& place) const {
  return std::make_unique<LplPlasticity>(*this, place);
}

extern const RuleEntry lpl_rule{"lpl", "latent predictive learning of excitatory synapses", read};

}  // namespace lpl::spiking
