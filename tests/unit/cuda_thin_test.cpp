// Layers on maps of one and three channels (rate/cuda/thin_bodies.hpp), run on the host as warps would run them,
// against what is written out number by number.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "rate/cuda/thin_bodies.hpp"
#include "support/draw.hpp"
#include "support/warp.hpp"

namespace lpl::rate::cuda {
namespace {

using Bfloat = std::uint16_t;

std::vector<Bfloat> rounded(const std::vector<float>& values) {
  std::vector<Bfloat> all(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) narrow(values[i], all[i]);
  return all;
}

struct Layer {
  Index samples, rows, columns, channels;  // rows, columns: of the windows
};

// As many windows as a warp takes at once, fewer, and no multiple; one block of channels and several.
const Layer kLayers[] = {{2, 2, 4, 64}, {3, 1, 1, 64}, {2, 3, 7, 128}, {1, 5, 4, 192}};

// A layer there and back.
template <Index kIn>
struct Pass {
  static constexpr Index kTaps = Tap<kIn>::kCount;

  explicit Pass(const Layer& l, std::vector<float> image = {}, bool biased = true)
      : layer(l),
        x(rounded(image.empty() ? draw(inputs(l), 1) : image)),
        filters(rounded(draw(l.channels * kTaps, 2))),
        bias(draw(l.channels, 3)),
        y(outputs()),
        winners(outputs()),
        means(units(), -1.0f),
        dmeans(draw(units(), 4)),
        dfilters(units() * kTaps),
        dbiases(units()) {
    const ThinMaps maps{2 * l.rows, 2 * l.columns, l.rows * l.columns, Divisor(l.columns), x.data()};
    const float* const added = biased ? bias.data() : nullptr;
    const ThinPool<kIn> there{maps, l.channels, filters.data(), added, y.data(), winners.data(), means.data()};
    const ThinGradient<kIn> back{maps, l.channels, winners.data(), dmeans.data(), dfilters.data(), dbiases.data()};
    for (Index warp = 0; warp < l.samples * (l.channels / kThinChannels); ++warp) {
      there(SerialWarp(), warp);
      back(SerialWarp(), warp);
    }
    if (!biased) bias.assign(bias.size(), 0.0f);
  }

  static std::size_t inputs(const Layer& l) { return std::size_t{l.samples} * 4 * l.rows * l.columns * kIn; }
  std::size_t units() const { return std::size_t{layer.samples} * layer.channels; }
  std::size_t outputs() const { return units() * layer.rows * layer.columns; }
  std::size_t output(Index n, Index r, Index c, Index k) const {
    return ((std::size_t{n} * layer.rows + r) * layer.columns + c) * layer.channels + k;
  }

  // What the filter's row i, column j multiplies for the unpooled output at r, c.
  double patch(Index n, Index r, Index c, Index i, Index j, Index channel) const {
    const Index row = r + i, column = c + j;
    if (row < 1 || row > 2 * layer.rows || column < 1 || column > 2 * layer.columns) return 0;
    return widen(x[((std::size_t{n} * 2 * layer.rows + row - 1) * 2 * layer.columns + column - 1) * kIn + channel]);
  }
  double unpooled(Index n, Index r, Index c, Index k) const {
    double sum = bias[k];
    for_taps([&](Index tap, Index i, Index j, Index channel) {
      sum += widen(filters[k * kTaps + tap]) * patch(n, r, c, i, j, channel);
    });
    return sum;
  }
  template <class F>
  static void for_taps(F f) {
    for (Index i = 0; i < 3; ++i)
      for (Index j = 0; j < 3; ++j)
        for (Index channel = 0; channel < kIn; ++channel) f((i * 3 + j) * kIn + channel, i, j, channel);
  }
  template <class F>
  void for_outputs(F f) const {
    for (Index n = 0; n < layer.samples; ++n)
      for (Index k = 0; k < layer.channels; ++k)
        for (Index r = 0; r < layer.rows; ++r)
          for (Index c = 0; c < layer.columns; ++c) f(n, r, c, k);
  }

  Layer layer;
  std::vector<Bfloat> x, filters;
  std::vector<float> bias;
  std::vector<Bfloat> y;
  std::vector<std::uint8_t> winners;
  std::vector<float> means, dmeans, dfilters, dbiases;
};

template <Index kIn>
void check_outputs() {
  for (const Layer& layer : kLayers)
    for (const bool biased : {true, false}) {
      const Pass<kIn> pass(layer, {}, biased);
      std::vector<double> means(pass.units());
      pass.for_outputs([&](Index n, Index r, Index c, Index k) {
        double best = 0;
        int winner = kSilent;
        for (Index q = 0; q < 4; ++q) {
          const double value = pass.unpooled(n, 2 * r + q / 2, 2 * c + q % 2, k);
          if (value <= best) continue;
          best = value;
          winner = static_cast<int>(q);
        }
        const std::size_t o = pass.output(n, r, c, k);
        ASSERT_NEAR(widen(pass.y[o]), best, 0.004 * best + 1e-6);
        ASSERT_EQ(pass.winners[o], winner);
        means[n * layer.channels + k] += static_cast<double>(widen(pass.y[o])) / (layer.rows * layer.columns);
      });
      for (std::size_t i = 0; i < means.size(); ++i) ASSERT_NEAR(pass.means[i], means[i], 1e-5);
    }
}
TEST(CudaThin, OutputsAreTheLargestOfTheirWindows) {
  check_outputs<1>();
  check_outputs<3>();
}

template <Index kIn>
void check_gradients() {
  for (const Layer& layer : kLayers) {
    const Pass<kIn> pass(layer);
    std::vector<double> filters(pass.dfilters.size()), biases(pass.dbiases.size());
    pass.for_outputs([&](Index n, Index r, Index c, Index k) {
      const std::uint8_t winner = pass.winners[pass.output(n, r, c, k)];
      if (winner == kSilent) return;
      const Index unit = n * layer.channels + k;
      const double flowing = static_cast<double>(pass.dmeans[unit]) / (layer.rows * layer.columns);
      biases[unit] += flowing;
      Pass<kIn>::for_taps([&](Index tap, Index i, Index j, Index channel) {
        filters[unit * pass.kTaps + tap] +=
            flowing * pass.patch(n, 2 * r + winner / 2, 2 * c + winner % 2, i, j, channel);
      });
    });
    for (std::size_t i = 0; i < filters.size(); ++i) ASSERT_NEAR(pass.dfilters[i], filters[i], 1e-5);
    for (std::size_t i = 0; i < biases.size(); ++i) ASSERT_NEAR(pass.dbiases[i], biases[i], 1e-5);
  }
}
TEST(CudaThin, GradientsAreOfWhatWon) {
  check_gradients<1>();
  check_gradients<3>();
}

// It shows where the filters see it, and nowhere else.
TEST(CudaThin, WhatIsNoNumberWins) {
  const Layer layer{1, 4, 5, 64};
  std::vector<float> image = draw(Pass<3>::inputs(layer), 5);
  image[(3 * 10 + 4) * 3 + 1] = std::numeric_limits<float>::quiet_NaN();  // row 3, column 4 of 8 x 10
  const Pass<3> pass(layer, image);
  pass.for_outputs([&](Index n, Index r, Index c, Index k) {
    const bool sees = 2 * r + 1 >= 2 && 2 * r <= 4 && 2 * c + 1 >= 3 && 2 * c <= 5;
    EXPECT_EQ(std::isnan(widen(pass.y[pass.output(n, r, c, k)])), sees);
  });
}

// Nothing lies between two samples: what is beyond one must not be read from the next.
TEST(CudaThin, SamplesAreAlone) {
  const Layer two{2, 3, 3, 64}, one{1, 3, 3, 64};
  std::vector<float> image = draw(Pass<3>::inputs(two), 6);
  const Pass<3> together(two, image);
  image.resize(Pass<3>::inputs(one));
  const Pass<3> alone(one, image);
  for (std::size_t i = 0; i < alone.y.size(); ++i) EXPECT_EQ(together.y[i], alone.y[i]);
  for (std::size_t i = 0; i < alone.means.size(); ++i) EXPECT_EQ(together.means[i], alone.means[i]);
}

}  // namespace
}  // namespace lpl::rate::cuda
