// type = "poisson_drive": what a population hears of the rest of the world, without synapses.
#pragma once

#include <vector>

#include "core/noise.hpp"
#include "spiking/stimulus/stimulus.hpp"

namespace lpl::spiking {

// A Poisson number by inversion of 32 random bits: the number of thresholds not above them, of probabilities of 2^-32.
class PoissonTable {
 public:
  static constexpr double kLargestMean = 64;
  explicit PoissonTable(double mean = 0);
  const std::vector<std::uint32_t>& thresholds() const { return thresholds_; }

 private:
  std::vector<std::uint32_t> thresholds_;  // ascending
};

struct PoissonDrive final : Device {
  std::unique_ptr<Actor> make(double dt, std::uint64_t seed, Neurons& target) const override;
  std::optional<std::size_t> receptor() const override { return receptor_; }

  std::size_t receptor_ = 0;
  double weight = 0;  // of an event, in the receptor's unit
  double mean = 0;    // of events in a step
};

// The random bits of a neuron's events in step `step`: one of the four words of Noise::words at step / 4.
inline std::uint32_t drive_bits(const Noise& noise, NeuronId neuron, Step step) {
  return noise.words(neuron, step / 4, 0)[static_cast<std::size_t>(step % 4)];
}

}  // namespace lpl::spiking
