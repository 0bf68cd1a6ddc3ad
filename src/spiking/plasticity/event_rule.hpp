// The machinery of rules that move weights within epochs.
//
// What an arriving spike transmits depends on postsynaptic spikes of the same epoch, so such a connection is not
// delivered ahead: its arrivals of an epoch are sorted by block of targets, and the neuron kernel calls back at the
// steps where one is due or a neuron of the block spikes. Within a step: arrivals transmit w, then change it; then
// postsynaptic spikes change their synapses.
#pragma once

#include <bit>
#include <utility>

#include "spiking/plasticity/arrivals_by_block.hpp"
#include "spiking/plasticity/plasticity.hpp"
#include "spiking/plasticity/synapse_columns.hpp"
#include "spiking/short_term/short_term.hpp"
#include "spiking/synapses.hpp"

namespace lpl::spiking {

// The weight changes of a Rule, inlined into the loops:
//   void begin_epoch(Step first, std::uint32_t steps, const SpikeHistory& source)
//   float arrive(float w, std::uint32_t neuron, Step now)                       the weight after an arrival
//   float spike(float w, std::uint32_t row, std::uint32_t step)                 and after a spike of its neuron
//   void spiked(std::uint32_t neuron, Step now)                                 once its synapses have changed
//   void list(Variables&, const RulePlace&), std::size_t buffer_bytes()
template <class Rule>
class EventRule final : public Plasticity, private BlockHook {
 public:
  EventRule(const RulePlace& place, Rule rule)
      : place_(place), rule_(std::move(rule)), arrivals_(place.post.blocks()), columns_(place) {}

  void begin_epoch(const PlasticEpoch& epoch) override {
    const SpikeHistory& source = epoch.spikes[place_.connection.from];
    first_ = epoch.first;
    learns_ = epoch.learns;
    rule_.begin_epoch(epoch.first, epoch.steps, source);
    arrivals_.clear();
    const Synapses& synapses = place_.synapses;
    for (std::uint32_t step = 0; step < epoch.steps; ++step) {
      const Step emitted = epoch.first + step - place_.connection.delay;
      for (const NeuronId pre : source.at(emitted)) {
        const std::size_t row = synapses.row_of(pre);
        if (row == Synapses::kNoRow) continue;
        const float factor = place_.short_term ? place_.short_term->factor(row, emitted) : 1;
        for (std::uint64_t s = synapses.row[row]; s < synapses.row[row + 1]; ++s) {
          const std::size_t block = place_.layout.neuron_of(synapses.target[s]) / kBlock;
          arrivals_.add(block, {step, static_cast<std::uint32_t>(s), factor}, epoch);
        }
      }
    }
  }

  BlockHook* hook() override { return this; }

  void list(Variables& variables) override { rule_.list(variables, place_); }

  std::size_t buffer_bytes() const override { return rule_.buffer_bytes() + columns_.bytes(); }

 private:
  struct Arrival {
    std::uint32_t step;
    std::uint32_t synapse;
    float factor;  // of what it transmits
  };

  void arrive(std::uint32_t block, std::uint32_t step) override {
    for (const Arrival& arrival : arrivals_.take(block, step)) {
      const std::uint32_t s = arrival.synapse;
      const std::uint32_t target = place_.synapses.target[s];
      float& weight = place_.synapses.weight[s];
      place_.input[target + step * kBlock] += weight * arrival.factor;
      if (learns_) weight = rule_.arrive(weight, place_.layout.neuron_of(target), first_ + step);
    }
  }

  void spiked(std::uint32_t block, std::uint32_t step, std::uint32_t lanes) override {
    for (; lanes != 0; lanes &= lanes - 1) {
      const auto neuron =
          static_cast<std::uint32_t>(block * kBlock + static_cast<std::uint32_t>(std::countr_zero(lanes)));
      if (learns_)
        for (const auto& [synapse, row] : columns_.of(neuron)) {
          float& weight = place_.synapses.weight[synapse];
          weight = rule_.spike(weight, row, step);
        }
      rule_.spiked(neuron, first_ + step);
    }
  }

  RulePlace place_;
  Rule rule_;
  bool learns_ = true;
  Step first_ = 0;
  ArrivalsByBlock<Arrival> arrivals_;
  SynapseColumns columns_;
};

}  // namespace lpl::spiking
