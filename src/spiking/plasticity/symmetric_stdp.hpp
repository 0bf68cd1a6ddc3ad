// Symmetric spike-timing-dependent plasticity of inhibitory synapses (Vogels et al. 2011; docs/numerics.md section 4).
#pragma once

#include "spiking/plasticity/plasticity.hpp"

namespace lpl::spiking {

struct SymmetricStdp final : RuleDescription {
  double learning_rate = 0;  // zeta
  double target_rate = 0;    // kappa [Hz]
  double tau = 0;            // [s]
  double dt = 0;             // [s]

  std::unique_ptr<Plasticity> make(const RulePlace& place) const override;
};

}  // namespace lpl::spiking
