// What devices share: a time series of values that acts on neurons, once or repeated.
#pragma once

#include <optional>

#include "spiking/stimulus/stimulus.hpp"

namespace lpl::spiking {

struct SeriesDevice : Device {
  std::unique_ptr<Actor> make(double dt, std::uint64_t seed, Neurons& target) const final;
  void warn(const Grid& grid, Step end, const std::function<void(const std::string&)>& say) const final;
  // Acts on the neurons whose places are `cells` in one step's slot, which begins at `slot` in the buffers of devices.
  virtual void apply(Neurons& target, std::span<const std::uint32_t> cells, std::size_t slot, float value) const = 0;
  // Linear between the points of the series, nothing outside of it.
  std::optional<double> value(Step step, double dt) const;

  // Whether a step of `window` lies in the series, or in a repeat of it.
  bool acts_in(const StepRange& window, double dt) const;

  std::vector<double> times;   // [s] after the start of each repeat, ascending; the device acts on [first, last]
  std::vector<double> values;  // SI, in the unit of the model's input
  Step every = 0;              // repeats begin this far apart; used where repeats > 1
  std::int64_t repeats = 1;
};

// What values are and can be. Files have no units, so that a narrower range shows values in millivolts.
struct SeriesBounds {
  Dimension dimension;
  double low, high;
  std::string_view range;  // what they lie in
  bool of_lists;           // hold for lists with units, too,
  double largest;          // which are at most so large
};

// Whom the device acts on, and by which series.
const Population& read_target(const StimulusReading& reading, Device& device);
// The input of the target's model under `input`, by default the first.
std::size_t read_input(Table& table, const Population& target);
void read_series(const StimulusReading& reading, SeriesDevice& device, const SeriesBounds& bounds);

}  // namespace lpl::spiking
