// What `lpl_sim --check` prints: the resolved network and what a run of it needs.
#pragma once

#include "comm/communicator.hpp"
#include "spiking/description.hpp"

namespace lpl::spiking {

// Collective: builds the network, prints populations, stimuli, connections with expected and created synapses,
// phases and memory per rank on rank 0.
void check_network(const SimulationDescription& simulation, Communicator& comm);

// Builds the parts of the network that `ranks` ranks would hold, one after the other in this process, and prints what
// each would hold and send.
void print_partition(const SimulationDescription& simulation, int ranks);

}  // namespace lpl::spiking
