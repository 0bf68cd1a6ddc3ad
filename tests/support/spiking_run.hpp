// Runs of spiking descriptions, and reading of their results.
#pragma once

#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "spiking/description.hpp"

namespace lpl::test {

// Runs a description through the engine on all ranks of `comm`, writing `path`.
void run_to_file(const spiking::SimulationDescription& simulation, Communicator& comm, const std::string& path);

struct RecordedSpikes {
  std::vector<Step> step;
  std::vector<NeuronId> id;
};
RecordedSpikes read_recorded_spikes(const std::string& path, const std::string& population, double dt);
std::vector<float> read_recorded_weights(const std::string& path, const std::string& connection,
                                         const std::string& snapshot);

}  // namespace lpl::test
