// The terms of losses, with their coefficients and forms (Halvagal & Zenke 2023, Methods; rule files hold them, see
// docs/language.md).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "rule/rule.hpp"

namespace lpl::rate {

struct LossWeights {
  double predictive = 1;      // coefficient of the pull term
  double hebbian = 1;         // of the push term
  double decorrelation = 10;  // of the decorrelation term
  HebbianForm form = HebbianForm::log_variance;
  double epsilon = 1e-4;  // added to the variance
  PredictiveGradient gradient = PredictiveGradient::both;
};

// Order of the terms in arrays of losses.
enum LossTerm { kPull, kPush, kDecorrelation, kCrossEntropy, kLossTerms };
inline constexpr std::array<const char*, kLossTerms> kLossNames{"pull", "push", "decorr", "cross_entropy"};
using LossTerms = std::array<double, kLossTerms>;  // unweighted

// Mean and variance by unit of the step before, averaged over both views; empty before the first step.
struct StaleEstimates {
  std::vector<float> mean, variance;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& mean& variance;
  }
};

}  // namespace lpl::rate
