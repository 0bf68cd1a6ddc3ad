// Makers of spikes that are drawn a segment of steps at a time. What a segment holds depends on the seed, names and the
// segment's number only: every rank makes the same spikes without communication, and a restart needs no state.
#pragma once

#include <cstdint>
#include <vector>

#include "core/random.hpp"
#include "spiking/stimulus/stimulus.hpp"

namespace lpl::spiking {

class SegmentMaker : public SpikeMaker {
 public:
  static constexpr Step kSegment = kMostAhead;

  // Appends whole segments.
  void fill(SpikeHistory& history, Step until) final;

 protected:
  // Adds the spikes of segment `segment`.
  virtual void make_segment(Step segment) = 0;
  // In any order, also several times the same: a neuron spikes at most once in a step.
  void add(std::uint32_t step, NeuronId neuron) { spikes_.push_back({step, neuron}); }

 private:
  struct Candidate {
    std::uint32_t step;  // inside the segment
    NeuronId neuron;
  };
  void unite();

  std::vector<Candidate> spikes_;
  std::vector<std::uint32_t> count_, next_;  // by step of the segment
  std::vector<NeuronId> sorted_;
};

// Bernoulli trials of `size` neurons in each of `steps` steps, with the same probability above 0: calls
// succeeded(step, neuron) in the order of steps and neurons. Walked with geometric jumps: the cost is per success.
template <class Succeeded>
void walk_trials(Random& random, std::uint64_t size, Step steps, double probability, Succeeded&& succeeded) {
  const Geometric gap(probability);
  const double trials = static_cast<double>(size) * static_cast<double>(steps);
  for (double trial = gap(random); trial < trials; trial += 1 + gap(random)) {
    const auto index = static_cast<std::uint64_t>(trial);
    const auto step = static_cast<std::uint32_t>(index / size);
    succeeded(step, static_cast<NeuronId>(index - std::uint64_t{step} * size));
  }
}

}  // namespace lpl::spiking
