// What a description may say, but hardly means.
#include <algorithm>

#include "spiking/description_reader.hpp"
#include "spiking/model/catalogue.hpp"

namespace lpl::spiking {

void DescriptionReader::warn() {
  for (const SpikingStimulus& stimulus : result_.stimuli) warn_of_spikes(stimulus);
  warn_of_devices();
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

void DescriptionReader::warn_of_spikes(const SpikingStimulus& stimulus) {
  const auto* const train = std::get_if<SpikeTrain>(&stimulus.spikes);
  if (!train) return;
  const auto say = [&](const std::string& what) {
    result_.warnings.push_back(fmt::format("stimulus '{}': {}", stimulus.name, what));
  };
  const auto all = static_cast<std::ptrdiff_t>(train->step.size());
  const auto late = train->step.end() - std::lower_bound(train->step.begin(), train->step.end(), result_.end());
  const double end = result_.seconds(result_.end());
  if (all == 0)
    say("has no spike");
  else if (late == all)
    say(
        fmt::format("all {} spikes come after the end of the run at {} s, the first at {} s; are the times in another "
                    "unit?",
                    all, end, result_.seconds(train->step.front())));
  else if (late > 0)
    say(fmt::format("{} of {} spikes come after the end of the run at {} s", late, all, end));
  if (train->rounded > 0)
    say(fmt::format("{} of {} spikes lie between the steps of dt = {} and come at the nearest one", train->rounded, all,
                    grid_.stated));
}

void DescriptionReader::warn_of_devices() {
  for (const Device& device : result_.devices) {
    const auto say = [&](const std::string& what) {
      result_.warnings.push_back(fmt::format("stimulus '{}': {}", device.name, what));
    };
    const double begin = result_.seconds(device.start) + device.times.front();
    if (begin >= result_.seconds(result_.end()))
      say(fmt::format("begins at {} s, after the end of the run at {} s", begin, result_.seconds(result_.end())));
    if (device.repeats > 1 && device.times.back() > result_.seconds(device.every) * (1 + 1e-9))
      say(fmt::format("repeats begin every {} s, so that of the series, which lasts {} s, the rest is cut off",
                      result_.seconds(device.every), device.times.back()));
  }
}

// A neuron that counts arrivals takes them by their weights.
void DescriptionReader::warn_of_parrots() {
  for (const ConnectionDescription& c : result_.connections) {
    const Population& target = result_.populations[c.to];
    if (!target.cell.text->count) continue;
    const auto* const listed = std::get_if<ConnectionDescription::Listed>(&c.pattern);
    const bool ones = listed && listed->own_weights
                          ? std::ranges::all_of(listed->matrix.value, [](float w) { return w == 1; })
                          : c.weight == 1;
    if (!ones)
      result_.warnings.push_back(fmt::format(
          "connection '{}': neurons of '{}' spike as often as the sum of arriving weights says, rounded, so "
          "that only weights of 1 repeat every spike",
          c.name, target.name));
  }
}

}  // namespace lpl::spiking
