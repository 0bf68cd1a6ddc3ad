// The state of a run between two epochs: all that its continuation depends on and that does not follow from the
// description. In global order, so that any number of ranks writes the same and any number can go on from it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "core/types.hpp"
#include "spiking/limits.hpp"
#include "spiking/network.hpp"
#include "spiking/recorder.hpp"
#include "spiking/spike_history.hpp"

namespace lpl::spiking {

// A variable's values on all ranks: by neuron, each with its history; synapses by postsynaptic, then presynaptic
// neuron.
struct SavedVariable {
  std::string name, owner;
  std::uint8_t by = 0;
  std::string values;
  bool operator==(const SavedVariable&) const = default;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& name& owner& by& values;
  }
};

// Which pairs a plastic connection connects.
struct SavedWiring {
  std::string connection;
  std::uint64_t synapses = 0, pairs = 0;  // how many, and a checksum
  bool operator==(const SavedWiring&) const = default;
  std::string text() const;
  static SavedWiring read(const std::string& connection, const std::string& text);
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& connection& synapses& pairs;
  }
};

struct SimulationState {
  // Of the members below; variables say themselves what they are.
  static constexpr std::uint32_t kVersion = 4;

  Step now = 0;  // the steps before it are done
  std::int64_t spikes = 0, input_spikes = 0;
  double wall_seconds = 0;
  std::vector<SpikeHistory::Saved> sources;  // by source
  RecorderState recorder;
  std::vector<LimitState> limits;
  std::vector<SavedWiring> wirings;
  std::vector<SavedVariable> variables;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& now& spikes& input_spikes& wall_seconds& sources& recorder& limits& wirings& variables;
  }
};

// Throws IoError where what all ranks share of a state is not that of such a run.
void check_shared_state(const SimulationState& state, const SimulationDescription& simulation);

// Collective: the spikes of each source that are kept, on rank 0.
std::vector<SpikeHistory::Saved> gather_sources(OwnSpikes own, const SimulationDescription& simulation,
                                                Communicator& comm);

// Of spikes that are kept, those of a rank's neurons.
SpikeHistory::Saved part_of(const SpikeHistory::Saved& saved, LocalRange range);

// The synapses of neurons 0 .. neurons-1 of this rank by postsynaptic, then presynaptic neuron.
std::vector<std::uint64_t> order_by_target(const Synapses& synapses, EpochLayout layout, std::size_t neurons);

// A variable, and what it is called for users: that of a connection without the connection's name.
struct OwnVariable {
  const Variable* variable;
  std::string name;
};
// Those that another run can begin with: the states of neurons; weights and what rules keep, but not step by step.
std::vector<OwnVariable> lasting_variables(const Network& network, std::size_t population,
                                           const SimulationDescription& simulation);
std::vector<OwnVariable> lasting_variables(const Network& network, const Connection& connection);

// Collective: the values of a variable, on rank 0.
std::string gather_values(const Network& network, const Variable& variable, Communicator& comm);

// Collective: gives each rank its part of the values of a variable. `values` is called on rank 0 with the bytes that
// they have in this network, and gives as many or throws; what it throws, all ranks do.
void scatter_values(Network& network, const Variable& variable, Communicator& comm,
                    const std::function<const std::string&(std::size_t bytes)>& values);

// Collective: which pairs are connected, on rank 0; of one connection, or of all that are plastic.
SavedWiring wiring_of(const Network& network, const Connection& connection, Communicator& comm);
std::vector<SavedWiring> gather_wirings(const Network& network, Communicator& comm);

// Collective: the network's variables, on rank 0.
std::vector<SavedVariable> gather_variables(const Network& network, const SimulationDescription& simulation,
                                            Communicator& comm);

// Collective: gives every rank's network its part; `saved` matters on rank 0. Throws IoError on all ranks where the
// variables are of another network.
void scatter_variables(const std::vector<SavedVariable>& saved, Network& network,
                       const SimulationDescription& simulation, Communicator& comm);

}  // namespace lpl::spiking
