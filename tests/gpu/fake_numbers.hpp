// Numbers of float32 or bfloat16, as the libraries of the tests' own device read and write them.
#pragma once

#include <cstdint>

#include "rate/cuda/elements.hpp"

inline float load(const void* data, bool bfloat, std::int64_t i) {
  return bfloat ? lpl::rate::cuda::widen(static_cast<const std::uint16_t*>(data)[i])
                : static_cast<const float*>(data)[i];
}
inline void store(float value, void* data, bool bfloat, std::int64_t i) {
  if (bfloat)
    lpl::rate::cuda::narrow(value, static_cast<std::uint16_t*>(data)[i]);
  else
    static_cast<float*>(data)[i] = value;
}
