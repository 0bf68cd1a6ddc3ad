// Identifiers and time on the grid.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lpl {

using NeuronId = std::uint32_t;  // index inside one population or stimulus, 0-based, global over ranks
using Step = std::int64_t;       // step k covers [k dt, (k+1) dt)

// No run is longer: random numbers of inputs are keyed by 32-bit numbers of segments of 128 steps.
inline constexpr Step kLongestRun = Step{1} << 39;

// Neurons are stored and computed in blocks of 16, whatever the vector width of the processor,
// so that a value never depends on its lane or on the rank that computes it.
inline constexpr std::size_t kBlock = 16;

constexpr std::size_t blocks_for(std::size_t neurons) { return (neurons + kBlock - 1) / kBlock; }

}  // namespace lpl
