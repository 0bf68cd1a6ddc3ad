// type = "pairing", the protocol of Fig. 6: `pairings` times at `rate`, input n fires dt_n after the pairing's time,
// dt_n equally spaced on [-interval, +interval].
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "spiking/stimulus/spike_train.hpp"

namespace lpl::spiking {
namespace {

Step period_of(Table& table, double rate, const Grid& grid) {
  const double count = 1 / (rate * grid.dt);
  const double whole = std::round(count);
  if (whole >= static_cast<double>(kLongestRun) / 100'000)
    table.fail("rate", fmt::format("{}: pairings lie further apart than a run can last", table.stated("rate")));
  if (std::abs(count - whole) > grid.on_grid(count))
    table.fail("rate", fmt::format("{}: the {:.12g} s between pairings are no multiple of the step dt = {}; near it is "
                                   "\"{:.15g} Hz\"",
                                   table.stated("rate"), 1 / rate, grid.stated, 1 / (whole * grid.dt)));
  return static_cast<Step>(whole);
}

Stimulus read(const StimulusReading& reading) {
  Table& table = reading.table;
  const Grid& grid = reading.grid;
  const auto stimulus = std::make_shared<TrainStimulus>();
  stimulus->size = static_cast<NeuronId>(table.integer("size", 2, 1'000'000));
  const double interval = table.quantity("interval", Dimension::time, kPositive);
  const Step half = grid.steps(table, "interval", interval);
  const double rate = table.quantity("rate", Dimension::frequency, kPositive);
  grid.check_input_rate(table, "rate", rate);
  const auto pairings = table.integer("pairings", 1, 100'000);
  const Step first = grid.read_steps(table, "first", kNonNegative);
  constexpr std::int64_t kMostSpikes = 100'000'000;
  if (pairings * stimulus->size > kMostSpikes)
    table.fail("pairings",
               fmt::format("{} pairings of {} inputs are more than {} spikes", pairings, stimulus->size, kMostSpikes));
  if (first < half)
    table.fail("first", fmt::format("{}; it cannot be below 'interval', as input 0 fires that much earlier",
                                    table.stated("first")));
  const Step period = pairings > 1 ? period_of(table, rate, grid) : 0;
  std::vector<std::pair<Step, NeuronId>> spikes;
  for (std::int64_t p = 0; p < pairings; ++p)
    for (NeuronId n = 0; n < stimulus->size; ++n) {
      const double offset = interval * (2.0 * n / (stimulus->size - 1) - 1);
      spikes.emplace_back(first + p * period + std::llround(offset / grid.dt), n);
    }
  std::sort(spikes.begin(), spikes.end());
  for (const auto& [step, neuron] : spikes) {
    stimulus->train.step.push_back(step);
    stimulus->train.neuron.push_back(neuron);
  }
  return {.spikes = stimulus, .device = nullptr};
}

}  // namespace

extern const StimulusEntry pairing_stimulus{"pairing", "inputs at fixed intervals around times of pairing", read};

}  // namespace lpl::spiking
