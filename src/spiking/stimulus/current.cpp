// type = "current".
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
  read_target(reading, *device);

  read_series(reading, *device,
              {.low = -kLargestVoltage,
               .high = kLargestVoltage,
               .range = "plausible range",
               .of_lists = false,
               .largest = kLargestCurrent});
  return {.spikes = nullptr, .device = device};
}

}  // namespace

extern const StimulusEntry current_stimulus{"current", "adds currents over time", read};

}  // namespace lpl::spiking
