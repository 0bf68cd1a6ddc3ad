// How large the result file of a run becomes.
#pragma once

#include <vector>

#include "spiking/description.hpp"

namespace lpl::spiking {

// In bytes.
struct ResultSize {
  double spikes = 0, samples = 0, weights = 0;  // samples: rates and state, too
  double rest = 0;                              // what holds them together
  double all() const { return spikes + samples + weights + rest; }
};

// `synapses`: by connection. Neurons are taken to fire at `rate` [Hz]; stimuli spike as described.
ResultSize result_size(const SimulationDescription& simulation, const std::vector<double>& synapses, double rate);

}  // namespace lpl::spiking
