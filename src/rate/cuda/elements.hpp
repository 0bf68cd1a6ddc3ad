// Numbers of maps: float, or std::uint16_t, which is a bfloat16; one by one and several at once.
#pragma once

#include <cstdint>
#include <cstring>

#ifdef __CUDACC__
#include <vector_types.h>
#endif

#include "rate/device_code.hpp"

namespace lpl::rate::cuda {

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
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  // Of two at once, which is several times faster than of one.
  asm("{ .reg .b32 both; cvt.rn.bf16x2.f32 both, 0f00000000, %1; cvt.u16.u32 %0, both; }" : "=h"(to) : "f"(value));
#else
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const bool number = (bits & 0x7fffffffu) <= 0x7f800000u;
  to = static_cast<std::uint16_t>(number ? (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16 : (bits >> 16) | 0x40u);
#endif
}

// The tests' own device looks at addresses of several elements.
#ifndef LPL_CHECK_ALIGNED
#define LPL_CHECK_ALIGNED(address, bytes)
#endif

// Moves kCount neighbouring elements between an array and a thread, 16 bytes at a time where there are as many. The
// array is aligned for all of them, or for 16 bytes.
template <Index kCount, class Element>
LPL_DEVICE inline void move_together(const Element* from, Element* to) {
  [[maybe_unused]] constexpr Index kBytes = kCount * sizeof(Element);
  LPL_CHECK_ALIGNED(from, kBytes);
  LPL_CHECK_ALIGNED(to, kBytes);
#ifdef __CUDA_ARCH__
  if constexpr (kBytes % 16 == 0)
    for (Index i = 0; i < kBytes / 16; ++i) reinterpret_cast<uint4*>(to)[i] = reinterpret_cast<const uint4*>(from)[i];
  else if constexpr (kBytes == 8)
    *reinterpret_cast<uint2*>(to) = *reinterpret_cast<const uint2*>(from);
  else
#endif
    for (Index i = 0; i < kCount; ++i) to[i] = from[i];
}

// As many elements of one thread.
template <class Element, Index kCount>
struct alignas(kCount * sizeof(Element) < 16 ? kCount * sizeof(Element) : 16) Together {
  Element values[kCount];

  LPL_DEVICE static Together load(const Element* from) {
    Together elements;
    move_together<kCount>(from, elements.values);
    return elements;
  }
  LPL_DEVICE void store(Element* to) const { move_together<kCount>(values, to); }
  LPL_DEVICE Element& operator[](Index i) { return values[i]; }
  LPL_DEVICE const Element& operator[](Index i) const { return values[i]; }
};

// A divisor that is known before, for numbers below 2^31: a product and a shift (Granlund & Montgomery 1994) take a
// fifth of a device's time for a division.
struct Divisor {
  Divisor() = default;
  explicit Divisor(Index number) : divisor(number) {
    Index bits = 0;  // of number - 1
    while (std::uint64_t{1} << bits < number) ++bits;
    shift = 31 + bits;
    factor = static_cast<std::uint32_t>(((std::uint64_t{1} << shift) + number - 1) / number);
  }
  LPL_DEVICE Index quotient(Index x) const {
    return static_cast<Index>((static_cast<std::uint64_t>(x) * factor) >> shift);
  }

  Index divisor = 1, shift = 31;
  std::uint32_t factor = std::uint32_t{1} << 31;
};

}  // namespace lpl::rate::cuda
