// Decays as float32 follows them.
#pragma once

#include <cmath>

namespace lpl {

// Whether float32 tells a decay over an interval from none, with the time constant `tau` in the same unit.
inline bool float_decays(double interval, double tau) { return static_cast<float>(std::exp(-interval / tau)) != 1.0f; }

// The longest time constant of which it does, in intervals.
inline constexpr double kLongestFloatDecay = 0x1p25;

}  // namespace lpl
