// The plasticity rules as described by *.rule files: the terms of latent predictive learning (LPL, Halvagal & Zenke
// 2023), which both engines consume, the symmetric inhibitory rule of spiking networks, and the baselines of rate
// networks.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "config/table.hpp"

namespace lpl {

// How the Hebbian term is normalised by the firing variance (docs/numerics.md).
enum class Normalisation { as_simulated, corrected };

// Where the transmitter-triggered term acts: as a constant in the error (as simulated), or on each arriving
// spike as the erratum prints it.
enum class TransmitterForm { in_error, per_spike };

enum class Gradient { plain, augmented };

// How the Hebbian term of rate networks grows with the variance over a batch.
enum class HebbianForm { log_variance, hinge, variance };

// Where the gradient of the predictive term of rate networks goes: into both samples, or into the later one only.
enum class PredictiveGradient { both, later };

// What rate networks need of the rule besides the strengths of the predictive and the Hebbian term.
struct LplRateTerms {
  double decorrelation_strength;  // spiking networks decorrelate by inhibition instead
  HebbianForm form;
  double epsilon;        // added to the variance
  bool stale_estimates;  // mean and variance of the step before
  PredictiveGradient gradient;
};

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
  LplRateTerms rate;
};

// Symmetric spike-timing-dependent plasticity of inhibitory synapses (Vogels et al. 2011).
struct SymmetricStdpRule {
  double learning_rate;  // zeta
  double target_rate;    // kappa [Hz]
  double tau;            // [s]
  double w_max;
};

// Baselines of rate networks: cosine similarity of positives against that of different samples,
struct ContrastiveRule {
  double predictive_strength;
  double hebbian_strength;
};
// labels by a linear classifier at every hook,
struct SupervisedRule {};
// and Oja's rule (1982) for a linear layer.
struct OjaRule {};

using Rule = std::variant<LplRule, SymmetricStdpRule, ContrastiveRule, SupervisedRule, OjaRule>;

// The words for the alternatives of Rule, in their order, as rule files say them.
inline const std::vector<std::string> kRuleTypes{"lpl", "symmetric_stdp", "contrastive", "supervised", "oja"};

// Reads the table of a rule. Throws ConfigError.
Rule read_rule(Table table);

}  // namespace lpl
