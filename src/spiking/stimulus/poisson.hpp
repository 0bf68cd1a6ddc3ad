// Inhomogeneous Poisson spikes of a stimulus, at most one per neuron and step.
#pragma once

#include <cstdint>
#include <vector>

#include "spiking/stimulus/rate_profile.hpp"
#include "spiking/stimulus/stimulus.hpp"

namespace lpl::spiking {

struct PoissonGroup : Group {
  RateProfile profile;
};

// Each (neuron, step) is a Bernoulli trial with probability rate * dt. The trials of a group are walked in
// (step, neuron) order with geometric jumps at the segment's highest rate and thinned to the true rate, so the cost
// is per spike, not per neuron and step. A segment of kSegment steps depends on the seed, the group's name and the
// segment's number only: every rank generates the same spikes without communication, and a restart needs no state.
class PoissonGenerator final : public SpikeMaker {
 public:
  static constexpr Step kSegment = kMostAhead;

  PoissonGenerator(const std::string& stimulus, const std::vector<PoissonGroup>& groups, double dt, std::uint64_t seed);

  // Appends whole segments.
  void fill(SpikeHistory& history, Step until) override;

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

struct PoissonStimulus final : SpikingStimulus {
  std::unique_ptr<SpikeMaker> make(double dt, std::uint64_t seed) const override;
  double expected_spikes(Step begin, Step end, double dt) const override;
  std::vector<PoissonGroup> inputs;  // by group
};

}  // namespace lpl::spiking
