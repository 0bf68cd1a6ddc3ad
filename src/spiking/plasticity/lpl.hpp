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

#include "rule/rule.hpp"
#include "spiking/plasticity/plasticity.hpp"

namespace lpl::spiking {

struct Lpl final : RuleDescription {
  LplRule rule;
  double initial_mean_rate = 0;  // [Hz]; the mean trace starts at this rate
  double initial_variance = 0;   // the variance trace starts here
  double dt = 0;                 // [s]
  Step lateness = 0;             // of errors

  std::unique_ptr<Plasticity> make(const RulePlace& place) const override;
};

}  // namespace lpl::spiking
