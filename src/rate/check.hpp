// lpl_rate --check: what a description amounts to, without running it.
#pragma once

#include "comm/communicator.hpp"
#include "rate/backend.hpp"
#include "rate/description.hpp"

namespace lpl::rate {

// Opens the data, reads the initial parameters, and prints the layers with shapes, parameters and arithmetic, and the
// memory that a rank needs. Collective. Throws Error where a run would not start.
void check_training(const TrainingDescription& description, Backend& backend, Communicator& comm);

}  // namespace lpl::rate
