// Inhomogeneous Poisson spikes of a stimulus, at most one per neuron and step.
#pragma once

#include <cstdint>
#include <vector>

#include "spiking/description.hpp"
#include "spiking/spike_history.hpp"

namespace lpl::spiking {

// Each (neuron, step) is a Bernoulli trial with probability rate * dt. The trials of a group are walked in
// (step, neuron) order with geometric jumps at the segment's highest rate and thinned to the true rate, so the cost
// is per spike, not per neuron and step. A segment of kSegment steps depends on the seed, the group's name and the
// segment's number only: every rank generates the same spikes without communication, and a restart needs no state.
class PoissonGenerator {
 public:
  static constexpr Step kSegment = 128;

  PoissonGenerator(const std::string& stimulus, const std::vector<PoissonGroup>& groups, double dt, std::uint64_t seed);

  // Appends whole segments until history.end() >= until.
  void fill(SpikeHistory& history, Step until);

 private:
  struct Stream {
    const PoissonGroup* group;
    std::uint32_t object;
  };
  struct Candidate {
    std::uint32_t step;  // inside the segment
    NeuronId neuron;
  };
  void generate(const Stream& stream, Step segment);

  std::vector<Stream> streams_;
  double dt_;
  std::uint64_t seed_;
  std::vector<Candidate> spikes_;
  std::vector<std::uint32_t> count_, next_;  // by step of the segment
  std::vector<NeuronId> sorted_;
};

}  // namespace lpl::spiking
