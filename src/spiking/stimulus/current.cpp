// type = "current".
#include <fmt/format.h>

#include <limits>

#include "spiking/model/equations.hpp"
#include "spiking/neurons.hpp"
#include "spiking/reading.hpp"
#include "spiking/stimulus/computed_current.hpp"
#include "spiking/stimulus/device.hpp"

namespace lpl::spiking {
namespace {

struct Current final : SeriesDevice {
  void apply(Neurons& target, std::span<const std::uint32_t> cells, std::size_t slot, float value) const override {
    for (const std::uint32_t cell : cells) target.current(input)[slot + cell] += value;
  }
  std::size_t input = 0;  // of the model
};

Stimulus read(const StimulusReading& reading) {
  Table& table = reading.table;
  const bool is_computed = table.has("value") || table.has("noise");
  if (table.has("value") + table.has("noise") + table.has("file") + table.has("times") != 1)
    table.fail("value", "give exactly one of value, noise, file, times (with values)");
  const auto series = std::make_shared<Current>();
  const auto computed = std::make_shared<ComputedCurrent>();
  const std::shared_ptr<Device> device = is_computed ? std::shared_ptr<Device>(computed) : series;
  const Population& target = read_target(reading, *device);
  const std::size_t input = read_input(table, target);
  const Dimension dimension = target.cell.text->inputs[input].dimension;
  const bool volts = dimension == Dimension::voltage;
  constexpr double kUnbounded = std::numeric_limits<float>::max();
  const double largest = volts ? kLargestCurrent : kUnbounded;
  if (is_computed) {
    computed->input = input;
    computed->dimension = dimension;
    computed->largest = largest;
    read_computed_current(reading, *computed);
  } else {
    series->input = input;
    read_series(reading, *series,
                {.dimension = dimension,
                 .low = volts ? -kLargestVoltage : -kUnbounded,
                 .high = volts ? kLargestVoltage : kUnbounded,
                 .range = "plausible range",
                 .of_lists = false,
                 .largest = largest});
  }
  return {.spikes = nullptr, .device = device};
}

}  // namespace

extern const StimulusEntry current_stimulus{"current", "adds currents: series, expressions of time, noise", read};

}  // namespace lpl::spiking
