// What `lpl_sim --check` prints: the resolved network and what a run of it needs.
#pragma once

#include "comm/communicator.hpp"
#include "spiking/description.hpp"

namespace lpl {

// Collective: builds the network, prints populations, stimuli, connections with expected and created synapses,
// phases and memory per rank on rank 0.
void check_network(const SimulationDescription& simulation, Communicator& comm);

}  // namespace lpl
