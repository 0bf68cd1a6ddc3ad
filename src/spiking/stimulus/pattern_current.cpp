// type = "pattern_current": currents into the members of patterns, while these are shown or over time.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "spiking/model/equations.hpp"
#include "spiking/neurons.hpp"
#include "spiking/reading.hpp"
#include "spiking/stimulus/device.hpp"
#include "spiking/stimulus/pattern.hpp"
#include "spiking/stimulus/presentation.hpp"

namespace lpl::spiking {
namespace {

constexpr std::size_t kMostAmplitudes = 100'000'000;

struct PatternCurrent final : Device {
  std::unique_ptr<Actor> make(double dt, std::uint64_t seed, Neurons& target) const override;
  void warn(const Grid& grid, Step end, const std::function<void(const std::string&)>& say) const override;

  std::size_t input = 0;  // of the model
  std::vector<Pattern> patterns;
  double amplitude = 0;            // SI, of an intensity of 1, of the pattern that is shown
  std::vector<Step> steps;         // or: from each of these steps on
  std::vector<double> amplitudes;  // by step and pattern
  std::size_t rounded = 0;         // times that lie between steps
};

class PatternCurrentActor final : public Actor {
 public:
  PatternCurrentActor(const PatternCurrent& device, Neurons& target) : device_(device), target_(target) {
    for (const Pattern& pattern : device.patterns) {
      std::vector<Member>& members = members_.emplace_back();
      for (std::size_t m = 0; m < pattern.neurons.size(); ++m)
        for (const std::uint32_t cell : target.cells_of({pattern.neurons[m]}))
          members.push_back({cell, pattern.values[m]});
    }
    if (device.schedule) walk_.emplace(*device.schedule, device.windows);
  }

  void act(Step from, Step to) override {
    if (walk_)
      for (walk_->advance(from); walk_->current().begin < to; walk_->advance(walk_->current().end)) {
        const Presentation& p = walk_->current();
        for (Step step = std::max(from, p.begin); step < std::min(to, p.end); ++step)
          add(p.index, device_.amplitude, step - from);
        if (p.end > to) break;
      }
    else
      device_.for_each_part(from, to, [&](Step begin, Step end) {
        for (Step step = begin; step < end; ++step) add_all(step, step - from);
      });
  }

 private:
  struct Member {
    std::uint32_t cell;
    double intensity;
  };

  // What the last of the steps up to `step` says.
  void add_all(Step step, Step slot) {
    const auto after = std::ranges::upper_bound(device_.steps, step);
    if (after == device_.steps.begin()) return;
    const auto row = static_cast<std::size_t>(after - device_.steps.begin()) - 1;
    for (std::size_t p = 0; p < members_.size(); ++p) add(p, device_.amplitudes[row * members_.size() + p], slot);
  }
  void add(std::size_t pattern, double amplitude, Step slot) {
    if (amplitude == 0) return;
    float* const current = target_.current(device_.input) + slot * static_cast<Step>(kBlock);
    for (const Member& member : members_[pattern])
      current[member.cell] += static_cast<float>(amplitude * member.intensity);
  }

  const PatternCurrent& device_;
  Neurons& target_;
  std::vector<std::vector<Member>> members_;  // of this rank, by pattern
  std::optional<PresentationWalk> walk_;
};

std::unique_ptr<Actor> PatternCurrent::make(double /*dt*/, std::uint64_t /*seed*/, Neurons& target) const {
  return std::make_unique<PatternCurrentActor>(*this, target);
}

void PatternCurrent::warn(const Grid& grid, Step end, const std::function<void(const std::string&)>& say) const {
  if (schedule) return schedule->warn(grid, end, windows, say);
  if (steps.front() >= end)
    say(fmt::format("begins at {:.12g} s, after the end of the run at {:.12g} s",
                    static_cast<double>(steps.front()) * grid.dt, static_cast<double>(end) * grid.dt));
  if (rounded > 0)
    say(fmt::format("{} of the times lie between the steps of dt = {}, and the nearest is taken", rounded,
                    grid.stated));
}

double largest_intensity(const Pattern& pattern) {
  double largest = 0;
  for (const double value : pattern.values) largest = std::max(largest, std::abs(value));
  return largest;
}

// Rows of a time and an amplitude for each pattern.
void read_amplitudes(const StimulusReading& reading, PatternCurrent& device, double largest) {
  Table& table = reading.table;
  const std::size_t count = device.patterns.size();
  const std::string unit = unit_of(reading.populations[device.population].cell.text->inputs[device.input].dimension);
  std::vector<double> intensities;
  for (const Pattern& pattern : device.patterns) intensities.push_back(largest_intensity(pattern));
  imported(table, "amplitudes", [&](const auto& path) {
    for_each_row(path, [&](const TextRow& row) {
      row.expect(count + 1, fmt::format("time in seconds and an amplitude in {} for each of {} patterns", unit, count));
      const double exact = row[0] / reading.grid.dt, steps = std::round(exact);
      if (row[0] < 0 || steps > static_cast<double>(kLongestRun))
        row.fail(0, fmt::format("the time {} s lies outside of the longest possible run", row[0]));
      const auto step = static_cast<Step>(steps);
      if (!device.steps.empty() && step <= device.steps.back())
        row.fail(0,
                 fmt::format("the time {} s is no step later than that of the line before; times must rise", row[0]));
      if (device.amplitudes.size() + count > kMostAmplitudes)
        row.fail(0, fmt::format("the file has more than {} amplitudes", kMostAmplitudes));
      if (std::abs(exact - steps) > Grid::on_grid(exact)) ++device.rounded;
      device.steps.push_back(step);
      for (std::size_t p = 0; p < count; ++p) {
        if (std::abs(row[p + 1]) * intensities[p] > largest)
          row.fail(p + 1, fmt::format("the amplitude of {} {}, times the largest intensity of pattern {}, {}, is more "
                                      "than {} {}",
                                      row[p + 1], unit, p, intensities[p], largest, unit));
        device.amplitudes.push_back(row[p + 1]);
      }
    });
  });
}

Stimulus read(const StimulusReading& reading) {
  Table& table = reading.table;
  const auto device = std::make_shared<PatternCurrent>();
  device->population = named(table, "to", table.text("to"), reading.populations, "population");
  const Population& target = reading.populations[device->population];
  device->input = read_input(table, target);
  constexpr double kLargestIntensity = 1e9;
  device->patterns = read_patterns(reading, target.size,
                                   {.key = "intensities",
                                    .what = "intensity",
                                    .otherwise = 1,
                                    .low = -kLargestIntensity,
                                    .high = kLargestIntensity,
                                    .range = ""});
  device->drawn = drawn_members(table, device->patterns);
  for (const Pattern& pattern : device->patterns)
    device->neurons.insert(device->neurons.end(), pattern.neurons.begin(), pattern.neurons.end());
  std::ranges::sort(device->neurons);
  device->neurons.erase(std::unique(device->neurons.begin(), device->neurons.end()), device->neurons.end());
  const Dimension dimension = target.cell.text->inputs[device->input].dimension;
  const double largest = dimension == Dimension::voltage ? kLargestCurrent : std::numeric_limits<float>::max();
  if (table.has("amplitude") == table.has("amplitudes"))
    table.fail("amplitude",
               "give exactly one of amplitude, of the pattern that is shown, and amplitudes, a file of them");
  if (table.has("amplitudes")) {
    read_amplitudes(reading, *device, largest);
    return {.spikes = nullptr, .device = device};
  }
  device->amplitude = table.quantity("amplitude", dimension, {-largest, largest});
  for (std::size_t p = 0; p < device->patterns.size(); ++p)
    if (const double most = largest_intensity(device->patterns[p]); std::abs(device->amplitude) * most > largest)
      table.fail("amplitude", fmt::format("{}; times the largest intensity of pattern {}, {}, that is more than {} {}",
                                          table.stated("amplitude"), p, most, largest, unit_of(dimension)));
  read_schedule(reading, static_cast<std::uint32_t>(device->patterns.size()), *device);
  return {.spikes = nullptr, .device = device};
}

}  // namespace

extern const StimulusEntry pattern_current_stimulus{"pattern_current", "adds currents to the members of patterns",
                                                    read};

}  // namespace lpl::spiking
