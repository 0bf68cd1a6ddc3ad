// The CUDA backend against the CPU's on random input, operation by operation. Where no device is, everything is skipped
// but the same tests pass as cuda_twin_tests, on the host (fake_cuda.cpp).
//
// Bounds. Both backends form float32 sums, in different orders: numbers differ by about the square root of the number
// of terms (at most 4000 here) times 2^-24 of the largest, so 1e-5 of the largest. In bfloat16 inputs are rounded alike
// and sums are float32, but maps and gradients are rounded to 2^-8 once or twice on the way: 1.5e-2 of the largest.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <random>

#include "core/errors.hpp"
#include "rate/cpu/backend.hpp"
#include "rate/cuda/backend.hpp"
#include "rate/pairs.hpp"

namespace lpl::rate {
namespace {

constexpr double kFloat32 = 1e-5, kBfloat16 = 1.5e-2;

std::vector<float> draw(std::int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& v : values) v = normal(random);
  return values;
}

void expect_near(const std::vector<float>& found, const std::vector<float>& expected, double bound, const char* what) {
  ASSERT_EQ(found.size(), expected.size()) << what;
  double largest = 1e-30, deviation = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(expected[i])));
    deviation = std::max(deviation, std::abs(static_cast<double>(found[i]) - static_cast<double>(expected[i])));
    ASSERT_TRUE(std::isfinite(found[i])) << what;
  }
  EXPECT_LE(deviation, bound * largest) << what;
}

class CudaBackend : public testing::Test {
 protected:
  void SetUp() override {
    if (cuda_device_count() == 0) GTEST_SKIP() << "skipped: no device";
    cuda_ = make_cuda_backend(*comm_, 0);
  }

  // One layer, there and back, on a backend.
  struct Pass {
    std::vector<float> y, weight_gradient, bias_gradient, dx;
  };
  Pass pass(Backend& backend, const Convolution& layer, const Shape& x, Precision precision, bool everywhere) {
    // Values that bfloat16 holds too.
    const auto rounded = [&](std::int64_t count, unsigned seed, float scale) {
      std::vector<float> values = draw(count, seed);
      for (float& v : values) v = std::round(v * 64) / 64 * scale;
      return values;
    };
    Array weight = backend.zeros(layer.weights()), bias = backend.zeros(layer.out);
    backend.write(weight, rounded(layer.weights(), 1, 0.125f));
    if (layer.biased) backend.write(bias, rounded(layer.out, 2, 1.0f));
    const Filters filters = backend.prepare(layer, weight, bias, precision);
    const Tensor in = backend.upload(rounded(x.size(), 3, 1.0f), x, precision);
    Trace trace;
    const Tensor y = backend.forward(layer, filters, in, &trace);
    EXPECT_EQ(y.shape, layer.output(x));
    Shape given = y.shape;
    if (everywhere) given.height = given.width = 1;
    const Tensor dy = backend.upload(rounded(given.size(), 4, 1.0f), given, Precision::float32);
    Array weight_gradient = backend.zeros(layer.weights()), bias_gradient = backend.zeros(layer.out);
    backend.add_gradient(layer, {&trace, 1}, {&in, 1}, {&dy, 1}, weight_gradient, bias_gradient);
    backend.add_gradient(layer, {&trace, 1}, {&in, 1}, {&dy, 1}, weight_gradient,
                         bias_gradient);  // adds to what is there
    const Tensor dx = backend.input_gradient(layer, filters, trace, in, dy);
    EXPECT_EQ(dx.shape, x);
    return {backend.download(y), backend.read(weight_gradient), backend.read(bias_gradient), backend.download(dx)};
  }

  void compare(const Convolution& layer, const Shape& x, Precision precision, double bound) {
    for (const bool everywhere : {false, true}) {
      const Pass expected = pass(*cpu_, layer, x, Precision::float32, everywhere);
      const Pass found = pass(*cuda_, layer, x, precision, everywhere);
      expect_near(found.y, expected.y, bound, "output");
      expect_near(found.weight_gradient, expected.weight_gradient, bound, "gradient of the filters");
      expect_near(found.bias_gradient, expected.bias_gradient, bound, "gradient of the bias");
      expect_near(found.dx, expected.dx, bound, "gradient of the input");
    }
  }

  static Indices indices(Backend& backend, const std::vector<std::int32_t>& values) {
    Indices on_backend = backend.indices(static_cast<std::int64_t>(values.size()));
    backend.write(on_backend, values);
    return on_backend;
  }

  // A loss of a batch of slices, on a backend: its terms, and the gradients one after the other.
  template <class Loss>
  std::pair<std::vector<float>, std::vector<float>> loss(Backend& backend, const Batch& batch, Shape hook, Loss f) {
    std::vector<Tensor> z;
    for (const Slice& slice : batch.mine()) {
      hook.samples = 2 * slice.count;
      z.push_back(backend.upload(draw(hook.size(), 20 + static_cast<unsigned>(slice.first)), hook, Precision::float32));
    }
    Array losses = backend.zeros(3 * kLossTerms);
    backend.write(losses, std::vector<float>(3 * kLossTerms, 7.0f));  // other hooks' losses stay
    std::vector<float> gradient;
    for (const Tensor& dz : f(backend, z, losses)) {
      const std::vector<float> values = backend.download(dz);
      gradient.insert(gradient.end(), values.begin(), values.end());
    }
    return {backend.read(losses), gradient};
  }

  template <class Loss>
  void compare_losses(std::int64_t samples, const Shape& hook, Loss f) {
    const Batch batch(samples, 0, 1, 16);
    const auto expected = loss(*cpu_, batch, hook, f), found = loss(*cuda_, batch, hook, f);
    for (std::size_t i = 0; i < expected.first.size(); ++i)
      EXPECT_NEAR(found.first[i], expected.first[i], kFloat32 * (1 + std::abs(expected.first[i]))) << i;
    expect_near(found.second, expected.second, kFloat32, "gradient of the loss");
  }

  std::unique_ptr<Communicator> comm_ = make_serial_communicator();
  std::unique_ptr<Backend> cpu_ = make_cpu_backend(*comm_);
  std::unique_ptr<Backend> cuda_;
};

TEST_F(CudaBackend, RefusesADeviceThatIsNotThere) {
  EXPECT_THROW(make_cuda_backend(*comm_, 1000), ConfigError);
  EXPECT_THROW(make_cuda_backend(*comm_, -1), ConfigError);
}

TEST_F(CudaBackend, KeepsNumbers) {
  const std::vector<float> values = draw(2 * 3 * 4 * 5, 30);
  Array array = cuda_->zeros(120);
  EXPECT_EQ(cuda_->read(array), std::vector<float>(120, 0.0f));
  cuda_->write(array, values);
  EXPECT_EQ(cuda_->read(array), values);
  cuda_->clear(array);
  EXPECT_EQ(cuda_->read(array), std::vector<float>(120, 0.0f));
  const Shape shape{2, 5, 3, 4};
  EXPECT_EQ(cuda_->download(cuda_->upload(values, shape, Precision::float32)), values);
  EXPECT_EQ(cuda_->download(cuda_->upload(values, shape, Precision::bfloat16)),
            cpu_->download(cpu_->upload(values, shape, Precision::bfloat16)));
  // Many uploads in flight: staging memory is used in turn.
  std::vector<Tensor> tensors;
  for (unsigned i = 0; i < 100; ++i) tensors.push_back(cuda_->upload(draw(120, i), shape, Precision::float32));
  for (unsigned i = 0; i < 100; ++i) EXPECT_EQ(cuda_->download(tensors[i]), draw(120, i));
}

// A 3x3 layer, with and without pooling, as in VGG; the first of them, of three channels; AlexNet's, with overlapping
// windows; without padding; a dense one, a linear classifier, and one channel by one.
const std::vector<std::pair<Convolution, Shape>> kLayers{
    {{16, 24, 3, 1, 1, true, true, 0, 0}, {6, 16, 8, 8}},  {{16, 24, 3, 1, 1, true, true, 2, 2}, {6, 16, 9, 8}},
    {{3, 16, 3, 1, 1, true, true, 2, 2}, {4, 3, 16, 16}},  {{3, 8, 11, 4, 2, true, true, 3, 2}, {2, 3, 35, 35}},
    {{8, 8, 5, 1, 2, false, true, 3, 2}, {3, 8, 9, 9}},    {{8, 16, 4, 1, 0, true, true, 0, 0}, {5, 8, 4, 4}},
    {{40, 24, 1, 1, 0, true, true, 0, 0}, {12, 40, 1, 1}}, {{40, 10, 1, 1, 0, true, false, 0, 0}, {12, 40, 1, 1}},
    {{2, 1, 1, 1, 0, false, false, 0, 0}, {10, 2, 1, 1}},  {{8, 12, 1, 1, 0, true, true, 0, 0}, {3, 8, 4, 5}}};

TEST_F(CudaBackend, LayersThereAndBackInFloat32) {
  for (const auto& [layer, x] : kLayers) compare(layer, x, Precision::float32, kFloat32);
}

// Rounding decides between nearly equal winners of a window, and which outputs are active: so gradients are compared
// where nothing is decided, and outputs everywhere.
TEST_F(CudaBackend, LayersInBfloat16) {
  for (const auto& [layer, x] : kLayers) {
    expect_near(pass(*cuda_, layer, x, Precision::bfloat16, false).y,
                pass(*cpu_, layer, x, Precision::float32, false).y, kBfloat16, "output");
    Convolution linear = layer;
    linear.rectified = false;
    linear.pool = 0;
    compare(linear, x, Precision::bfloat16, kBfloat16);
  }
}

// What sees images, in one kernel (rate/cuda/thin_bodies.hpp). Sums of so few terms are exact, so that winners are the
// same as the CPU's in float32.
const std::vector<std::pair<Convolution, Shape>> kFirstLayers{{{3, 64, 3, 1, 1, true, true, 2, 2}, {4, 3, 16, 16}},
                                                              {{1, 128, 3, 1, 1, false, true, 2, 2}, {3, 1, 10, 14}}};

TEST_F(CudaBackend, FirstLayersThereAndBack) {
  for (const auto& [layer, x] : kFirstLayers) {
    compare(layer, x, Precision::float32, kFloat32);
    compare(layer, x, Precision::bfloat16, kBfloat16);
  }
}

TEST_F(CudaBackend, ComputesTheSameNumbersAgain) {
  for (const Precision precision : {Precision::float32, Precision::bfloat16})
    for (const auto& layers : {kLayers, kFirstLayers})
      for (const auto& [layer, x] : layers) {
        const Pass once = pass(*cuda_, layer, x, precision, true), again = pass(*cuda_, layer, x, precision, true);
        EXPECT_EQ(once.y, again.y);
        EXPECT_EQ(once.weight_gradient, again.weight_gradient);
        EXPECT_EQ(once.bias_gradient, again.bias_gradient);
        EXPECT_EQ(once.dx, again.dx);
      }
}

TEST_F(CudaBackend, Maps) {
  const Shape shape{4, 10, 7, 6};
  const std::vector<float> values = draw(shape.size(), 31);
  for (const Precision precision : {Precision::float32, Precision::bfloat16}) {
    // Both round the same float32 results, which may fall on either side of a tie.
    const double bound = precision == Precision::float32 ? kFloat32 : kBfloat16;
    const auto both = [&](auto operation) {
      const auto on = [&](Backend& b) { return b.download(operation(b, b.upload(values, shape, precision))); };
      expect_near(on(*cuda_), on(*cpu_), bound, "maps");
    };
    both([](Backend& b, const Tensor& x) { return b.mean_over_space(x); });
    both([](Backend& b, const Tensor& x) { return b.dropout({0.3, 7, {5, 2}, indices(b, {-1234567, 89})}, x); });
    for (const std::int64_t side : {1, 3, 8}) {
      both([&](Backend& b, const Tensor& x) { return b.adaptive_mean(x, side); });
      both([&](Backend& b, const Tensor& x) {
        return b.adaptive_mean_gradient(b.adaptive_mean(x, side), shape, precision);
      });
    }
  }
}

// There and back, from a gradient of maps and of their means.
TEST_F(CudaBackend, RectifiersAndSums) {
  const Shape shape{4, 10, 7, 6};
  const std::vector<float> values = draw(shape.size(), 41), others = draw(shape.size(), 42);
  for (const Precision precision : {Precision::float32, Precision::bfloat16})
    for (const Pooling& pooling : {Pooling{}, Pooling{3, 2, 1}, Pooling{2, 2, 0}, Pooling{3, 1, 1}})
      for (const bool everywhere : {false, true}) {
        const auto on = [&](Backend& b) {
          Trace trace;
          const Tensor x = b.sum(b.upload(values, shape, precision), b.upload(others, shape, precision));
          const Tensor y = b.rectify(pooling, x, &trace);
          EXPECT_EQ(b.download(b.rectify(pooling, x, nullptr)), b.download(y));
          Shape given = y.shape;
          if (everywhere) given.height = given.width = 1;
          const Tensor dy = b.upload(draw(given.size(), 43), given, Precision::float32);
          return std::array{b.download(x), b.download(y), b.download(b.rectifier_gradient(pooling, trace, dy))};
        };
        const auto found = on(*cuda_), expected = on(*cpu_);
        // Both round the same numbers: winners are the same.
        for (std::size_t i = 0; i < found.size(); ++i)
          expect_near(found[i], expected[i], i == 2 && precision == Precision::bfloat16 ? kBfloat16 : kFloat32, "maps");
      }
}

TEST_F(CudaBackend, BatchNormalisation) {
  const Shape shape{6, 10, 7, 5};
  const std::vector<float> values = draw(shape.size(), 44), gradient = draw(shape.size(), 45);
  for (const Precision precision : {Precision::float32, Precision::bfloat16})
    for (const bool backward : {false, true}) {
      const auto on = [&](Backend& b) {
        const Tensor x = b.upload(values, shape, precision), dy = b.upload(gradient, shape, precision);
        Array centre = b.zeros(20), sums = b.zeros(40), coefficients = b.zeros(80);
        b.write(centre, draw(20, 46));
        b.write(sums, draw(40, 47));  // adds to what is there
        b.write(coefficients, draw(80, 48));
        b.add_moments(x, backward ? &dy : nullptr, centre, sums);
        return std::array{b.read(sums), b.download(b.combine(x, backward ? &dy : nullptr, coefficients))};
      };
      const auto found = on(*cuda_), expected = on(*cpu_);
      expect_near(found[0], expected[0], kFloat32, "moments");
      expect_near(found[1], expected[1], precision == Precision::float32 ? kFloat32 : kBfloat16, "maps");
    }
}

TEST_F(CudaBackend, LatentPredictiveLosses) {
  LossWeights weights{0.7, 1.3, 10, HebbianForm::log_variance, 1e-4, PredictiveGradient::both};
  const auto plain = [&](Backend& b, const std::vector<Tensor>& z, Array& losses) {
    return b.loss(LplLoss{weights, nullptr, nullptr}, Batch(20, 0, 1, 16), z, losses, kLossTerms);
  };
  for (const HebbianForm form : {HebbianForm::log_variance, HebbianForm::hinge, HebbianForm::variance}) {
    weights.form = form;
    compare_losses(20, {0, 33, 1, 1}, plain);
    compare_losses(20, {0, 5, 3, 4}, plain);
  }
  compare_losses(20, {0, 1, 1, 1}, plain);
  weights.gradient = PredictiveGradient::later;
  compare_losses(20, {0, 33, 1, 1}, plain);
  compare_losses(20, {0, 33, 1, 1}, [&](Backend& b, const std::vector<Tensor>& z, Array& losses) {
    const std::vector<std::int64_t> positives = shuffled_positives(20, 33, 0);
    const Partners partners{indices(b, {positives.begin(), positives.end()}), indices(b, inverse_positives(positives))};
    return b.loss(LplLoss{weights, &partners, nullptr}, Batch(20, 0, 1, 16), z, losses, 0);
  });
}

TEST_F(CudaBackend, LossesOfALargeBatch) {
  compare_losses(700, {0, 64, 1, 1}, [](Backend& b, const std::vector<Tensor>& z, Array& losses) {
    return b.loss(LplLoss{{}, nullptr, nullptr}, Batch(700, 0, 1, 16), z, losses, 0);
  });
}

TEST_F(CudaBackend, StaleEstimates) {
  EstimateArrays of_cpu, of_cuda;
  for (int step = 0; step < 2; ++step)  // the second with the estimates of the first
    compare_losses(20, {0, 6, 1, 1}, [&](Backend& b, const std::vector<Tensor>& z, Array& losses) {
      EstimateArrays& stale = &b == cpu_.get() ? of_cpu : of_cuda;
      return b.loss(LplLoss{{}, nullptr, &stale}, Batch(20, 0, 1, 16), z, losses, 0);
    });
  expect_near(cuda_->read(of_cuda.mean), cpu_->read(of_cpu.mean), kFloat32, "mean");
  expect_near(cuda_->read(of_cuda.variance), cpu_->read(of_cpu.variance), kFloat32, "variance");
}

TEST_F(CudaBackend, ContrastiveLossesAndCrossEntropies) {
  compare_losses(20, {0, 33, 1, 1}, [](Backend& b, const std::vector<Tensor>& z, Array& losses) {
    return b.loss(ContrastiveLoss{}, Batch(20, 0, 1, 16), z, losses, kLossTerms);
  });
  std::vector<std::int32_t> labels(20);
  for (std::size_t b = 0; b < labels.size(); ++b) labels[b] = static_cast<std::int32_t>(b * 7 % 10);
  compare_losses(20, {0, 10, 1, 1}, [&](Backend& b, const std::vector<Tensor>& z, Array& losses) {
    return b.loss(CrossEntropyLoss{indices(b, labels).at()}, Batch(20, 0, 1, 16), z, losses, 0);
  });
}

TEST_F(CudaBackend, Optimisers) {
  const auto on = [](Backend& b, bool adam) {
    const AdamForm form{0.9, 0.999, 1e-8, 0.1};
    Array rates = b.zeros(2), value = b.zeros(1000), first = b.zeros(1000), second = b.zeros(1000),
          gradient = b.zeros(1000);
    b.write(value, draw(1000, 34));
    for (std::int64_t step = 1; step <= 3; ++step) {
      b.write(gradient, draw(1000, 35 + static_cast<unsigned>(step)));
      b.write(rates, adam ? adam_rates(form, 1e-2, step) : sgd_rates(1e-2));
      if (adam)
        b.adam(form, rates, gradient, value, first, second);
      else
        b.sgd({0.9, 0.1}, rates, gradient, value, first);
    }
    return std::vector<std::vector<float>>{b.read(value), b.read(first), b.read(second)};
  };
  for (const bool adam : {true, false}) {
    const auto found = on(*cuda_, adam), expected = on(*cpu_, adam);
    for (std::size_t i = 0; i < found.size(); ++i) expect_near(found[i], expected[i], kFloat32, "optimiser");
  }
}

// The numbers of parameters that learn rounded are those of the same computations one by one: of a convolution, whose
// gradient cuDNN gives in bfloat16, and of a product, whose gradient is float32.
TEST_F(CudaBackend, ParametersThatLearnRounded) {
  const Convolution first{3, 16, 3, 1, 1, true, true, 4, 4}, second{16, 8, 1, 1, 0, true, false, 0, 0};
  const Shape shape{6, 3, 4, 4};
  const AdamForm form{0.9, 0.999, 1e-8, 0.1};
  const auto on = [&](bool rounded) {
    Backend& b = *cuda_;
    const std::int64_t size = 1024;
    Array value = b.zeros(size), gradient = b.zeros(size), mean = b.zeros(size), square = b.zeros(size);
    Array rates = b.zeros(2);
    b.write(value, draw(size, 70));
    if (rounded) b.learn_rounded(value, gradient);
    Array written = value.part(3, 200);
    b.write(written, draw(200, 71));
    const auto parts = [](const Array& of) {
      return std::array{of.part(0, 432), of.part(448, 16), of.part(512, 128), of.part(640, 8)};
    };
    const auto values = parts(value);
    auto gradients = parts(gradient);
    std::vector<std::vector<float>> found;
    for (std::int64_t step = 1; step <= 3; ++step) {
      b.clear(gradient);
      const Tensor x = b.upload(draw(shape.size(), 72 + static_cast<unsigned>(step)), shape, Precision::bfloat16);
      Trace trace, last;
      const Tensor y = b.forward(first, b.prepare(first, values[0], values[1], Precision::bfloat16), x, &trace);
      const Filters filters = b.prepare(second, values[2], values[3], Precision::bfloat16);
      const Tensor z = b.forward(second, filters, y, &last);
      b.add_gradient(second, {&last, 1}, {&y, 1}, {&z, 1}, gradients[2], gradients[3]);
      const Tensor dy = b.input_gradient(second, filters, last, y, z);
      b.add_gradient(first, {&trace, 1}, {&x, 1}, {&dy, 1}, gradients[0], gradients[1]);
      found.push_back(b.download(z));
      found.push_back(b.read(gradient));
      b.write(rates, adam_rates(form, 1e-2, step));
      // Weights and biases of the first, then the rest.
      for (const auto& [from, count] : {std::pair{0, 512}, {512, 512}}) {
        Array own = value.part(from, count), means = mean.part(from, count), squares = square.part(from, count);
        b.adam(form, rates, gradient.part(from, count), own, means, squares);
      }
    }
    for (const Array* array : {&value, &mean, &square}) found.push_back(b.read(*array));
    return found;
  };
  const auto literal = on(false), found = on(true);
  EXPECT_EQ(found, literal);
  EXPECT_NE(literal[1], std::vector<float>(1024, 0));
}

// A small step of supervised learning, and one of shuffled latent predictive learning with stale estimates, repeated
// for two sizes of batches in turn: the device does the first of a size call by call, records the second and repeats
// it.
TEST_F(CudaBackend, RepeatsSteps) {
  const Convolution layer{3, 10, 3, 1, 1, true, true, 2, 2};
  const auto on = [&](Backend& b) {
    const AdamForm form{0.9, 0.999, 1e-8, 0.1};
    Array weight = b.zeros(layer.weights()), mean = b.zeros(weight.size), square = b.zeros(weight.size);
    Array bias = b.zeros(layer.out), gradient = b.zeros(weight.size), bias_gradient = b.zeros(layer.out);
    Array rates = b.zeros(2), losses = b.zeros(2 * kLossTerms), log = b.zeros(12 * losses.size);
    Indices labels = b.indices(20);
    Partners partners{b.indices(20), b.indices(20)};
    EstimateArrays stale;
    b.write(weight, draw(weight.size, 50));
    std::int64_t step = 0;
    for (const std::int64_t samples : {20, 12, 20, 20, 12, 20, 12, 12}) {
      const Batch batch(samples, 0, 1, 2);
      std::vector<std::int32_t> classes;
      for (std::int64_t n = 0; n < samples; ++n) classes.push_back(static_cast<std::int32_t>((n + step) % 10));
      const std::vector<std::int64_t> positives = shuffled_positives(samples, 51, step);
      b.write(labels, classes);
      b.write(partners.of_first, {positives.begin(), positives.end()});
      b.write(partners.of_second, inverse_positives(positives));
      b.write(rates, adam_rates(form, 0.01 * static_cast<double>(step + 1), step + 1));
      std::vector<Tensor> x;
      for (const Slice& slice : batch.mine()) {
        const Shape shape{2 * slice.count, 3, 6, 6};
        const unsigned seed = 60 + static_cast<unsigned>(10 * step + slice.first);
        x.push_back(b.upload(draw(shape.size(), seed), shape, Precision::float32));
      }
      b.repeat(batch, std::move(x), [&](const std::vector<Tensor>& given) {
        const Filters filters = b.prepare(layer, weight, bias, Precision::float32);
        std::vector<Trace> traces(given.size());
        std::vector<Tensor> z;
        for (std::size_t s = 0; s < given.size(); ++s)
          z.push_back(b.mean_over_space(b.forward(layer, filters, given[s], &traces[s])));
        const std::vector<Tensor> by_class = b.loss(CrossEntropyLoss{labels.at()}, batch, z, losses, 0);
        const std::vector<Tensor> by_pair = b.loss(LplLoss{{}, &partners, &stale}, batch, z, losses, kLossTerms);
        b.clear(gradient);
        b.clear(bias_gradient);
        std::vector<Tensor> dy(given.size());
        b.each_slice(given.size(), [&](std::size_t s) { dy[s] = b.sum(by_class[s], by_pair[s]); });
        b.add_gradient(layer, traces, given, dy, gradient, bias_gradient);
        b.adam(form, rates, gradient, weight, mean, square);
      });
      b.copy(losses, log, step++ * losses.size);
    }
    return std::array{b.read(log), b.read(weight), b.read(stale.mean), b.read(stale.variance)};
  };
  const auto found = on(*cuda_), expected = on(*cpu_);
  // Eight steps of Adam on numbers that differ by 1e-5 at first.
  for (std::size_t i = 0; i < found.size(); ++i) expect_near(found[i], expected[i], 1e-4, "after eight steps");
}

TEST_F(CudaBackend, RefusesToReadInARecordedStep) {
  Array array = cuda_->zeros(3);
  const Batch batch(20, 0, 1, 16);
  const auto step = [&](const std::vector<Tensor>&) { cuda_->read(array); };
  cuda_->repeat(batch, {}, step);
  EXPECT_THROW(cuda_->repeat(batch, {}, step), Error);
  // Nothing is left half recorded.
  cuda_->write(array, {1, 2, 3});
  EXPECT_EQ(cuda_->read(array), std::vector<float>({1, 2, 3}));
}

}  // namespace
}  // namespace lpl::rate
