// The state of a run between two epochs: all that its continuation depends on and that does not follow from the
// description. In global order, so that any number of ranks writes the same and any number can go on from it.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "core/errors.hpp"
#include "core/types.hpp"
#include "spiking/network.hpp"
#include "spiking/recorder.hpp"
#include "spiking/spike_history.hpp"

namespace lpl::spiking {

// Of each neuron of a population, by id: its own state and that of the plastic synapses onto it, as bytes in the order
// of Network::visit_state.
using NeuronStates = std::vector<std::string>;

struct SimulationState {
  // Raised with every change of what is saved or in which order.
  static constexpr std::uint32_t kVersion = 2;

  Step now = 0;  // the steps before it are done
  std::int64_t spikes = 0, input_spikes = 0;
  double wall_seconds = 0;
  std::vector<SpikeHistory::Saved> sources;            // by source
  std::vector<std::vector<float>> presynaptic_traces;  // by connection; empty where it has none
  RecorderState recorder;
  std::vector<NeuronStates> neurons;  // by population

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& now& spikes& input_spikes& wall_seconds& sources& presynaptic_traces& recorder& neurons;
  }
};

// Throws IoError where what all ranks share of a state is not that of such a run.
void check_shared_state(const SimulationState& state, const SimulationDescription& simulation, Network& network);

// Collective: the states of all neurons, on rank 0.
std::vector<NeuronStates> gather_neurons(Network& network, Communicator& comm);

// Collective: gives every rank's network the states of its neurons; `states` matters on rank 0 and is used up. Throws
// IoError on all ranks where the states are of another network.
void scatter_neurons(std::vector<NeuronStates>& states, const SimulationDescription& simulation, Network& network,
                     Communicator& comm);

}  // namespace lpl::spiking
