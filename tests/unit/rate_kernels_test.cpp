// The vector kernels of the CPU backend against literal loops, and what the backend promises as a whole.
#include "rate/cpu/kernels.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cfenv>
#include <cmath>
#include <limits>

#include "comm/communicator.hpp"
#include "core/aligned.hpp"
#include "core/errors.hpp"
#include "core/random.hpp"
#include "rate/cpu/backend.hpp"
#include "rate/cpu/bfloat16.hpp"
#include "rate/encoder.hpp"
#include "rate/pairs.hpp"

namespace lpl::rate {
namespace {

std::uint16_t bfloat(float value) { return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16); }

std::vector<float> rectified(std::size_t size, std::uint64_t seed) {
  Random random(seed, Draw::toy, 21, 1);
  std::vector<float> values(size);
  for (float& v : values) v = std::max(0.0f, static_cast<float>(random.normal()));
  return values;
}

// Numbers of either sign, of every size but denormal ones, which the backend flushes, and zeros of either sign.
std::vector<float> any_numbers(std::size_t size, std::uint64_t seed) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr std::array kSpecial{0.0f, -0.0f, kInfinity, -kInfinity, 1.2e-38f, -1.2e-38f, 3e38f, -3e38f};
  Random random(seed, Draw::toy, 24, 1);
  std::vector<float> values(size);
  for (float& v : values)
    v = random.below(4) == 0 ? kSpecial[random.below(kSpecial.size())] : static_cast<float>(random.normal());
  return values;
}

// What is no number, as it comes: of either sign, with the fewest and the most bits set.
std::vector<float> no_numbers() {
  std::vector<float> values;
  for (const std::uint32_t bits : {0x7fc00000u, 0xffc00000u, 0x7f810000u, 0xff810000u, 0x7fffffffu, 0xffffffffu})
    values.push_back(std::bit_cast<float>(bits));
  return values;
}

TEST(Rectify, IsTheLargerOfNothingAndANumberAndPassesOnWhatIsNone) {
  std::vector<float> x = any_numbers(10 * kLanes, 2);
  std::vector<std::uint16_t> narrow_x;
  for (const float v : x) narrow_x.push_back(bfloat(v));
  const std::vector<float> before = x;
  const std::vector<std::uint16_t> narrow_before = narrow_x;
  rectify_blocks(10, x.data());
  rectify_blocks(10, narrow_x.data());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const bool positive = before[i] > 0;
    ASSERT_EQ(std::bit_cast<std::uint32_t>(x[i]), positive ? std::bit_cast<std::uint32_t>(before[i]) : 0u) << before[i];
    ASSERT_EQ(narrow_x[i], positive ? narrow_before[i] : 0) << before[i];
  }
  for (const float none : no_numbers()) {
    std::vector<float> block(kLanes, none);
    std::vector<std::uint16_t> narrow_block(kLanes, bfloat(none));
    rectify_blocks(1, block.data());
    rectify_blocks(1, narrow_block.data());
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      EXPECT_TRUE(std::isnan(block[lane]));
      EXPECT_TRUE(std::isnan(widen(narrow_block[lane])));
    }
  }
}

TEST(PoolMax, PassesOnWhatIsNoNumberWhereverItStands) {
  constexpr PoolShape kShape{1, 2, 2, 2, 2};
  for (const float none : no_numbers())
    for (std::size_t place = 0; place < 4; ++place) {
      std::vector<float> x(4 * kLanes, 3.0f), y(kLanes);
      std::vector<std::uint16_t> narrow_x(4 * kLanes, bfloat(3.0f)), narrow_y(kLanes);
      std::vector<std::uint8_t> winners(kLanes), narrow_winners(kLanes);
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        x[place * kLanes + lane] = none;
        narrow_x[place * kLanes + lane] = bfloat(none);
      }
      pool_max(kShape, x.data(), y.data(), winners.data());
      pool_max(kShape, narrow_x.data(), narrow_y.data(), narrow_winners.data());
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        EXPECT_TRUE(std::isnan(y[lane]));
        EXPECT_TRUE(std::isnan(widen(narrow_y[lane])));
        EXPECT_TRUE(winners[lane] < 4 || winners[lane] == kSilent);
        EXPECT_TRUE(narrow_winners[lane] < 4 || narrow_winners[lane] == kSilent);
      }
    }
}

TEST(Bfloat16, WhatIsNoNumberStaysNone) {
  for (const float none : no_numbers()) {
    std::uint16_t narrowed = 0;
    narrow(none, narrowed);
    EXPECT_TRUE(std::isnan(widen(narrowed)));
  }
}

TEST(PoolMax, FindsTheFirstLargestOrSilence) {
  for (const PoolShape shape : {PoolShape{2, 4, 6, 2, 2}, PoolShape{1, 7, 5, 3, 2}, PoolShape{1, 5, 5, 2, 2}}) {
    const std::size_t in = static_cast<std::size_t>(shape.maps * shape.height * shape.width * kLanes);
    std::vector<float> x = any_numbers(in, 1);
    for (std::size_t i = 0; i < in; i += 3) x[i] = 0;  // ties of silence
    const std::int64_t rows = (shape.height - shape.side) / shape.stride + 1;
    const std::int64_t columns = (shape.width - shape.side) / shape.stride + 1;
    const auto out = static_cast<std::size_t>(shape.maps * rows * columns * kLanes);
    std::vector<float> y(out);
    std::vector<std::uint16_t> narrow_x, narrow_y(out);
    for (const float v : x) narrow_x.push_back(bfloat(v));
    std::vector<std::uint8_t> winners(out), narrow_winners(out);
    pool_max(shape, x.data(), y.data(), winners.data());
    pool_max(shape, narrow_x.data(), narrow_y.data(), narrow_winners.data());
    std::size_t at = 0;
    for (std::int64_t map = 0; map < shape.maps; ++map)
      for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t c = 0; c < columns; ++c)
          for (std::int64_t lane = 0; lane < kLanes; ++lane, ++at) {
            const auto input = [&](std::int64_t w) {
              const std::int64_t row = r * shape.stride + w / shape.side, column = c * shape.stride + w % shape.side;
              return static_cast<std::size_t>(((map * shape.height + row) * shape.width + column) * kLanes + lane);
            };
            float largest = 0;
            std::uint8_t winner = kSilent, narrow_winner = kSilent;
            std::uint16_t narrow_largest = 0;
            for (std::int64_t w = 0; w < shape.side * shape.side; ++w) {
              if (x[input(w)] > largest) {
                largest = x[input(w)];
                winner = static_cast<std::uint8_t>(w);
              }
              if (widen(narrow_x[input(w)]) > widen(narrow_largest)) {
                narrow_largest = narrow_x[input(w)];
                narrow_winner = static_cast<std::uint8_t>(w);
              }
            }
            ASSERT_EQ(std::bit_cast<std::uint32_t>(y[at]), std::bit_cast<std::uint32_t>(largest));
            ASSERT_EQ(winners[at], winner);
            ASSERT_EQ(narrow_y[at], narrow_largest);
            ASSERT_EQ(narrow_winners[at], narrow_winner);
          }
  }
}

TEST(AddWindows, AddsTheLiteralSumForAnyNumberOfTaps) {
  Random random(4, Draw::toy, 22, 1);
  AlignedVector<float> padded(64 * kLanes);
  for (float& v : padded) v = static_cast<float>(random.normal());
  std::vector<ActiveOutput> outputs;
  for (int i = 0; i < 13; ++i)
    outputs.push_back({static_cast<std::int32_t>(random.below(20) * kLanes), static_cast<float>(random.normal())});
  for (const std::int64_t taps : {1, 4, 9, 11, 25}) {
    std::vector<std::int32_t> offsets;
    for (std::int64_t t = 0; t < taps; ++t) offsets.push_back(static_cast<std::int32_t>(t * kLanes));
    constexpr std::int64_t kStride = kLanes + 3;
    std::vector<float> to(static_cast<std::size_t>(taps * kStride), 0.5f);
    add_windows(padded.data(), outputs.data(), static_cast<std::int64_t>(outputs.size()), offsets.data(), taps, kStride,
                to.data());
    for (std::int64_t t = 0; t < taps; ++t)
      for (std::int64_t lane = 0; lane < kLanes; ++lane) {
        double sum = 0.5;
        for (const ActiveOutput& o : outputs)
          sum += static_cast<double>(o.gradient) *
                 static_cast<double>(
                     padded[static_cast<std::size_t>(o.offset + offsets[static_cast<std::size_t>(t)] + lane)]);
        EXPECT_NEAR(static_cast<double>(to[static_cast<std::size_t>(t * kStride + lane)]), sum, 1e-5);
      }
    for (std::int64_t t = 0; t < taps; ++t)
      for (std::int64_t beside = kLanes; beside < kStride; ++beside)
        EXPECT_EQ(to[static_cast<std::size_t>(t * kStride + beside)], 0.5f);
  }
}

TEST(BlockFilters, StandWhereOneDnnReadsThem) {
  constexpr std::int64_t kOut = 32, kTaps = 9, kIn = 48;
  const std::vector<float> filters = rectified(kOut * kTaps * kIn, 5);
  std::vector<float> blocked(filters.size());
  block_filters(kOut, kTaps, kIn, filters.data(), blocked.data());
  for (std::int64_t o = 0; o < kOut; ++o)
    for (std::int64_t t = 0; t < kTaps; ++t)
      for (std::int64_t i = 0; i < kIn; ++i) {
        const float value = filters[static_cast<std::size_t>((o * kTaps + t) * kIn + i)];
        const std::int64_t block = ((o / 16 * (kIn / 16) + i / 16) * kTaps + t) * 256;
        EXPECT_EQ(blocked[static_cast<std::size_t>(block + i % 16 * 16 + o % 16)], value);
      }
}

TEST(AdamUpdate, EqualsPyTorchsFormula) {
  const AdamForm form{0.9, 0.999, 1e-8, 0.1};
  for (const std::int64_t size : {1, 15, 16, 17, 100}) {
    std::vector<float> gradient = rectified(static_cast<std::size_t>(size), 6), value = rectified(gradient.size(), 7);
    std::vector<float> mean(gradient.size()), square(gradient.size());
    std::vector<double> v(value.begin(), value.end()), m(value.size()), s(value.size());
    for (int step = 1; step <= 5; ++step) {
      adam_update(form, adam_rates(form, 1e-2, step).data(), size, gradient.data(), value.data(), mean.data(),
                  square.data());
      for (std::size_t i = 0; i < v.size(); ++i) {
        const double g = static_cast<double>(gradient[i]) + 0.1 * v[i];
        m[i] = 0.9 * m[i] + 0.1 * g;
        s[i] = 0.999 * s[i] + 0.001 * g * g;
        v[i] -=
            1e-2 / (1 - std::pow(0.9, step)) * m[i] / (std::sqrt(s[i]) / std::sqrt(1 - std::pow(0.999, step)) + 1e-8);
        EXPECT_NEAR(static_cast<double>(value[i]), v[i], 2e-6);
      }
    }
  }
}

class CpuBackendTest : public testing::Test {
 protected:
  std::unique_ptr<Communicator> comm_ = make_serial_communicator();
  std::unique_ptr<Backend> backend_ = make_cpu_backend(*comm_);

  // Output and filter gradient of a layer on given data.
  std::pair<std::vector<float>, std::vector<float>> compute(const Convolution& layer, const Shape& shape,
                                                            Precision precision, bool everywhere) {
    const std::vector<float> x = rectified(static_cast<std::size_t>(shape.size()), 8);
    Array weight = backend_->zeros(layer.weights()), bias = backend_->zeros(layer.out);
    Random random(9, Draw::toy, 23, 1);
    std::vector<float> w(static_cast<std::size_t>(layer.weights()));
    for (float& v : w) v = 0.1f * static_cast<float>(random.normal());
    backend_->write(weight, w);
    const Tensor in = backend_->upload(x, shape, precision);
    Trace trace;
    const Tensor y = backend_->forward(layer, backend_->prepare(layer, weight, bias, precision), in, &trace);
    Shape gradient_shape = layer.output(shape);
    if (everywhere) gradient_shape.height = gradient_shape.width = 1;
    std::vector<float> dy(static_cast<std::size_t>(gradient_shape.size()));
    for (float& v : dy) v = static_cast<float>(random.normal());
    Array dw = backend_->zeros(layer.weights()), db = backend_->zeros(layer.out);
    const Tensor gradient = backend_->upload(dy, gradient_shape, Precision::float32);
    backend_->add_gradient(layer, {&trace, 1}, {&in, 1}, {&gradient, 1}, dw, db);
    return {backend_->download(y), backend_->read(dw)};
  }
};

double relative(const std::vector<float>& a, const std::vector<float>& b) {
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
    norm += std::pow(static_cast<double>(b[i]), 2);
  }
  return std::sqrt(difference / norm);
}

// A network whose activity dies out would otherwise take several times as long.
TEST_F(CpuBackendTest, DenormalsAreFlushedOnThreadsThatAreThereAlready) {
  std::fesetenv(FE_DFL_ENV);
#pragma omp parallel
  std::fesetenv(FE_DFL_ENV);
  const auto products = [this] {
    std::vector<float> values(32, 1.0f);
    backend_->each_slice(values.size(), [&](std::size_t i) {
      const volatile float tiny = 1e-39f;
      values[i] = tiny * 0.5f;
    });
    return values;
  };
  EXPECT_NE(products(), std::vector<float>(32, 0.0f));
  backend_ = make_cpu_backend(*comm_);
  EXPECT_EQ(products(), std::vector<float>(32, 0.0f));
}

TEST_F(CpuBackendTest, MapsComeBackAsTheyWent) {
  const Shape shape{3, 19, 4, 5};
  const std::vector<float> values = rectified(static_cast<std::size_t>(shape.size()), 10);
  EXPECT_EQ(backend_->download(backend_->upload(values, shape, Precision::float32)), values);
}

// One pixel that is no number, in the middle of a map: every output that sees it shows it, and no other.
TEST_F(CpuBackendTest, WhatIsNoNumberPassesThroughEveryRectifier) {
  for (const Precision precision : {Precision::float32, Precision::bfloat16}) {
    if (!backend_->supports(precision)) continue;
    for (const std::int64_t channels : {8, 32})
      for (const std::int64_t pool : {0, 2})
        for (const float none : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::quiet_NaN()}) {
          const Convolution layer{channels, channels, 3, 1, 1, true, true, pool, pool};
          const Shape shape{2, channels, 8, 8};
          std::vector<float> x(static_cast<std::size_t>(shape.size()), 1.0f);
          x[static_cast<std::size_t>((3 * 8 + 4) * channels)] = none;
          Array weight = backend_->zeros(layer.weights()), bias = backend_->zeros(layer.out);
          backend_->write(weight, std::vector<float>(static_cast<std::size_t>(layer.weights()), -0.1f));
          const Tensor y = backend_->forward(layer, backend_->prepare(layer, weight, bias, precision),
                                             backend_->upload(x, shape, precision), nullptr);
          const std::vector<float> values = backend_->download(y);
          const std::int64_t side = pool ? 4 : 8;
          for (std::int64_t n = 0; n < 2; ++n)
            for (std::int64_t r = 0; r < side; ++r)
              for (std::int64_t c = 0; c < side; ++c) {
                const bool sees = n == 0 && (pool ? r >= 1 && r <= 2 && c >= 1 && c <= 2
                                                  : std::abs(r - 3) <= 1 && std::abs(c - 4) <= 1);
                for (std::int64_t k = 0; k < channels; ++k) {
                  const float value = values[static_cast<std::size_t>(((n * side + r) * side + c) * channels + k)];
                  ASSERT_EQ(std::isnan(value), sees) << n << ' ' << r << ' ' << c << ' ' << k << ' ' << pool;
                  if (!sees) {
                    ASSERT_EQ(value, 0.0f);
                  }
                }
              }
          const Tensor rectified = backend_->rectify({2, 2, 0}, backend_->upload(x, shape, precision), nullptr);
          const std::vector<float> pooled = backend_->download(rectified);
          EXPECT_TRUE(std::isnan(pooled[static_cast<std::size_t>((1 * 4 + 2) * channels)]));
          EXPECT_EQ(std::count_if(pooled.begin(), pooled.end(), [](float v) { return std::isnan(v); }), 1);
        }
  }
}

// A bfloat16 has 8 bits: products of rounded factors are right to about a hundredth.
TEST_F(CpuBackendTest, Bfloat16FollowsFloat32) {
  const Convolution layer{32, 48, 3, 1, 1, true, true, 2, 2};
  const auto exact = compute(layer, {4, 32, 8, 8}, Precision::float32, true);
  const auto rounded = compute(layer, {4, 32, 8, 8}, Precision::bfloat16, true);
  EXPECT_LT(relative(rounded.first, exact.first), 1e-2);
  EXPECT_LT(relative(rounded.second, exact.second), 5e-2);
}

// Numbers that bfloat16 has.
std::vector<float> short_numbers(std::size_t count, std::uint64_t seed) {
  Random random(seed, Draw::toy, 29, 1);
  std::vector<float> values(count);
  for (float& v : values) v = static_cast<float>(std::floor(33 * random.uniform())) / 16 - 1;
  return values;
}

// Sums of products of such numbers are exact, so only the result is rounded.
TEST_F(CpuBackendTest, Bfloat16ConvolutionsEqualLiteralSums) {
  if (!backend_->supports(Precision::bfloat16)) GTEST_SKIP() << "no bfloat16 on this processor";
  const Convolution layers[] = {{3, 64, 3, 1, 1, true, false},  {16, 24, 3, 1, 1, true, false},
                                {20, 16, 5, 2, 2, true, false}, {3, 8, 11, 4, 2, true, false},
                                {32, 16, 1, 1, 0, true, false}, {8, 40, 4, 1, 0, true, false}};
  for (const Convolution& layer : layers) {
    const Shape in{5, layer.in, 13, 12}, out = layer.convolved(in);
    const std::vector<float> x = short_numbers(static_cast<std::size_t>(in.size()), 1);
    const std::vector<float> w = short_numbers(static_cast<std::size_t>(layer.weights()), 2);
    const std::vector<float> b = short_numbers(static_cast<std::size_t>(layer.out), 3);
    Array weight = backend_->zeros(layer.weights()), bias = backend_->zeros(layer.out);
    backend_->write(weight, w);
    backend_->write(bias, b);
    const std::vector<float> y =
        backend_->download(backend_->forward(layer, backend_->prepare(layer, weight, bias, Precision::bfloat16),
                                             backend_->upload(x, in, Precision::bfloat16), nullptr));
    std::size_t i = 0;
    for (std::int64_t n = 0; n < out.samples; ++n)
      for (std::int64_t r = 0; r < out.height; ++r)
        for (std::int64_t c = 0; c < out.width; ++c)
          for (std::int64_t o = 0; o < layer.out; ++o, ++i) {
            float sum = b[static_cast<std::size_t>(o)];
            for (std::int64_t k = 0; k < layer.kernel * layer.kernel; ++k) {
              const std::int64_t row = r * layer.stride + k / layer.kernel - layer.padding;
              const std::int64_t column = c * layer.stride + k % layer.kernel - layer.padding;
              if (row < 0 || row >= in.height || column < 0 || column >= in.width) continue;
              for (std::int64_t m = 0; m < layer.in; ++m)
                sum += x[static_cast<std::size_t>(((n * in.height + row) * in.width + column) * layer.in + m)] *
                       w[static_cast<std::size_t>((o * layer.kernel * layer.kernel + k) * layer.in + m)];
            }
            std::uint16_t rounded = 0;
            narrow(sum, rounded);
            ASSERT_EQ(y[i], widen(rounded)) << layer.in << " to " << layer.out << ", output " << i;
          }
  }
}

// So results do not depend on the number of ranks, which share the samples.
TEST_F(CpuBackendTest, Bfloat16ConvolutionsDoNotDependOnSamplesBesideOrThreads) {
  if (!backend_->supports(Precision::bfloat16)) GTEST_SKIP() << "no bfloat16 on this processor";
  const Convolution layer{512, 64, 3, 1, 1, true, true};
  const Shape shape{40, 512, 3, 3};
  const std::vector<float> x = rectified(static_cast<std::size_t>(shape.size()), 4);
  Array weight = backend_->zeros(layer.weights()), bias = backend_->zeros(layer.out);
  backend_->write(weight, rectified(static_cast<std::size_t>(layer.weights()), 5));
  const int threads = omp_get_max_threads();
  const auto outputs = [&](std::int64_t first, std::int64_t count, int by_threads) {
    omp_set_num_threads(by_threads);
    const std::int64_t size = shape.size() / shape.samples;
    const Tensor in = backend_->upload({x.begin() + first * size, x.begin() + (first + count) * size},
                                       {count, 512, 3, 3}, Precision::bfloat16);
    return backend_->download(
        backend_->forward(layer, backend_->prepare(layer, weight, bias, Precision::bfloat16), in, nullptr));
  };
  const std::vector<float> all = outputs(0, 40, 1);
  for (const int by_threads : {1, 2, 3})
    for (const std::int64_t first : {0, 7, 39}) {
      const std::int64_t count = std::min<std::int64_t>(40 - first, 11), size = 9 * layer.out;
      EXPECT_EQ(outputs(first, count, by_threads),
                std::vector<float>(all.begin() + first * size, all.begin() + (first + count) * size));
    }
  omp_set_num_threads(threads);
}

TEST_F(CpuBackendTest, AGradientOfMeansEqualsItsShareAtEachPosition) {
  const Convolution layer{16, 20, 3, 1, 1, true, true, 2, 2};
  const Shape shape{3, 16, 6, 6}, y = layer.output(shape);
  const std::vector<float> x = rectified(static_cast<std::size_t>(shape.size()), 11);
  const std::vector<float> g = rectified(static_cast<std::size_t>(y.samples * y.channels), 12);
  std::vector<float> spread;
  for (std::int64_t n = 0; n < y.samples; ++n)
    for (std::int64_t p = 0; p < y.positions(); ++p)
      for (std::int64_t c = 0; c < y.channels; ++c)
        spread.push_back(g[static_cast<std::size_t>(n * y.channels + c)] * (1.0f / 9));
  Array weight = backend_->zeros(layer.weights()), bias = backend_->zeros(layer.out);
  backend_->write(weight, rectified(static_cast<std::size_t>(layer.weights()), 13));
  const Tensor in = backend_->upload(x, shape, Precision::float32);
  Trace trace;
  backend_->forward(layer, backend_->prepare(layer, weight, bias, Precision::float32), in, &trace);
  std::vector<float> found[2];
  for (const bool everywhere : {true, false}) {
    Array dw = backend_->zeros(layer.weights()), db = backend_->zeros(layer.out);
    const Tensor dy = everywhere ? backend_->upload(g, {y.samples, y.channels, 1, 1}, Precision::float32)
                                 : backend_->upload(spread, y, Precision::float32);
    backend_->add_gradient(layer, {&trace, 1}, {&in, 1}, {&dy, 1}, dw, db);
    found[everywhere] = backend_->read(dw);
  }
  EXPECT_EQ(found[0], found[1]);
}

TEST_F(CpuBackendTest, ResultsDoNotDependOnTheNumberOfThreads) {
  const int threads = omp_get_max_threads();
  for (const Precision precision : {Precision::float32, Precision::bfloat16}) {
    std::pair<std::vector<float>, std::vector<float>> first;
    for (const int n : {1, 2, 3}) {
      omp_set_num_threads(n);
      // A new backend: the old one's plans were made for another number of threads.
      backend_ = make_cpu_backend(*comm_);
      const auto found = compute({64, 80, 3, 1, 1, true, true, 2, 2}, {6, 64, 8, 8}, precision, true);
      if (n == 1) first = found;
      EXPECT_EQ(found, first) << n << " threads";
    }
  }
  omp_set_num_threads(threads);
}

// Slices of different sizes, few and many blocks of channels, lists of one and of several slices at once.
TEST_F(CpuBackendTest, GradientsOfSlicesTogetherAreThoseOneByOne) {
  const int threads = omp_get_max_threads();
  const Convolution layers[] = {{3, 20, 3, 1, 1, true, true, 2, 2},
                                {64, 48, 3, 2, 1, true, true, 0, 0},
                                {20, 16, 1, 1, 0, true, false, 0, 0},
                                {16, 400, 3, 1, 0, true, false, 0, 0}};
  for (const Convolution& layer : layers)
    for (const Precision precision : {Precision::float32, Precision::bfloat16})
      for (const int n : {1, 2, 3}) {
        omp_set_num_threads(n);
        backend_ = make_cpu_backend(*comm_);
        if (!backend_->supports(precision)) continue;
        Array weight = backend_->zeros(layer.weights()), bias = backend_->zeros(layer.out);
        backend_->write(weight, rectified(static_cast<std::size_t>(layer.weights()), 14));
        const Filters filters = backend_->prepare(layer, weight, bias, precision);
        const std::int64_t samples[] = {8, 9, 8, 9, 8, 8, 8};
        std::vector<Tensor> x(std::size(samples)), dy(x.size());
        std::vector<Trace> traces(x.size());
        backend_->each_slice(x.size(), [&](std::size_t s) {
          const Shape shape{samples[s], layer.in, 9, 10};
          const auto seed = static_cast<unsigned>(20 + s);
          x[s] = backend_->upload(rectified(static_cast<std::size_t>(shape.size()), seed), shape, precision);
          const Tensor y = backend_->forward(layer, filters, x[s], &traces[s]);
          dy[s] = backend_->upload(rectified(static_cast<std::size_t>(y.shape.size()), seed + 10), y.shape,
                                   Precision::float32);
        });
        const auto gradient = [&](std::size_t at_once) {
          Array dw = backend_->zeros(layer.weights()), db = backend_->zeros(layer.out);
          for (std::size_t s = 0; s < x.size(); s += at_once)
            backend_->add_gradient(layer, {&traces[s], at_once}, {&x[s], at_once}, {&dy[s], at_once}, dw, db);
          return std::pair{backend_->read(dw), backend_->read(db)};
        };
        const auto one_by_one = gradient(1);
        EXPECT_NE(one_by_one.first, std::vector<float>(one_by_one.first.size()));
        EXPECT_EQ(gradient(x.size()), one_by_one) << layer.in << ' ' << n;
      }
  omp_set_num_threads(threads);
}

TEST_F(CpuBackendTest, TheErrorOfTheFirstSliceThatFailedIsThrown) {
  const int threads = omp_get_max_threads();
  for (const int n : {1, 2, 3, 16}) {
    omp_set_num_threads(n);
    std::vector<int> done(16);
    const auto work = [&](std::size_t s) {
      done[s] = 1;
      if (s == 5 || s == 11) throw Error(fmt::format("slice {}", s));
    };
    try {
      backend_->each_slice(done.size(), work);
      FAIL() << "nothing was thrown";
    } catch (const Error& error) {
      EXPECT_STREQ(error.what(), "slice 5") << n << " threads";
    }
    EXPECT_EQ(std::count(done.begin(), done.begin() + 6, 1), 6);
  }
  omp_set_num_threads(threads);
}

// Batches cut in two, and whole: silenced are the same elements of a sample.
TEST(CpuBackend, DropoutSilencesAShareWhateverTheSlices) {
  const auto comm = make_serial_communicator();
  const auto backend = make_cpu_backend(*comm);
  Indices seed = backend->indices(2);
  backend->write(seed, {3, -4});
  const auto dropped = [&](const Slice& slice) {
    const Shape shape{2 * slice.count, 20, 5, 4};  // blocks of 16 channels and of 4
    const std::vector<float> ones(static_cast<std::size_t>(shape.size()), 1.0f);
    const Tensor x = backend->upload(ones, shape, Precision::float32);
    const std::vector<float> values = backend->download(backend->dropout({0.25, 8, slice, seed}, x));
    const auto half = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    return std::array{std::vector<float>(values.begin(), half), std::vector<float>(half, values.end())};
  };
  const auto whole = dropped({0, 50}), head = dropped({0, 20}), tail = dropped({20, 30});
  for (std::size_t view : {0u, 1u}) {
    std::vector<float> parts = head[view];
    parts.insert(parts.end(), tail[view].begin(), tail[view].end());
    EXPECT_EQ(whole[view], parts);
    const auto kept = static_cast<double>(std::count(parts.begin(), parts.end(), 1.0f / 0.75f));
    EXPECT_EQ(kept + static_cast<double>(std::count(parts.begin(), parts.end(), 0.0f)), 20000);
    EXPECT_NEAR(kept, 15000, 5 * std::sqrt(20000 * 0.25 * 0.75));
  }
  EXPECT_NE(whole[0], whole[1]);
}

TEST(FilterOrder, GoesToPyTorchAndBack) {
  const std::vector<std::int64_t> shape{4, 3, 2, 2};
  std::vector<float> torch(48);
  for (std::size_t i = 0; i < torch.size(); ++i) torch[i] = static_cast<float>(i);
  const std::vector<float> own = to_array_order(torch, shape);
  EXPECT_EQ(own[1], torch[4]);  // the second input channel's first tap
  EXPECT_EQ(to_torch_order(own, shape), torch);
}

TEST(Positives, AreInverted) {
  EXPECT_EQ(inverse_positives({2, 0, 3, 1}), (std::vector<std::int32_t>{1, 3, 0, 2}));
  const std::vector<std::int64_t> positives = shuffled_positives(100, 1, 2);
  const std::vector<std::int32_t> inverse = inverse_positives(positives);
  for (std::size_t b = 0; b < positives.size(); ++b)
    EXPECT_EQ(inverse[static_cast<std::size_t>(positives[b])], static_cast<std::int32_t>(b));
  EXPECT_THROW(inverse_positives({0, 0, 1}), Error);
  EXPECT_THROW(inverse_positives({0, 3, 1}), Error);
  EXPECT_THROW(inverse_positives({0, -1, 1}), Error);
}

TEST(Batch, SlicesCoverItAndBelongToOneRank) {
  for (const std::int64_t samples : {2, 7, 16, 64, 100, 1024})
    for (const int ranks : {1, 2, 3, 16, 40}) {
      std::int64_t next = 0;
      for (int rank = 0; rank < ranks; ++rank)
        for (const Slice& slice : Batch(samples, rank, ranks, 16).mine()) {
          EXPECT_EQ(slice.first, next);
          next += slice.count;
        }
      EXPECT_EQ(next, samples);
      EXPECT_LE(Batch(samples, 0, ranks, 16).slices().size(), 16u);
    }
}

}  // namespace
}  // namespace lpl::rate
