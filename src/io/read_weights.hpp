// Snapshots of weights in result files (docs/formats.md), as the start of other runs.
#pragma once

#include <string>

#include "io/import.hpp"

namespace lpl {

// The name of a snapshot of a connection's weights that the file holds: `snapshot`, or where that is "" the latest one.
// Throws ConfigError, saying what there is.
std::string snapshot_of(const std::string& path, const std::string& connection, const std::string& snapshot);

// The synapses of that snapshot and their weights, sorted by (pre, post); a pair stands as often as it is connected.
// Throws ConfigError.
SparseMatrix read_weights(const std::string& path, const std::string& connection, const std::string& snapshot);

}  // namespace lpl
