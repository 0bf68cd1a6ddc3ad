// Symmetric inhibitory plasticity (docs/numerics.md section 4).
//
// What an arriving spike transmits depends on postsynaptic spikes of the same epoch, so this connection is not
// delivered ahead: its arrivals of an epoch are sorted by block of targets, and the neuron kernel calls back at the
// steps where one is due or a neuron of the block spikes. Within a step: arrivals transmit w, then change it; then
// postsynaptic spikes change their synapses. Both traces are read before they advance.
#pragma once

#include <span>
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

  std::size_t bytes() const;

  // As Neurons::visit_state, for the first `neurons` local neurons.
  template <class Visit>
  void visit_state(std::size_t neurons, Visit&& visit) {
    for (std::size_t n = 0; n < neurons; ++n) {
      visit(n, post_value_[n]);
      visit(n, post_last_[n]);
    }
  }
  // The presynaptic traces that the next epoch starts from; the same on all ranks.
  std::span<float> presynaptic_trace() { return {pre_trace_.data() + epoch_steps_ * padded_pre_, padded_pre_}; }

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
  // Presynaptic traces at stage 3 of each step of the epoch, [step][pre], advanced densely; the row after the
  // epoch's last step is where the next epoch starts.
  std::size_t padded_pre_;
  AlignedVector<float> pre_trace_;
  std::size_t epoch_steps_ = 0;
  // Postsynaptic traces, advanced where read: value just after the spike of `last_`.
  std::vector<float> post_value_;
  std::vector<Step> post_last_;
  // Synapses by postsynaptic neuron.
  std::vector<std::uint32_t> column_, column_synapse_, column_pre_;
};

}  // namespace lpl::spiking
