// The network of one rank: its neurons, its synapses and the plasticity that acts on them.
#pragma once

#include <memory>
#include <vector>

#include "comm/communicator.hpp"
#include "spiking/description.hpp"
#include "spiking/lpl.hpp"
#include "spiking/neurons.hpp"
#include "spiking/symmetric_stdp.hpp"
#include "spiking/synapses.hpp"

namespace lpl::spiking {

// The most steps of an epoch.
inline Step longest_epoch(const SimulationDescription& simulation) {
  return std::min(simulation.min_delay, kLongestEpoch);
}

struct Connection {
  const ConnectionDescription* description = nullptr;
  Synapses synapses;
  std::unique_ptr<LplPlasticity> lpl;
  std::unique_ptr<SymmetricStdp> stdp;
};

struct Network {
  // Builds the part of rank `rank` of `ranks`. `simulation` must outlive the network.
  Network(const SimulationDescription& simulation, int rank, int ranks);

  EpochLayout layout;
  std::vector<std::unique_ptr<Neurons>> populations;
  std::vector<Connection> connections;
  // Steps of each source's spikes that delivery and plasticity look back on.
  std::vector<Step> source_memory;

  // Calls visit(local neuron, value) for the state of population `p` and of the plastic synapses onto it. A neuron's
  // values come in an order that does not depend on ranks; its synapses come by presynaptic neuron.
  template <class Visit>
  void visit_state(std::size_t p, Visit&& visit) {
    populations[p]->visit_state(visit);
    const std::size_t neurons = populations[p]->range().count;
    for (Connection& connection : connections) {
      if (connection.description->to != p || !connection.description->rule) continue;
      if (connection.lpl) connection.lpl->visit_state(neurons, connection.synapses, visit);
      if (connection.stdp) connection.stdp->visit_state(neurons, visit);
      for (std::size_t s = 0; s < connection.synapses.size(); ++s)
        visit(layout.neuron_of(connection.synapses.target[s]), connection.synapses.weight[s]);
    }
  }

  std::size_t synapses() const;
  std::size_t bytes() const;
};

}  // namespace lpl::spiking
