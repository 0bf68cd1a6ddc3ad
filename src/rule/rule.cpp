#include "rule/rule.hpp"

#include "config/table.hpp"

namespace lpl {
namespace {

constexpr Bounds kPotential{-1, 1};
constexpr double kLargestWeight = 1e6;

}  // namespace

LplRule read_lpl(Table& table) {
  LplRule rule{};
  Table predictive = table.table("predictive");
  rule.predictive_strength = predictive.number("strength", kStrength);
  rule.horizon = predictive.quantity("horizon", Dimension::time, kPositive, "20 ms");
  predictive.finish();

  Table hebbian = table.table("hebbian");
  rule.hebbian_strength = hebbian.number("strength", kStrength);
  rule.normalisation =
      static_cast<Normalisation>(hebbian.choice("normalisation", {"as_simulated", "corrected"}, "as_simulated"));
  rule.tau_mean = hebbian.quantity("tau_mean", Dimension::time, kPositive, "600 s");
  rule.tau_variance = hebbian.quantity("tau_variance", Dimension::time, kPositive, "30 s");
  rule.epsilon = hebbian.number("epsilon", kDivisor, rule.normalisation == Normalisation::as_simulated ? 1e-3 : 1e-7);
  hebbian.finish();

  Table transmitter = table.table_or_defaults("transmitter");
  rule.transmitter_form =
      static_cast<TransmitterForm>(transmitter.choice("form", {"in_error", "per_spike"}, "in_error"));
  rule.transmitter_strength = transmitter.number("strength", kStrength, 1e-5);
  transmitter.finish();

  Table eligibility = table.table_or_defaults("eligibility");
  rule.tau_synapse = eligibility.quantity("tau_synapse", Dimension::time, kPositive, "5 ms");
  rule.tau_membrane = eligibility.quantity("tau_membrane", Dimension::time, kPositive, "20 ms");
  rule.tau_rise = eligibility.quantity("tau_rise", Dimension::time, kPositive, "2 ms");
  rule.tau_fall = eligibility.quantity("tau_fall", Dimension::time, kPositive, "10 ms");
  rule.surrogate_steepness =
      eligibility.quantity("surrogate_steepness", Dimension::per_voltage, {0, 1e9, true}, "1 1/mV");
  rule.surrogate_threshold = eligibility.quantity("surrogate_threshold", Dimension::voltage, kPotential, "-50 mV");
  rule.surrogate_floor = eligibility.quantity("surrogate_floor", Dimension::voltage, {-1, 0}, "-80 mV");
  eligibility.has("lateness");  // its default follows from the network
  eligibility.finish();

  Table update = table.table_or_defaults("update");
  rule.learning_rate = update.number("learning_rate", kStrength, 1e-2);
  rule.window = update.quantity("window", Dimension::time, kPositive, "500 ms");
  rule.gradient = static_cast<Gradient>(update.choice("gradient", {"plain", "augmented"}, "plain"));
  if (rule.gradient == Gradient::augmented)
    rule.tau_rms = update.quantity("tau_rms", Dimension::time, kPositive, "100 s");
  else if (update.has("tau_rms"))
    update.quantity("tau_rms", Dimension::time, kPositive);  // checked and kept; the plain gradient has no use for it
  if (update.has("weight_decay_time"))
    rule.weight_decay_time = update.quantity("weight_decay_time", Dimension::time, kPositive);
  rule.w_max = update.number("w_max", {0, kLargestWeight, true}, 1.0);
  update.finish();

  Table decorrelation = table.table_or_defaults("decorrelation");
  rule.rate.decorrelation_strength = decorrelation.number("strength", kStrength, 10.0);
  decorrelation.finish();
  Table rate = table.table_or_defaults("rate");
  rule.rate.form =
      static_cast<HebbianForm>(rate.choice("hebbian", {"log_variance", "hinge", "variance"}, "log_variance"));
  rule.rate.epsilon = rate.number("epsilon", kDivisor, 1e-4);
  rule.rate.stale_estimates = rate.choice("estimates", {"batch", "stale"}, "batch") == 1;
  rule.rate.gradient = static_cast<PredictiveGradient>(rate.choice("gradient", {"both", "later"}, "both"));
  rate.finish();
  return rule;
}

}  // namespace lpl
