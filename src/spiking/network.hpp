// The network of one rank: its neurons, its synapses, the plasticity that acts on them, and devices.
#pragma once

#include <memory>
#include <vector>

#include "comm/communicator.hpp"
#include "spiking/description.hpp"
#include "spiking/neurons.hpp"
#include "spiking/plasticity/plasticity.hpp"
#include "spiking/short_term/short_term.hpp"
#include "spiking/stimulus/stimulus.hpp"
#include "spiking/synapses.hpp"
#include "spiking/variables.hpp"

namespace lpl::spiking {

// The most steps of an epoch.
inline Step longest_epoch(const SimulationDescription& simulation) {
  return std::min(simulation.min_delay, kLongestEpoch);
}

struct Connection {
  const ConnectionDescription* description = nullptr;
  Synapses synapses;
  std::unique_ptr<ShortTerm> short_term;   // nullptr: none
  std::unique_ptr<Plasticity> plasticity;  // nullptr: static
  Moves moves() const { return plasticity ? description->rule->moves : Moves::never; }
};

struct Network {
  // Builds the part of rank `rank` of `ranks`. `simulation` must outlive the network.
  Network(const SimulationDescription& simulation, int rank, int ranks);

  EpochLayout layout;
  std::vector<std::unique_ptr<Neurons>> populations;
  std::vector<Connection> connections;
  std::vector<std::unique_ptr<Actor>> actors;  // of devices
  // Steps of each source's spikes that delivery and plasticity look back on.
  std::vector<Step> source_memory;

  Variables variables;  // of all of them

  std::size_t synapses() const;
  std::size_t bytes() const;

 private:
  void list_variables(const SimulationDescription& simulation);
};

}  // namespace lpl::spiking
