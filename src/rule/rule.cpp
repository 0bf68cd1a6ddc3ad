#include "rule/rule.hpp"

namespace lpl {
namespace {

LplRule read_lpl(Table& table) {
  LplRule rule{};
  Table predictive = table.table("predictive");
  rule.predictive_strength = predictive.number("strength", kNonNegative);
  rule.horizon = predictive.quantity("horizon", Dimension::time, kPositive, "20 ms");
  predictive.finish();

  Table hebbian = table.table("hebbian");
  rule.hebbian_strength = hebbian.number("strength", kNonNegative);
  rule.normalisation =
      static_cast<Normalisation>(hebbian.choice("normalisation", {"as_simulated", "corrected"}, "as_simulated"));
  rule.tau_mean = hebbian.quantity("tau_mean", Dimension::time, kPositive);
  rule.tau_variance = hebbian.quantity("tau_variance", Dimension::time, kPositive);
  rule.epsilon = hebbian.number("epsilon", kPositive, rule.normalisation == Normalisation::as_simulated ? 1e-3 : 1e-7);
  hebbian.finish();

  Table transmitter = table.table("transmitter");
  rule.transmitter_form =
      static_cast<TransmitterForm>(transmitter.choice("form", {"in_error", "per_spike"}, "in_error"));
  rule.transmitter_strength = transmitter.number("strength", kNonNegative);
  transmitter.finish();

  Table eligibility = table.table("eligibility");
  rule.tau_synapse = eligibility.quantity("tau_synapse", Dimension::time, kPositive, "5 ms");
  rule.tau_membrane = eligibility.quantity("tau_membrane", Dimension::time, kPositive, "20 ms");
  rule.tau_rise = eligibility.quantity("tau_rise", Dimension::time, kPositive, "2 ms");
  rule.tau_fall = eligibility.quantity("tau_fall", Dimension::time, kPositive, "10 ms");
  rule.surrogate_steepness = eligibility.quantity("surrogate_steepness", Dimension::per_voltage, kPositive, "1 1/mV");
  rule.surrogate_threshold = eligibility.quantity("surrogate_threshold", Dimension::voltage, kAny, "-50 mV");
  rule.surrogate_floor = eligibility.quantity("surrogate_floor", Dimension::voltage, kAny, "-80 mV");
  eligibility.finish();

  Table update = table.table("update");
  rule.learning_rate = update.number("learning_rate", kNonNegative);
  rule.window = update.quantity("window", Dimension::time, kPositive, "500 ms");
  rule.gradient = static_cast<Gradient>(update.choice("gradient", {"plain", "augmented"}, "plain"));
  if (rule.gradient == Gradient::augmented)
    rule.tau_rms = update.quantity("tau_rms", Dimension::time, kPositive, "100 s");
  else if (update.has("tau_rms"))
    update.quantity("tau_rms", Dimension::time, kPositive);  // checked and kept; the plain gradient has no use for it
  if (update.has("weight_decay_time"))
    rule.weight_decay_time = update.quantity("weight_decay_time", Dimension::time, kPositive);
  rule.w_max = update.number("w_max", kPositive, 1.0);
  update.finish();
  return rule;
}

SymmetricStdpRule read_symmetric_stdp(Table& table) {
  SymmetricStdpRule rule{};
  rule.learning_rate = table.number("learning_rate", kNonNegative);
  rule.target_rate = table.quantity("target_rate", Dimension::frequency, kNonNegative);
  rule.tau = table.quantity("tau", Dimension::time, kPositive, "20 ms");
  rule.w_max = table.number("w_max", kPositive, 1.0);
  return rule;
}

}  // namespace

Rule read_rule(Table table) {
  Rule rule;
  if (table.choice("type", {"lpl", "symmetric_stdp"}) == 0)
    rule = read_lpl(table);
  else
    rule = read_symmetric_stdp(table);
  table.finish();
  return rule;
}

}  // namespace lpl
