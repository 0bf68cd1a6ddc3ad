// What one thread does to maps, which lie channels-last: samples x rows x columns x channels. Both views of a batch
// lie one after the other.
#pragma once

#include <Random123/philox.h>

#include "rate/cuda/elements.hpp"

namespace lpl::rate::cuda {

struct MapSize {
  Index rows, columns, channels;
};

struct Place {
  Index sample, row, column, channel;
};

LPL_DEVICE inline Place place_of(Index index, const MapSize& size) {
  const Index channel = index % size.channels, pixel = index / size.channels;
  const Index column = pixel % size.columns, line = pixel / size.columns;
  return {line / size.rows, line % size.rows, column, channel};
}

LPL_DEVICE inline Index index_of(const Place& place, const MapSize& size) {
  return ((place.sample * size.rows + place.row) * size.columns + place.column) * size.channels + place.channel;
}

// Pooling windows: `side` x `side` elements of maps of size `in`, `stride` apart, give maps of size `out`. The first
// window begins `padding` before the map; windows hold what of them lies inside.
struct Windows {
  MapSize in, out;
  Index side, stride;
  Index padding = 0;
  // Of window `i`, the rows or columns [first, end) that lie inside a map of `size`.
  LPL_DEVICE Index first(Index i) const { return i * stride < padding ? padding - i * stride : 0; }
  LPL_DEVICE Index end(Index i, Index size) const {
    const Index inside = size + padding - i * stride;
    return inside < side ? inside : side;
  }
  // Whether every element lies in exactly one window.
  bool tile() const {
    return stride == side && padding == 0 && out.rows * side == in.rows && out.columns * side == in.columns;
  }
};

// y = max over the window of rectify(x + bias), or of rectify(x) where bias is null, with the first of the largest as
// winner. One thread an output.
template <class Element>
struct PoolMax {
  Windows windows;
  const float* bias;
  const Element* x;
  Element* y;
  std::uint8_t* winners;  // may be null
  LPL_DEVICE void operator()(Index i) const {
    const Place to = place_of(i, windows.out);
    float best = 0;
    std::uint8_t winner = kSilent;
    for (Index r = windows.first(to.row); r < windows.end(to.row, windows.in.rows); ++r)
      for (Index c = windows.first(to.column); c < windows.end(to.column, windows.in.columns); ++c) {
        const Place from{to.sample, to.row * windows.stride + r - windows.padding,
                         to.column * windows.stride + c - windows.padding, to.channel};
        const float value = widen(x[index_of(from, windows.in)]) + (bias ? bias[to.channel] : 0.0f);
        if (value > best || value != value) {  // what is no number wins, so that the losses show it
          best = value;
          winner = static_cast<std::uint8_t>(r * windows.side + c);
        }
      }
    narrow(best, y[i]);
    if (winners) winners[i] = winner;
  }
};

// The gradient with respect to the outputs of a layer, where it flows: to the winners of pooling windows, or through
// active outputs, or through all. A gradient of 1x1 maps is that with respect to their means
// over space: `share` of it is that at every position.
template <class Gradient, class Element>
struct FlowingGradient {
  const Gradient* dy;
  const std::uint8_t* winners;  // null without pooling
  const Element* y;             // null where nothing is rectified, or pooling says where gradient flows
  Index positions, channels;    // of y
  bool everywhere;              // dy holds one position
  LPL_DEVICE float share() const { return everywhere ? 1.0f / static_cast<float>(positions) : 1.0f; }
  // Which output of the window of output i gets the gradient; kSilent: none. 0 without pooling.
  LPL_DEVICE std::uint8_t winner(Index i) const {
    if (winners) return winners[i];
    return !y || widen(y[i]) > 0.0f ? std::uint8_t{0} : kSilent;
  }
  LPL_DEVICE float at(Index i) const {
    const Index pixel = i / channels;
    return share() * widen(dy[everywhere ? pixel / positions * channels + (i - pixel * channels) : i]);
  }
  // Value of a column sum, the gradient of the bias: rows are samples and positions, columns channels.
  LPL_DEVICE double operator()(Index row, Index column) const {
    const Index i = row * channels + column;
    return winner(i) == kSilent ? 0.0 : static_cast<double>(at(i));
  }
};

// The gradient before pooling and rectifier. One thread an element of it, which gathers from the windows that it lies
// in, in their order. Without pooling: windows of one element.
template <class Gradient, class Element>
struct Unpool {
  FlowingGradient<Gradient, Element> gradient;
  Windows windows;
  Element* dx;
  LPL_DEVICE void operator()(Index i) const {
    const Place at = place_of(i, windows.in);
    const Index row = at.row + windows.padding, column = at.column + windows.padding;
    const Index first_row = first_window(row), end_row = end_window(row, windows.out.rows);
    const Index first_column = first_window(column), end_column = end_window(column, windows.out.columns);
    float sum = 0;
    for (Index r = first_row; r < end_row; ++r)
      for (Index c = first_column; c < end_column; ++c) {
        const Index window = index_of({at.sample, r, c, at.channel}, windows.out);
        const Index within = (row - r * windows.stride) * windows.side + (column - c * windows.stride);
        if (gradient.winner(window) == within) sum += gradient.at(window);
      }
    narrow(sum, dx[i]);
  }

 private:
  // The windows that hold padded row or column `at` are [first_window, end_window).
  LPL_DEVICE Index first_window(Index at) const {
    return at < windows.side ? 0 : (at - windows.side) / windows.stride + 1;
  }
  LPL_DEVICE Index end_window(Index at, Index count) const {
    const Index end = at / windows.stride + 1;
    return end < count ? end : count;
  }
};

// Means over positions. One thread a sample and channel.
template <class Element>
struct MeanOverSpace {
  Index positions, channels;
  const Element* x;
  float* means;
  LPL_DEVICE void operator()(Index i) const {
    const Element* const from = x + i / channels * positions * channels + i % channels;
    float sum = 0;
    for (Index p = 0; p < positions; ++p) sum += widen(from[p * channels]);
    means[i] = sum * (1.0f / static_cast<float>(positions));
  }
};

// Window [begin, end) of output i where `size` inputs are averaged to `side` outputs, as PyTorch cuts them.
LPL_DEVICE inline Index share_begin(Index i, Index size, Index side) { return i * size / side; }
LPL_DEVICE inline Index share_end(Index i, Index size, Index side) { return ((i + 1) * size + side - 1) / side; }

// The adaptive average. One thread an output.
template <class Element>
struct AdaptiveMean {
  MapSize in, out;
  const Element* x;
  Element* y;
  LPL_DEVICE void operator()(Index i) const {
    const Place to = place_of(i, out);
    const Index top = share_begin(to.row, in.rows, out.rows), bottom = share_end(to.row, in.rows, out.rows);
    const Index left = share_begin(to.column, in.columns, out.columns);
    const Index right = share_end(to.column, in.columns, out.columns);
    const float share = 1.0f / static_cast<float>((bottom - top) * (right - left));
    float sum = 0;
    for (Index r = top; r < bottom; ++r)
      for (Index c = left; c < right; ++c) sum += share * widen(x[index_of({to.sample, r, c, to.channel}, in)]);
    narrow(sum, y[i]);
  }
};

// Its gradient. One thread an input, which gathers from the outputs whose windows it lies in, in their order.
template <class Gradient, class Element>
struct AdaptiveMeanGradient {
  MapSize in, out;
  const Gradient* dy;
  Element* dx;
  LPL_DEVICE void operator()(Index i) const {
    const Place at = place_of(i, in);
    float sum = 0;
    for (Index r = at.row * out.rows / in.rows; r < share_end(at.row, out.rows, in.rows); ++r)
      for (Index c = at.column * out.columns / in.columns; c < share_end(at.column, out.columns, in.columns); ++c) {
        const Index height = share_end(r, in.rows, out.rows) - share_begin(r, in.rows, out.rows);
        const Index width = share_end(c, in.columns, out.columns) - share_begin(c, in.columns, out.columns);
        const float share = 1.0f / static_cast<float>(height * width);
        sum += share * widen(dy[index_of({at.sample, r, c, at.channel}, out)]);
      }
    narrow(sum, dx[i]);
  }
};

// Backend::dropout. One thread an element, which draws the number that core/random.hpp gives to it.
template <class Element>
struct DropOut {
  double probability;
  float scale;
  Index draw, layer;         // of the sequences
  const std::int32_t* seed;  // two words
  Index first, count;        // samples of the slice
  Index size;                // elements of a sample
  const Element* x;
  Element* y;
  LPL_DEVICE void operator()(Index i) const {
    const Index row = i / size, element = i % size;
    const Index sequence = 2 * (first + row % count) + row / count;
    const r123::Philox4x32::ctr_type counter = {{element / 4, sequence, layer, draw}};
    const r123::Philox4x32::key_type key = {{static_cast<Index>(seed[0]), static_cast<Index>(seed[1])}};
    const Index bits = r123::Philox4x32{}(counter, key)[element % 4];
    const double uniform = (static_cast<double>(bits) + 0.5) * 0x1p-32;
    narrow(uniform < probability ? 0.0f : widen(x[i]) * scale, y[i]);
  }
};

template <class Element>
struct Scale {
  const Element* x;
  float factor;
  Element* y;
  LPL_DEVICE void operator()(Index i) const { narrow(widen(x[i]) * factor, y[i]); }
};

template <class Element>
struct Sum {
  const Element *x, *y;
  Element* z;
  LPL_DEVICE void operator()(Index i) const { narrow(widen(x[i]) + widen(y[i]), z[i]); }
};

// ---- Batch normalisation. The first half of the samples is view 1.

// Value of the column sums of Backend::add_moments. Rows are samples and positions of one view; columns are the two
// sums x views x channels.
template <class Gradient, class Element>
struct Moments {
  const Element* x;
  const Gradient* dy;   // may be null
  const float* centre;  // views x channels
  Index rows, channels;
  LPL_DEVICE double operator()(Index row, Index column) const {
    const Index unit = column % (2 * channels);
    const Index i = (unit / channels * rows + row) * channels + unit % channels;
    const double deviation = static_cast<double>(widen(x[i])) - static_cast<double>(centre[unit]);
    const double d = dy ? static_cast<double>(widen(dy[i])) : deviation;
    return column < 2 * channels ? d : d * deviation;
  }
};

// Backend::combine. One thread an element.
template <class Gradient, class Element>
struct Combine {
  const Element* x;
  const Gradient* dy;         // may be null
  const float* coefficients;  // centre, scale, slope, shift x views x channels
  Index half, channels;       // half: elements of view 1
  Element* y;
  LPL_DEVICE void operator()(Index i) const {
    const Index unit = (i < half ? 0 : channels) + i % channels, step = 2 * channels;
    const float* const c = coefficients + unit;
    const float along = dy ? c[2 * step] * widen(dy[i]) : 0.0f;
    narrow(c[step] * (widen(x[i]) - c[0]) + along + c[3 * step], y[i]);
  }
};

}  // namespace lpl::rate::cuda
