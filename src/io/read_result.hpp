// What result files hold of the ends of phases (docs/formats.md), as the start of other runs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/import.hpp"

namespace lpl {

// The name of a snapshot of a connection's weights that the file holds: `snapshot`, or where that is "" the latest one.
// Throws ConfigError, saying what there is.
std::string snapshot_of(const std::string& path, const std::string& connection, const std::string& snapshot);

// The synapses of that snapshot and their weights, sorted by (pre, post); a pair stands as often as it is connected.
// Throws ConfigError.
SparseMatrix read_weights(const std::string& path, const std::string& connection, const std::string& snapshot);

// Variables of a population or connection, as they were before a step of that run.
struct StoredVariables {
  struct Variable {
    std::string name, by, values;  // by: neuron, synapse or source
  };
  std::int64_t step = 0;
  std::string wiring;  // of a connection: says which pairs it connects
  std::vector<Variable> variables;
};

// As snapshot_of().
std::string phase_of(const std::string& path, const std::string& owner, const std::string& phase);
// Throws ConfigError.
StoredVariables read_variables(const std::string& path, const std::string& owner, const std::string& phase);

}  // namespace lpl
