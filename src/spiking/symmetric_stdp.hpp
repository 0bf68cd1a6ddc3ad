// Symmetric inhibitory plasticity (docs/numerics.md section 4).
//
// What an arriving spike transmits depends on postsynaptic spikes of the same epoch, so this connection is not
// delivered ahead: its arrivals of an epoch are sorted by block of targets, and the neuron kernel calls back at the
// steps where one is due or a neuron of the block spikes. Within a step: arrivals transmit w, then change it; then
// postsynaptic spikes change their synapses. Both traces are read before they advance.
#pragma once

#include <vector>

#include "spiking/neurons.hpp"
#include "spiking/spike_history.hpp"
#include "spiking/synapses.hpp"

namespace lpl::spiking {

class SymmetricStdp final : public BlockListener {
 public:
  SymmetricStdp(const SymmetricStdpRule& rule, Step delay, double dt, Synapses& synapses, EpochLayout layout,
                std::size_t post_blocks, float* input);

  // Sorts the arrivals of an epoch; marks the steps of `event_steps` (per block) at which at() must be called.
  void begin_epoch(Step first, std::uint32_t steps, const SpikeHistory& source, bool learns,
                   std::uint32_t* event_steps);
  void at(std::uint32_t block, std::uint32_t step, std::uint32_t spiked_lanes) override;

  // The variables of connection `name` from `source` onto `population`.
  void list(Variables& variables, const std::string& name, std::size_t source, std::size_t population);

  // Of buffers, beside the variables.
  std::size_t buffer_bytes() const;

 private:
  struct Arrival {
    std::uint32_t step;
    std::uint32_t synapse;
  };
  float postsynaptic_trace(std::uint32_t neuron, Step now) const;

  float learning_rate_, offset_, w_max_;
  Step delay_;
  Synapses& synapses_;
  EpochLayout layout_;
  float* input_;
  bool learns_ = true;
  Step first_ = 0;

  std::vector<std::vector<Arrival>> arrivals_;  // by block, in step order
  std::vector<std::size_t> next_;               // by block
  std::vector<float> decay_table_;              // exp(-lag dt / tau) by lag in steps
  // Presynaptic traces, advanced densely: those that the next epoch starts from, and at stage 3 of each step of this
  // one, [step][pre].
  std::size_t padded_pre_;
  AlignedVector<float> pre_trace_, pre_traces_;
  // Postsynaptic traces, advanced where read: value just after the spike of `last_`.
  std::vector<float> post_value_;
  std::vector<Step> post_last_;
  // Synapses by postsynaptic neuron.
  std::vector<std::uint32_t> column_, column_synapse_, column_pre_;
};

}  // namespace lpl::spiking
