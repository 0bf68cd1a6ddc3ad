// type = "clamp".
#include <fmt/format.h>

#include <algorithm>

#include "spiking/model/catalogue.hpp"
#include "spiking/neurons.hpp"
#include "spiking/stimulus/device.hpp"

namespace lpl::spiking {
namespace {

struct Clamp final : SeriesDevice {
  bool clamps() const override { return true; }
  void apply(Neurons& target, std::span<const std::uint32_t> cells, std::size_t slot, float value) const override {
    for (const std::uint32_t cell : cells) target.clamp()[slot + cell] = value;
  }
};

Stimulus read(const StimulusReading& reading) {
  const auto device = std::make_shared<Clamp>();
  const Population& target = read_target(reading, *device);
  if (!target.cell.has_membrane())
    reading.table.fail("to",
                       fmt::format("the model '{}' of '{}' has no membrane to clamp", target.cell.model, target.name));
  const StateText& membrane = target.cell.text->states[*target.cell.text->membrane];
  const auto [low, high] = range_of(membrane, target, 0, reading.seed, reading.grid.dt);
  read_series(reading, *device,
              {.dimension = Dimension::voltage,
               .low = std::max(low, -kLargestVoltage),
               .high = std::min(high, kLargestVoltage),
               .range = "range in which V is held,",
               .of_lists = true,
               .largest = kLargestVoltage});
  return {.spikes = nullptr, .device = device};
}

}  // namespace

extern const StimulusEntry clamp_stimulus{"clamp", "holds membranes at potentials over time", read};

}  // namespace lpl::spiking
