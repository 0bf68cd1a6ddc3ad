// Marks of functions that run on a CUDA device, and of loops that it shall have written out. Where no CUDA compiler
// reads them they are functions and loops like others.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define LPL_DEVICE __host__ __device__
#define LPL_DEVICE_ONLY __device__
#else
#define LPL_DEVICE
#define LPL_DEVICE_ONLY
#endif

#ifdef __CUDA_ARCH__
#define LPL_UNROLL _Pragma("unroll")
#else
#define LPL_UNROLL
#endif

namespace lpl::rate {

// Indices within one array. 32 bits: a device divides them several times faster than 64.
using Index = std::uint32_t;

}  // namespace lpl::rate
