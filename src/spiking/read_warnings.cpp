// What a description may say, but hardly means.
#include <algorithm>

#include "spiking/description_reader.hpp"
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
    if (!population.cell.has_membrane()) continue;
    if (const double steps = population.cell.parameter("tau_membrane") / result_.dt; steps > kMostSteps)
      result_.warnings.push_back(fmt::format(
          "population '{}': tau_membrane is {:.3g} steps of dt; beyond {:.0g} a step changes V by little more "
          "than single precision resolves, and V comes out wrong by percents; use a longer dt",
          population.name, steps, kMostSteps));
  }
}

namespace {

// Whether several synapses of the connection may lead to one neuron.
bool converges(const ConnectionDescription& c, NeuronId pre_size) {
  if (std::holds_alternative<ConnectionDescription::OneToOne>(c.pattern) || pre_size == 1) return false;
  const auto* const listed = std::get_if<ConnectionDescription::Listed>(&c.pattern);
  if (!listed) return true;
  std::vector<NeuronId> targets;
  for (std::size_t i = 0; i < listed->matrix.post.size(); ++i)
    if (listed->matrix.value[i] != 0) targets.push_back(listed->matrix.post[i]);
  std::sort(targets.begin(), targets.end());
  return std::adjacent_find(targets.begin(), targets.end()) != targets.end();
}

}  // namespace

void DescriptionReader::warn_of_parrots() {
  for (std::size_t p = 0; p < result_.populations.size(); ++p) {
    if (result_.populations[p].cell.has_membrane()) continue;
    std::size_t connections = 0;
    bool convergent = false;
    for (const ConnectionDescription& c : result_.connections) {
      if (c.to != p) continue;
      convergent = convergent || ++connections > 1 || converges(c, result_.sources[c.from].size);
    }
    if (convergent)
      result_.warnings.push_back(
          fmt::format("population '{}': a parrot with several inputs repeats those that arrive in the same step as one "
                      "spike; for all of them, give each input a parrot (one_to_one)",
                      result_.populations[p].name));
  }
}

}  // namespace lpl::spiking
