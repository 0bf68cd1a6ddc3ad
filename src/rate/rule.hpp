// The rules of rate networks as described by *.rule files: LPL, and baselines.
#pragma once

#include <variant>

#include "rule/rule.hpp"

namespace lpl::rate {

// Cosine similarity of positives against that of different samples,
struct ContrastiveRule {
  double predictive_strength;
  double hebbian_strength;
};
// labels by a linear classifier at every hook,
struct SupervisedRule {};
// and Oja's rule (1982) for a linear layer.
struct OjaRule {};

using Rule = std::variant<LplRule, ContrastiveRule, SupervisedRule, OjaRule>;

// Reads the table of a rule. Throws ConfigError.
Rule read_rule(Table table);

}  // namespace lpl::rate
