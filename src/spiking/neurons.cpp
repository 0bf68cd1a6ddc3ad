#include "spiking/neurons.hpp"

#include <algorithm>
#include <bit>
#include <limits>

#include "core/random.hpp"
#include "core/text.hpp"
#include "spiking/model/kernel.hpp"

namespace lpl::spiking {

Neurons::Neurons(const Population& population, LocalRange range, EpochLayout layout, double dt, std::uint64_t seed,
                 const Needs& needs)
    : range_(range),
      blocks_(blocks_for(range.count)),
      layout_(layout),
      kernel_(*population.cell.kernel),
      model_(kernel_.make([&](std::string_view name) { return population.cell.parameter(name); }, dt)) {
  const std::size_t padded = blocks_ * kBlock, buffer = layout.size(blocks_);
  lanes_.resize(blocks_);
  for (std::size_t n = 0; n < range.count; ++n) lanes_[n / kBlock] |= static_cast<std::uint16_t>(1u << n % kBlock);
  state_.resize(kernel_.states.size());
  for (auto& state : state_) state.assign(padded, 0.0f);
  input_.resize(kernel_.receptors.size());
  for (std::size_t r = 0; r < input_.size(); ++r)
    if (needs.receptors[r]) input_[r].assign(buffer, 0.0f);
  if (needs.devices) {
    clamp_.resize(buffer);
    current_.resize(buffer);
    release();
  }
  if (needs.spike_lanes_kept > 0) {
    ring_ = static_cast<std::size_t>(needs.spike_lanes_kept + kLongestEpoch);
    spike_lanes_.assign(blocks_ * ring_, 0);
    V_integrated_.assign(buffer, 0.0f);
  }
  if (kernel_.membrane) start_membrane(population, seed);
}

void Neurons::release() {
  std::ranges::fill(clamp_, std::numeric_limits<float>::quiet_NaN());
  std::ranges::fill(current_, 0.0f);
}

void Neurons::start_membrane(const Population& population, std::uint64_t seed) {
  const InitialMembrane& initial = population.initial_membrane;
  const std::uint32_t object = hash_name(population.name);
  AlignedVector<float>& V = state_[*kernel_.membrane];
  std::ranges::fill(V, static_cast<float>(population.cell.parameter("E_leak")));
  for (std::size_t n = 0; n < range_.count; ++n) {
    const auto id = static_cast<NeuronId>(range_.first + n);
    if (!initial.values.empty())
      V[n] = static_cast<float>(initial.values[id]);
    else
      V[n] = static_cast<float>(initial.mean + initial.deviation * Random(seed, Draw::membrane, object, id).normal());
  }
}

void Neurons::advance(Step first, std::uint32_t steps, BlockHook* hook, std::uint32_t* event_steps,
                      EpochSpikes& spikes) {
  fired_.clear();
  const auto data_or_null = [](AlignedVector<float>& values) { return values.empty() ? nullptr : values.data(); };
  std::vector<void*> state;
  for (auto& values : state_) state.push_back(values.data());
  std::vector<float*> input;
  for (auto& values : input_) input.push_back(data_or_null(values));
  const float* const added[] = {data_or_null(current_)};
  PopulationEpoch epoch;
  epoch.blocks = blocks_;
  epoch.steps = steps;
  epoch.slots = layout_.slots();
  epoch.first = first;
  epoch.first_neuron = range_.first;
  epoch.lanes = lanes_.data();
  epoch.state = state.data();
  epoch.input = input.data();
  epoch.added = added[0] ? added : nullptr;
  epoch.clamp = data_or_null(clamp_);
  epoch.V_integrated = data_or_null(V_integrated_);
  epoch.spikes = &fired_;
  epoch.hook = hook;
  epoch.event_steps = event_steps;
  model_->advance(epoch);
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
  for (std::size_t s = 0; s < state_.size(); ++s)
    variables.add({.name = std::string(kernel_.states[s].name),
                   .unit = std::string(kernel_.states[s].unit),
                   .by = By::neuron,
                   .owner = population,
                   .data = std::span<float>(state_[s])});
  if (ring_ > 0)
    variables.add({.name = "spikes",
                   .unit = "1",
                   .by = By::neuron,
                   .owner = population,
                   .data = SpikeLanes{spike_lanes_, blocks_}});
}

std::size_t Neurons::buffer_bytes() const {
  std::size_t floats = clamp_.size() + current_.size() + V_integrated_.size();
  for (const auto& values : input_) floats += values.size();
  return floats * sizeof(float);
}

}  // namespace lpl::spiking
