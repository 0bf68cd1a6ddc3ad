// What one thread does to maps that windows of kSide x kSide elements tile (1: no windows), the case that training
// spends its time in. A block of threads takes one sample: each of its threads takes a group of kWidth neighbouring
// channels, with 16-byte accesses, at every lanes-th position. kWidth is 8, or 1 where the channels are no multiple
// of 8.
//
// A body forms kSums sums over the positions of a sample and group: lane() those of one thread, which the block adds in
// the order of its lanes, and finish() takes the sum k.
#pragma once

#include "rate/cuda/elements.hpp"

namespace lpl::rate::cuda {

// Outputs of the windows: one sample's.
struct Tiles {
  Index positions, channels;
  Divisor columns;
};

// The element of the tiled map where the window of output `position` begins, and how much further its element q lies:
// in pixels.
template <Index kSide>
LPL_DEVICE inline Index first_of_window(const Tiles& tiles, Index sample, Index position) {
  if (kSide == 1) return sample * tiles.positions + position;
  const Index row = tiles.columns.quotient(position), column = position - row * tiles.columns.divisor;
  return kSide * ((sample * tiles.positions + row * tiles.columns.divisor) * kSide + column);
}
template <Index kSide>
LPL_DEVICE inline Index within_window(const Tiles& tiles, Index q) {
  return q / kSide * (tiles.columns.divisor * kSide) + q % kSide;
}

// How the threads of a block are dealt out: groups side by side, so that neighbouring threads read neighbouring memory.
struct SampleBlock {
  Index groups, lanes;
};
inline constexpr Index kSampleThreads = 256, kMostGroups = 64;
inline SampleBlock sample_block(Index groups, Index positions) {
  const Index across = groups < kMostGroups ? groups : kMostGroups, most = kSampleThreads / across;
  return {across, positions < most ? positions : most};
}

// y = max over the window of rectify(x + bias), with the first of the largest as winner; without windows also x + bias
// itself. And the means of y over positions.
template <class Element, Index kSide, Index kWidth>
struct PoolTiles {
  static constexpr Index kGroup = kWidth, kSums = kWidth;
  Tiles tiles;
  const float* bias;  // may be null
  bool rectified;     // not false with windows
  const Element* x;
  Element* y;             // may be x without windows
  std::uint8_t* winners;  // may be null
  float* means;           // samples x channels; may be null

  LPL_DEVICE void lane(Index sample, Index group, Index lane, Index lanes, float (&sums)[kSums]) const {
    const Index channel = group * kWidth, channels = tiles.channels;
    Together<float, kWidth> offset{};
    if (bias) offset = Together<float, kWidth>::load(bias + channel);
    for (Index p = lane; p < tiles.positions; p += lanes) {
      const Index to = (sample * tiles.positions + p) * channels + channel;
      const Index from = first_of_window<kSide>(tiles, sample, p) * channels + channel;
      Together<float, kWidth> best{};
      Together<std::uint8_t, kWidth> winner;
      for (Index j = 0; j < kWidth; ++j) winner[j] = kSilent;
      LPL_UNROLL
      for (Index q = 0; q < kSide * kSide; ++q) {
        const auto elements = Together<Element, kWidth>::load(x + from + within_window<kSide>(tiles, q) * channels);
        LPL_UNROLL
        for (Index j = 0; j < kWidth; ++j) {
          const float value = widen(elements[j]) + offset[j];
          // What is no number wins, so that the losses show it.
          if (value > best[j] || value != value) {
            best[j] = value;
            winner[j] = static_cast<std::uint8_t>(q);
          }
          if (kSide == 1 && !rectified) best[j] = value;
        }
      }
      Together<Element, kWidth> outputs;
      LPL_UNROLL
      for (Index j = 0; j < kWidth; ++j) {
        narrow(best[j], outputs[j]);
        sums[j] += widen(outputs[j]);
      }
      outputs.store(y + to);
      if (winners) winner.store(winners + to);
    }
  }
  LPL_DEVICE void finish(Index sample, Index group, Index k, float sum) const {
    if (means) means[sample * tiles.channels + group * kWidth + k] = sum * (1.0f / static_cast<float>(tiles.positions));
  }
};

// The gradient with respect to x + bias, given that with respect to y: to the winners of windows, or through active
// outputs, or through all. And its sums over positions, for the gradient of the bias. A gradient with respect to means
// over space is the same at every position, so there it is counted, not summed.
template <class Gradient, class Element, Index kSide, Index kWidth>
struct UnpoolTiles {
  static constexpr Index kGroup = kWidth, kSums = kWidth;
  Tiles tiles;
  const Gradient* dy;
  bool everywhere;              // dy holds one position, with respect to the means
  const std::uint8_t* winners;  // null without windows
  const Element* y;             // null where nothing is rectified, or windows say where gradient flows
  Element* dx;
  float* totals;  // samples x channels; may be null

  LPL_DEVICE void lane(Index sample, Index group, Index lane, Index lanes, float (&sums)[kSums]) const {
    const Index channel = group * kWidth, channels = tiles.channels;
    Together<Gradient, kWidth> gradient{};
    if (everywhere) gradient = Together<Gradient, kWidth>::load(dy + sample * channels + channel);
    const float share = share_of_position();
    for (Index p = lane; p < tiles.positions; p += lanes) {
      const Index from = (sample * tiles.positions + p) * channels + channel;
      if (!everywhere) gradient = Together<Gradient, kWidth>::load(dy + from);
      const Together<std::uint8_t, kWidth> winner = winners_at(from);
      Together<Element, kWidth> flowing;
      LPL_UNROLL
      for (Index j = 0; j < kWidth; ++j) {
        narrow(share * widen(gradient[j]), flowing[j]);
        if (winner[j] != kSilent) sums[j] += everywhere ? 1.0f : widen(gradient[j]);
      }
      const Index to = first_of_window<kSide>(tiles, sample, p) * channels + channel;
      LPL_UNROLL
      for (Index q = 0; q < kSide * kSide; ++q) {
        Together<Element, kWidth> elements;
        LPL_UNROLL
        for (Index j = 0; j < kWidth; ++j) elements[j] = winner[j] == q ? flowing[j] : Element{0};
        elements.store(dx + to + within_window<kSide>(tiles, q) * channels);
      }
    }
  }
  LPL_DEVICE void finish(Index sample, Index group, Index k, float sum) const {
    if (!totals) return;
    const Index at = sample * tiles.channels + group * kWidth + k;
    totals[at] = everywhere ? sum * (share_of_position() * widen(dy[at])) : sum;
  }

 private:
  LPL_DEVICE float share_of_position() const { return everywhere ? 1.0f / static_cast<float>(tiles.positions) : 1.0f; }
  LPL_DEVICE Together<std::uint8_t, kWidth> winners_at(Index from) const {
    if (winners) return Together<std::uint8_t, kWidth>::load(winners + from);
    Together<std::uint8_t, kWidth> winner{};
    if (!y) return winner;
    const auto outputs = Together<Element, kWidth>::load(y + from);
    for (Index j = 0; j < kWidth; ++j) winner[j] = widen(outputs[j]) > 0.0f ? std::uint8_t{0} : kSilent;
    return winner;
  }
};

// Rows of float32 numbers, for column sums.
struct Rows {
  const float* values;
  Index columns;
  LPL_DEVICE double operator()(Index row, Index column) const {
    return static_cast<double>(values[row * columns + column]);
  }
};

}  // namespace lpl::rate::cuda
