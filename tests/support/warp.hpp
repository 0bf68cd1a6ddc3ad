// The warps of rate/cuda/thin_bodies.hpp on the host: their lanes run one after the other, and products are formed from
// what all of them hold.
#pragma once

#include "rate/cuda/thin_bodies.hpp"

namespace lpl::rate::cuda {

struct SerialWarp {
  template <class T>
  struct Each {
    T all[kWarp];
    T& operator[](Index lane) { return all[lane]; }
    const T& operator[](Index lane) const { return all[lane]; }
  };

  template <class F>
  void each(F f) const {
    for (Index lane = 0; lane < kWarp; ++lane) f(lane);
  }

  // c += a b, number by number.
  void multiply(const Each<LeftFactor>& a, const Each<RightFactor>& b, Each<ProductPart>& c) const {
    for (Index row = 0; row < 16; ++row)
      for (Index column = 0; column < 8; ++column) {
        float sum = 0;
        for (Index k = 0; k < 16; ++k) {
          const Index pair = k % 8 / 2;
          const std::uint32_t left = a[row % 8 * 4 + pair].pairs[k / 8 * 2 + row / 8];
          const std::uint32_t right = b[column * 4 + pair].pairs[k / 8];
          sum += half(left, k % 2) * half(right, k % 2);
        }
        c[row % 8 * 4 + column / 2].values[row / 8 * 2 + column % 2] += sum;
      }
  }

  // In the order of a device's shuffles.
  template <Index kCount, class Sums>
  void add_rows(Each<Sums>& sums) const {
    for (Index step = 4; step < kWarp; step *= 2) {
      const Each<Sums> before = sums;
      for (Index lane = 0; lane < kWarp; ++lane)
        for (Index i = 0; i < kCount; ++i) sums[lane].values[i] += before[lane ^ step].values[i];
    }
  }

 private:
  static float half(std::uint32_t pair, Index which) {
    return widen(static_cast<std::uint16_t>(which == 0 ? pair & 0xffffu : pair >> 16));
  }
};

}  // namespace lpl::rate::cuda
