// Latent predictive learning (LPL, Halvagal & Zenke 2023) as described by *.rule files: its terms, which both engines
// consume. Other rules are of one engine only, which reads them.
#pragma once

#include <optional>

#include "config/bounds.hpp"

namespace lpl {

class Table;

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

// Bounds of what engines compute with in float32: products of a few of them must not overflow, and divisors not vanish.
inline constexpr Bounds kStrength{0, 1e9};
inline constexpr Bounds kDivisor{1e-30, 1e9};

// Reads the table of an LPL rule but for its end. Throws ConfigError.
LplRule read_lpl(Table& table);

}  // namespace lpl
