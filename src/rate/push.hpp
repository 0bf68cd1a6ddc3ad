// The Hebbian term at one unit, as both backends compute it.
#pragma once

#include <cmath>

#include "rate/device_code.hpp"
#include "rate/loss_terms.hpp"

namespace lpl::rate {

// Value of the Hebbian loss at one variance, and the factor of (z - mean) in its gradient, before dividing by the
// number of units and positions.
struct Push {
  double loss, factor;
};
LPL_DEVICE inline Push push_of(HebbianForm form, double epsilon, double variance, double samples) {
  switch (form) {
    case HebbianForm::log_variance:
      return {-std::log(variance + epsilon), -2.0 / ((samples - 1) * (variance + epsilon))};
    case HebbianForm::hinge: {
      const double deviation = std::sqrt(variance + 1e-8);
      return deviation >= 1 ? Push{0, 0} : Push{1 - deviation, -1.0 / ((samples - 1) * deviation)};
    }
    case HebbianForm::variance:
      return {-variance, -2.0 / (samples - 1)};
  }
  return {0, 0};
}

}  // namespace lpl::rate
