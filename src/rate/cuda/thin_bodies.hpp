// Layers on maps of one or three bfloat16 channels: 3x3 filters with bias, rectifier, 2x2 pooling and means over space
// in one pass, and the gradient of the filters from that of the means. What a warp does, as products of matrices of
// 16 x 16 by 16 x 8 bfloat16 numbers, which its lanes hold as PTX has it (m16n8k16): the unpooled maps are never
// written.
//
// A warp takes the 64 channels of a block, of one sample. It is known by: Each<T>, a T of each lane; each(f), which
// calls f(lane); multiply(a, b, c), the product; add_rows(x), sums of kCount numbers over the lanes that differ in
// their row only.
#pragma once

#include "rate/cuda/elements.hpp"

namespace lpl::rate::cuda {

inline constexpr Index kWarp = 32;
inline constexpr Index kThinChannels = 64;     // of a block
inline constexpr std::uint32_t kOne = 0x3f80;  // in bfloat16

// Lane 4 r + p holds of a factor a (16 x 16): rows r and r + 8, columns 2p and 2p + 1; then the same rows, columns
// 2p + 8 and 2p + 9. Of b (16 x 8): column r, those four rows. Of the product (16 x 8): rows r and r + 8, columns 2p
// and 2p + 1. Two bfloat16 numbers are in a pair, the first in its low half.
struct LeftFactor {
  std::uint32_t pairs[4];
};
struct RightFactor {
  std::uint32_t pairs[2];
};
struct ProductPart {
  float values[4];
};
LPL_DEVICE constexpr Index lane_row(Index lane) { return lane / 4; }
LPL_DEVICE constexpr Index lane_pair(Index lane) { return lane % 4; }
LPL_DEVICE constexpr std::uint32_t pair_of(std::uint32_t low, std::uint32_t high) { return low | high << 16; }

// Maps that 2x2 windows tile, padded with one pixel of zeros.
struct ThinMaps {
  Index rows, columns;
  Index windows;   // of a sample
  Divisor across;  // windows of a row
  const std::uint16_t* x;
};

// One of the 9 kIn numbers that a filter multiplies, in the order of its row, column and channel.
template <Index kIn>
struct Tap {
  static constexpr Index kCount = 9 * kIn;
  Index index, row, column, channel;
  LPL_DEVICE explicit Tap(Index i) : index(i), row(i / (3 * kIn)), column(i / kIn % 3), channel(i % kIn) {}

  // What it is for element q of a window; 0 beyond the taps, the windows or the map.
  LPL_DEVICE std::uint32_t of(const ThinMaps& maps, Index sample, Index window, Index q) const {
    const Index window_row = maps.across.quotient(window);
    const Index window_column = window - window_row * maps.across.divisor;
    // Before the first row or column: more than there are.
    const Index r = 2 * window_row + q / 2 + row - 1, c = 2 * window_column + q % 2 + column - 1;
    const bool there = index < kCount && window < maps.windows && r < maps.rows && c < maps.columns;
    return there ? maps.x[((sample * maps.rows + r) * maps.columns + c) * kIn + channel] : 0;
  }
};

// y = max over the window of rectify(filters * x + bias), with the first of the largest as winner, and the means of y.
template <Index kIn>
struct ThinPool {
  static constexpr Index kWindows = 8;                  // that are taken at once: rows r of two products
  static constexpr Index kTiles = kThinChannels / 8;    // products side by side
  static constexpr Index kSteps = (9 * kIn + 15) / 16;  // and one after the other
  static constexpr Index kOfLane = kThinChannels / 4;   // channels whose outputs a lane gets

  ThinMaps maps;
  Index channels;  // a multiple of kThinChannels
  const std::uint16_t* filters;
  const float* bias;  // may be null
  std::uint16_t* y;
  std::uint8_t* winners;  // may be null
  float* means;           // samples x channels

  struct Outputs {
    Together<std::uint16_t, kOfLane> y;
    Together<std::uint8_t, kOfLane> winners;
  };
  struct Sums {
    float values[kOfLane];
  };

  template <class Warp>
  LPL_DEVICE void operator()(const Warp& warp, Index task) const {
    const Index sample = task / (channels / kThinChannels), block = task % (channels / kThinChannels) * kThinChannels;
    typename Warp::template Each<RightFactor> right[kTiles][kSteps];
    typename Warp::template Each<Sums> sums{};
    LPL_UNROLL
    for (Index tile = 0; tile < kTiles; ++tile) LPL_UNROLL
    for (Index step = 0; step < kSteps; ++step)
      warp.each([&](Index lane) { right[tile][step][lane] = filters_of(lane, block, tile, step); });
    for (Index first = 0; first < maps.windows; first += kWindows) {
      typename Warp::template Each<LeftFactor> left[2][kSteps];
      LPL_UNROLL
      for (Index half = 0; half < 2; ++half) LPL_UNROLL
      for (Index step = 0; step < kSteps; ++step)
        warp.each([&](Index lane) { left[half][step][lane] = patches_of(lane, sample, first, half, step); });
      typename Warp::template Each<Outputs> outputs;
      LPL_UNROLL
      for (Index tile = 0; tile < kTiles; ++tile) {
        typename Warp::template Each<ProductPart> product[2];
        LPL_UNROLL
        for (Index half = 0; half < 2; ++half) {
          warp.each([&](Index lane) { product[half][lane] = bias_of(lane, block, tile); });
          LPL_UNROLL
          for (Index step = 0; step < kSteps; ++step) warp.multiply(left[half][step], right[tile][step], product[half]);
        }
        warp.each([&](Index lane) { pool(product[0][lane], product[1][lane], tile, outputs[lane]); });
      }
      warp.each([&](Index lane) { store(lane, sample, block, first, outputs[lane], sums[lane]); });
    }
    warp.template add_rows<kOfLane>(sums);
    warp.each([&](Index lane) { store_means(lane, sample, block, sums[lane]); });
  }

 private:
  // Column `of` of a tile is this channel of the block, so that a lane gets neighbouring ones.
  LPL_DEVICE static constexpr Index channel_of(Index tile, Index of) { return of / 2 * kOfLane + 2 * tile + of % 2; }

  LPL_DEVICE RightFactor filters_of(Index lane, Index block, Index tile, Index step) const {
    constexpr Index kTaps = Tap<kIn>::kCount;
    const std::uint16_t* const own = filters + (block + channel_of(tile, lane_row(lane))) * kTaps;
    const auto tap = [&](Index i) -> std::uint32_t { return i < kTaps ? own[i] : 0; };
    const Index first = 16 * step + 2 * lane_pair(lane);
    return {{pair_of(tap(first), tap(first + 1)), pair_of(tap(first + 8), tap(first + 9))}};
  }
  // Row r of product `half` is window r's element 2 half, row r + 8 the one beside it.
  LPL_DEVICE LeftFactor patches_of(Index lane, Index sample, Index first, Index half, Index step) const {
    const Index window = first + lane_row(lane), tap = 16 * step + 2 * lane_pair(lane);
    const auto taps = [&](Index i, Index q) {
      return pair_of(Tap<kIn>(i).of(maps, sample, window, q), Tap<kIn>(i + 1).of(maps, sample, window, q));
    };
    return {{taps(tap, 2 * half), taps(tap, 2 * half + 1), taps(tap + 8, 2 * half), taps(tap + 8, 2 * half + 1)}};
  }
  LPL_DEVICE ProductPart bias_of(Index lane, Index block, Index tile) const {
    if (!bias) return {};
    const auto own = Together<float, 2>::load(bias + block + channel_of(tile, 2 * lane_pair(lane)));
    return {{own[0], own[1], own[0], own[1]}};
  }
  LPL_DEVICE static void pool(const ProductPart& upper, const ProductPart& lower, Index tile, Outputs& outputs) {
    LPL_UNROLL
    for (Index i = 0; i < 2; ++i) {
      const float values[4] = {upper.values[i], upper.values[2 + i], lower.values[i], lower.values[2 + i]};
      float best = 0;
      std::uint8_t winner = kSilent;
      LPL_UNROLL
      for (Index q = 0; q < 4; ++q)
        if (values[q] > best || values[q] != values[q]) {  // what is no number wins, so that the losses show it
          best = values[q];
          winner = static_cast<std::uint8_t>(q);
        }
      narrow(best, outputs.y[2 * tile + i]);
      outputs.winners[2 * tile + i] = winner;
    }
  }
  LPL_DEVICE void store(Index lane, Index sample, Index block, Index first, const Outputs& outputs, Sums& sums) const {
    const Index window = first + lane_row(lane);
    if (window >= maps.windows) return;
    LPL_UNROLL
    for (Index i = 0; i < kOfLane; ++i) sums.values[i] += widen(outputs.y[i]);
    const Index to = (sample * maps.windows + window) * channels + block + lane_pair(lane) * kOfLane;
    outputs.y.store(y + to);
    if (winners) outputs.winners.store(winners + to);
  }
  LPL_DEVICE void store_means(Index lane, Index sample, Index block, const Sums& sums) const {
    if (lane_row(lane) != 0) return;
    Together<float, kOfLane> own;
    LPL_UNROLL
    for (Index i = 0; i < kOfLane; ++i) own[i] = sums.values[i] * (1.0f / static_cast<float>(maps.windows));
    own.store(means + sample * channels + block + lane_pair(lane) * kOfLane);
  }
};

// The gradient of the filters and of the bias of every sample, given that with respect to the means of y: the means'
// gradient times what won, summed over windows, which is a trace that needs no gradient of any map. A tap more than
// there are is 1, so that its sum counts for the bias.
template <Index kIn>
struct ThinGradient {
  static constexpr Index kWindows = 4;                    // that are taken at once: 16 elements
  static constexpr Index kTiles = (9 * kIn + 1 + 7) / 8;  // of taps
  static constexpr Index kChannelTiles = kThinChannels / 16;
  static constexpr Index kOfLane = kThinChannels / 8;  // channels whose winners a lane reads

  ThinMaps maps;
  Index channels;
  const std::uint8_t* winners;
  const float* dmeans;  // samples x channels
  float* filters;       // samples x channels x taps
  float* biases;        // samples x channels

  template <class Warp>
  LPL_DEVICE void operator()(const Warp& warp, Index task) const {
    const Index sample = task / (channels / kThinChannels), block = task % (channels / kThinChannels) * kThinChannels;
    typename Warp::template Each<ProductPart> sums[kChannelTiles][kTiles] = {};
    for (Index first = 0; first < maps.windows; first += kWindows) {
      typename Warp::template Each<LeftFactor> left[kChannelTiles];
      typename Warp::template Each<RightFactor> right[kTiles];
      warp.each([&](Index lane) {
        const Together<std::uint8_t, kOfLane> own = winners_of(lane, sample, block, first);
        LPL_UNROLL
        for (Index tile = 0; tile < kChannelTiles; ++tile) left[tile][lane] = won(own[2 * tile], own[2 * tile + 1]);
      });
      LPL_UNROLL
      for (Index tile = 0; tile < kTiles; ++tile)
        warp.each([&](Index lane) { right[tile][lane] = taps_of(lane, sample, first, tile); });
      LPL_UNROLL
      for (Index row = 0; row < kChannelTiles; ++row) LPL_UNROLL
      for (Index tile = 0; tile < kTiles; ++tile) warp.multiply(left[row], right[tile], sums[row][tile]);
    }
    LPL_UNROLL
    for (Index row = 0; row < kChannelTiles; ++row) LPL_UNROLL
    for (Index tile = 0; tile < kTiles; ++tile)
      warp.each([&](Index lane) { store(lane, sample, block, row, tile, sums[row][tile][lane]); });
  }

 private:
  // Columns 2p, 2p + 1, 2p + 8, 2p + 9 of the left factor are the elements of window p. Rows r and r + 8 of its tiles
  // are neighbouring channels.
  LPL_DEVICE Together<std::uint8_t, kOfLane> winners_of(Index lane, Index sample, Index block, Index first) const {
    const Index window = first + lane_pair(lane), from = sample * maps.windows + window;
    if (window < maps.windows)
      return Together<std::uint8_t, kOfLane>::load(winners + from * channels + block + lane_row(lane) * kOfLane);
    Together<std::uint8_t, kOfLane> none;
    for (Index i = 0; i < kOfLane; ++i) none[i] = kSilent;
    return none;
  }
  LPL_DEVICE static LeftFactor won(std::uint8_t upper, std::uint8_t lower) {
    const auto at = [](std::uint8_t winner, Index q) { return winner == q ? kOne : 0; };
    return {{pair_of(at(upper, 0), at(upper, 1)), pair_of(at(lower, 0), at(lower, 1)),
             pair_of(at(upper, 2), at(upper, 3)), pair_of(at(lower, 2), at(lower, 3))}};
  }
  LPL_DEVICE RightFactor taps_of(Index lane, Index sample, Index first, Index tile) const {
    const Tap<kIn> tap(8 * tile + lane_row(lane));
    if (tap.index == Tap<kIn>::kCount) return {{pair_of(kOne, kOne), pair_of(kOne, kOne)}};
    const auto element = [&](Index q) { return tap.of(maps, sample, first + lane_pair(lane), q); };
    return {{pair_of(element(0), element(1)), pair_of(element(2), element(3))}};
  }
  LPL_DEVICE void store(Index lane, Index sample, Index block, Index row, Index tile, const ProductPart& sum) const {
    constexpr Index kTaps = Tap<kIn>::kCount;
    const float share = 1.0f / static_cast<float>(maps.windows);
    LPL_UNROLL
    for (Index i = 0; i < 4; ++i) {
      const Index tap = 8 * tile + 2 * lane_pair(lane) + i % 2;
      const Index unit = sample * channels + block + lane_row(lane) * kOfLane + 2 * row + i / 2;
      const float gradient = sum.values[i] * (share * dmeans[unit]);
      if (tap < kTaps) filters[unit * kTaps + tap] = gradient;
      if (tap == kTaps) biases[unit] = gradient;
    }
  }
};

}  // namespace lpl::rate::cuda
