// Currents that are computed as the network runs: an expression of time and place, or noise.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/program.hpp"
#include "spiking/stimulus/stimulus.hpp"

namespace lpl::spiking {

// The first state of its program is the current: of a neuron, computed on vector lanes, or of all, computed once.
struct ComputedCurrent final : Device {
  std::unique_ptr<Actor> make(double dt, std::uint64_t seed, Neurons& target) const override;

  std::size_t input = 0;  // of the model
  Dimension dimension;    // of the input
  double largest = 0;     // in size, SI
  Program program;
  std::vector<std::string> places;   // the further states, which say where a neuron is: i, x, y, z
  std::optional<Program> beginning;  // of a current that follows from what it was
  bool shared = false;               // the same for all neurons
  Step every = 1;                    // it changes at the multiples of so many steps
  std::shared_ptr<const Positions> positions;
};

// Reads the key `value` or `noise`, `start` and `stop` of a current whose target, input, dimension and largest value
// are known.
void read_computed_current(const StimulusReading& reading, ComputedCurrent& current);

}  // namespace lpl::spiking
