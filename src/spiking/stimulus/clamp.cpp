// type = "clamp".
#include "spiking/neurons.hpp"
#include "spiking/stimulus/device.hpp"

namespace lpl::spiking {
namespace {

struct Clamp final : SeriesDevice {
  void apply(Neurons& target, std::span<const std::uint32_t> cells, std::size_t slot, float value) const override {
    for (const std::uint32_t cell : cells) target.clamp()[slot + cell] = value;
  }
};

Stimulus read(const StimulusReading& reading) {
  const auto device = std::make_shared<Clamp>();
  const Population& target = read_target(reading, *device);
  const double lowest = target.cell.parameter("E_inh");
  read_series(
      reading, *device,
      {.low = lowest, .high = 0, .range = "range in which V is held,", .of_lists = true, .largest = kLargestVoltage});
  return {.spikes = nullptr, .device = device};
}

}  // namespace

extern const StimulusEntry clamp_stimulus{"clamp", "holds membranes at potentials over time", read};

}  // namespace lpl::spiking
