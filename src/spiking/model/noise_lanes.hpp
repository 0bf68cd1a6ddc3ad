// Noise (core/noise.hpp) of the sixteen neurons of a block. For files of vector kernels, once a target of Highway.
#if defined(LPL_SPIKING_MODEL_NOISE_LANES) == defined(HWY_TARGET_TOGGLE)
#ifdef LPL_SPIKING_MODEL_NOISE_LANES
#undef LPL_SPIKING_MODEL_NOISE_LANES
#else
#define LPL_SPIKING_MODEL_NOISE_LANES
#endif

#include <hwy/highway.h>

#include "core/noise.hpp"

HWY_BEFORE_NAMESPACE();
namespace lpl::spiking::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Noise::words of neurons first .. first + 15, by word.
struct NoiseWords {
  HWY_ALIGN std::uint32_t word[4][kBlock];
};

using NoiseTag = hn::CappedTag<std::uint32_t, kBlock>;
using NoiseVector = hn::Vec<NoiseTag>;

// The upper and the lower halves of the products a m.
struct Halves {
  NoiseVector high, low;
};
HWY_INLINE Halves product(const NoiseVector& a, const NoiseVector& m) {
  const NoiseTag d;
#if HWY_TARGET == HWY_SCALAR
  const std::uint64_t whole = std::uint64_t{hn::GetLane(a)} * hn::GetLane(m);
  return {hn::Set(d, static_cast<std::uint32_t>(whole >> 32)), hn::Set(d, static_cast<std::uint32_t>(whole))};
#else
  const hn::RepartitionToWide<NoiseTag> wide;
  const auto even = hn::MulEven(a, m);
  const auto odd = hn::MulEven(hn::BitCast(d, hn::ShiftRight<32>(hn::BitCast(wide, a))), m);
  return {hn::OddEven(hn::BitCast(d, odd), hn::BitCast(d, hn::ShiftRight<32>(even))),
          hn::OddEven(hn::BitCast(d, hn::ShiftLeft<32>(odd)), hn::BitCast(d, even))};
#endif
}

HWY_INLINE NoiseWords noise_words(const Noise& noise, NeuronId first, Step step, std::uint16_t draw) {
  const NoiseTag d;
  const NoiseVector m0 = hn::Set(d, PHILOX_M4x32_0), m1 = hn::Set(d, PHILOX_M4x32_1);
  NoiseWords words;
  for (std::size_t lane = 0; lane < kBlock; lane += hn::MaxLanes(d)) {
    NoiseVector w0 = hn::Set(d, static_cast<std::uint32_t>(step)),
                w1 = hn::Add(hn::Set(d, first + static_cast<std::uint32_t>(lane)), hn::Iota(d, 0)),
                w2 = hn::Set(d, noise.object), w3 = hn::Set(d, Noise::what(step, draw));
    auto key0 = static_cast<std::uint32_t>(noise.seed), key1 = static_cast<std::uint32_t>(noise.seed >> 32);
    for (int round = 0; round < 10; ++round) {  // Philox 4x32-10
      const Halves p = product(w0, m0), q = product(w2, m1);
      w0 = hn::Xor(hn::Xor(q.high, w1), hn::Set(d, key0));
      w2 = hn::Xor(hn::Xor(p.high, w3), hn::Set(d, key1));
      w1 = q.low;
      w3 = p.low;
      key0 += PHILOX_W32_0;
      key1 += PHILOX_W32_1;
    }
    hn::Store(w0, d, words.word[0] + lane);
    hn::Store(w1, d, words.word[1] + lane);
    hn::Store(w2, d, words.word[2] + lane);
    hn::Store(w3, d, words.word[3] + lane);
  }
  return words;
}

}  // namespace lpl::spiking::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
