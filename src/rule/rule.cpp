#include "rule/rule.hpp"

namespace lpl {
namespace {

// Of what engines compute with in float32: products of a few of them must not overflow, and divisors not vanish.
constexpr Bounds kStrength{0, 1e9};
constexpr Bounds kDivisor{1e-30, 1e9};
constexpr Bounds kPotential{-1, 1};
constexpr double kLargestWeight = 1e6;

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

SymmetricStdpRule read_symmetric_stdp(Table& table) {
  SymmetricStdpRule rule{};
  rule.learning_rate = table.number("learning_rate", kStrength);
  rule.target_rate = table.quantity("target_rate", Dimension::frequency, kNonNegative);
  rule.tau = table.quantity("tau", Dimension::time, {0, 100, true}, "20 ms");
  rule.w_max = table.number("w_max", {0, kLargestWeight, true}, 1.0);
  return rule;
}

// Rules without a Hebbian term over a batch have no use for its estimates and forms.
void refuse_rate_terms(Table& table, const std::string& type) {
  if (table.has("rate"))
    table.fail("rate", "the " + type +
                           " rule estimates no variance, so stale estimates, forms and epsilon mean nothing "
                           "to it; remove 'rate'");
}

ContrastiveRule read_contrastive(Table& table) {
  refuse_rate_terms(table, "contrastive");
  ContrastiveRule rule{};
  Table predictive = table.table_or_defaults("predictive");
  rule.predictive_strength = predictive.number("strength", kStrength, 1.0);
  predictive.finish();
  Table hebbian = table.table_or_defaults("hebbian");
  rule.hebbian_strength = hebbian.number("strength", kStrength, 1.0);
  hebbian.finish();
  Table decorrelation = table.table_or_defaults("decorrelation");
  if (decorrelation.number("strength", kStrength, 0.0) != 0)
    decorrelation.fail("strength",
                       "the contrastive rule has no decorrelation term: different samples already repel; "
                       "set 'strength' to 0");
  decorrelation.finish();
  return rule;
}

}  // namespace

Rule read_rule(Table table) {
  Rule rule;
  switch (table.choice("type", kRuleTypes)) {
    case 0:
      rule = read_lpl(table);
      break;
    case 1:
      rule = read_symmetric_stdp(table);
      break;
    case 2:
      rule = read_contrastive(table);
      break;
    case 3:
      refuse_rate_terms(table, "supervised");
      rule = SupervisedRule{};
      break;
    default:
      rule = OjaRule{};
  }
  table.finish();
  return rule;
}

}  // namespace lpl
