// What a description may say, but hardly means.
#include <algorithm>

#include "spiking/description_reader.hpp"
#include "spiking/model/catalogue.hpp"
#include "spiking/stimulus/stimulus.hpp"

namespace lpl::spiking {

void DescriptionReader::warn() {
  const auto warn_of = [&](const StimulusDescription& stimulus) {
    stimulus.warn(grid_, result_.end(), [&](const std::string& what) {
      result_.warnings.push_back(fmt::format("stimulus '{}': {}", stimulus.name, what));
    });
  };
  for (const auto& stimulus : result_.stimuli) warn_of(*stimulus);
  for (const auto& device : result_.devices) warn_of(*device);
  warn_of_parrots();
  warn_of_slow_membranes();
}

// A step moves V by about (E - V) dt / tau; single precision near the resting potential resolves 7.5e-9 V.
void DescriptionReader::warn_of_slow_membranes() {
  constexpr double kMostSteps = 2e4;
  for (const Population& population : result_.populations) {
    if (population.cell.is_double || !population.cell.parameters.contains("tau_membrane")) continue;
    const double tau = values_of(population, 0, result_.seed)("tau_membrane");
    if (const double steps = tau / result_.dt; steps > kMostSteps)
      result_.warnings.push_back(fmt::format(
          "population '{}': tau_membrane is {:.3g} steps of dt; beyond {:.0g} a step changes V by little more "
          "than single precision resolves, and V comes out wrong by percents; use a longer dt or precision = "
          "\"float64\"",
          population.name, steps, kMostSteps));
  }
}

// A neuron that counts arrivals takes them by their weights.
void DescriptionReader::warn_of_parrots() {
  for (const ConnectionDescription& c : result_.connections) {
    const Population& target = result_.populations[c.to];
    if (!target.cell.text->count) continue;
    const SparseMatrix* const matrix = c.wiring->weights();
    const bool ones = matrix ? std::ranges::all_of(matrix->value, [](float w) { return w == 1; })
                             : c.weight.least() == 1 && c.weight.most() == 1;
    if (!ones)
      result_.warnings.push_back(fmt::format(
          "connection '{}': neurons of '{}' spike as often as the sum of arriving weights says, rounded, so "
          "that only weights of 1 repeat every spike",
          c.name, target.name));
  }
}

}  // namespace lpl::spiking
