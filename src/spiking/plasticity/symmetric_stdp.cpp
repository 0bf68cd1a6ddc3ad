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
        pre_size_(place.pre_size),
        padded_pre_(blocks_for(pre_size_) * kBlock),
        pre_trace_(padded_pre_, 0.0f),
        pre_traces_(padded_pre_ * static_cast<std::size_t>(kLongestEpoch), 0.0f),
        post_value_(place.post_blocks * kBlock, 0.0f),
        post_last_(place.post_blocks * kBlock, 0) {
    for (double lag = 0; lag <= kForgottenAfter * rule.tau / rule.dt + 1; ++lag)
      decay_table_.push_back(static_cast<float>(std::exp(-lag * rule.dt / rule.tau)));
  }

  void begin_epoch(Step first, std::uint32_t steps, const SpikeHistory& source) {
    const float decay_one = decay_table_[1];
    std::ranges::copy(pre_trace_, pre_traces_.begin());
    for (std::uint32_t step = 0; step < steps; ++step) {
      const float* const now = pre_traces_.data() + step * padded_pre_;
      float* const later = step + 1 < steps ? pre_traces_.data() + (step + 1) * padded_pre_ : pre_trace_.data();
      for (std::size_t pre = 0; pre < padded_pre_; ++pre) later[pre] = now[pre] * decay_one;
      for (const NeuronId pre : source.at(first + step - delay_)) later[pre] += decay_one;  // (x + 1) decay
    }
  }

  float arrive(float w, std::uint32_t neuron, Step now) const {
    return std::max(0.0f, w + learning_rate_ * (postsynaptic_trace(neuron, now) - offset_));
  }

  float spike(float w, std::uint32_t pre, std::uint32_t step) const {
    return std::min(w_max_, w + learning_rate_ * pre_traces_[step * padded_pre_ + pre]);
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
    add("pre_trace", By::source, c.from, std::span(pre_trace_).first(pre_size_));
  }

  std::size_t buffer_bytes() const { return pre_traces_.size() * sizeof(float); }

 private:
  float postsynaptic_trace(std::uint32_t neuron, Step now) const {
    const auto age = static_cast<std::size_t>(now - post_last_[neuron]);
    return age < decay_table_.size() ? post_value_[neuron] * decay_table_[age] : 0.0f;
  }

  float learning_rate_, offset_, w_max_;
  Step delay_;
  std::vector<float> decay_table_;  // exp(-lag dt / tau) by lag in steps
  // Presynaptic traces, advanced densely: those that the next epoch starts from, and at stage 3 of each step of this
  // one, [step][pre].
  std::size_t pre_size_, padded_pre_;
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
