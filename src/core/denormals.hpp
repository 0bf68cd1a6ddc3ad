// Flush denormal numbers to zero on this thread: decaying traces, or weights, otherwise end in numbers that cost a
// hundred times more to compute with and mean nothing.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace lpl {

inline void flush_denormals() {
#if defined(__x86_64__)
  _mm_setcsr(_mm_getcsr() | 0x8040);  // FTZ and DAZ
#endif
}

}  // namespace lpl
