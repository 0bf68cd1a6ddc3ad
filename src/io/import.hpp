// Readers of the input formats that users of the field already have. Every reader checks its file completely
// and throws ConfigError naming file, place, what was found and what was expected; nothing half-loads.
#pragma once

#include <string>
#include <vector>

#include "core/types.hpp"

namespace lpl {

// Rows of `columns` finite numbers; '#' and '%' start comments. Throws on NaN, infinities and short rows.
std::vector<std::vector<double>> read_columns(const std::string& path, std::size_t columns);

// Spikes sorted by (step, neuron), at most one per neuron and step.
struct SpikeTrain {
  std::vector<Step> step;
  std::vector<NeuronId> neuron;
};

// Reads spikes of `size` neurons on a grid of `dt` seconds, by the file's suffix:
//   .spk  Auryn binary: 8-byte records (uint32 step of 0.1 ms, uint32 neuron), first record a header
//   .ras  text: time in seconds, neuron
//   .h5   SONATA: /spikes/<population>/{timestamps [ms], node_ids}; `population` may be "" where there is one
SpikeTrain read_spikes(const std::string& path, const std::string& population, NeuronId size, double dt);

// A sparse matrix in coordinate form, sorted by (pre, post).
struct SparseMatrix {
  NeuronId rows = 0;     // presynaptic size
  NeuronId columns = 0;  // postsynaptic size
  std::vector<NeuronId> pre;
  std::vector<NeuronId> post;
  std::vector<float> value;
};

// MatrixMarket coordinate file (.wmat, .mtx): 1-based `pre post weight`. Duplicate entries are refused.
SparseMatrix read_matrix_market(const std::string& path);

}  // namespace lpl
