// Sixteen neurons at a time: floats and masks over the lanes of a block, for files of vector kernels, once a target of
// Highway. The same bits on every target.
#if defined(LPL_SPIKING_MODEL_LANES) == defined(HWY_TARGET_TOGGLE)
#ifdef LPL_SPIKING_MODEL_LANES
#undef LPL_SPIKING_MODEL_LANES
#else
#define LPL_SPIKING_MODEL_LANES
#endif

#include <hwy/highway.h>

#include <cmath>
#include <cstring>

#include "core/types.hpp"

HWY_BEFORE_NAMESPACE();
namespace lpl::spiking::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::CappedTag<float, 16>;
using Vector = hn::Vec<Tag>;
inline constexpr std::size_t kLanes = hn::MaxLanes(Tag());
inline constexpr std::size_t kVectors = kBlock / kLanes;

// Sixteen floats: one AVX-512 register, two AVX2 registers, four of the baseline.
struct F16 {
  Vector part[kVectors];
};
struct M16 {
  hn::Mask<Tag> part[kVectors];
};

#define LPL_PARTWISE(expression)                                            \
  F16 result;                                                               \
  for (std::size_t v = 0; v < kVectors; ++v) result.part[v] = (expression); \
  return result

HWY_INLINE F16 set(float value) { LPL_PARTWISE(hn::Set(Tag(), value)); }
HWY_INLINE F16 load(const float* from) { LPL_PARTWISE(hn::Load(Tag(), from + v * kLanes)); }
HWY_INLINE void store(const F16& a, float* to) {
  for (std::size_t v = 0; v < kVectors; ++v) hn::Store(a.part[v], Tag(), to + v * kLanes);
}
HWY_INLINE F16 operator+(const F16& a, const F16& b) { LPL_PARTWISE(hn::Add(a.part[v], b.part[v])); }
HWY_INLINE F16 operator-(const F16& a, const F16& b) { LPL_PARTWISE(hn::Sub(a.part[v], b.part[v])); }
HWY_INLINE F16 operator-(const F16& a) { LPL_PARTWISE(hn::Neg(a.part[v])); }
HWY_INLINE F16 operator*(const F16& a, const F16& b) { LPL_PARTWISE(hn::Mul(a.part[v], b.part[v])); }
HWY_INLINE F16 operator/(const F16& a, const F16& b) { LPL_PARTWISE(hn::Div(a.part[v], b.part[v])); }
// a * b + c, rounded once on every target.
HWY_INLINE F16 fma(const F16& a, const F16& b, const F16& c) {
#if HWY_NATIVE_FMA
  LPL_PARTWISE(hn::MulAdd(a.part[v], b.part[v], c.part[v]));
#else
  alignas(64) float x[kBlock], y[kBlock], z[kBlock];
  store(a, x);
  store(b, y);
  store(c, z);
  for (std::size_t lane = 0; lane < kBlock; ++lane) x[lane] = std::fma(x[lane], y[lane], z[lane]);
  return load(x);
#endif
}
// c - a * b, rounded once.
HWY_INLINE F16 fnma(const F16& a, const F16& b, const F16& c) {
#if HWY_NATIVE_FMA
  LPL_PARTWISE(hn::NegMulAdd(a.part[v], b.part[v], c.part[v]));
#else
  return fma(-a, b, c);
#endif
}
HWY_INLINE F16 min(const F16& a, const F16& b) { LPL_PARTWISE(hn::Min(a.part[v], b.part[v])); }
HWY_INLINE F16 max(const F16& a, const F16& b) { LPL_PARTWISE(hn::Max(a.part[v], b.part[v])); }
HWY_INLINE F16 abs(const F16& a) { LPL_PARTWISE(hn::Abs(a.part[v])); }
HWY_INLINE F16 select(const M16& m, const F16& yes, const F16& no) {
  LPL_PARTWISE(hn::IfThenElse(m.part[v], yes.part[v], no.part[v]));
}
#undef LPL_PARTWISE

#define LPL_PARTWISE_MASK(expression)                                       \
  M16 result;                                                               \
  for (std::size_t v = 0; v < kVectors; ++v) result.part[v] = (expression); \
  return result
HWY_INLINE M16 operator>(const F16& a, const F16& b) { LPL_PARTWISE_MASK(hn::Gt(a.part[v], b.part[v])); }
HWY_INLINE M16 operator<(const F16& a, const F16& b) { LPL_PARTWISE_MASK(hn::Lt(a.part[v], b.part[v])); }
HWY_INLINE M16 equal(const F16& a, const F16& b) { LPL_PARTWISE_MASK(hn::Eq(a.part[v], b.part[v])); }
HWY_INLINE M16 both(const M16& a, const M16& b) { LPL_PARTWISE_MASK(hn::And(a.part[v], b.part[v])); }
#undef LPL_PARTWISE_MASK

// Bit l of the result is lane l.
HWY_INLINE std::uint32_t bits_of(const M16& m) {
  std::uint32_t bits = 0;
  for (std::size_t v = 0; v < kVectors; ++v) {
    std::uint8_t bytes[8] = {};
    hn::StoreMaskBits(Tag(), m.part[v], bytes);
    std::uint16_t lanes;  // little-endian, as all x86 and Arm targets are
    std::memcpy(&lanes, bytes, sizeof lanes);
    bits |= std::uint32_t{lanes} << (v * kLanes);
  }
  return bits;
}

// 1 in the lanes whose bit is set, else 0.
HWY_INLINE F16 ones_at(std::uint32_t bits) {
  const hn::RebindToUnsigned<Tag> du;
  F16 result;
  for (std::size_t v = 0; v < kVectors; ++v) {
    const auto lane_bit = hn::Shl(hn::Set(du, 1u), hn::Iota(du, static_cast<std::uint32_t>(v * kLanes)));
    const auto hit = hn::Ne(hn::And(hn::Set(du, bits), lane_bit), hn::Zero(du));
    result.part[v] = hn::IfThenElseZero(hn::RebindMask(Tag(), hit), hn::Set(Tag(), 1.0f));
  }
  return result;
}

}  // namespace lpl::spiking::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
