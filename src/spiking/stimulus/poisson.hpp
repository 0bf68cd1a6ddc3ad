// Inhomogeneous Poisson spikes of a stimulus, at most one per neuron and step.
#pragma once

#include <cstdint>
#include <vector>

#include "spiking/stimulus/rate_profile.hpp"
#include "spiking/stimulus/segment_maker.hpp"
#include "spiking/stimulus/stimulus.hpp"

namespace lpl::spiking {

struct PoissonGroup : Group {
  RateProfile profile;
};

// Each (neuron, step) is a Bernoulli trial with probability rate * dt. The trials of a group are walked at the
// segment's highest rate and thinned to the true rate, so the cost is per spike, not per neuron and step.
class PoissonGenerator final : public SegmentMaker {
 public:
  PoissonGenerator(const std::string& stimulus, const std::vector<PoissonGroup>& groups, double dt, std::uint64_t seed);

 private:
  struct Stream {
    const PoissonGroup* group;
    std::uint32_t object;
  };
  void make_segment(Step segment) override;
  void generate(const Stream& stream, Step segment);

  std::vector<Stream> streams_;
  double dt_;
  std::uint64_t seed_;
};

struct PoissonStimulus final : SpikingStimulus {
  std::unique_ptr<SpikeMaker> make(double dt, std::uint64_t seed) const override;
  double expected_spikes(Step begin, Step end, double dt) const override;
  std::vector<PoissonGroup> inputs;  // by group
};

}  // namespace lpl::spiking
