#include "spiking/plasticity/symmetric_stdp.hpp"

#include <algorithm>
#include <cmath>

#include "rule/rule.hpp"
#include "spiking/description.hpp"
#include "spiking/plasticity/event_rule.hpp"

namespace lpl::spiking {
namespace {

// A trace older than this many time constants, 2e-9 of its value, counts as nothing.
constexpr double kForgottenAfter = 20;

// Both traces are read before they advance.
class Changes {
 public:
  Changes(const SymmetricStdp& rule, const RulePlace& place)
      : learning_rate_(static_cast<float>(rule.learning_rate)),
        offset_(static_cast<float>(2 * rule.target_rate * rule.tau)),
        w_max_(static_cast<float>(rule.w_max)),
        delay_(place.connection.delay),
        synapses_(place.synapses),
        padded_rows_(blocks_for(synapses_.heard.size()) * kBlock),
        pre_trace_(place.pre_size, 0.0f),
        pre_traces_(padded_rows_ * static_cast<std::size_t>(kLongestEpoch + 1), 0.0f),
        post_value_(place.post.blocks() * kBlock, 0.0f),
        post_last_(place.post.blocks() * kBlock, 0) {
    for (double lag = 0; lag <= kForgottenAfter * rule.tau / rule.dt + 1; ++lag)
      decay_table_.push_back(static_cast<float>(std::exp(-lag * rule.dt / rule.tau)));
  }

  void begin_epoch(Step first, std::uint32_t steps, const SpikeHistory& source) {
    if (!begun_) forget_unheard();
    const float decay_one = decay_table_[1];
    const std::vector<NeuronId>& heard = synapses_.heard;
    for (std::size_t r = 0; r < heard.size(); ++r) pre_traces_[r] = pre_trace_[heard[r]];
    for (std::uint32_t step = 0; step < steps; ++step) {
      const float* const now = pre_traces_.data() + step * padded_rows_;
      float* const later = pre_traces_.data() + (step + 1) * padded_rows_;
      for (std::size_t r = 0; r < padded_rows_; ++r) later[r] = now[r] * decay_one;
      for (const NeuronId pre : source.at(first + step - delay_))
        if (const std::size_t r = synapses_.row_of(pre); r != Synapses::kNoRow) later[r] += decay_one;  // (x + 1) decay
    }
    const float* const end = pre_traces_.data() + steps * padded_rows_;
    for (std::size_t r = 0; r < heard.size(); ++r) pre_trace_[heard[r]] = end[r];
  }

  float arrive(float w, std::uint32_t neuron, Step now) const {
    return std::max(0.0f, w + learning_rate_ * (postsynaptic_trace(neuron, now) - offset_));
  }

  float spike(float w, std::uint32_t row, std::uint32_t step) const {
    return std::min(w_max_, w + learning_rate_ * pre_traces_[step * padded_rows_ + row]);
  }

  void spiked(std::uint32_t neuron, Step now) {
    post_value_[neuron] = postsynaptic_trace(neuron, now) + 1.0f;
    post_last_[neuron] = now;
  }

  void list(Variables& variables, const RulePlace& place) {
    const ConnectionDescription& c = place.connection;
    const auto add = [&](const char* what, By by, std::size_t owner, auto values) {
      variables.add({.name = c.name + "." + what, .unit = "1", .by = by, .owner = owner, .data = values});
    };
    add("post_trace", By::neuron, c.to, std::span(post_value_));
    add("post_trace_since", By::neuron, c.to, std::span(post_last_));
    add("pre_trace", By::source, c.from, std::span(pre_trace_));
  }

  std::size_t buffer_bytes() const { return pre_traces_.size() * sizeof(float); }

 private:
  float postsynaptic_trace(std::uint32_t neuron, Step now) const {
    const auto age = static_cast<std::size_t>(now - post_last_[neuron]);
    return age < decay_table_.size() ? post_value_[neuron] * decay_table_[age] : 0.0f;
  }

  // What a checkpoint holds of sources that only other ranks hear would not move here.
  void forget_unheard() {
    std::vector<float> kept(pre_trace_.size(), 0.0f);
    for (const NeuronId pre : synapses_.heard) kept[pre] = pre_trace_[pre];
    std::ranges::copy(kept, pre_trace_.begin());
    begun_ = true;
  }

  float learning_rate_, offset_, w_max_;
  Step delay_;
  bool begun_ = false;
  std::vector<float> decay_table_;  // exp(-lag dt / tau) by lag in steps
  // Presynaptic traces of the sources that this rank hears, advanced densely: those that the next epoch starts from, by
  // source, and at stage 3 of each step of this one, [step][row].
  const Synapses& synapses_;
  std::size_t padded_rows_;
  AlignedVector<float> pre_trace_, pre_traces_;
  // Postsynaptic traces, advanced where read: value just after the spike of `last`.
  std::vector<float> post_value_;
  std::vector<Step> post_last_;
};

std::shared_ptr<const RuleDescription> read(const RuleReading& reading) {
  Table& table = reading.rule;
  const auto rule = std::make_shared<SymmetricStdp>();
  rule->moves = Moves::within_epochs;
  rule->learning_rate = table.number("learning_rate", kStrength);
  rule->target_rate = table.quantity("target_rate", Dimension::frequency, kNonNegative);
  rule->tau = table.quantity("tau", Dimension::time, {0, 100, true}, "20 ms");
  rule->w_max = table.number("w_max", {0, kLargestWeight, true}, 1.0);
  rule->dt = reading.grid.dt;
  if (reading.receptor != "GABA")
    reading.connection.fail(
        "plasticity", fmt::format("the symmetric_stdp rule '{}' is for GABA synapses", reading.described.rule_name));
  reading.grid.check_neuron_rate(table, "target_rate", rule->target_rate);
  reading.grid.check_decay(table, "tau", rule->tau, rule->dt);
  // The ceiling acts at postsynaptic spikes; until the next one, an arrival may lift a weight by this much.
  rule->lift = rule->learning_rate / -std::expm1(-rule->dt / rule->tau);
  return rule;
}

}  // namespace

std::unique_ptr<Plasticity> SymmetricStdp::make(const RulePlace& place) const {
  return std::make_unique<EventRule<Changes>>(place, Changes(*this, place));
}

extern const RuleEntry symmetric_stdp_rule{"symmetric_stdp", "symmetric STDP of inhibitory synapses", read};

}  // namespace lpl::spiking
