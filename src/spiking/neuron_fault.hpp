// A neuron that ends a run.
#pragma once

#include <optional>
#include <tuple>

#include "comm/communicator.hpp"
#include "spiking/description.hpp"
#include "spiking/model/model.hpp"

namespace lpl::spiking {

// A neuron that could not do a step, or has a state that is no finite number. They are ordered as runs name them.
struct NeuronFault {
  Step step = 0;  // that could not be done, or before which the state was seen
  std::size_t population = 0;
  NeuronId neuron = 0;
  Fault what{};
  std::size_t state = 0;
  bool operator<(const NeuronFault& other) const {
    return std::tie(step, population, neuron, what, state) <
           std::tie(other.step, other.population, other.neuron, other.what, other.state);
  }
};

// Collective. Where any rank has a fault, all throw the first one.
void end_at_fault(const std::optional<NeuronFault>& fault, const SimulationDescription& simulation, Communicator& comm);

}  // namespace lpl::spiking
