// type = "spikes": those of a file.
#include "spiking/reading.hpp"
#include "spiking/stimulus/spike_train.hpp"

namespace lpl::spiking {
namespace {

Stimulus read(const StimulusReading& reading) {
  Table& table = reading.table;
  const auto stimulus = std::make_shared<TrainStimulus>();
  stimulus->size = static_cast<NeuronId>(table.integer("size", 1, kLargestSize));
  const std::string population = table.text("spike_population", "");
  stimulus->train = imported(
      table, "file", [&](const auto& path) { return read_spikes(path, population, stimulus->size, reading.grid.dt); });
  return {.spikes = stimulus, .device = nullptr};
}

}  // namespace

extern const StimulusEntry spikes_stimulus{"spikes", "the spikes of a file", read};

}  // namespace lpl::spiking
