// How large the result file of a run becomes.
#pragma once

#include <cstddef>
#include <vector>

#include "spiking/description.hpp"

namespace lpl::spiking {

struct StimulusDescription;  // spiking/stimulus/stimulus.hpp

// In bytes.
struct ResultSize {
  double spikes = 0, samples = 0, weights = 0;  // samples: rates and state, too
  double rest = 0;                              // what holds them together
  double all() const { return spikes + samples + weights + rest; }
};

// What records add to.
class SizeEstimate {
 public:
  SizeEstimate(const SimulationDescription& simulation, const std::vector<double>& synapses, double rate);

  // Samples at the multiples of `every`.
  static double rows(StepRange stretch, Step every);
  static double rows(const std::vector<StepRange>& windows, Step every);

  void datasets(std::size_t count);
  void add_spikes(std::size_t source, const std::vector<StepRange>& windows);
  // Values of so many bytes for each bin.
  void add_bins(Step every, const std::vector<StepRange>& windows, std::size_t bytes);
  void add_presentations(const StimulusDescription& stimulus);
  void add_patterns(const StimulusDescription& stimulus);
  void add_samples(double count, std::size_t width, std::size_t rows_a_chunk);
  void add_states(std::size_t population, std::size_t times);
  void add_weights(std::size_t connection, double snapshots);

  const ResultSize& size() const { return size_; }

 private:
  double expected_spikes(const Source& source, StepRange window) const;

  const SimulationDescription& simulation_;
  const std::vector<double>& synapses_;
  double rate_;
  ResultSize size_;
};

// `synapses`: by connection. Neurons are taken to fire at `rate` [Hz]; stimuli spike as described.
ResultSize result_size(const SimulationDescription& simulation, const std::vector<double>& synapses, double rate);

}  // namespace lpl::spiking
