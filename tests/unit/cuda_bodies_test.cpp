// The bodies of the CUDA kernels, run on the host over all their indices, against literal computations: what a kernel
// reads, writes and sums is checked where there is no device.
#include "core/random.hpp"
#include "rate/cuda/bodies.hpp"
#include "rate/pairs.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <span>
#include <vector>

#include "rate/cpu/loops.hpp"
#include "support/draw.hpp"
#include "support/column_block.hpp"

namespace lpl::rate::cuda {
namespace {

using Bfloat = std::uint16_t;

template <class Body>
void for_each(std::size_t count, const Body& body) {
  for (Index i = 0; i < count; ++i) body(i);
}

// What sum_columns_kernel leaves.
template <class Value>
std::vector<double> column_parts(Index rows, Index columns, const Value& value) {
  const Index chunks = chunks_of(rows);
  std::vector<double> parts;
  for (Index chunk = 0; chunk < chunks; ++chunk)
    for (Index column = 0; column < columns; ++column) {
      double total = 0;
      for (Index lane = 0; lane < kLanes; ++lane) total += lane_sum(value, rows, chunks, chunk, lane, column);
      parts.push_back(total);
    }
  return parts;
}

template <class Value>
std::vector<double> column_sums(Index rows, Index columns, const Value& value) {
  const std::vector<double> parts = column_parts(rows, columns, value);
  std::vector<double> sums;
  for (Index c = 0; c < columns; ++c) sums.push_back(ColumnParts{parts.data(), chunks_of(rows), columns}.sum(c));
  return sums;
}

double total(const std::vector<double>& terms, double factor) {
  constexpr Index kThreads = 256;
  double sum = 0;
  for (Index t = 0; t < kThreads; ++t) sum += thread_sum(terms.data(), static_cast<Index>(terms.size()), t, kThreads);
  return factor * sum;
}

template <class Element>
std::vector<Element> elements(const std::vector<float>& values) {
  std::vector<Element> out(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) narrow(values[i], out[i]);
  return out;
}

std::size_t at(const MapSize& m, Index n, Index r, Index c, Index k) {
  return ((static_cast<std::size_t>(n) * m.rows + r) * m.columns + c) * m.channels + k;
}

// Calls f(sample, row, column, channel) for all elements of maps.
template <class F>
void for_all(Index samples, const MapSize& m, F f) {
  for (Index n = 0; n < samples; ++n)
    for (Index r = 0; r < m.rows; ++r)
      for (Index c = 0; c < m.columns; ++c)
        for (Index k = 0; k < m.channels; ++k) f(n, r, c, k);
}

TEST(CudaBodies, BfloatsAreTheNearestAndTiesAreEven) {
  for (const float x : {0.0f, 1.0f, -1.0f, 3.14159f, 1e-30f, -2.5e20f, 1.00390625f, 1.01171875f}) {
    Bfloat narrowed;
    narrow(x, narrowed);
    const double step = std::max(std::abs(static_cast<double>(x)) / 128, 1e-38);
    EXPECT_LE(std::abs(static_cast<double>(widen(narrowed)) - static_cast<double>(x)), step / 2) << x;
  }
  Bfloat b;
  narrow(1.00390625f, b);  // half way between 1 and 1 + 2^-7
  EXPECT_EQ(widen(b), 1.0f);
  narrow(1.01171875f, b);  // half way between 1 + 2^-7 and 1 + 2^-6
  EXPECT_EQ(widen(b), 1.015625f);
  narrow(std::numeric_limits<float>::quiet_NaN(), b);
  EXPECT_TRUE(std::isnan(widen(b)));
  narrow(std::numeric_limits<float>::infinity(), b);
  EXPECT_TRUE(std::isinf(widen(b)));
}

TEST(CudaBodies, PlacesAreThoseOfMapsChannelsLast) {
  const MapSize size{3, 5, 7};
  Index i = 0;
  for_all(2, size, [&](Index n, Index r, Index c, Index k) {
    const Place place = place_of(i, size);
    EXPECT_EQ(place.sample, n);
    EXPECT_EQ(place.row, r);
    EXPECT_EQ(place.column, c);
    EXPECT_EQ(place.channel, k);
    EXPECT_EQ(index_of(place, size), i++);
  });
}

struct Layer {
  Index samples, rows, columns, channels, side, stride, padding = 0;
  Windows windows() const {
    const auto count = [&](Index size) { return (size + 2 * padding - side) / stride + 1; };
    return {{rows, columns, channels}, {count(rows), count(columns), channels}, side, stride, padding};
  }
  std::size_t inputs() const { return std::size_t{samples} * rows * columns * channels; }
  std::size_t outputs() const {
    const MapSize out = windows().out;
    return std::size_t{samples} * out.rows * out.columns * out.channels;
  }
};

// Windows side by side, with rows left over, overlapping, of one element, and padded.
const Layer kLayers[] = {{2, 4, 4, 3, 2, 2}, {3, 5, 7, 2, 2, 2}, {2, 7, 9, 3, 3, 2},    {1, 6, 5, 4, 3, 1},
                         {2, 3, 3, 5, 1, 1}, {1, 2, 8, 1, 2, 3}, {2, 6, 7, 3, 3, 2, 1}, {1, 5, 4, 2, 3, 1, 1}};

template <class Element>
void check_pooling_and_its_gradient(const Layer& layer) {
  const Windows w = layer.windows();
  const std::vector<Element> x = elements<Element>(draw(layer.inputs(), 1));
  const std::vector<float> bias = draw(layer.channels, 2);
  std::vector<Element> y(layer.outputs());
  std::vector<std::uint8_t> winners(layer.outputs());
  for_each(y.size(), PoolMax<Element>{w, bias.data(), x.data(), y.data(), winners.data()});

  const std::vector<float> dy = draw(layer.outputs(), 3);
  std::vector<float> expected_dx(layer.inputs(), 0.0f);
  std::vector<double> expected_bias(layer.channels, 0.0);
  for_all(layer.samples, w.out, [&](Index n, Index r, Index c, Index k) {
    float best = 0;
    std::size_t winner = x.size();
    for (Index i = 0; i < layer.side; ++i)
      for (Index j = 0; j < layer.side; ++j) {
        const Index row = r * layer.stride + i - layer.padding, column = c * layer.stride + j - layer.padding;
        if (row >= layer.rows || column >= layer.columns)
          continue;  // also what is before the map: indices are unsigned
        const std::size_t from = at(w.in, n, row, column, k);
        const float value = widen(x[from]) + bias[k];
        if (value > best) {
          best = value;
          winner = from;
        }
      }
    const std::size_t o = at(w.out, n, r, c, k);
    Element expected;
    narrow(best, expected);
    EXPECT_EQ(y[o], expected);
    EXPECT_EQ(winners[o] == kSilent, winner == x.size());
    if (winner == x.size()) return;
    expected_dx[winner] += dy[o];
    expected_bias[k] += static_cast<double>(dy[o]);
  });

  const Index positions = w.out.rows * w.out.columns;
  const FlowingGradient<float, Element> gradient{dy.data(), winners.data(), nullptr, positions, layer.channels, false};
  std::vector<Element> dx(layer.inputs());
  for_each(dx.size(), Unpool<float, Element>{gradient, w, dx.data()});
  EXPECT_EQ(dx, elements<Element>(expected_dx));
  const std::vector<double> bias_gradient = column_sums(layer.samples * positions, layer.channels, gradient);
  for (Index k = 0; k < layer.channels; ++k) EXPECT_NEAR(bias_gradient[k], expected_bias[k], 1e-12);
}

TEST(CudaBodies, PoolingAndItsGradientFollowTheWinners) {
  for (const Layer& layer : kLayers) {
    check_pooling_and_its_gradient<float>(layer);
    check_pooling_and_its_gradient<Bfloat>(layer);
  }
}

TEST(CudaBodies, NoFormOfTheHebbianLossHidesWhatIsNoNumber) {
  for (const HebbianForm form : {HebbianForm::log_variance, HebbianForm::hinge, HebbianForm::variance})
    EXPECT_TRUE(std::isnan(push_of(form, 1e-4, std::numeric_limits<double>::quiet_NaN(), 8).loss));
}

TEST(CudaBodies, PoolingPassesOnWhatIsNoNumber) {
  const float x[] = {1, std::numeric_limits<float>::quiet_NaN(), 3, 4}, bias = 0;
  float y;
  PoolMax<float>{{{2, 2, 1}, {1, 1, 1}, 2, 2}, &bias, x, &y, nullptr}(0);
  EXPECT_TRUE(std::isnan(y));
}

TEST(CudaBodies, AGradientOfMeansIsSharedByPositions) {
  const Layer layer{2, 3, 4, 5, 3, 1};
  const Windows w = layer.windows();
  std::vector<std::uint8_t> winners(layer.outputs());
  for (std::size_t i = 0; i < winners.size(); ++i) winners[i] = i % 4 == 3 ? kSilent : static_cast<std::uint8_t>(i % 9);
  const std::vector<float> one = draw(std::size_t{layer.samples} * layer.channels, 6);
  std::vector<float> all(layer.outputs());
  for_all(layer.samples, w.out,
          [&](Index n, Index r, Index c, Index k) { all[at(w.out, n, r, c, k)] = one[n * layer.channels + k] * 0.5f; });
  const Index positions = w.out.rows * w.out.columns;
  ASSERT_EQ(positions, 2u);
  std::vector<float> dx(layer.inputs()), expected(layer.inputs());
  for_each(dx.size(),
           Unpool<float, float>{{one.data(), winners.data(), nullptr, positions, layer.channels, true}, w, dx.data()});
  for_each(dx.size(), Unpool<float, float>{
                          {all.data(), winners.data(), nullptr, positions, layer.channels, false}, w, expected.data()});
  EXPECT_EQ(dx, expected);
}

TEST(CudaBodies, MeansOverSpace) {
  const Layer layer{3, 4, 5, 6, 1, 1};
  const std::vector<float> x = draw(layer.inputs(), 7);
  std::vector<float> means(std::size_t{layer.samples} * layer.channels);
  for_each(means.size(), MeanOverSpace<float>{20, layer.channels, x.data(), means.data()});
  std::vector<double> expected(means.size());
  for_all(layer.samples, layer.windows().in, [&](Index n, Index r, Index c, Index k) {
    expected[n * layer.channels + k] += static_cast<double>(x[at(layer.windows().in, n, r, c, k)]) / 20;
  });
  for (std::size_t i = 0; i < means.size(); ++i) EXPECT_NEAR(means[i], expected[i], 1e-6);
}

TEST(CudaBodies, AdaptiveMeansAndTheirGradients) {
  for (const auto& sizes : std::vector<std::array<Index, 3>>{{6, 6, 3}, {7, 5, 3}, {3, 4, 6}, {5, 1, 1}}) {
    const Index rows = sizes[0], columns = sizes[1], side = sizes[2];  // not bound: Clang 14 cannot capture bindings
    const MapSize in{rows, columns, 2}, out{side, side, 2};
    const std::vector<float> x = draw(2 * std::size_t{rows} * columns * 2, 8);
    const std::vector<float> dy = draw(2 * std::size_t{side} * side * 2, 9);
    std::vector<float> y(dy.size()), dx(x.size());
    for_each(y.size(), AdaptiveMean<float>{in, out, x.data(), y.data()});
    for_each(dx.size(), AdaptiveMeanGradient<float, float>{in, out, dy.data(), dx.data()});
    std::vector<double> expected_dx(x.size());
    for_all(2, out, [&](Index n, Index r, Index c, Index k) {
      // PyTorch: from floor(i * size / side) to ceil((i + 1) * size / side).
      const auto begin = [&](Index i, Index size) { return static_cast<Index>(std::floor(1.0 * i * size / side)); };
      const auto end = [&](Index i, Index size) { return static_cast<Index>(std::ceil((i + 1.0) * size / side)); };
      double sum = 0, count = 0;
      for (int pass = 0; pass < 2; ++pass)
        for (Index i = begin(r, rows); i < end(r, rows); ++i)
          for (Index j = begin(c, columns); j < end(c, columns); ++j) {
            if (pass == 0) {
              sum += static_cast<double>(x[at(in, n, i, j, k)]);
              ++count;
            } else {
              expected_dx[at(in, n, i, j, k)] += static_cast<double>(dy[at(out, n, r, c, k)]) / count;
            }
          }
      EXPECT_NEAR(y[at(out, n, r, c, k)], sum / count, 1e-6);
    });
    for (std::size_t i = 0; i < dx.size(); ++i) EXPECT_NEAR(dx[i], expected_dx[i], 1e-6);
  }
}

TEST(CudaBodies, ColumnSumsTakeEveryRowOnce) {
  for (const Index rows : {1u, 2u, 7u, 8u, 63u, 64u, 65u, 511u, 4096u, 4097u, 10007u}) {
    std::vector<int> taken(rows, 0);
    const auto value = [&](Index row, Index column) {
      if (column == 0) ++taken[row];
      return static_cast<double>(row * (column + 1));
    };
    const std::vector<double> sums = column_sums(rows, 3, value);
    EXPECT_TRUE(std::all_of(taken.begin(), taken.end(), [](int n) { return n == 1; })) << rows;
    for (std::size_t c = 0; c < 3; ++c)
      EXPECT_EQ(sums[c], 0.5 * rows * (rows - 1.0) * static_cast<double>(c + 1)) << rows;
    std::vector<double> terms(rows);
    std::iota(terms.begin(), terms.end(), 0.0);
    EXPECT_EQ(total(terms, 2), rows * (rows - 1.0));
  }
}

TEST(CudaBodies, SlicesHoldBothViewsOfTheirSamples) {
  for (const auto& [samples, length] :
       std::vector<std::pair<Index, Index>>{{16, 8}, {20, 8}, {9, 8}, {5, 8}, {33, 4}}) {
    constexpr Index kUnits = 3;
    // Element (view, sample, unit) has a value of its own.
    const auto value = [&, n = samples](Index view, Index sample, Index unit) {
      return static_cast<float>((view * n + sample) * kUnits + unit);
    };
    std::vector<float> slices, views(2 * std::size_t{samples} * kUnits, -1.0f), back(views.size());
    std::vector<Index> offsets;
    for (Index first = 0; first < samples; first += length) {
      offsets.push_back(static_cast<Index>(slices.size()));
      for (Index view = 0; view < 2; ++view)
        for (Index b = first; b < std::min(first + length, samples); ++b)
          for (Index u = 0; u < kUnits; ++u) slices.push_back(value(view, b, u));
    }
    offsets.push_back(static_cast<Index>(slices.size()));
    const SliceOrder order{samples, std::min(length, samples), kUnits};
    for (std::size_t s = 0; s + 1 < offsets.size(); ++s)
      for_each(offsets[s + 1] - offsets[s],
               FromSlice<float>{order, offsets[s], slices.data() + offsets[s], views.data()});
    for (std::size_t i = 0; i < views.size(); ++i) EXPECT_EQ(views[i], static_cast<float>(i));
    for_each(back.size(), ToSlices{order, views.data(), back.data()});
    EXPECT_EQ(back, slices);
  }
}

// Products of matrices by rows through one that sees matrices by columns, as cuBLAS does.
std::vector<float> multiply(bool ta, bool tb, std::int64_t rows, std::int64_t columns, std::int64_t inner,
                            const float* a, const float* b, std::vector<float> c = {}) {
  const ProductByColumns p = by_columns(ta, tb, rows, columns, inner);
  c.resize(static_cast<std::size_t>(rows * columns));
  for (std::int64_t i = 0; i < p.rows; ++i)
    for (std::int64_t k = 0; k < p.columns; ++k) {
      double sum = 0;
      for (std::int64_t m = 0; m < p.inner; ++m)
        sum += static_cast<double>(p.transposed_first ? b[i * p.first_stride + m] : b[m * p.first_stride + i]) *
               static_cast<double>(p.transposed_second ? a[m * p.second_stride + k] : a[k * p.second_stride + m]);
      c[static_cast<std::size_t>(k * p.stride + i)] += static_cast<float>(sum);
    }
  return c;
}

TEST(CudaBodies, ProductsByColumnsAreProductsByRows) {
  constexpr std::int64_t kRows = 3, kColumns = 5, kInner = 4;
  const std::vector<float> a = draw(kRows * kInner, 10), b = draw(kInner * kColumns, 11);
  for (const bool ta : {false, true})
    for (const bool tb : {false, true}) {
      const std::vector<float> c = multiply(ta, tb, kRows, kColumns, kInner, a.data(), b.data());
      for (std::int64_t i = 0; i < kRows; ++i)
        for (std::int64_t k = 0; k < kColumns; ++k) {
          double expected = 0;
          for (std::int64_t m = 0; m < kInner; ++m)
            expected += static_cast<double>(a[static_cast<std::size_t>(ta ? m * kRows + i : i * kInner + m)]) *
                        static_cast<double>(b[static_cast<std::size_t>(tb ? k * kInner + m : m * kColumns + k)]);
          EXPECT_NEAR(c[static_cast<std::size_t>(i * kColumns + k)], expected, 1e-6);
        }
    }
}

// The loops of losses as a device has them, on the host: its order of sums, its blocks of columns and cuBLAS's
// products.
struct SerialLoops {
  template <class N>
  std::shared_ptr<N> allocate(std::int64_t count) const {
    const auto memory = HostLoops().allocate<N>(count);
    std::fill_n(memory.get(), count, std::numeric_limits<N>::quiet_NaN());
    return memory;
  }
  Array array(std::int64_t size) const { return {size, allocate<float>(size)}; }
  template <class Body>
  void each(const char*, std::int64_t count, const Body& body) const {
    for_each(static_cast<std::size_t>(count), body);
  }
  template <class Body>
  void columns(const char*, const Body& body) const {
    walk_columns(body);
  }
  template <class Value>
  SumTerms sums(const char*, std::int64_t rows, std::int64_t columns, const Value& value) const {
    const std::vector<double> parts = column_parts(static_cast<Index>(rows), static_cast<Index>(columns), value);
    SumTerms sums{allocate<double>(std::ssize(parts)), static_cast<Index>(parts.size())};
    std::copy(parts.begin(), parts.end(), sums.memory.get());
    return sums;
  }
  void multiply(bool, bool ta, bool tb, std::int64_t rows, std::int64_t columns, std::int64_t inner, const float* a,
                const float* b, float beta, float* c) const {
    for (const std::int64_t view : {0, 1}) {
      float* const to = c + view * rows * columns;
      const std::vector<float> product =
          cuda::multiply(ta, tb, rows, columns, inner, a + view * rows * inner, b + view * inner * columns);
      for (std::size_t i = 0; i < product.size(); ++i) to[i] = product[i] + (beta == 0 ? 0 : to[i]);
    }
  }
  void add_up(const LossSums& sums, Index count, float* to) const {
    for (const LossSum& loss : std::span(sums.losses, count))
      *to++ = static_cast<float>(total({loss.terms, loss.terms + loss.count}, loss.factor));
  }
};

// In float32 with the loops of a device, against double precision with those of the host.
template <class OnDevice, class OnHost>
void compare(const HookShape& shape, const std::vector<float>& z, const OnDevice& on_device, const OnHost& on_host) {
  const std::vector<double> exact(z.begin(), z.end());
  std::vector<float> dz(z.size()), terms(kLossTerms);
  std::vector<double> expected_dz(z.size()), expected(kLossTerms);
  on_device.evaluate(SerialLoops(), Hook<float>{shape, z.data(), dz.data(), terms.data()});
  on_host.evaluate(HostLoops(), Hook<double>{shape, exact.data(), expected_dz.data(), expected.data()});
  for (std::size_t t = 0; t < kLossTerms; ++t)
    EXPECT_NEAR(terms[t], expected[t], 1e-6 * (1 + std::abs(expected[t]))) << kLossNames[t];
  double largest = 0;
  for (const double e : expected_dz) largest = std::max(largest, std::abs(e));
  // A gradient is a sum of a few float32 products of float32 sums.
  for (std::size_t i = 0; i < dz.size(); ++i) EXPECT_NEAR(dz[i], expected_dz[i], 2e-6 * largest);
}

Indices indices_of(const std::vector<std::int32_t>& values) {
  Indices indices{std::ssize(values), HostLoops().allocate<std::int32_t>(std::ssize(values))};
  std::copy(values.begin(), values.end(), indices.at());
  return indices;
}

TEST(CudaBodies, LatentPredictiveLosses) {
  struct Case {
    HookShape hook;
    HebbianForm form = HebbianForm::log_variance;
    PredictiveGradient gradient = PredictiveGradient::both;
    bool shuffled = false, stale = false;
  };
  for (const Case& c : {Case{{10, 1, 6}}, Case{{9, 1, 1}}, Case{{12, 4, 3}}, Case{{10, 1, 6}, HebbianForm::hinge},
                        Case{{10, 3, 2}, HebbianForm::variance}, Case{{80, 1, 5}, {}, PredictiveGradient::later},
                        Case{{10, 1, 6}, {}, {}, true}, Case{{10, 1, 6}, {}, PredictiveGradient::later, true},
                        Case{{10, 1, 6}, {}, {}, false, true}, Case{{11, 1, 21}}, Case{{11, 1, 21}, {}, {}, true, true},
                        Case{{11, 1, 75}}}) {
    const std::vector<float> z = draw(static_cast<std::size_t>(2 * c.hook.view()), 12);
    std::vector<std::int32_t> positives(static_cast<std::size_t>(c.hook.samples));
    std::iota(positives.begin(), positives.end(), 0);
    std::shuffle(positives.begin(), positives.end(), std::mt19937(13));
    const Partners partners{indices_of(positives), indices_of(inverse_positives({positives.begin(), positives.end()}))};
    EstimateArrays of_device, of_host;
    LplLoss loss{{0.7, 1.3, 10, c.form, 1e-4, c.gradient}, c.shuffled ? &partners : nullptr};
    // Twice: the second time with estimates of the first.
    for (int step = 0; step < (c.stale ? 2 : 1); ++step) {
      LplLoss other = loss;
      if (c.stale) loss.stale = &of_device, other.stale = &of_host;
      compare(c.hook, z, loss, other);
    }
    ASSERT_EQ(of_device.mean.size, of_host.mean.size);
    for (std::int64_t u = 0; u < of_device.mean.size; ++u) {
      EXPECT_NEAR(*of_device.mean.at(u), *of_host.mean.at(u), 1e-6);
      EXPECT_NEAR(*of_device.variance.at(u), *of_host.variance.at(u), 1e-6);
    }
  }
}

TEST(CudaBodies, ContrastiveLosses) {
  std::vector<float> z = draw(70, 14);
  std::fill_n(z.begin(), 5, 0.0f);  // a silent sample
  const ContrastiveLoss loss{{.predictive = 0.7, .hebbian = 1.3}};
  compare({7, 1, 5}, z, loss, loss);
}

TEST(CudaBodies, CrossEntropies) {
  const Indices labels = indices_of({0, 3, 1, 1, 2, 0});
  const CrossEntropyLoss loss{labels.at()};
  compare({6, 1, 4}, draw(48, 15), loss, loss);
}

TEST(CudaBodies, Optimisers) {
  const std::vector<float> g = draw(20, 16), start = draw(20, 17);
  const double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, rate = 1e-2, decay = 0.1;
  std::vector<float> value = start, mean(20), square(20), sgd_value = start, buffer(20);
  std::vector<double> v(start.begin(), start.end()), m(20), s(20), sv = v, sb(20);
  for (int step = 1; step <= 3; ++step) {
    const auto number = [](double x) { return static_cast<float>(x); };
    const std::vector<float> adam = adam_rates({beta1, beta2, epsilon, decay}, rate, step), sgd = sgd_rates(rate);
    for_each(20, AdamUpdate{adam.data(), number(epsilon), number(decay), number(beta1), number(1 - beta1),
                            number(beta2), number(1 - beta2), g.data(), value.data(), mean.data(), square.data()});
    for_each(20, SgdUpdate{sgd.data(), 0.5f, number(decay), g.data(), sgd_value.data(), buffer.data()});
    for (std::size_t i = 0; i < 20; ++i) {
      const double d = static_cast<double>(g[i]) + decay * v[i];
      m[i] = beta1 * m[i] + (1 - beta1) * d;
      s[i] = beta2 * s[i] + (1 - beta2) * d * d;
      v[i] -= rate * (m[i] / (1 - std::pow(beta1, step))) / (std::sqrt(s[i] / (1 - std::pow(beta2, step))) + epsilon);
      sb[i] = 0.5 * sb[i] + static_cast<double>(g[i]) + decay * sv[i];
      sv[i] -= rate * sb[i];
    }
  }
  for (std::size_t i = 0; i < 20; ++i) {
    EXPECT_NEAR(value[i], v[i], 1e-6);
    EXPECT_NEAR(sgd_value[i], sv[i], 1e-6);
  }
}

// Bit by bit what accumulating, learning and rounding give, one after the other.
TEST(CudaBodies, AdamThatRounds) {
  const std::vector<float> start = draw(20, 17), sum = draw(20, 21);
  const float rates[] = {0.01f, 1.5f};
  std::vector<Bfloat> gradient(20), rounded(20), literally_rounded(20);
  std::vector<float> value = start, mean(20), square(20), literal = start, its_mean(20), its_square(20);
  for (unsigned step = 0; step < 3; ++step) {
    for_each(20, Narrow{draw(20, 30 + step).data(), gradient.data()});
    const auto update = [&](const std::vector<float>& g, std::vector<float>& v, std::vector<float>& m,
                            std::vector<float>& s) {
      return AdamUpdate{rates, 1e-8f, 0.1f, 0.9f, 0.1f, 0.999f, 0.001f, g.data(), v.data(), m.data(), s.data()};
    };
    for_each(20, AdamRounded{update(sum, value, mean, square), gradient.data(), rounded.data()});
    std::vector<float> whole = sum;
    for_each(20, Accumulate<Bfloat>{gradient.data(), whole.data()});
    for_each(20, update(whole, literal, its_mean, its_square));
    for_each(20, Narrow{literal.data(), literally_rounded.data()});
    EXPECT_EQ(value, literal);
    EXPECT_EQ(mean, its_mean);
    EXPECT_EQ(square, its_square);
    EXPECT_EQ(rounded, literally_rounded);
  }
  EXPECT_NE(value, start);
}

TEST(CudaBodies, ElementsOneByOne) {
  const std::vector<float> x = draw(9, 18), before = draw(9, 19);
  std::vector<float> y(9), sum = before, widened(9);
  std::vector<Bfloat> narrowed(9);
  for_each(9, Scale<float>{x.data(), 0.5f, y.data()});
  for_each(9, Narrow{x.data(), narrowed.data()});
  for_each(9, Widen<Bfloat>{narrowed.data(), widened.data()});
  for_each(9, Accumulate<Bfloat>{narrowed.data(), sum.data()});
  for (std::size_t i = 0; i < 9; ++i) {
    EXPECT_EQ(y[i], 0.5f * x[i]);
    EXPECT_EQ(widened[i], widen(narrowed[i]));
    EXPECT_EQ(sum[i], before[i] + widen(narrowed[i]));
  }
}

TEST(CudaBodies, DropoutDrawsTheNumbersOfTheHost) {
  constexpr Index kFirst = 6, kCount = 3, kSize = 11;
  const std::int32_t seed[2] = {-5, 7};
  const std::vector<float> x = draw(2 * kCount * kSize, 20);
  std::vector<float> y(x.size());
  for_each(x.size(), DropOut<float>{0.4, 2.0f, static_cast<Index>(Draw::dropout), 99, seed, kFirst, kCount, kSize,
                                    x.data(), y.data()});
  const float* from = x.data();
  const float* found = y.data();
  for (Index view = 0; view < 2; ++view)
    for (Index sample = kFirst; sample < kFirst + kCount; ++sample) {
      Random random(0x7fffffffbu, Draw::dropout, 99, 2 * sample + view);
      for (Index i = 0; i < kSize; ++i) EXPECT_EQ(*found++, random.uniform() < 0.4 ? 0.0f : 2.0f * from[i]);
      from += kSize;
    }
}

TEST(CudaBodies, SumsAddToWhatIsThere) {
  const std::vector<double> parts{1, 2, 3, 4, 5, 6};  // two chunks of three columns
  std::vector<float> to{10, 20, 30};
  for_each(3, AddSums{{parts.data(), 2, 3}, to.data()});
  EXPECT_EQ(to, (std::vector<float>{15, 27, 39}));
}

TEST(CudaBodies, PartsAreSummedInTheirOrder) {
  const std::vector<float> parts{1e8f, -0.0f, 9, 1, -0.0f, 9, -1e8f, -0.0f, 9};  // three parts of two, three apart
  std::vector<float> to(2);
  for_each(2, SumParts{parts.data(), 3, 3, to.data()});
  EXPECT_EQ(to, (std::vector<float>{0, 0}));  // 1e8 + 1 is 1e8
  EXPECT_FALSE(std::signbit(to[1]));
}

}  // namespace
}  // namespace lpl::rate::cuda
