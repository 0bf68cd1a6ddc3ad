#include "spiking/symmetric_stdp.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace lpl::spiking {
namespace {

// A trace older than this many time constants, 2e-9 of its value, counts as nothing.
constexpr double kForgottenAfter = 20;

}  // namespace

SymmetricStdp::SymmetricStdp(const SymmetricStdpRule& rule, Step delay, double dt, Synapses& synapses,
                             EpochLayout layout, std::size_t post_blocks, float* input)
    : learning_rate_(static_cast<float>(rule.learning_rate)),
      offset_(static_cast<float>(2 * rule.target_rate * rule.tau)),
      w_max_(static_cast<float>(rule.w_max)),
      delay_(delay),
      synapses_(synapses),
      layout_(layout),
      input_(input),
      arrivals_(post_blocks),
      next_(post_blocks, 0),
      padded_pre_(blocks_for(synapses.pre_size()) * kBlock),
      pre_trace_(padded_pre_, 0.0f),
      pre_traces_(padded_pre_ * static_cast<std::size_t>(kLongestEpoch), 0.0f),
      post_value_(post_blocks * kBlock, 0.0f),
      post_last_(post_blocks * kBlock, 0) {
  for (double lag = 0; lag <= kForgottenAfter * rule.tau / dt + 1; ++lag)
    decay_table_.push_back(static_cast<float>(std::exp(-lag * dt / rule.tau)));
  column_.assign(post_blocks * kBlock + 1, 0);
  for (const std::uint32_t target : synapses.target) ++column_[layout.neuron_of(target) + 1];
  for (std::size_t n = 1; n < column_.size(); ++n) column_[n] += column_[n - 1];
  column_synapse_.resize(synapses.size());
  column_pre_.resize(synapses.size());
  std::vector<std::uint32_t> next(column_.begin(), column_.end() - 1);
  for (std::uint32_t pre = 0; pre < synapses.pre_size(); ++pre)
    for (std::uint64_t s = synapses.row[pre]; s < synapses.row[pre + 1]; ++s) {
      const std::uint32_t at = next[layout.neuron_of(synapses.target[s])]++;
      column_synapse_[at] = static_cast<std::uint32_t>(s);
      column_pre_[at] = pre;
    }
}

float SymmetricStdp::postsynaptic_trace(std::uint32_t neuron, Step now) const {
  const auto age = static_cast<std::size_t>(now - post_last_[neuron]);
  return age < decay_table_.size() ? post_value_[neuron] * decay_table_[age] : 0.0f;
}

void SymmetricStdp::begin_epoch(Step first, std::uint32_t steps, const SpikeHistory& source, bool learns,
                                std::uint32_t* event_steps) {
  first_ = first;
  learns_ = learns;
  const std::size_t pre_size = padded_pre_;
  const float decay_one = decay_table_[1];
  std::ranges::copy(pre_trace_, pre_traces_.begin());
  for (std::size_t b = 0; b < arrivals_.size(); ++b) {
    arrivals_[b].clear();
    next_[b] = 0;
  }
  for (std::uint32_t step = 0; step < steps; ++step) {
    const float* const now = pre_traces_.data() + step * pre_size;
    float* const later = step + 1 < steps ? pre_traces_.data() + (step + 1) * pre_size : pre_trace_.data();
    for (std::size_t pre = 0; pre < pre_size; ++pre) later[pre] = now[pre] * decay_one;
    for (const NeuronId pre : source.at(first + step - delay_)) {
      later[pre] += decay_one;  // (x + 1) decay
      for (std::uint64_t s = synapses_.row[pre]; s < synapses_.row[pre + 1]; ++s) {
        const std::size_t block = layout_.neuron_of(synapses_.target[s]) / kBlock;
        arrivals_[block].push_back({step, static_cast<std::uint32_t>(s)});
        event_steps[block] |= 1u << step;
      }
    }
  }
}

void SymmetricStdp::at(std::uint32_t block, std::uint32_t step, std::uint32_t spiked_lanes) {
  const Step now = first_ + step;
  const auto& arrivals = arrivals_[block];
  for (std::size_t& next = next_[block]; next < arrivals.size() && arrivals[next].step == step; ++next) {
    const std::uint32_t s = arrivals[next].synapse;
    const std::uint32_t target = synapses_.target[s];
    float& weight = synapses_.weight[s];
    input_[target + step * kBlock] += weight;
    if (learns_)
      weight = std::max(0.0f, weight + learning_rate_ * (postsynaptic_trace(layout_.neuron_of(target), now) - offset_));
  }
  const float* const pre_trace = pre_traces_.data() + step * padded_pre_;
  for (; spiked_lanes != 0; spiked_lanes &= spiked_lanes - 1) {
    const auto neuron =
        static_cast<std::uint32_t>(block * kBlock + static_cast<std::uint32_t>(std::countr_zero(spiked_lanes)));
    if (learns_)
      for (std::uint32_t c = column_[neuron]; c < column_[neuron + 1]; ++c) {
        float& weight = synapses_.weight[column_synapse_[c]];
        weight = std::min(w_max_, weight + learning_rate_ * pre_trace[column_pre_[c]]);
      }
    post_value_[neuron] = postsynaptic_trace(neuron, now) + 1.0f;
    post_last_[neuron] = now;
  }
}

void SymmetricStdp::list(Variables& variables, const std::string& name, std::size_t source, std::size_t population) {
  variables.add({.name = name + ".post_trace",
                 .unit = "1",
                 .by = By::neuron,
                 .owner = population,
                 .data = std::span<float>(post_value_)});
  variables.add({.name = name + ".post_trace_since",
                 .unit = "1",
                 .by = By::neuron,
                 .owner = population,
                 .data = std::span<Step>(post_last_)});
  variables.add({.name = name + ".pre_trace",
                 .unit = "1",
                 .by = By::source,
                 .owner = source,
                 .data = std::span<float>(pre_trace_).first(synapses_.pre_size())});
}

std::size_t SymmetricStdp::buffer_bytes() const {
  return (pre_traces_.size() + column_.size() + column_synapse_.size() * 2) * 4;
}

}  // namespace lpl::spiking
