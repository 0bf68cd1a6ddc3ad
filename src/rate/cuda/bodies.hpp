// What one thread of each CUDA kernel does, in plain C++: the kernels of kernels.cu only hand out the indices. The host
// runs the same bodies in tests/unit/cuda_bodies_test.cpp, where it needs no device.
//
// Maps lie channels-last: samples x rows x columns x channels. Both views of a batch lie one after the other: views x
// samples x units, where a unit is a position and a channel. Elements are float or std::uint16_t, which is a bfloat16.
#pragma once

#include <Random123/philox.h>

#include <cmath>
#include <cstdint>
#include <cstring>

#include "rate/device_code.hpp"
#include "rate/normalisation.hpp"
#include "rate/objective.hpp"

namespace lpl::rate::cuda {

// Indices within one array. 32 bits: a device divides them several times faster than 64.
using Index = std::uint32_t;

// Which output of a pooling window won, or that none of it was active: where the gradient goes.
inline constexpr std::uint8_t kSilent = 255;

LPL_DEVICE inline float widen(float x) { return x; }
LPL_DEVICE inline float widen(std::uint16_t x) {
  const std::uint32_t bits = static_cast<std::uint32_t>(x) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
LPL_DEVICE inline void narrow(float value, float& to) { to = value; }
// Rounds to the nearest bfloat16, halves to even. What is no number stays none.
LPL_DEVICE inline void narrow(float value, std::uint16_t& to) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const bool number = (bits & 0x7fffffffu) <= 0x7f800000u;
  to = static_cast<std::uint16_t>(number ? (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16 : (bits >> 16) | 0x40u);
}

// ---- Maps

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

// y = rectify(y + bias), or y + bias. One thread an element.
template <class Element>
struct AddBias {
  const float* bias;
  Index channels;
  bool rectified;
  Element* y;
  LPL_DEVICE void operator()(Index i) const {
    const float value = widen(y[i]) + bias[i % channels];
    narrow(rectified && value < 0.0f ? 0.0f : value, y[i]);
  }
};

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
// active outputs, or through all. A gradient of 1x1 maps stands for the same value at every position.
template <class Gradient, class Element>
struct FlowingGradient {
  const Gradient* dy;
  const std::uint8_t* winners;  // null without pooling
  const Element* y;             // null where nothing is rectified, or pooling says where gradient flows
  Index positions, channels;    // of y
  bool everywhere;              // dy holds one position
  // Which output of the window of output i gets the gradient; kSilent: none. 0 without pooling.
  LPL_DEVICE std::uint8_t winner(Index i) const {
    if (winners) return winners[i];
    return !y || widen(y[i]) > 0.0f ? std::uint8_t{0} : kSilent;
  }
  LPL_DEVICE float at(Index i) const {
    const Index pixel = i / channels;
    return widen(dy[everywhere ? pixel / positions * channels + (i - pixel * channels) : i]);
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

// The same where windows tile the map. One thread an output, which fills its window: a fraction of the index
// arithmetic, which takes most of the time.
template <class Gradient, class Element>
struct UnpoolTiles {
  FlowingGradient<Gradient, Element> gradient;
  Windows windows;
  Element* dx;
  LPL_DEVICE void operator()(Index i) const {
    const std::uint8_t winner = gradient.winner(i);
    const float value = winner == kSilent ? 0.0f : gradient.at(i);
    const Index side = windows.side;
    if (side == 1) return narrow(value, dx[i]);
    const Place to = place_of(i, windows.out);
    Element* const first = dx + index_of({to.sample, to.row * side, to.column * side, to.channel}, windows.in);
    for (Index r = 0; r < side; ++r)
      for (Index c = 0; c < side; ++c)
        narrow(r * side + c == winner ? value : 0.0f, first[(r * windows.in.columns + c) * windows.in.channels]);
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

struct Narrow {
  const float* from;
  std::uint16_t* to;
  LPL_DEVICE void operator()(Index i) const { narrow(from[i], to[i]); }
};

template <class Element>
struct Widen {
  const Element* from;
  float* to;
  LPL_DEVICE void operator()(Index i) const { to[i] = widen(from[i]); }
};

// to += from.
template <class Element>
struct Accumulate {
  const Element* from;
  float* to;
  LPL_DEVICE void operator()(Index i) const { to[i] += widen(from[i]); }
};

// ---- Sums in a fixed order
// A column sum is cut into chunks of rows; the kLanes threads of a chunk take its rows in turn, and their sums are
// added in their order, and those of the chunks in theirs. All of it depends on the number of rows alone.

inline constexpr Index kLanes = 16;
inline constexpr Index kMostChunks = 256;

LPL_DEVICE inline Index chunks_of(Index rows) {
  const Index chunks = (rows + 8 * kLanes - 1) / (8 * kLanes);
  return chunks < kMostChunks ? chunks : kMostChunks;
}

template <class Value>
LPL_DEVICE double lane_sum(const Value& value, Index rows, Index chunks, Index chunk, Index lane, Index column) {
  const Index length = (rows + chunks - 1) / chunks;
  const Index end = (chunk + 1) * length < rows ? (chunk + 1) * length : rows;
  double sum = 0;
  for (Index row = chunk * length + lane; row < end; row += kLanes) sum += value(row, column);
  return sum;
}

// The sums of the chunks of every column: chunks x columns.
struct ColumnParts {
  const double* parts;
  Index chunks, columns;
  LPL_DEVICE double sum(Index column) const {
    double total = 0;
    for (Index chunk = 0; chunk < chunks; ++chunk) total += parts[chunk * columns + column];
    return total;
  }
};

// sums[column] = factor * the column's sum. One thread a column.
struct FinishSums {
  ColumnParts parts;
  double factor;
  double* sums;
  LPL_DEVICE void operator()(Index column) const { sums[column] = factor * parts.sum(column); }
};

// to[column] += the column's sum.
struct AddSums {
  ColumnParts parts;
  float* to;
  LPL_DEVICE void operator()(Index column) const { to[column] += static_cast<float>(parts.sum(column)); }
};

// The part of a sum over `count` terms that one of `threads` threads takes.
LPL_DEVICE inline double thread_sum(const double* terms, Index count, Index thread, Index threads) {
  double sum = 0;
  for (Index i = thread; i < count; i += threads) sum += terms[i];
  return sum;
}

// ---- Between slices and views
// Slices hold their samples twice, view 1 before view 2; all slices but the last have `length` samples.

struct SliceOrder {
  Index samples, length, units;
  // Where element i of the slices, laid one after the other, lies among the views.
  LPL_DEVICE Index in_views(Index i) const {
    const Index row = i / units, first = row / (2 * length) * length;
    const Index count = samples - first < length ? samples - first : length;
    const Index within = row - 2 * first;
    return (within / count * samples + first + within % count) * units + i % units;
  }
};

// One slice to the views; `offset` is the index of its first element among the slices.
template <class Element>
struct FromSlice {
  SliceOrder order;
  Index offset;
  const Element* slice;
  float* views;
  LPL_DEVICE void operator()(Index i) const { views[order.in_views(offset + i)] = widen(slice[i]); }
};

// All slices from the views.
struct ToSlices {
  SliceOrder order;
  const float* views;
  float* slices;
  LPL_DEVICE void operator()(Index i) const { slices[i] = views[order.in_views(i)]; }
};

// ---- Latent predictive learning: formulas in rate/cpu/losses.hpp. Columns are views x units.

// Values of the columns of both views, for their means.
struct ViewColumns {
  const float* z;
  Index samples, units;
  LPL_DEVICE Index at(Index row, Index column) const {
    return (column / units * samples + row) * units + column % units;
  }
  LPL_DEVICE double operator()(Index row, Index column) const { return static_cast<double>(z[at(row, column)]); }
};

// The same, squared: for variances.
struct ViewSquares {
  ViewColumns values;
  LPL_DEVICE double operator()(Index row, Index column) const {
    const double value = values(row, column);
    return value * value;
  }
};

// d = z - mean of the column. One thread an element.
struct Centre {
  const float* z;
  const double* means;  // by column
  Index samples, units;
  float* d;
  LPL_DEVICE void operator()(Index i) const {
    const Index view = i / units / samples;
    d[i] = static_cast<float>(static_cast<double>(z[i]) - means[view * units + i % units]);
  }
};

// Value of the Hebbian loss at one variance, and the factor of (z - mean) in its gradient, before dividing by the
// number of units.
struct Push {
  double loss, factor;
};
LPL_DEVICE inline Push push_of(HebbianForm form, double epsilon, double variance, double samples) {
  switch (form) {
    case HebbianForm::log_variance:
      return {-std::log(variance + epsilon), -2.0 / ((samples - 1) * (variance + epsilon))};
    case HebbianForm::hinge: {
      const double deviation = std::sqrt(variance + 1e-8);
      return deviation >= 1 ? Push{0, 0} : Push{1 - deviation, -1.0 / ((samples - 1) * deviation)};
    }
    case HebbianForm::variance:
      return {-variance, -2.0 / (samples - 1)};
  }
  return {0, 0};
}

// Loss of a column, and the factor of its deviations in the gradient, times `weight`. One thread a column.
struct PushColumns {
  HebbianForm form;
  double epsilon, samples, weight;
  const double* variances;
  double* losses;
  float* factors;
  LPL_DEVICE void operator()(Index column) const {
    const Push push = push_of(form, epsilon, variances[column], samples);
    losses[column] = push.loss;
    factors[column] = static_cast<float>(weight * push.factor);
  }
};

// The same with the variance of the step before; `squares` are sums of squared deviations from the mean of the step
// before.
struct StalePushColumns {
  double epsilon, samples, weight;
  const double* squares;    // by column
  const double* variances;  // by column
  double* losses;
  float* factors;
  LPL_DEVICE void operator()(Index column) const {
    const double scale = 1.0 / ((variances[column] + epsilon) * (samples - 1));
    losses[column] = -squares[column] * scale;
    factors[column] = static_cast<float>(-2.0 * weight * scale);
  }
};

// Mean over the views, in float32. One thread a unit.
struct MeanOfViews {
  const double* columns;
  Index units;
  float* means;
  LPL_DEVICE void operator()(Index unit) const {
    means[unit] = static_cast<float>(0.5 * (columns[unit] + columns[units + unit]));
  }
};

// columns[view, unit] = estimates[unit]. One thread a column.
struct Twice {
  const float* estimates;
  Index units;
  double* columns;
  LPL_DEVICE void operator()(Index column) const { columns[column] = static_cast<double>(estimates[column % units]); }
};

// Squared differences of the pairs: rows are samples of view 1, columns units.
struct PairSquares {
  const float* z;
  const std::int32_t* positives;  // sample of view 2 by sample of view 1; null: the same
  Index samples, units;
  LPL_DEVICE double operator()(Index row, Index unit) const {
    const Index other = positives ? static_cast<Index>(positives[row]) : row;
    const double difference = static_cast<double>(z[row * units + unit] - z[(samples + other) * units + unit]);
    return difference * difference;
  }
};

// dz = pull * difference of the pair + push factor * deviation. One thread an element.
struct LplGradient {
  const float* z;
  const float* deviations;
  const float* factors;           // of the deviations, by column
  const std::int32_t* positives;  // sample of view 2 by sample of view 1, and the inverse; null: the same
  const std::int32_t* pulled_by;
  Index samples, units;
  float pull;
  bool both;  // pull view 1 too
  float* dz;
  LPL_DEVICE void operator()(Index i) const {
    const Index row = i / units, unit = i - row * units;
    const Index view = row / samples, sample = row - view * samples;
    float gradient = 0;
    if (view == 1 || both) {
      const std::int32_t* const partners = view == 0 ? positives : pulled_by;
      const Index other = partners ? static_cast<Index>(partners[sample]) : sample;
      gradient = pull * (z[i] - z[((1 - view) * samples + other) * units + unit]);
    }
    dz[i] = gradient + factors[view * units + unit] * deviations[i];
  }
};

// Squares off the diagonals of the square matrices of both views, for column sums, each entry times `scale` first.
// Columns are views x side.
struct OffDiagonalSquares {
  const float* matrices;
  Index side;
  double scale;
  LPL_DEVICE double operator()(Index row, Index column) const {
    const Index view = column / side, own = column - view * side;
    if (row == own) return 0;
    const double value = scale * static_cast<double>(matrices[(view * side + row) * side + own]);
    return value * value;
  }
};

// matrices *= factor, and their diagonals become 0. One thread an entry of both.
struct ScaleOffDiagonal {
  float* matrices;
  Index side;
  double factor;
  LPL_DEVICE void operator()(Index i) const {
    const Index row = i / side, column = i - row * side;
    matrices[i] = row % side == column ? 0.0f : static_cast<float>(factor * static_cast<double>(matrices[i]));
  }
};

// ---- The contrastive baseline. Rows are views x samples.

// Rows divided by their lengths (never by less than kShortest), and the lengths. One thread a row.
inline constexpr double kShortest = 1e-12;
struct NormaliseRows {
  const float* z;
  Index units;
  float* unit_rows;
  double* lengths;
  LPL_DEVICE void operator()(Index row) const {
    const float* const from = z + row * units;
    double square = 0;
    for (Index c = 0; c < units; ++c) square += static_cast<double>(from[c]) * static_cast<double>(from[c]);
    const double root = std::sqrt(square);
    const double length = root < kShortest ? kShortest : root;
    lengths[row] = length;
    for (Index c = 0; c < units; ++c)
      unit_rows[row * units + c] = static_cast<float>(static_cast<double>(from[c]) / length);
  }
};

// Products of the two views, for the mean cosine: rows are samples, columns units.
struct PairProducts {
  const float* unit_rows;
  Index samples, units;
  LPL_DEVICE double operator()(Index row, Index unit) const {
    return static_cast<double>(unit_rows[row * units + unit]) *
           static_cast<double>(unit_rows[(samples + row) * units + unit]);
  }
};

// gradient = factor * the other view's unit rows. One thread an element; `size` is that of one view.
struct CosinePull {
  const float* unit_rows;
  Index size;
  double factor;
  float* gradient;
  LPL_DEVICE void operator()(Index i) const {
    gradient[i] = static_cast<float>(factor * static_cast<double>(unit_rows[i < size ? i + size : i - size]));
  }
};

// dz = gradient with respect to z, given that with respect to z / |z|. One thread a row.
struct ThroughNormalisation {
  const float* unit_rows;
  const float* gradient;
  const double* lengths;
  Index units;
  float* dz;
  LPL_DEVICE void operator()(Index row) const {
    const float* const a = unit_rows + row * units;
    const float* const g = gradient + row * units;
    double along = 0;
    if (lengths[row] > kShortest)
      for (Index c = 0; c < units; ++c) along += static_cast<double>(a[c]) * static_cast<double>(g[c]);
    for (Index c = 0; c < units; ++c)
      dz[row * units + c] =
          static_cast<float>((static_cast<double>(g[c]) - along * static_cast<double>(a[c])) / lengths[row]);
  }
};

// ---- Supervised learning. Rows are views x samples.

// Cross-entropy of a row, and its gradient times `weight`. One thread a row.
struct CrossEntropy {
  const float* logits;
  const std::int32_t* labels;  // by sample
  Index samples, classes;
  double weight;
  double* losses;
  float* gradient;
  LPL_DEVICE void operator()(Index row) const {
    const float* const from = logits + row * classes;
    const auto label = static_cast<Index>(labels[row % samples]);
    double largest = static_cast<double>(from[0]);
    for (Index c = 1; c < classes; ++c)
      if (static_cast<double>(from[c]) > largest) largest = static_cast<double>(from[c]);
    double sum = 0;
    for (Index c = 0; c < classes; ++c) sum += std::exp(static_cast<double>(from[c]) - largest);
    losses[row] = std::log(sum) + largest - static_cast<double>(from[label]);
    for (Index c = 0; c < classes; ++c) {
      const double probability = std::exp(static_cast<double>(from[c]) - largest) / sum;
      gradient[row * classes + c] = static_cast<float>(weight * (probability - (c == label ? 1.0 : 0.0)));
    }
  }
};

// ---- Optimisers. One thread a parameter.

struct AdamUpdate {
  const float* rates;  // adam_rates()
  float epsilon, decay, beta1, rest1, beta2, rest2;
  const float* gradient;
  float *value, *mean, *square;
  LPL_DEVICE void operator()(Index i) const {
    const float g = gradient[i] + decay * value[i];
    mean[i] = beta1 * mean[i] + rest1 * g;
    square[i] = beta2 * square[i] + rest2 * g * g;
    value[i] -= rates[0] * (mean[i] / (std::sqrt(square[i]) * rates[1] + epsilon));
  }
};

struct SgdUpdate {
  const float* rates;  // sgd_rates()
  float momentum, decay;
  const float* gradient;
  float *value, *buffer;
  LPL_DEVICE void operator()(Index i) const {
    buffer[i] = momentum * buffer[i] + (gradient[i] + decay * value[i]);
    value[i] -= rates[0] * buffer[i];
  }
};

// ---- Matrix products
// cuBLAS sees matrices by columns. A product c = op(a) op(b) of matrices by rows is op(b)' op(a)' by columns.
struct ProductByColumns {
  bool transposed_first, transposed_second;  // `first` is b, `second` is a
  std::int64_t rows, columns, inner, first_stride, second_stride, stride;
};
inline ProductByColumns by_columns(bool transposed_a, bool transposed_b, std::int64_t rows, std::int64_t columns,
                                   std::int64_t inner) {
  return {transposed_b, transposed_a, columns, rows, inner, transposed_b ? inner : columns, transposed_a ? rows : inner,
          columns};
}

// ---- Between ranks

// to = ((0 + part 0) + part 1) + ..., parts `stride` numbers apart. One thread a number.
struct SumParts {
  const float* parts;
  Index count;
  std::int64_t stride;
  float* to;
  LPL_DEVICE void operator()(Index i) const {
    float sum = 0;
    for (Index p = 0; p < count; ++p) sum += parts[p * stride + i];
    to[i] = sum;
  }
};

}  // namespace lpl::rate::cuda
