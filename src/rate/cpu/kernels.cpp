#include "rate/cpu/kernels.hpp"

#include <cstring>

#include "core/vector_targets.hpp"
#include "rate/cpu/bfloat16.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "rate/cpu/kernels.cpp"
#include <hwy/foreach_target.h>
// The order matters: foreach_target first.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace lpl::rate::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::CappedTag<float, 16>;

// Elements are handled as the signed integers of their bits, in float32 and bfloat16 alike: those of negative numbers
// do not exceed those of -infinity, those of positive ones are in the order of the numbers, and what is no number lies
// above its infinity.
template <class Element>
using ElementTag = hn::CappedTag<Element, kLanes>;
template <class Element>
using BitsTag = hn::RebindToSigned<ElementTag<Element>>;

template <class Element>
HWY_INLINE hn::Vec<BitsTag<Element>> LoadBits(const Element* x) {
  return hn::BitCast(BitsTag<Element>(), hn::LoadU(ElementTag<Element>(), x));
}
template <class Element>
HWY_INLINE void StoreBits(hn::Vec<BitsTag<Element>> bits, Element* x) {
  hn::StoreU(hn::BitCast(ElementTag<Element>(), bits), ElementTag<Element>(), x);
}
template <class Element>
HWY_INLINE hn::Vec<BitsTag<Element>> MinusInfinity() {
  using Bits = hn::TFromD<BitsTag<Element>>;
  return hn::Set(BitsTag<Element>(), static_cast<Bits>(std::uint64_t{0xff80} << (8 * sizeof(Bits) - 16)));
}

template <class Element>
void Rectify(std::int64_t blocks, Element* x) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(ElementTag<Element>()));
  const auto minus_infinity = MinusInfinity<Element>();
  for (std::int64_t i = 0; i < blocks * kLanes; i += lanes) {
    const auto value = LoadBits(x + i);
    StoreBits(hn::IfThenElseZero(hn::Gt(value, minus_infinity), value), x + i);
  }
}
void RectifyFloat(std::int64_t blocks, float* x) { Rectify(blocks, x); }
void RectifyBfloat(std::int64_t blocks, std::uint16_t* x) { Rectify(blocks, x); }

// One output of pool_max(), as many lanes as a vector has, of the window that begins at `window`.
template <class Element>
HWY_INLINE void PoolWindow(const PoolShape& shape, const Element* window, Element* out, std::uint8_t* won) {
  const BitsTag<Element> d;
  const hn::RebindToUnsigned<decltype(d)> unsigned_d;
  const hn::Rebind<std::uint8_t, decltype(d)> byte_d;
  using Bits = hn::TFromD<decltype(d)>;
  auto best = hn::Zero(d), winner = hn::Set(d, Bits{kSilent});
  auto top = hn::Zero(unsigned_d);
  for (std::int64_t i = 0; i < shape.side; ++i)
    for (std::int64_t j = 0; j < shape.side; ++j) {
      const auto value = LoadBits(window + (i * shape.width + j) * kLanes);
      winner = hn::IfThenElse(hn::Gt(value, best), hn::Set(d, static_cast<Bits>(i * shape.side + j)), winner);
      best = hn::Max(best, value);
      top = hn::Max(top, hn::BitCast(unsigned_d, value));
    }
  // What is no number and has a sign is on top of everything.
  const auto signed_top = hn::BitCast(d, top);
  const auto none = hn::And(hn::Gt(hn::Zero(d), signed_top), hn::Gt(signed_top, MinusInfinity<Element>()));
  StoreBits(hn::IfThenElse(none, signed_top, best), out);
  if (won) hn::StoreU(hn::DemoteTo(byte_d, winner), byte_d, won);
}

template <class Element>
void PoolMax(const PoolShape& shape, const Element* x, Element* y, std::uint8_t* winners) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(ElementTag<Element>()));
  const std::int64_t rows = (shape.height - shape.side) / shape.stride + 1;
  const std::int64_t columns = (shape.width - shape.side) / shape.stride + 1;
  for (std::int64_t map = 0; map < shape.maps; ++map)
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < columns; ++c) {
        const Element* const window =
            x + ((map * shape.height + r * shape.stride) * shape.width + c * shape.stride) * kLanes;
        for (std::int64_t part = 0; part < kLanes; part += lanes, y += lanes) {
          PoolWindow(shape, window + part, y, winners);
          if (winners) winners += lanes;
        }
      }
}

void PoolMaxFloat(const PoolShape& shape, const float* x, float* y, std::uint8_t* winners) {
  PoolMax(shape, x, y, winners);
}
void PoolMaxBfloat(const PoolShape& shape, const std::uint16_t* x, std::uint16_t* y, std::uint8_t* winners) {
  PoolMax(shape, x, y, winners);
}

template <class Element>
void PadMap(std::int64_t height, std::int64_t width, std::int64_t padding, const Element* x, float* padded) {
  const std::int64_t stride = (width + 2 * padding) * kLanes;
  for (std::int64_t r = 0; r < height; ++r) {
    float* to = padded + (r + padding) * stride + padding * kLanes;
    const Element* from = x + r * width * kLanes;
    for (std::int64_t i = 0; i < width * kLanes; ++i) to[i] = widen(from[i]);
  }
}
void PadMapFloat(std::int64_t height, std::int64_t width, std::int64_t padding, const float* x, float* padded) {
  PadMap(height, width, padding, x, padded);
}
void PadMapBfloat(std::int64_t height, std::int64_t width, std::int64_t padding, const std::uint16_t* x,
                  float* padded) {
  PadMap(height, width, padding, x, padded);
}

// The sums of kTaps taps stay in registers over all outputs.
template <int kTaps>
HWY_INLINE void AddTaps(const float* padded, const ActiveOutput* outputs, std::int64_t count, const std::int32_t* taps,
                        std::int64_t stride, float* to) {
  const Tag d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t part = 0; part < kLanes; part += lanes) {
    hn::Vec<Tag> sum[kTaps];
    for (int t = 0; t < kTaps; ++t) sum[t] = hn::Zero(d);
    for (std::int64_t n = 0; n < count; ++n) {
      const float* window = padded + outputs[n].offset + part;
      const auto gradient = hn::Set(d, outputs[n].gradient);
      for (int t = 0; t < kTaps; ++t) sum[t] = hn::MulAdd(gradient, hn::Load(d, window + taps[t]), sum[t]);
    }
    for (int t = 0; t < kTaps; ++t) {
      float* const own = to + t * stride + part;
      hn::StoreU(hn::Add(hn::LoadU(d, own), sum[t]), d, own);
    }
  }
}

void AddWindows(const float* padded, const ActiveOutput* outputs, std::int64_t count, const std::int32_t* taps,
                std::int64_t tap_count, std::int64_t stride, float* to) {
  for (; tap_count >= 9; tap_count -= 9, taps += 9, to += 9 * stride)
    AddTaps<9>(padded, outputs, count, taps, stride, to);
  for (; tap_count > 0; --tap_count, ++taps, to += stride) AddTaps<1>(padded, outputs, count, taps, stride, to);
}

void BlockFilters(std::int64_t block, std::int64_t taps, std::int64_t in, const float* filters, float* blocked) {
  const std::int64_t in_blocks = in / kLanes;
  for (std::int64_t i_block = 0; i_block < in_blocks; ++i_block)
    for (std::int64_t t = 0; t < taps; ++t) {
      const float* from = filters + (block * kLanes * taps + t) * in + i_block * kLanes;
      float* to = blocked + ((block * in_blocks + i_block) * taps + t) * kLanes * kLanes;
      for (std::int64_t i = 0; i < kLanes; ++i)
        for (std::int64_t o = 0; o < kLanes; ++o) to[i * kLanes + o] = from[o * taps * in + i];
    }
}

template <class Element>
void MeanOverPositions(std::int64_t maps, std::int64_t positions, const Element* x, float* means) {
  const float scale = 1.0f / static_cast<float>(positions);
  for (std::int64_t map = 0; map < maps; ++map) {
    float sum[kLanes] = {};
    const Element* from = x + map * positions * kLanes;
    for (std::int64_t p = 0; p < positions; ++p)
      for (std::int64_t lane = 0; lane < kLanes; ++lane) sum[lane] += widen(from[p * kLanes + lane]);
    for (std::int64_t lane = 0; lane < kLanes; ++lane) means[map * kLanes + lane] = sum[lane] * scale;
  }
}
void MeanFloat(std::int64_t maps, std::int64_t positions, const float* x, float* means) {
  MeanOverPositions(maps, positions, x, means);
}
void MeanBfloat(std::int64_t maps, std::int64_t positions, const std::uint16_t* x, float* means) {
  MeanOverPositions(maps, positions, x, means);
}

void AdamUpdate(const AdamForm& form, const float* rates, std::int64_t size, const float* gradient, float* value,
                float* mean, float* square) {
  const Tag d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto rate = hn::Set(d, rates[0]), root_scale = hn::Set(d, rates[1]);
  const auto epsilon = hn::Set(d, static_cast<float>(form.epsilon));
  const auto decay = hn::Set(d, static_cast<float>(form.weight_decay));
  const auto keep1 = hn::Set(d, static_cast<float>(form.beta1));
  const auto take1 = hn::Set(d, static_cast<float>(1 - form.beta1));
  const auto keep2 = hn::Set(d, static_cast<float>(form.beta2));
  const auto take2 = hn::Set(d, static_cast<float>(1 - form.beta2));
  const auto update = [&](const float* from, float* v, float* m, float* s, auto load, auto store) HWY_ATTR {
    const auto g = hn::MulAdd(decay, load(v), load(from));
    const auto new_mean = hn::MulAdd(keep1, load(m), hn::Mul(take1, g));
    const auto new_square = hn::MulAdd(keep2, load(s), hn::Mul(hn::Mul(take2, g), g));
    const auto root = hn::MulAdd(hn::Sqrt(new_square), root_scale, epsilon);
    store(hn::NegMulAdd(rate, hn::Div(new_mean, root), load(v)), v);
    store(new_mean, m);
    store(new_square, s);
  };
  const std::int64_t whole = size / lanes * lanes;
  for (std::int64_t i = 0; i < whole; i += lanes)
    update(
        gradient + i, value + i, mean + i, square + i, [&](const float* p) HWY_ATTR { return hn::LoadU(d, p); },
        [&](hn::Vec<Tag> v, float* p) HWY_ATTR { hn::StoreU(v, d, p); });
  if (whole == size) return;
  float tail[4][kLanes] = {};
  const auto bytes = static_cast<std::size_t>(size - whole) * sizeof(float);
  const float* const from[4] = {gradient + whole, value + whole, mean + whole, square + whole};
  for (int k = 0; k < 4; ++k) std::memcpy(tail[k], from[k], bytes);
  update(
      tail[0], tail[1], tail[2], tail[3], [&](const float* p) HWY_ATTR { return hn::LoadU(d, p); },
      [&](hn::Vec<Tag> v, float* p) HWY_ATTR { hn::StoreU(v, d, p); });
  std::memcpy(value + whole, tail[1], bytes);
  std::memcpy(mean + whole, tail[2], bytes);
  std::memcpy(square + whole, tail[3], bytes);
}

}  // namespace lpl::rate::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lpl::rate {
HWY_EXPORT(RectifyFloat);
HWY_EXPORT(RectifyBfloat);
HWY_EXPORT(PoolMaxFloat);
HWY_EXPORT(PoolMaxBfloat);
HWY_EXPORT(PadMapFloat);
HWY_EXPORT(PadMapBfloat);
HWY_EXPORT(AddWindows);
HWY_EXPORT(BlockFilters);
HWY_EXPORT(MeanFloat);
HWY_EXPORT(MeanBfloat);
HWY_EXPORT(AdamUpdate);

void rectify_blocks(std::int64_t blocks, float* x) { HWY_DYNAMIC_DISPATCH(RectifyFloat)(blocks, x); }
void rectify_blocks(std::int64_t blocks, std::uint16_t* x) { HWY_DYNAMIC_DISPATCH(RectifyBfloat)(blocks, x); }
void pool_max(const PoolShape& shape, const float* x, float* y, std::uint8_t* winners) {
  HWY_DYNAMIC_DISPATCH(PoolMaxFloat)(shape, x, y, winners);
}
void pool_max(const PoolShape& shape, const std::uint16_t* x, std::uint16_t* y, std::uint8_t* winners) {
  HWY_DYNAMIC_DISPATCH(PoolMaxBfloat)(shape, x, y, winners);
}
void pad_map(std::int64_t height, std::int64_t width, std::int64_t padding, const float* x, float* padded) {
  HWY_DYNAMIC_DISPATCH(PadMapFloat)(height, width, padding, x, padded);
}
void pad_map(std::int64_t height, std::int64_t width, std::int64_t padding, const std::uint16_t* x, float* padded) {
  HWY_DYNAMIC_DISPATCH(PadMapBfloat)(height, width, padding, x, padded);
}
void add_windows(const float* padded, const ActiveOutput* outputs, std::int64_t count, const std::int32_t* taps,
                 std::int64_t tap_count, std::int64_t stride, float* to) {
  HWY_DYNAMIC_DISPATCH(AddWindows)(padded, outputs, count, taps, tap_count, stride, to);
}
void block_filters(std::int64_t out, std::int64_t taps, std::int64_t in, const float* filters, float* blocked) {
#pragma omp parallel for schedule(static)
  for (std::int64_t block = 0; block < out / kLanes; ++block)
    HWY_DYNAMIC_DISPATCH(BlockFilters)(block, taps, in, filters, blocked);
}
void mean_over_positions(std::int64_t maps, std::int64_t positions, const float* x, float* means) {
  HWY_DYNAMIC_DISPATCH(MeanFloat)(maps, positions, x, means);
}
void mean_over_positions(std::int64_t maps, std::int64_t positions, const std::uint16_t* x, float* means) {
  HWY_DYNAMIC_DISPATCH(MeanBfloat)(maps, positions, x, means);
}
void adam_update(const AdamForm& form, const float* rates, std::int64_t size, const float* gradient, float* value,
                 float* mean, float* square) {
  HWY_DYNAMIC_DISPATCH(AdamUpdate)(form, rates, size, gradient, value, mean, square);
}
std::string rate_vector_target() {
  const std::int64_t usable = hwy::SupportedTargets() & HWY_TARGETS;
  return hwy::TargetName(usable & -usable);
}
}  // namespace lpl::rate
#endif
