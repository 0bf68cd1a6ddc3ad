// This rank's synapses of one connection: compressed rows by presynaptic neuron, targets on this rank only.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/aligned.hpp"
#include "spiking/description.hpp"
#include "spiking/layout.hpp"

namespace lpl::spiking {

// The neurons of a population that live on this rank: a contiguous range.
struct LocalRange {
  NeuronId first = 0;
  NeuronId count = 0;
  bool holds(NeuronId id) const { return id - first < count; }
};
LocalRange local_range(NeuronId size, int rank, int ranks);

struct Synapses {
  std::vector<std::uint64_t> row;       // [pre size + 1], into the arrays below
  AlignedVector<std::uint32_t> target;  // EpochLayout position of the postsynaptic neuron, ascending in a row
  AlignedVector<float> weight;          // leak units

  std::size_t size() const { return target.size(); }
  std::size_t pre_size() const { return row.size() - 1; }
  std::size_t wiring_bytes() const { return row.size() * sizeof row[0] + target.size() * sizeof target[0]; }

  // Adds a row's weights to the input of one step.
  void deliver(NeuronId pre, float* input) const {
    const std::uint64_t end = row[pre + 1];
    for (std::uint64_t s = row[pre]; s < end; ++s) input[target[s]] += weight[s];
  }
};

// Wires a connection. The wiring of each postsynaptic neuron depends on the seed, the connection's name and the
// neuron only, so it is the same on any number of ranks; cost and memory fall with the number of ranks.
Synapses build_synapses(const SimulationDescription& simulation, const ConnectionDescription& connection,
                        LocalRange local, EpochLayout layout);

// Expected number of synapses of the whole connection.
double expected_synapses(const SimulationDescription& simulation, const ConnectionDescription& connection);

}  // namespace lpl::spiking
