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
#include <type_traits>

#include "core/elementary.hpp"
#include "core/types.hpp"

HWY_BEFORE_NAMESPACE();
namespace lpl::spiking::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class T>
using TagOf = hn::CappedTag<T, kBlock>;
using Tag = TagOf<float>;
template <class T>
inline constexpr std::size_t kLanesOf = hn::MaxLanes(TagOf<T>());
template <class T>
inline constexpr std::size_t kVectorsOf = kBlock / kLanesOf<T>;

// Sixteen numbers: of floats one AVX-512 register, two AVX2 registers, four of the baseline.
template <class T>
struct Lanes {
  hn::Vec<TagOf<T>> part[kVectorsOf<T>];
};
using F16 = Lanes<float>;
using D16 = Lanes<double>;
template <class T>
struct Mask {
  hn::Mask<TagOf<T>> part[kVectorsOf<T>];
};
using M16 = Mask<float>;

// Blocks that loops over time take side by side where one has too few independent operations to fill the units.
inline constexpr std::size_t kTogether = kVectorsOf<float> == 1 ? 2 : 1;
// Calls f(how many, first) for all of `blocks` blocks; how many is a constant.
template <class F>
void some_at_a_time(std::size_t blocks, const F& f) {
  std::size_t first = 0;
  for (; first + kTogether <= blocks; first += kTogether) f(std::integral_constant<std::size_t, kTogether>(), first);
  if constexpr (kTogether > 1)
    for (; first < blocks; ++first) f(std::integral_constant<std::size_t, 1>(), first);
}

#define LPL_PARTWISE(Result, expression)                                         \
  Result result;                                                                 \
  for (std::size_t v = 0; v < kVectorsOf<T>; ++v) result.part[v] = (expression); \
  return result
#define LPL_LANES    \
  template <class T> \
  HWY_INLINE

LPL_LANES Lanes<T> set(T value) { LPL_PARTWISE(Lanes<T>, hn::Set(TagOf<T>(), value)); }
LPL_LANES Lanes<T> load(const T* from) { LPL_PARTWISE(Lanes<T>, hn::Load(TagOf<T>(), from + v * kLanesOf<T>)); }
LPL_LANES void store(const Lanes<T>& a, T* to) {
  for (std::size_t v = 0; v < kVectorsOf<T>; ++v) hn::Store(a.part[v], TagOf<T>(), to + v * kLanesOf<T>);
}
LPL_LANES Lanes<T> operator+(const Lanes<T>& a, const Lanes<T>& b) {
  LPL_PARTWISE(Lanes<T>, hn::Add(a.part[v], b.part[v]));
}
LPL_LANES Lanes<T> operator-(const Lanes<T>& a, const Lanes<T>& b) {
  LPL_PARTWISE(Lanes<T>, hn::Sub(a.part[v], b.part[v]));
}
LPL_LANES Lanes<T> operator-(const Lanes<T>& a) { LPL_PARTWISE(Lanes<T>, hn::Neg(a.part[v])); }
LPL_LANES Lanes<T> operator*(const Lanes<T>& a, const Lanes<T>& b) {
  LPL_PARTWISE(Lanes<T>, hn::Mul(a.part[v], b.part[v]));
}
LPL_LANES Lanes<T> operator/(const Lanes<T>& a, const Lanes<T>& b) {
  LPL_PARTWISE(Lanes<T>, hn::Div(a.part[v], b.part[v]));
}
// a * b + c, rounded once on every target.
LPL_LANES Lanes<T> fma(const Lanes<T>& a, const Lanes<T>& b, const Lanes<T>& c) {
#if HWY_NATIVE_FMA
  LPL_PARTWISE(Lanes<T>, hn::MulAdd(a.part[v], b.part[v], c.part[v]));
#else
  alignas(64) T x[kBlock], y[kBlock], z[kBlock];
  store(a, x);
  store(b, y);
  store(c, z);
  for (std::size_t lane = 0; lane < kBlock; ++lane) x[lane] = std::fma(x[lane], y[lane], z[lane]);
  return load(x);
#endif
}
// c - a * b, rounded once.
LPL_LANES Lanes<T> fnma(const Lanes<T>& a, const Lanes<T>& b, const Lanes<T>& c) {
#if HWY_NATIVE_FMA
  LPL_PARTWISE(Lanes<T>, hn::NegMulAdd(a.part[v], b.part[v], c.part[v]));
#else
  return fma(-a, b, c);
#endif
}
// a < b ? a : b and a > b ? a : b, also of what is no number, as x86's instructions have them.
#define LPL_MIN_OF_X86 (HWY_ARCH_X86 && HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128)
LPL_LANES Lanes<T> min(const Lanes<T>& a, const Lanes<T>& b) {
#if LPL_MIN_OF_X86
  LPL_PARTWISE(Lanes<T>, hn::Min(a.part[v], b.part[v]));
#else
  LPL_PARTWISE(Lanes<T>, hn::IfThenElse(hn::Lt(a.part[v], b.part[v]), a.part[v], b.part[v]));
#endif
}
LPL_LANES Lanes<T> max(const Lanes<T>& a, const Lanes<T>& b) {
#if LPL_MIN_OF_X86
  LPL_PARTWISE(Lanes<T>, hn::Max(a.part[v], b.part[v]));
#else
  LPL_PARTWISE(Lanes<T>, hn::IfThenElse(hn::Gt(a.part[v], b.part[v]), a.part[v], b.part[v]));
#endif
}
#undef LPL_MIN_OF_X86
LPL_LANES Lanes<T> abs(const Lanes<T>& a) { LPL_PARTWISE(Lanes<T>, hn::Abs(a.part[v])); }
LPL_LANES Lanes<T> sqrt(const Lanes<T>& a) { LPL_PARTWISE(Lanes<T>, hn::Sqrt(a.part[v])); }
// Keeps the sign of zero, which the baseline's emulation loses.
LPL_LANES Lanes<T> floor(const Lanes<T>& a) { LPL_PARTWISE(Lanes<T>, hn::CopySign(hn::Floor(a.part[v]), a.part[v])); }
LPL_LANES Lanes<T> select(const Mask<T>& m, const Lanes<T>& yes, const Lanes<T>& no) {
  LPL_PARTWISE(Lanes<T>, hn::IfThenElse(m.part[v], yes.part[v], no.part[v]));
}
LPL_LANES Mask<T> operator>(const Lanes<T>& a, const Lanes<T>& b) {
  LPL_PARTWISE(Mask<T>, hn::Gt(a.part[v], b.part[v]));
}
LPL_LANES Mask<T> operator>=(const Lanes<T>& a, const Lanes<T>& b) {
  LPL_PARTWISE(Mask<T>, hn::Ge(a.part[v], b.part[v]));
}
LPL_LANES Mask<T> operator<(const Lanes<T>& a, const Lanes<T>& b) {
  LPL_PARTWISE(Mask<T>, hn::Lt(a.part[v], b.part[v]));
}
LPL_LANES Mask<T> operator<=(const Lanes<T>& a, const Lanes<T>& b) {
  LPL_PARTWISE(Mask<T>, hn::Le(a.part[v], b.part[v]));
}
LPL_LANES Mask<T> equal(const Lanes<T>& a, const Lanes<T>& b) { LPL_PARTWISE(Mask<T>, hn::Eq(a.part[v], b.part[v])); }
// True of what is no number.
LPL_LANES Mask<T> unequal(const Lanes<T>& a, const Lanes<T>& b) {
  LPL_PARTWISE(Mask<T>, hn::Not(hn::Eq(a.part[v], b.part[v])));
}
LPL_LANES Mask<T> either(const Mask<T>& a, const Mask<T>& b) { LPL_PARTWISE(Mask<T>, hn::Or(a.part[v], b.part[v])); }
LPL_LANES Mask<T> both(const Mask<T>& a, const Mask<T>& b) { LPL_PARTWISE(Mask<T>, hn::And(a.part[v], b.part[v])); }

// Bit l of the result is lane l.
LPL_LANES std::uint32_t bits_of(const Mask<T>& m) {
  std::uint32_t bits = 0;
  for (std::size_t v = 0; v < kVectorsOf<T>; ++v) {
    std::uint8_t bytes[8] = {};
    hn::StoreMaskBits(TagOf<T>(), m.part[v], bytes);
    std::uint16_t lanes;  // little-endian, as all x86 and Arm targets are
    std::memcpy(&lanes, bytes, sizeof lanes);
    bits |= std::uint32_t{lanes} << (v * kLanesOf<T>);
  }
  return bits;
}

// 1 in the lanes whose bit is set, else 0.
HWY_INLINE F16 ones_at(std::uint32_t bits) {
  const hn::RebindToUnsigned<Tag> du;
  F16 result;
  for (std::size_t v = 0; v < kVectorsOf<float>; ++v) {
    const auto lane_bit = hn::Shl(hn::Set(du, 1u), hn::Iota(du, static_cast<std::uint32_t>(v * kLanesOf<float>)));
    const auto hit = hn::Ne(hn::And(hn::Set(du, bits), lane_bit), hn::Zero(du));
    result.part[v] = hn::IfThenElseZero(hn::RebindMask(Tag(), hit), hn::Set(Tag(), 1.0f));
  }
  return result;
}

// --- What core/elementary.hpp asks for ---------------------------------------------------------------------------

// The bits of sixteen numbers.
template <class T>
struct Words {
  hn::Vec<hn::RebindToUnsigned<TagOf<T>>> part[kVectorsOf<T>];
};
LPL_LANES T element(const Lanes<T>&);
LPL_LANES Lanes<T> filled(const Lanes<T>&, double value) { return set(static_cast<T>(value)); }
LPL_LANES Words<T> filled(const Words<T>&, std::uint64_t value) {
  const hn::RebindToUnsigned<TagOf<T>> du;
  LPL_PARTWISE(Words<T>, hn::Set(du, static_cast<hn::TFromD<decltype(du)>>(value)));
}
LPL_LANES Words<T> bits(const Lanes<T>& a) {
  LPL_PARTWISE(Words<T>, hn::BitCast(hn::RebindToUnsigned<TagOf<T>>(), a.part[v]));
}
LPL_LANES Lanes<T> number(const Words<T>& a) { LPL_PARTWISE(Lanes<T>, hn::BitCast(TagOf<T>(), a.part[v])); }
LPL_LANES Words<T> operator+(const Words<T>& a, const Words<T>& b) {
  LPL_PARTWISE(Words<T>, hn::Add(a.part[v], b.part[v]));
}
LPL_LANES Words<T> operator&(const Words<T>& a, const Words<T>& b) {
  LPL_PARTWISE(Words<T>, hn::And(a.part[v], b.part[v]));
}
LPL_LANES Words<T> operator|(const Words<T>& a, const Words<T>& b) {
  LPL_PARTWISE(Words<T>, hn::Or(a.part[v], b.part[v]));
}
LPL_LANES Words<T> operator<<(const Words<T>& a, int by) { LPL_PARTWISE(Words<T>, hn::ShiftLeftSame(a.part[v], by)); }
LPL_LANES Words<T> operator>>(const Words<T>& a, int by) { LPL_PARTWISE(Words<T>, hn::ShiftRightSame(a.part[v], by)); }
// Not by Highway: one of its targets makes large doubles the largest float, not infinite.
HWY_INLINE D16 wide(const F16& a) {
  alignas(64) float from[kBlock];
  alignas(64) double to[kBlock];
  store(a, from);
  for (std::size_t lane = 0; lane < kBlock; ++lane) to[lane] = static_cast<double>(from[lane]);
  return load(to);
}
HWY_INLINE F16 narrow(const D16& a) {
  alignas(64) double from[kBlock];
  alignas(64) float to[kBlock];
  store(a, from);
  for (std::size_t lane = 0; lane < kBlock; ++lane) to[lane] = static_cast<float>(from[lane]);
  return load(to);
}
#undef LPL_LANES
#undef LPL_PARTWISE

}  // namespace lpl::spiking::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
