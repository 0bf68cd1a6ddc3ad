// The plasticity rules as described by *.rule files: the terms of latent predictive learning (LPL, Halvagal &
// Zenke 2023) and the symmetric inhibitory rule. Both engines consume this description.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "config/table.hpp"

namespace lpl {

// How the Hebbian term is normalised by the firing variance (docs/numerics.md).
enum class Normalisation { as_simulated, corrected };

// Where the transmitter-triggered term acts: as a constant in the error (as simulated), or on each arriving
// spike as the erratum prints it.
enum class TransmitterForm { in_error, per_spike };

enum class Gradient { plain, augmented };

struct LplRule {
  // Predictive term (pull): activity should resemble that of `horizon` ago.
  double predictive_strength;  // phi
  double horizon;              // [s]
  // Hebbian term (push): keeps the variance up.
  double hebbian_strength;  // lambda
  Normalisation normalisation;
  double tau_mean;      // [s]
  double tau_variance;  // [s]
  double epsilon;       // xi, keeps the normalisation finite
  TransmitterForm transmitter_form;
  double transmitter_strength;  // delta
  // Eligibility: presynaptic filters, double-exponential kernels of eligibility and error.
  double tau_synapse;          // [s]
  double tau_membrane;         // [s]
  double tau_rise;             // [s]
  double tau_fall;             // [s]
  double surrogate_steepness;  // beta [1/V]
  double surrogate_threshold;  // [V]
  double surrogate_floor;      // [V]; the surrogate derivative is 0 below
  // Updates: once per window, by the mean gradient over it.
  double learning_rate;                     // eta
  double window;                            // [s]
  Gradient gradient;                        //
  double tau_rms;                           // [s], augmented gradient only
  std::optional<double> weight_decay_time;  // [s]
  double w_max;
};

// Symmetric spike-timing-dependent plasticity of inhibitory synapses (Vogels et al. 2011).
struct SymmetricStdpRule {
  double learning_rate;  // zeta
  double target_rate;    // kappa [Hz]
  double tau;            // [s]
  double w_max;
};

using Rule = std::variant<LplRule, SymmetricStdpRule>;

// Reads the table of a rule. Throws ConfigError.
Rule read_rule(Table table);

}  // namespace lpl
