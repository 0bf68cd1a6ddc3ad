// Values that begin where those of a run of before ended: from its checkpoint, or weights from its result file.
#pragma once

#include "comm/communicator.hpp"
#include "spiking/network.hpp"

namespace lpl::spiking {

// Collective. Throws ConfigError on all ranks where a file has not what the description asks of it.
void start_from_others(const SimulationDescription& simulation, Network& network, Communicator& comm);

}  // namespace lpl::spiking
