// Numbers of maps: float, or std::uint16_t, which is a bfloat16.
#pragma once

#include <cstdint>
#include <cstring>

#include "rate/device_code.hpp"

namespace lpl::rate::cuda {

// Indices within one array. 32 bits: a device divides them several times faster than 64.
using Index = std::uint32_t;

// Which output of a pooling window won, or that none of it was active: where the gradient goes.
inline constexpr std::uint8_t kSilent = 255;

LPL_DEVICE inline float widen(float x) { return x; }
LPL_DEVICE inline float widen(std::uint16_t x) {
  const std::uint32_t bits = static_cast<std::uint32_t>(x) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
LPL_DEVICE inline void narrow(float value, float& to) { to = value; }
// Rounds to the nearest bfloat16, halves to even. What is no number stays none.
LPL_DEVICE inline void narrow(float value, std::uint16_t& to) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const bool number = (bits & 0x7fffffffu) <= 0x7f800000u;
  to = static_cast<std::uint16_t>(number ? (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16 : (bits >> 16) | 0x40u);
}

}  // namespace lpl::rate::cuda
