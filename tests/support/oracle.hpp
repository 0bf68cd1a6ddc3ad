// The time-driven form: a plain transcription of the model (docs/numerics.md sections 1-4), every synapse in every
// step. The slow twin that the event-driven engine is compared with. Neurons use float32 in the order of the vector
// kernels; plasticity uses float64.
#pragma once

#include <vector>

#include "spiking/description.hpp"

namespace lpl::spiking::oracle {

struct Spike {
  Step step;
  NeuronId id;
  bool operator==(const Spike&) const = default;
};

struct Outcome {
  std::vector<std::vector<Spike>> spikes;    // by population
  std::vector<std::vector<double>> weights;  // by connection, sorted by (pre, post)
  // By connection, as `weights`: how far rounding may take the weights of an engine in float32 from these.
  std::vector<std::vector<double>> tolerance;
};

// Runs a whole description. Devices are not supported.
Outcome run(const SimulationDescription& simulation);

}  // namespace lpl::spiking::oracle
