// Maps that windows tile (rate/cuda/tile_bodies.hpp), run on the host as a device's blocks would run them, against what
// is written out element by element; for both kinds of elements, with and without windows, of one and eight channels a
// thread.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "rate/cuda/tile_bodies.hpp"
#include "support/draw.hpp"
#include "support/sample_block.hpp"

namespace lpl::rate::cuda {
namespace {

using Bfloat = std::uint16_t;

template <class Element>
std::vector<Element> draw(std::size_t count, unsigned seed) {
  const std::vector<float> normal = lpl::draw(count, seed);
  std::vector<Element> values(count);
  for (std::size_t i = 0; i < count; ++i) narrow(normal[i], values[i]);
  return values;
}

// Maps of which windows of `side` make `rows` x `columns` outputs.
struct Maps {
  Index samples, rows, columns, channels, side;
  std::size_t outputs() const { return std::size_t{samples} * rows * columns * channels; }
  std::size_t inputs() const { return outputs() * side * side; }
  std::size_t output(Index n, Index r, Index c, Index k) const {
    return ((std::size_t{n} * rows + r) * columns + c) * channels + k;
  }
  std::size_t input(Index n, Index r, Index c, Index k) const {
    return ((std::size_t{n} * rows * side + r) * columns * side + c) * channels + k;
  }
  Tiles tiles() const { return {rows * columns, channels, Divisor(columns)}; }
  template <class F>
  void for_all(F f) const {
    for (Index n = 0; n < samples; ++n)
      for (Index r = 0; r < rows; ++r)
        for (Index c = 0; c < columns; ++c)
          for (Index k = 0; k < channels; ++k) f(n, r, c, k);
  }
};

// Of one and of many groups and positions, fewer and more than a block has threads for.
template <Index kSide, Index kWidth>
std::vector<Maps> cases() {
  if (kWidth == 1) return {{2, 3, 5, 3, kSide}, {1, 1, 1, 1, kSide}, {2, 20, 13, 1, kSide}, {2, 1, 2, 301, kSide}};
  return {{2, 3, 5, 8, kSide}, {3, 1, 1, 24, kSide}, {1, 7, 9, 48, kSide}, {2, 2, 1, 1040, kSide}};
}

template <class Element, Index kSide, Index kWidth>
struct Pooled {
  Pooled(const Maps& m, const std::vector<Element>& x, const float* bias, bool rectified)
      : y(m.outputs()), winners(m.outputs()), means(m.samples * m.channels) {
    walk_samples(m.samples, PoolTiles<Element, kSide, kWidth>{m.tiles(), bias, rectified, x.data(), y.data(),
                                                              winners.data(), means.data()});
  }
  std::vector<Element> y;
  std::vector<std::uint8_t> winners;
  std::vector<float> means;
};

template <class Element, Index kSide, Index kWidth>
void check_pooling() {
  for (const Maps& m : cases<kSide, kWidth>())
    for (const bool biased : {true, false}) {
      const std::vector<Element> x = draw<Element>(m.inputs(), 1);
      const std::vector<float> bias = draw<float>(m.channels, 2);
      const Pooled<Element, kSide, kWidth> found(m, x, biased ? bias.data() : nullptr, true);
      std::vector<double> means(found.means.size());
      m.for_all([&](Index n, Index r, Index c, Index k) {
        float best = 0;
        std::uint8_t winner = kSilent;
        for (Index q = 0; q < kSide * kSide; ++q) {
          const Element element = x[m.input(n, r * kSide + q / kSide, c * kSide + q % kSide, k)];
          const float value = widen(element) + (biased ? bias[k] : 0.0f);
          if (value <= best) continue;
          best = value;
          winner = static_cast<std::uint8_t>(q);
        }
        const std::size_t o = m.output(n, r, c, k);
        Element expected;
        narrow(best, expected);
        ASSERT_EQ(found.y[o], expected);
        ASSERT_EQ(found.winners[o], winner);
        means[n * m.channels + k] += static_cast<double>(widen(expected)) / (m.rows * m.columns);
      });
      for (std::size_t i = 0; i < means.size(); ++i) ASSERT_NEAR(found.means[i], means[i], 1e-6);
    }
}

// Calls a function template for both kinds of elements, with and without windows, for both widths.
#define LPL_ALL(check)                                                                                           \
  check<float, 1, 1>(), check<float, 1, 8>(), check<float, 2, 1>(), check<float, 2, 8>(), check<Bfloat, 1, 1>(), \
      check<Bfloat, 1, 8>(), check<Bfloat, 2, 1>(), check<Bfloat, 2, 8>()

TEST(CudaTiles, OutputsAreTheLargestOfTheirWindows) { LPL_ALL(check_pooling); }

TEST(CudaTiles, InPlaceWithAndWithoutRectifier) {
  for (const bool rectified : {true, false}) {
    const Maps m{3, 4, 5, 16, 1};
    const std::vector<Bfloat> x = draw<Bfloat>(m.inputs(), 3);
    const std::vector<float> bias = draw<float>(m.channels, 4);
    std::vector<Bfloat> y = x;
    walk_samples(m.samples,
                 PoolTiles<Bfloat, 1, 8>{m.tiles(), bias.data(), rectified, y.data(), y.data(), nullptr, nullptr});
    m.for_all([&](Index n, Index r, Index c, Index k) {
      const std::size_t i = m.output(n, r, c, k);
      const float value = widen(x[i]) + bias[k];
      Bfloat expected;
      narrow(rectified && value < 0 ? 0.0f : value, expected);
      EXPECT_EQ(y[i], expected);
    });
  }
}

TEST(CudaTiles, PassOnWhatIsNoNumber) {
  for (const float none : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::quiet_NaN()})
    for (const bool rectified : {true, false}) {
      const Maps one{1, 1, 1, 1, 1};
      EXPECT_TRUE(std::isnan(Pooled<float, 1, 1>(one, {none}, nullptr, rectified).y[0]));
      Bfloat narrowed;
      narrow(none, narrowed);
      const Pooled<Bfloat, 1, 1> found(one, {narrowed}, nullptr, rectified);
      EXPECT_TRUE(std::isnan(widen(found.y[0])));
      EXPECT_TRUE(std::isnan(found.means[0]));
    }
  const float none = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(Pooled<float, 2, 1>({1, 1, 1, 1, 2}, {1, none, 3, 4}, nullptr, true).y[0]));
}

// From windows' winners, from active outputs, and from all.
enum class Flow { winners, active, all };

template <class Gradient, class Element, Index kSide, Index kWidth>
void check_unpooling(Flow flow, bool everywhere) {
  for (const Maps& m : cases<kSide, kWidth>()) {
    const std::vector<Element> y = draw<Element>(m.outputs(), 5);
    std::vector<std::uint8_t> winners(m.outputs());
    for (std::size_t i = 0; i < winners.size(); ++i)
      winners[i] = i * 7 % 5 == 0 ? kSilent : static_cast<std::uint8_t>(i * 7 % 5 % (kSide * kSide));
    const std::vector<Gradient> dy = draw<Gradient>(everywhere ? m.samples * m.channels : m.outputs(), 6);
    std::vector<Element> dx(m.inputs(), Element{0x41}), expected(m.inputs(), Element{0});
    std::vector<float> totals(m.samples * m.channels);
    std::vector<double> sums(totals.size());
    walk_samples(m.samples, UnpoolTiles<Gradient, Element, kSide, kWidth>{
                                m.tiles(), dy.data(), everywhere, flow == Flow::winners ? winners.data() : nullptr,
                                flow == Flow::active ? y.data() : nullptr, dx.data(), totals.data()});
    m.for_all([&](Index n, Index r, Index c, Index k) {
      const std::size_t o = m.output(n, r, c, k), unit = n * m.channels + k;
      Index winner = 0;
      if (flow == Flow::winners ? winners[o] == kSilent : flow == Flow::active && widen(y[o]) <= 0) return;
      if (flow == Flow::winners) winner = winners[o];
      const float share = 1.0f / static_cast<float>(m.rows * m.columns);
      const float gradient = everywhere ? share * widen(dy[unit]) : widen(dy[o]);
      narrow(gradient, expected[m.input(n, r * kSide + winner / kSide, c * kSide + winner % kSide, k)]);
      sums[unit] += static_cast<double>(gradient);
    });
    ASSERT_EQ(dx, expected);
    for (std::size_t i = 0; i < sums.size(); ++i) ASSERT_NEAR(totals[i], sums[i], 1e-5 * (1 + std::abs(sums[i])));
  }
}

template <class Element, Index kSide, Index kWidth>
void check_unpooling() {
  for (const bool everywhere : {true, false}) {
    check_unpooling<float, Element, kSide, kWidth>(Flow::winners, everywhere);
    check_unpooling<Bfloat, Element, kSide, kWidth>(Flow::winners, everywhere);
    if (kSide == 2) continue;
    check_unpooling<float, Element, kSide, kWidth>(Flow::active, everywhere);
    check_unpooling<Bfloat, Element, kSide, kWidth>(Flow::all, everywhere);
  }
}

TEST(CudaTiles, GradientsFlowWhereOutputsWon) { LPL_ALL(check_unpooling); }

TEST(CudaTiles, SumsOfGradientsOfMeansAreExact) {
  const Maps m{1, 30, 30, 1, 1};
  const std::vector<float> dy{0.1f};
  std::vector<float> dx(900), total(1);
  walk_samples(1,
               UnpoolTiles<float, float, 1, 1>{m.tiles(), dy.data(), true, nullptr, nullptr, dx.data(), total.data()});
  EXPECT_EQ(total[0], 900 * ((1.0f / 900) * 0.1f));
}

TEST(CudaTiles, QuotientsAreExact) {
  std::mt19937 random(7);
  for (const Index divisor :
       {1u, 2u, 3u, 5u, 7u, 16u, 17u, 641u, 65535u, 65536u, 65537u, (1u << 30) + 1, 0x7fffffffu}) {
    const Divisor d(divisor);
    for (int i = 0; i < 1000; ++i) {
      const auto x = static_cast<Index>(random() >> (1 + random() % 31));
      ASSERT_EQ(d.quotient(x), x / divisor) << x << " / " << divisor;
      const Index multiple =
          (x / divisor + 1) * std::uint64_t{divisor} > 0x7fffffffu ? divisor : (x / divisor + 1) * divisor;
      ASSERT_EQ(d.quotient(multiple), multiple / divisor);
      ASSERT_EQ(d.quotient(multiple - 1), (multiple - 1) / divisor);
    }
    ASSERT_EQ(d.quotient(0x7fffffffu), 0x7fffffffu / divisor);
  }
}

TEST(CudaTiles, BlocksHaveNoMoreThreadsThanThereIsRoomFor) {
  for (Index groups = 1; groups < 300; ++groups)
    for (const Index positions : {1u, 2u, 31u, 64u, 1000u}) {
      const SampleBlock block = sample_block(groups, positions);
      EXPECT_LE(block.groups * block.lanes, kSampleThreads);
      EXPECT_GE(block.lanes, 1u);
      EXPECT_LE(block.lanes, positions);
    }
}

}  // namespace
}  // namespace lpl::rate::cuda
