// Elements of activity maps, float32 or bfloat16 (the upper half of a float32), to float32 and back.
#pragma once

#include <bit>
#include <cstdint>

namespace lpl::rate {

inline float widen(float x) { return x; }
inline float widen(std::uint16_t x) { return std::bit_cast<float>(static_cast<std::uint32_t>(x) << 16); }

inline void narrow(float value, float& to) { to = value; }
// To the nearest bfloat16, halves to even. What is no number stays none.
inline void narrow(float value, std::uint16_t& to) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const bool number = (bits & 0x7fffffffu) <= 0x7f800000u;
  to = static_cast<std::uint16_t>(number ? (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16 : (bits >> 16) | 0x40u);
}

}  // namespace lpl::rate
