#include "spiking/slow_membrane.hpp"

#include <fmt/format.h>

namespace lpl::spiking {

// A step moves V by about (E - V) dt / tau; single precision near the resting potential resolves 7.5e-9 V.
std::string fault_of_slow_membrane(const Cell& cell, const ParameterValues& values, double dt) {
  constexpr double kMostSteps = 2e4;
  if (cell.is_double || !cell.text->parameter("tau_membrane")) return {};
  const double steps = values("tau_membrane") / dt;
  if (steps <= kMostSteps) return {};
  return fmt::format(
      ", {:.3g} steps of dt; beyond {:.0g} a step changes V by little more than single precision resolves, and V would "
      "come out wrong by percents: use a longer dt, or precision = \"float64\" of the population",
      steps, kMostSteps);
}

}  // namespace lpl::spiking
