// Spiking latent predictive learning, event-driven.
//
// Weights are constant within a window, and from arriving spikes to the gradient the rule is linear, so the gradient
// functional is pushed backwards instead of the traces forwards: one filter per postsynaptic neuron gives h_i(t), the
// change of G_ji by one arrival of any j in step t, and each arrival adds it once (docs/numerics.md section 6). The
// filter runs on beyond the window's start, with the error at zero, until its kernels have died away; the arrivals
// there are visited again. So no eligibility is stored per synapse: a plastic synapse costs its target, weight,
// gradient and, augmented, the squared gradient: 20 bytes.
//
// Time contract: a window ends at step W with W mod window = 0 and holds the errors of steps W - window + 1 .. W.
// update(W) runs after the arrivals of step W were delivered with the old weights, before any later arrival.
#pragma once

#include "spiking/neurons.hpp"
#include "spiking/plasticity/lpl_kernels.hpp"
#include "spiking/spike_history.hpp"
#include "spiking/synapses.hpp"

namespace lpl::spiking {

class LplPlasticity {
 public:
  LplPlasticity(const LplRule& rule, const ConnectionDescription& connection, double dt, Step lateness, Step block,
                std::size_t post_blocks, EpochLayout layout, std::size_t synapses);

  Step window() const { return window_; }
  // How far back update() looks into the source's spikes, and advance() into the population's own.
  Step source_memory() const { return window_ + tail_ + constants_.lateness + delay_; }
  static Step own_memory(const LplRule& rule, double dt, Step lateness);

  // Postsynaptic traces over an epoch, after the neurons have advanced.
  void advance(const Neurons& neurons, Step first, std::uint32_t steps);

  // Closes the window that ends at step `now`; moves the weights where `learns`.
  void update(Step now, const SpikeHistory& source, Synapses& synapses, bool learns);

  // The variables of connection `name`, number `connection`, onto `population`.
  void list(Variables& variables, const std::string& name, std::size_t connection, std::size_t population);

  // Of buffers, beside the variables.
  std::size_t buffer_bytes() const;

 private:
  void accumulate_gradient(Step now, const SpikeHistory& source, const Synapses& synapses);
  void filter_range(Step from, Step to, bool with_error, const SpikeHistory& source, const Synapses& synapses);
  void prefetch_row(const Synapses& synapses, NeuronId pre) const;
  void apply(Synapses& synapses, bool learns);
  std::size_t slot(Step step) const { return static_cast<std::size_t>(step) % history_; }

  LplRule rule_;
  LplConstants constants_;
  EpochLayout layout_;
  Step delay_, window_, tail_, block_;
  float keep_squared_gradient_ = 0, decay_per_window_ = 0;
  std::size_t blocks_, history_;
  AlignedVector<float> mean_, variance_, error_rise_, error_;
  AlignedVector<float> error_history_, derivative_history_;  // [block][history][16]
  AlignedVector<float> adjoint_, sensitivity_;
  // Per synapse. The gradient sums contributions that largely cancel, hence float64.
  AlignedVector<double> gradient_;
  AlignedVector<float> squared_gradient_;
};

}  // namespace lpl::spiking
