// Whether a network is still one of numbers.
#pragma once

#include <string>

#include "rate/backend.hpp"
#include "rate/encoder.hpp"

namespace lpl::rate {

// The first number of a network or its optimiser that is not finite, such as
//   "network.encoder.blocks.2.module.0.weight (block 3) holds nan"
// or "" where all are finite.
std::string broken_number(Encoder& encoder, Backend& backend);

}  // namespace lpl::rate
