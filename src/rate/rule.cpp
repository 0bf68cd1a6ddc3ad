#include "rate/rule.hpp"

#include "config/table.hpp"

namespace lpl::rate {
namespace {

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
  switch (table.choice("type", {"lpl", "contrastive", "supervised", "oja"})) {
    case 0:
      rule = read_lpl(table);
      break;
    case 1:
      rule = read_contrastive(table);
      break;
    case 2:
      refuse_rate_terms(table, "supervised");
      rule = SupervisedRule{};
      break;
    default:
      rule = OjaRule{};
  }
  table.finish();
  return rule;
}

}  // namespace lpl::rate
