#include "spiking/neurons.hpp"

#include <algorithm>
#include <bit>
#include <limits>

#include "core/random.hpp"
#include "core/text.hpp"

namespace lpl::spiking {

Neurons::Neurons(const Population& population, LocalRange range, EpochLayout layout, double dt, std::uint64_t seed,
                 Needs needs)
    : range_(range),
      blocks_(blocks_for(range.count)),
      layout_(layout),
      constants_(neuron_constants(population.cell, dt)) {
  const std::size_t padded = blocks_ * kBlock, buffer = layout.size(blocks_);
  lanes_.resize(blocks_);
  for (std::size_t n = 0; n < range.count; ++n) lanes_[n / kBlock] |= static_cast<std::uint16_t>(1u << n % kBlock);
  V_.assign(padded, constants_.E_leak);
  for (auto* state : {&threshold_, &g_ampa_, &g_nmda_, &g_gaba_, &g_adaptation_, &refractory_})
    state->assign(padded, 0.0f);
  in_ampa_.assign(buffer, 0.0f);
  in_gaba_.assign(buffer, 0.0f);
  if (needs.nmda_input) in_nmda_.assign(buffer, 0.0f);
  if (needs.devices) {
    clamp_.assign(buffer, std::numeric_limits<float>::quiet_NaN());
    current_.assign(buffer, 0.0f);
  }
  if (needs.spike_lanes_kept > 0) {
    ring_ = static_cast<std::size_t>(needs.spike_lanes_kept + kLongestEpoch);
    spike_lanes_.assign(blocks_ * ring_, 0);
    V_integrated_.assign(buffer, 0.0f);
  }
  const InitialMembrane& initial = population.initial_membrane;
  const std::uint32_t object = hash_name(population.name);
  for (std::size_t n = 0; n < range.count; ++n) {
    const auto id = static_cast<NeuronId>(range.first + n);
    if (!initial.values.empty())
      V_[n] = static_cast<float>(initial.values[id]);
    else
      V_[n] = static_cast<float>(initial.mean + initial.deviation * Random(seed, Draw::membrane, object, id).normal());
  }
}

float* Neurons::input(Receptor receptor) {
  switch (receptor) {
    case Receptor::ampa:
      return in_ampa_.data();
    case Receptor::nmda:
      return in_nmda_.data();
    case Receptor::gaba:
      return in_gaba_.data();
  }
  return nullptr;
}

void Neurons::advance(Step first, std::uint32_t steps, BlockHook* hook, std::uint32_t* event_steps,
                      EpochSpikes& spikes) {
  fired_.clear();
  NeuronEpoch epoch;
  epoch.blocks = blocks_;
  epoch.steps = steps;
  epoch.slots = layout_.slots();
  epoch.lanes = lanes_.data();
  epoch.V = V_.data();
  epoch.threshold = threshold_.data();
  epoch.g_ampa = g_ampa_.data();
  epoch.g_nmda = g_nmda_.data();
  epoch.g_gaba = g_gaba_.data();
  epoch.g_adaptation = g_adaptation_.data();
  epoch.refractory = refractory_.data();
  epoch.in_ampa = in_ampa_.data();
  epoch.in_gaba = in_gaba_.data();
  epoch.in_nmda = in_nmda_.empty() ? nullptr : in_nmda_.data();
  epoch.clamp = clamp_.empty() ? nullptr : clamp_.data();
  epoch.current = current_.empty() ? nullptr : current_.data();
  epoch.V_integrated = V_integrated_.empty() ? nullptr : V_integrated_.data();
  epoch.spikes = &fired_;
  epoch.hook = hook;
  epoch.event_steps = event_steps;
  advance_neurons(constants_, epoch);
  if (ring_ > 0) keep_spike_lanes(first, steps);
  sort_spikes(steps, spikes);
}

void Neurons::keep_spike_lanes(Step first, std::uint32_t steps) {
  const auto slot = [&](Step step) { return spike_lanes_.data() + static_cast<std::size_t>(step) % ring_ * blocks_; };
  for (Step step = first; step < first + steps; ++step) std::fill_n(slot(step), blocks_, std::uint16_t{0});
  for (const BlockSpikes& fired : fired_) slot(first + fired.step)[fired.block] = fired.lanes;
}

// The kernel emits block by block; a counting sort by step makes it (step, id).
void Neurons::sort_spikes(std::uint32_t steps, EpochSpikes& spikes) {
  spikes.clear(steps);
  if (fired_.empty()) return;
  for (const BlockSpikes& fired : fired_)
    spikes.count[fired.step] += static_cast<std::uint32_t>(std::popcount(fired.lanes));
  std::uint32_t next[kLongestEpoch], total = 0;
  for (std::uint32_t s = 0; s < steps; ++s) {
    next[s] = total;
    total += spikes.count[s];
  }
  spikes.ids.resize(total);
  for (const BlockSpikes& fired : fired_)
    for (std::uint32_t lanes = fired.lanes; lanes != 0; lanes &= lanes - 1)
      spikes.ids[next[fired.step]++] = static_cast<NeuronId>(range_.first + fired.block * kBlock +
                                                             static_cast<std::uint32_t>(std::countr_zero(lanes)));
}

void Neurons::list(Variables& variables, std::size_t population) {
  const auto add = [&](const char* name, const char* unit, std::span<float> values) {
    variables.add({.name = name, .unit = unit, .by = By::neuron, .owner = population, .data = values});
  };
  add("V", "V", V_);
  add("threshold", "V", threshold_);
  add("g_ampa", "1", g_ampa_);
  add("g_nmda", "1", g_nmda_);
  add("g_gaba", "1", g_gaba_);
  add("g_adaptation", "1", g_adaptation_);
  add("refractory", "1", refractory_);
  if (ring_ > 0)
    variables.add({.name = "spikes",
                   .unit = "1",
                   .by = By::neuron,
                   .owner = population,
                   .data = SpikeLanes{spike_lanes_, blocks_}});
}

std::size_t Neurons::buffer_bytes() const {
  std::size_t floats = 0;
  for (const auto* v : {&in_ampa_, &in_nmda_, &in_gaba_, &clamp_, &current_, &V_integrated_}) floats += v->size();
  return floats * sizeof(float);
}

}  // namespace lpl::spiking
