// The random numbers of neurons' equations: keyed by the seed and by population, neuron, step and draw, never by rank,
// so that they are the same on any number of ranks and after a restart.
#pragma once

#include <array>
#include <cstdint>

#include "core/random.hpp"
#include "core/types.hpp"

namespace lpl {

struct Noise {
  std::uint64_t seed = 0;
  std::uint32_t object = 0;  // name hash of the population

  // The last word of Philox's counter: what is drawn, the step's upper bits, which words of the draw (its chunk), and
  // which draw of the text.
  static constexpr std::uint16_t kMostDraws = 1 << 12;
  static constexpr std::uint32_t what(Step step, std::uint16_t draw, std::uint8_t chunk = 0) {
    static_assert(static_cast<std::uint32_t>(Draw::noise) < 1 << 5 && kLongestRun <= Step{1} << 39);
    return static_cast<std::uint32_t>(Draw::noise) | static_cast<std::uint32_t>(step >> 32) << 5 |
           std::uint32_t{chunk} << 12 | std::uint32_t{draw} << 20;
  }
  std::array<std::uint32_t, 4> words(NeuronId neuron, Step step, std::uint16_t draw, std::uint8_t chunk = 0) const {
    const auto words = r123::Philox4x32{}({{static_cast<std::uint32_t>(step), neuron, object, what(step, draw, chunk)}},
                                          {{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)}});
    return {words[0], words[1], words[2], words[3]};
  }
};

// A Poisson number of the given mean; NaN where the mean is none or above 127500.
double poisson(const Noise& noise, NeuronId neuron, Step step, std::uint16_t draw, double mean);

}  // namespace lpl
