// type = "current".
#include <fmt/format.h>

#include <limits>

#include "spiking/model/equations.hpp"
#include "spiking/neurons.hpp"
#include "spiking/stimulus/device.hpp"

namespace lpl::spiking {
namespace {

struct Current final : SeriesDevice {
  void apply(Neurons& target, std::span<const std::uint32_t> cells, std::size_t slot, float value) const override {
    for (const std::uint32_t cell : cells) target.current()[slot + cell] += value;
  }
};

Stimulus read(const StimulusReading& reading) {
  const auto device = std::make_shared<Current>();
  const Population& target = read_target(reading, *device);
  const std::vector<InputText>& inputs = target.cell.text->inputs;
  if (inputs.empty())
    reading.table.fail("to",
                       fmt::format("the model '{}' of '{}' has no input for currents", target.cell.model, target.name));
  const bool volts = inputs.front().dimension == Dimension::voltage;
  constexpr double kUnbounded = std::numeric_limits<float>::max();
  read_series(reading, *device,
              {.dimension = inputs.front().dimension,
               .low = volts ? -kLargestVoltage : -kUnbounded,
               .high = volts ? kLargestVoltage : kUnbounded,
               .range = "plausible range",
               .of_lists = false,
               .largest = volts ? kLargestCurrent : kUnbounded});
  return {.spikes = nullptr, .device = device};
}

}  // namespace

extern const StimulusEntry current_stimulus{"current", "adds currents over time", read};

}  // namespace lpl::spiking
