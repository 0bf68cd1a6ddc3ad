// Counter-based random numbers (Philox 4x32-10, Salmon et al. 2011), keyed by the seed and by what is drawn,
// never by rank: neuron 7 of "exc" draws the same numbers on any number of ranks, and a restart needs no state.
#pragma once

#include <Random123/philox.h>

#include <cmath>
#include <cstdint>
#include <numbers>

namespace lpl {

enum class Draw : std::uint32_t {
  wiring = 1,
  membrane,
  poisson,
  signal,
  shuffle,
  readout_weights,
  readout_order,
  parameters,
  dropout,
  positives,
  augmentation,
  split,
  epoch_order,
  hue_order,
  trajectory,
  toy,
  noise,  // of neurons' equations: core/noise.hpp
  weight,
  delay,
  position,
  presentation,  // what is shown when
  pattern,       // which neurons belong to it
  intensity,
  shown,   // spikes of what is shown, and of the background
  frozen,  // spikes that come again
  rates    // of fluctuating inputs
};

// One sequence: (seed, what is drawn, name hash of the object, index inside the object, part below 2^24 of it).
class Random {
 public:
  Random(std::uint64_t seed, Draw draw, std::uint32_t object, std::uint32_t index, std::uint32_t part = 0)
      : key_{{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)}},
        counter_{{0, index, object, static_cast<std::uint32_t>(draw) | part << 8}} {}

  std::uint32_t bits() {
    if (used_ == 4) {
      words_ = r123::Philox4x32{}(counter_, key_);
      ++counter_[0];
      used_ = 0;
    }
    return words_[used_++];
  }

  // Uniform on (0, 1), never 0 or 1.
  double uniform() { return (static_cast<double>(bits()) + 0.5) * 0x1p-32; }

  // The same to 53 bits.
  double fine_uniform() {
    const std::uint64_t high = bits();
    return (static_cast<double>((high << 32 | bits()) >> 11) + 0.5) * 0x1p-53;
  }

  // Uniform on the integers 0 .. n-1 (n >= 1, below 2^32).
  std::uint32_t below(std::uint32_t n) {
    return static_cast<std::uint32_t>((static_cast<std::uint64_t>(bits()) * n) >> 32);
  }

  double normal() {
    const double radius = std::sqrt(-2.0 * std::log(uniform()));
    return radius * std::cos(2.0 * std::numbers::pi * uniform());
  }

 private:
  r123::Philox4x32::key_type key_;
  r123::Philox4x32::ctr_type counter_;
  r123::Philox4x32::ctr_type words_{};
  unsigned used_ = 4;
};

// Number of failures before the next success of Bernoulli trials with probability p, from one uniform draw.
class Geometric {
 public:
  explicit Geometric(double p) : scale_(p < 1 ? 1.0 / std::log1p(-p) : 0.0) {}
  double operator()(Random& random) const { return std::floor(std::log(random.uniform()) * scale_); }

 private:
  double scale_;  // 0 for p = 1: every trial succeeds
};

}  // namespace lpl
