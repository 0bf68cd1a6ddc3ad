// Gradients of every layer, loss and option of the rate engine against finite differences, taken in double precision of
// the literal twin (support/network_oracle.hpp).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>

#include "comm/communicator.hpp"
#include "core/random.hpp"
#include "core/text.hpp"
#include "rate/cpu/backend.hpp"
#include "rate/cpu/loops.hpp"
#include "rate/exchange.hpp"
#include "rate/trainer.hpp"
#include "support/network_oracle.hpp"

namespace lpl::rate {
namespace {

// ---- losses alone, in double precision: agreement to the accuracy of the differences

LossWeights only(double pull, double push, double decorrelation, HebbianForm form = HebbianForm::log_variance) {
  return {pull, push, decorrelation, form, 1e-4, PredictiveGradient::both};
}

// The terms of a loss of both views; dz receives the gradient of their weighted sum.
template <class T, class Loss>
std::vector<T> terms_of(const Loss& loss, const HookShape& shape, const std::vector<T>& z, std::vector<T>& dz) {
  std::vector<T> terms(kLossTerms);
  dz.resize(z.size());
  loss.evaluate(HostLoops(), Hook<T>{shape, z.data(), dz.data(), terms.data()});
  return terms;
}

// Both views drawn normally, each with its scale.
std::vector<double> draw_views(const HookShape& shape, std::array<double, 2> scales) {
  Random random(7, Draw::toy, 1, 1);
  std::vector<double> z;
  for (const double scale : scales)
    for (std::int64_t i = 0; i < shape.view(); ++i) z.push_back(scale * random.normal());
  return z;
}

// `total(z, dz)` is a loss; its gradient at z.
template <class Total>
void expect_slopes(std::vector<double> z, double bound, Total total) {
  std::vector<double> dz, ignored;
  total(z, dz);
  for (std::size_t i = 0; i < z.size(); ++i) {
    constexpr double kStep = 1e-6;
    const double kept = z[i];
    z[i] = kept + kStep;
    const double above = total(z, ignored);
    z[i] = kept - kStep;
    const double below = total(z, ignored);
    z[i] = kept;
    EXPECT_NEAR(dz[i], (above - below) / (2 * kStep), bound) << "entry " << i;
  }
}

Indices indices_of(const std::vector<std::int32_t>& values) {
  Indices indices{static_cast<std::int64_t>(values.size()), HostLoops().allocate<std::int32_t>(std::ssize(values))};
  std::ranges::copy(values, indices.at());
  return indices;
}

struct LossCase {
  const char* name;
  LossWeights weights;
  std::int64_t positions = 1;
  bool shuffled = false, stale = false;
};

class Losses : public testing::TestWithParam<LossCase> {};

TEST(LossTerms, ShowWhatIsNoNumber) {
  const HookShape shape{4, 1, 3};
  for (const HebbianForm form : {HebbianForm::log_variance, HebbianForm::hinge, HebbianForm::variance}) {
    std::vector<float> z(24, 1.0f), dz;
    z[5] = z[17] = std::numeric_limits<float>::quiet_NaN();
    const std::vector<float> terms = terms_of(LplLoss{only(1, 1, 1, form)}, shape, z, dz);
    for (const LossTerm term : {kPull, kPush, kDecorrelation}) EXPECT_TRUE(std::isnan(terms[term])) << term;
  }
}

TEST_P(Losses, GradientIsTheSlope) {
  const LossCase& c = GetParam();
  const HookShape shape{6, c.positions, 5};
  const Partners positives{indices_of({3, 0, 5, 1, 4, 2}), indices_of({1, 3, 5, 0, 4, 2})};
  Random random(8, Draw::toy, 1, 1);
  std::vector<float> mean, variance;
  for (int u = 0; u < 5; ++u) {
    mean.push_back(static_cast<float>(random.normal()));
    variance.push_back(static_cast<float>(0.5 + random.uniform()));
  }
  expect_slopes(draw_views(shape, {1, 0.3}), 1e-7, [&](const std::vector<double>& z, std::vector<double>& dz) {
    EstimateArrays estimates{HostLoops().array(5), HostLoops().array(5)};
    std::ranges::copy(mean, estimates.mean.at());
    std::ranges::copy(variance, estimates.variance.at());
    const LplLoss loss{c.weights, c.shuffled ? &positives : nullptr, c.stale ? &estimates : nullptr};
    const std::vector<double> t = terms_of(loss, shape, z, dz);
    return c.weights.predictive * t[kPull] + c.weights.hebbian * t[kPush] + c.weights.decorrelation * t[kDecorrelation];
  });
}

INSTANTIATE_TEST_SUITE_P(
    All, Losses,
    testing::Values(LossCase{"pull", only(1, 0, 0)}, LossCase{"push", only(0, 1, 0)},
                    LossCase{"decorrelation", only(0, 0, 10)}, LossCase{"hinge", only(0, 1, 0, HebbianForm::hinge)},
                    LossCase{"variance", only(0, 1, 0, HebbianForm::variance)}, LossCase{"unpooled", only(1, 1, 10), 4},
                    LossCase{"shuffled", only(1, 1, 10), 1, true}, LossCase{"stale", only(1, 1, 10), 1, false, true}),
    [](const auto& c) { return std::string(c.param.name); });

TEST(Losses, PredictiveGradientOfTheLaterSampleOnly) {
  LossWeights weights = only(1, 0, 0);
  const HookShape shape{3, 1, 2};
  const std::vector<double> z{1, 2, 3, 4, 5, 6, 2, 2, 2, 2, 2, 2};
  std::vector<double> dz, both;
  terms_of(LplLoss{weights}, shape, z, both);
  weights.gradient = PredictiveGradient::later;
  terms_of(LplLoss{weights}, shape, z, dz);
  std::fill_n(both.begin(), 6, 0.0);
  EXPECT_EQ(dz, both);
}

TEST(Losses, ConstantShiftOfAUnitChangesNothing) {
  const HookShape shape{8, 1, 4};
  std::vector<double> z = draw_views(shape, {1, 1}), before_dz, after_dz;
  const std::vector<double> before = terms_of(LplLoss{only(1, 1, 10)}, shape, z, before_dz);
  for (std::size_t i = 0; i < z.size(); i += 4) z[i] += 100;
  const std::vector<double> after = terms_of(LplLoss{only(1, 1, 10)}, shape, z, after_dz);
  for (std::size_t t = 0; t < before.size(); ++t) EXPECT_NEAR(before[t], after[t], 1e-11);
  for (std::size_t i = 0; i < z.size(); ++i) EXPECT_NEAR(before_dz[i], after_dz[i], 1e-11);
}

TEST(Losses, EstimatesOfAnotherLayerAreRefused) {
  EstimateArrays stale{HostLoops().array(3), HostLoops().array(3)};
  std::vector<double> z(16), dz;
  EXPECT_THROW(terms_of(LplLoss{only(1, 1, 1), nullptr, &stale}, {2, 1, 4}, z, dz), IoError);
}

TEST(Losses, HooksBeyondIndicesAreRefused) {
  const auto comm = make_serial_communicator();
  const auto shape_of = [&](std::int64_t side) {
    return hook_shape(*comm, Batch(8, 0, 1, 1), {Tensor{{16, 128, side, side}, Precision::float32, nullptr}});
  };
  EXPECT_EQ(shape_of(1000).columns(), 128'000'000);
  EXPECT_THROW(shape_of(1100), ConfigError);
}

TEST(Losses, ContrastiveAndCrossEntropyGradientsAreTheSlopes) {
  const HookShape shape{5, 1, 4};
  const std::vector<double> z = draw_views(shape, {1, 1});
  expect_slopes(z, 1e-8, [&](const std::vector<double>& at, std::vector<double>& dz) {
    const std::vector<double> t = terms_of(ContrastiveLoss{only(2, 3, 0)}, shape, at, dz);
    return 2 * t[kPull] + 3 * t[kPush];
  });
  const Indices labels = indices_of({0, 3, 1, 1, 2});
  expect_slopes(z, 1e-8, [&](const std::vector<double>& at, std::vector<double>& dz) {
    return terms_of(CrossEntropyLoss{labels.at()}, shape, at, dz)[kCrossEntropy];
  });
}

TEST(Multiply, EqualsTheLiteralSumsInEveryOrientation) {
  Random random(5, Draw::toy, 4, 1);
  for (const auto& [rows, columns, inner] :
       std::vector<std::array<std::int64_t, 3>>{{3, 5, 7}, {70, 3, 20}, {5, 130, 65}, {1, 1, 1}})
    for (const bool ta : {false, true})
      for (const bool tb : {false, true}) {
        std::vector<float> a(static_cast<std::size_t>(rows * inner)), b(static_cast<std::size_t>(inner * columns));
        std::vector<float> c(static_cast<std::size_t>(rows * columns), 2.0f);
        for (float& v : a) v = static_cast<float>(random.normal());
        for (float& v : b) v = static_cast<float>(random.normal());
        multiply(ta, tb, rows, columns, inner, a.data(), b.data(), 1.0f, c.data());
        std::vector<float> product(c.size(), std::numeric_limits<float>::quiet_NaN());  // as memory may be
        multiply(ta, tb, rows, columns, inner, a.data(), b.data(), 0.0f, product.data());
        for (std::int64_t r = 0; r < rows; ++r)
          for (std::int64_t q = 0; q < columns; ++q) {
            double sum = 2;
            for (std::int64_t i = 0; i < inner; ++i)
              sum += static_cast<double>(a[static_cast<std::size_t>(ta ? i * rows + r : r * inner + i)]) *
                     static_cast<double>(b[static_cast<std::size_t>(tb ? q * inner + i : i * columns + q)]);
            EXPECT_NEAR(static_cast<double>(c[static_cast<std::size_t>(r * columns + q)]), sum, 1e-4);
            EXPECT_NEAR(static_cast<double>(product[static_cast<std::size_t>(r * columns + q)]), sum - 2, 1e-4);
          }
      }
}

// ---- whole networks

struct NetworkCase {
  std::string name;
  std::string network = {};  // lines of [network], [net.x] and [rule.x]
  std::string net = "type = \"convolutional\"\nchannels = [5, 18, 4]\npools = [2, 0, 2]\n";
  std::string rule = "type = \"lpl\"\npredictive = { strength = 1.0 }\nhebbian = { strength = 1.0 }\n";
  std::string learning = {};
  Shape sample{1, 3, 9, 9};
};

// Pairs that the test gives.
class GivenPairs final : public PairSource {
 public:
  GivenPairs(const Shape& sample, OracleBatch batch, std::int64_t samples)
      : sample_(sample), batch_(std::move(batch)), samples_(samples) {}
  Shape sample() const override { return sample_; }
  std::int64_t classes() const override { return 3; }
  std::int64_t batches_per_epoch() const override { return 1; }
  std::int64_t batch(std::int64_t) const override { return samples_; }
  std::vector<float> make(std::int64_t, const Slice& slice) override {
    std::vector<float> made;
    for (const std::vector<double>& view : batch_.views)
      for (std::int64_t n = slice.first; n < slice.first + slice.count; ++n)
        for (std::int64_t p = 0; p < sample_.positions(); ++p)
          for (std::int64_t c = 0; c < sample_.channels; ++c)
            made.push_back(static_cast<float>(
                view[static_cast<std::size_t>((n * sample_.channels + c) * sample_.positions() + p)]));
    return made;
  }
  std::vector<std::int32_t> labels(std::int64_t) override { return batch_.labels; }
  std::vector<std::int64_t> shuffled(std::int64_t) override { return batch_.positives; }

 private:
  Shape sample_;
  OracleBatch batch_;
  std::int64_t samples_;
};

class Networks : public testing::TestWithParam<NetworkCase> {
 protected:
  static constexpr std::int64_t kSamples = 9;  // two slices, the last of one sample

  static TrainingDescription describe(const NetworkCase& c) {
    return read_training_text(
        fmt::format("[training]\nbatch = {}\n[network]\nnet = \"x\"\n{}\n[net.x]\n{}\n[learning]\nrule = \"x\"\n{}\n"
                    "[rule.x]\n{}\n[data]\nset = \"clusters\"\n",
                    kSamples, c.network, c.net, c.learning, c.rule),
        "test", {});
  }

  static OracleBatch draw(const Shape& sample, bool shuffled) {
    Random random(2, Draw::toy, 5, 1);
    OracleBatch batch;
    // Values that float32 holds exactly, so that both compute from the same.
    for (auto& view : batch.views)
      for (std::int64_t i = 0; i < kSamples * sample.size(); ++i)
        view.push_back(static_cast<double>(static_cast<float>(random.normal())));
    for (std::int64_t n = 0; n < kSamples; ++n) batch.labels.push_back(static_cast<std::int32_t>(random.below(3)));
    if (shuffled) batch.positives = {4, 2, 0, 8, 1, 3, 7, 6, 5};
    return batch;
  }
};

TEST_P(Networks, GradientsAreTheSlopesOfTheTwin) {
  const NetworkCase& c = GetParam();
  const TrainingDescription d = describe(c);
  const bool supervised = d.objective->needs().labels;
  const EncoderDescription encoder =
      make_encoder(d.net, c.sample, d.biases, d.scope == Scope::end_to_end, d.projector, supervised ? 3 : 0);
  const auto comm = make_serial_communicator();
  const auto backend = make_cpu_backend(*comm);
  Trainer trainer(d, encoder, *backend, *comm);
  const OracleBatch batch = draw(c.sample, d.positives == Positives::shuffled);
  GivenPairs pairs(c.sample, batch, kSamples);

  OracleParameters parameters;
  for (Parameter* p : trainer.encoder().parameters()) {
    // Larger than drawn, and with biases that silence some units: every branch has something to do.
    std::vector<float> values = backend->read(p->value);
    for (float& v : values) v *= 2.5f;
    // Scales and shifts of batch normalisation start all equal.
    Random random(12, Draw::toy, hash_name(p->name), 1);
    if (std::count(values.begin(), values.end(), values[0]) == p->size())
      for (float& v : values) v += static_cast<float>(0.5 * random.normal());
    backend->write(p->value, values);
    const std::vector<float> torch_order = to_torch_order(values, p->shape);
    parameters[p->name].assign(torch_order.begin(), torch_order.end());
  }
  std::vector<std::vector<double>> stale_mean, stale_variance;
  std::vector<StaleEstimates> estimates = trainer.estimates();
  for (StaleEstimates& e : estimates) {
    const auto units = static_cast<std::size_t>(encoder.blocks[stale_mean.size()].units());
    e = {std::vector<float>(units, 0.25f), std::vector<float>(units, 0.5f)};
    stale_mean.emplace_back(units, 0.25);
    stale_variance.emplace_back(units, 0.5);
  }
  trainer.set_estimates(estimates);
  const auto losses = [&] { return oracle_losses(d, encoder, parameters, batch, stale_mean, stale_variance); };

  Inspection inspection;
  trainer.step(0, 0.0, pairs, &inspection);
  const StepLosses ours = trainer.take_losses().at(0);
  const OracleLosses theirs = losses();
  ASSERT_EQ(ours.hooks.size(), theirs.terms.size());
  for (std::size_t h = 0; h < theirs.terms.size(); ++h)
    for (std::size_t t = 0; t < kLossTerms; ++t)
      EXPECT_NEAR(ours.hooks[h][t], theirs.terms[h][t], 1e-5 * std::max(1.0, std::abs(theirs.terms[h][t])))
          << kLossNames[t] << " of hook " << h;
  EXPECT_NEAR(ours.total, theirs.total, 1e-5 * std::max(1.0, std::abs(theirs.total)));

  Random random(9, Draw::toy, 6, 1);
  int tried = 0, judged = 0;
  for (const auto& [name, gradient] : inspection.gradients) {
    // A hook's losses do not reach earlier blocks when learning is local: only this block's own count.
    const bool local = d.scope == Scope::layer_local;
    const std::size_t hook =
        !local ? 0 : static_cast<std::size_t>(std::stoi(name.substr(name.find_first_of("0123456789"))));
    const auto own_loss = [&] {
      OracleLosses found = losses();
      if (!local) return found.total;
      const LossWeights& rule = d.objective->weights();
      const std::vector<double>& t = found.terms[hook];
      return rule.predictive * t[kPull] + rule.hebbian * t[kPush] + rule.decorrelation * t[kDecorrelation] +
             t[kCrossEntropy];
    };
    double norm = 0;
    for (const float g : gradient) norm += static_cast<double>(g) * static_cast<double>(g);
    norm = std::sqrt(norm / static_cast<double>(gradient.size()));
    std::vector<double>& values = parameters[name];
    for (int trial = 0; trial < 6; ++trial, ++tried) {
      const std::size_t i = random.below(static_cast<std::uint32_t>(values.size()));
      // Rectifiers and maxima have kinks; a step that crosses one shows as two slopes that differ, and is not judged.
      constexpr double kStep = 1e-6;
      const double kept = values[i], here = own_loss();
      values[i] = kept + kStep;
      const double above = own_loss();
      values[i] = kept - kStep;
      const double below = own_loss();
      values[i] = kept;
      const double slope = (above - below) / (2 * kStep);
      if (std::abs((above - here) / kStep - (here - below) / kStep) > 1e-3 * (std::abs(slope) + norm) + 1e-7) continue;
      ++judged;
      // 1e-6: rounding of float32 sums of terms of order one, where they cancel as for the bias of a linear unit.
      EXPECT_NEAR(static_cast<double>(gradient[i]), slope, 2e-4 * (std::abs(slope) + norm) + 1e-6)
          << name << "[" << i << "]";
    }
  }
  EXPECT_GT(judged, tried * 3 / 4);
}

const std::string kSupervised = "type = \"supervised\"\n";
const std::string kContrastive = "type = \"contrastive\"\npredictive = { strength = 2.0 }\n";
const std::string kEndToEnd = "scope = \"end_to_end\"\n";
const std::string kProjector = "projector_size = 6\nprojector_hidden = 7\n";
const std::string kLpl = "type = \"lpl\"\npredictive = { strength = 0.7 }\nhebbian = { strength = 1.3 }\n";
const std::string kStrided =
    "type = \"convolutional\"\nchannels = [6, 17, 5]\nkernels = [5, 3, 2]\nstrides = [2, 1, 1]\npaddings = [2, 1, 0]\n"
    "pools = [3, 0, 0]\npool_strides = [2, 1, 1]\nadaptive_pools = [0, 0, 3]\n";
// A stem with padded, overlapping pools; blocks with and without a convolution in the shortcut, 18 channels wide.
const std::string kResidual =
    "type = \"residual\"\nstem_channels = 5\nstem_kernel = 3\nstem_stride = 1\nchannels = [3, 4]\nblocks = [2, 1]\n"
    "strides = [1, 2]\nexpansion = 6\n";
const std::string kBareBlocks = kResidual + "normalised = false\nstem_pool = 1\nstem_pool_stride = 1\n";
const std::string kDense = "type = \"dense\"\nunits = [6, 4]\n";

INSTANTIATE_TEST_SUITE_P(
    All, Networks,
    testing::Values(
        NetworkCase{.name = "layer_local"}, NetworkCase{.name = "end_to_end", .learning = kEndToEnd},
        NetworkCase{.name = "projector", .network = kProjector},
        NetworkCase{.name = "projector_end_to_end", .network = kProjector, .learning = kEndToEnd},
        NetworkCase{.name = "no_biases", .network = "biases = false\n"},
        NetworkCase{.name = "unpooled", .network = "pooling = false\n"},
        NetworkCase{.name = "shuffled", .learning = "positives = \"shuffled\"\n"},
        NetworkCase{.name = "stale", .rule = kLpl + "rate = { estimates = \"stale\" }\n"},
        NetworkCase{.name = "hinge", .rule = kLpl + "rate = { hebbian = \"hinge\" }\n"},
        NetworkCase{.name = "variance", .rule = kLpl + "rate = { hebbian = \"variance\" }\n"},
        NetworkCase{.name = "supervised", .rule = kSupervised},
        NetworkCase{.name = "supervised_end_to_end", .network = kProjector, .rule = kSupervised, .learning = kEndToEnd},
        NetworkCase{.name = "contrastive", .rule = kContrastive},
        NetworkCase{.name = "contrastive_end_to_end", .rule = kContrastive, .learning = kEndToEnd},
        NetworkCase{.name = "strided_overlapping_pools", .net = kStrided, .sample = {1, 3, 17, 15}},
        NetworkCase{.name = "strided_end_to_end", .net = kStrided, .learning = kEndToEnd, .sample = {1, 3, 17, 15}},
        NetworkCase{.name = "residual", .net = kResidual, .learning = kEndToEnd, .sample = {1, 3, 7, 6}},
        NetworkCase{.name = "residual_bare_blocks", .net = kBareBlocks, .learning = kEndToEnd, .sample = {1, 3, 4, 5}},
        NetworkCase{.name = "residual_supervised",
                    .network = kProjector,
                    .net = kResidual,
                    .rule = kSupervised,
                    .learning = kEndToEnd,
                    .sample = {1, 3, 6, 4}},
        NetworkCase{.name = "dense", .net = kDense, .sample = {1, 5, 1, 1}},
        NetworkCase{.name = "dense_end_to_end", .net = kDense, .learning = kEndToEnd, .sample = {1, 5, 1, 1}},
        NetworkCase{
            .name = "linear", .net = "type = \"dense\"\nunits = [2]\nrectified = false\n", .sample = {1, 2, 1, 1}}),
    [](const auto& c) { return std::string(c.param.name); });

// ---- losses without learning

// Where nothing differs between training and use, losses of both are the same; and a network is left as it was.
TEST_P(Networks, LossesWithoutLearningAreThoseOfAStep) {
  const NetworkCase& c = GetParam();
  const TrainingDescription d = describe(c);
  const int classes = d.objective->needs().labels ? 3 : 0;
  const EncoderDescription encoder =
      make_encoder(d.net, c.sample, d.biases, d.scope == Scope::end_to_end, d.projector, classes);
  const auto comm = make_serial_communicator();
  const auto backend = make_cpu_backend(*comm);
  Trainer trainer(d, encoder, *backend, *comm);
  GivenPairs pairs(c.sample, draw(c.sample, d.positives == Positives::shuffled), kSamples);
  const auto state = [&] {
    std::vector<std::vector<float>> values;
    for (const NamedArray* a : trainer.encoder().state()) values.push_back(backend->read(a->value));
    for (const StaleEstimates& e : trainer.estimates()) values.insert(values.end(), {e.mean, e.variance});
    return values;
  };
  trainer.step(0, 0.0, pairs, nullptr);  // so that there are estimates
  trainer.take_losses();
  const auto before = state();
  const StepLosses judged = trainer.judge(0, pairs);
  EXPECT_EQ(state(), before);
  EXPECT_TRUE(trainer.take_losses().empty());
  trainer.step(0, 0.0, pairs, nullptr);
  const StepLosses trained = trainer.take_losses().at(0);
  if (d.net.residual()) {
    EXPECT_NE(judged.hooks, trained.hooks);  // by running averages, not by those of the batch
  } else {
    EXPECT_EQ(judged.hooks, trained.hooks);
    EXPECT_EQ(judged.total, trained.total);
  }
}

TEST_F(Networks, LossesWithoutLearningAreWithoutDropout) {
  const auto losses = [&](const std::string& dropouts) {
    const NetworkCase c{.name = "dropout", .net = "type = \"convolutional\"\nchannels = [6, 5]\n" + dropouts};
    const TrainingDescription d = describe(c);
    const auto comm = make_serial_communicator();
    const auto backend = make_cpu_backend(*comm);
    Trainer trainer(d, make_encoder(d.net, c.sample, d.biases, false, d.projector, 0), *backend, *comm);
    GivenPairs pairs(c.sample, draw(c.sample, false), kSamples);
    return trainer.judge(0, pairs).hooks;
  };
  EXPECT_EQ(losses("dropouts = [0.2, 0.5]\n"), losses(""));
}

// ---- dropout
// The twin does not draw what is silenced, so slopes are those of the network's own loss, in float32: rounding makes
// 3e-4 of them.
TEST_F(Networks, GradientsThroughDropoutAreSlopes) {
  const NetworkCase c{.name = "dropout",
                      .net = "type = \"convolutional\"\nchannels = [6, 5, 4]\ndropouts = [0.2, 0, 0.5]\n",
                      .rule = kSupervised,
                      .learning = kEndToEnd,
                      .sample = {1, 3, 4, 4}};
  const TrainingDescription d = describe(c);
  const EncoderDescription encoder = make_encoder(d.net, c.sample, d.biases, true, d.projector, 3);
  const auto comm = make_serial_communicator();
  const auto backend = make_cpu_backend(*comm);
  Trainer trainer(d, encoder, *backend, *comm);
  GivenPairs pairs(c.sample, draw(c.sample, false), kSamples);
  const auto loss = [&](Inspection* inspection) {
    trainer.step(0, 0.0, pairs, inspection);
    return trainer.take_losses().at(0).total;
  };
  Inspection inspection;
  const double total = loss(&inspection);
  EXPECT_EQ(loss(nullptr), total);  // silences the same again
  for (Parameter* p : trainer.encoder().parameters()) {
    const std::vector<float> gradient = to_array_order(inspection.gradients.at(p->name), p->shape);
    const auto largest = std::ranges::max_element(gradient, {}, [](float g) { return std::abs(g); }) - gradient.begin();
    const std::vector<float> values = backend->read(p->value);
    constexpr float kStep = 1e-3f;
    const auto moved = [&](float by) {
      std::vector<float> other = values;
      other[static_cast<std::size_t>(largest)] += by;
      backend->write(p->value, other);
      return loss(nullptr);
    };
    const double slope = (moved(kStep) - moved(-kStep)) / (2 * static_cast<double>(kStep));
    backend->write(p->value, values);
    const auto expected = static_cast<double>(gradient[static_cast<std::size_t>(largest)]);
    EXPECT_NEAR(slope, expected, 0.03 * std::abs(expected) + 3e-4) << p->name;
  }
}

// ---- batch normalisation after training

TEST_F(Networks, RunningAveragesAreTheTwinsAndServeAfterTraining) {
  const NetworkCase c{.name = "residual", .net = kResidual, .learning = kEndToEnd};
  const TrainingDescription d = describe(c);
  const EncoderDescription encoder = make_encoder(d.net, c.sample, d.biases, true, d.projector, 0);
  const auto comm = make_serial_communicator();
  const auto backend = make_cpu_backend(*comm);
  Trainer trainer(d, encoder, *backend, *comm);
  const OracleBatch batch = draw(c.sample, false);
  GivenPairs pairs(c.sample, batch, kSamples);
  const auto twin = [&] {
    OracleParameters values;
    for (const NamedArray* a : trainer.encoder().state()) {
      const std::vector<float> torch_order = to_torch_order(backend->read(a->value), a->shape);
      values[a->name].assign(torch_order.begin(), torch_order.end());
    }
    return values;
  };
  OracleParameters tracked = twin();
  EXPECT_EQ(tracked.at("network.encoder.bn1.running_mean"), std::vector<double>(5, 0.0));
  EXPECT_EQ(tracked.at("network.encoder.bn1.running_var"), std::vector<double>(5, 1.0));
  for (int step = 0; step < 2; ++step) {
    trainer.step(step, 0.0, pairs, nullptr);
    oracle_track(encoder, batch, kSamples, tracked);
  }
  const OracleParameters after = twin();
  for (const auto& [name, values] : tracked)
    for (std::size_t i = 0; i < values.size(); ++i)
      EXPECT_NEAR(after.at(name)[i], values[i], 1e-5 * (1 + std::abs(values[i]))) << name << "[" << i << "]";

  // An odd number of images: there are no views.
  constexpr std::int64_t kImages = 7;
  std::vector<double> images(batch.views[0].begin(), batch.views[0].begin() + kImages * c.sample.size());
  std::vector<float> channels_last;
  for (std::int64_t n = 0; n < kImages; ++n)
    for (std::int64_t p = 0; p < c.sample.positions(); ++p)
      for (std::int64_t k = 0; k < c.sample.channels; ++k)
        channels_last.push_back(static_cast<float>(
            images[static_cast<std::size_t>((n * c.sample.channels + k) * c.sample.positions() + p)]));
  const std::vector<std::vector<float>> found = trainer.features(channels_last, kImages);
  // Several slices of images, the last of other length.
  std::vector<float> thrice = channels_last;
  for (int copy = 0; copy < 2; ++copy) thrice.insert(thrice.end(), channels_last.begin(), channels_last.end());
  const std::vector<std::vector<float>> repeated = trainer.features(thrice, 3 * kImages);
  for (std::size_t b = 0; b < found.size(); ++b) {
    ASSERT_EQ(repeated[b].size(), 3 * found[b].size());
    for (std::size_t i = 0; i < repeated[b].size(); ++i)
      ASSERT_EQ(repeated[b][i], found[b][i % found[b].size()]) << "block " << b << ", " << i;
  }
  const std::vector<std::vector<double>> expected = oracle_features(encoder, after, images, kImages);
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t b = 0; b < found.size(); ++b) {
    ASSERT_EQ(found[b].size(), expected[b].size());
    for (std::size_t i = 0; i < found[b].size(); ++i)
      EXPECT_NEAR(static_cast<double>(found[b][i]), expected[b][i], 1e-5 * (1 + std::abs(expected[b][i])));
  }
  EXPECT_EQ(twin(), after);
}

TEST_F(Networks, ResidualNamesShapesAndDecayAreThePublishedOnes) {
  NetworkCase c{.name = "residual", .net = kResidual, .learning = kEndToEnd};
  const TrainingDescription d = describe(c);
  const auto comm = make_serial_communicator();
  const auto backend = make_cpu_backend(*comm);
  Encoder encoder(make_encoder(d.net, c.sample, d.biases, true, d.projector, 0), *backend, 1);
  std::map<std::string, std::vector<std::int64_t>> shapes;
  for (const NamedArray* a : encoder.state()) shapes[a->name] = a->shape;
  const std::string first = "network.encoder.layer1.0.", second = "network.encoder.layer1.1.";
  EXPECT_EQ(shapes.at("network.encoder.conv1.weight"), (std::vector<std::int64_t>{5, 3, 3, 3}));
  EXPECT_EQ(shapes.at(first + "conv1.weight"), (std::vector<std::int64_t>{3, 5, 1, 1}));
  EXPECT_EQ(shapes.at(first + "conv2.weight"), (std::vector<std::int64_t>{3, 3, 3, 3}));
  EXPECT_EQ(shapes.at(first + "conv3.weight"), (std::vector<std::int64_t>{18, 3, 1, 1}));
  EXPECT_EQ(shapes.at(first + "bn3.running_var"), (std::vector<std::int64_t>{18}));
  EXPECT_EQ(shapes.at(first + "downsample.0.weight"), (std::vector<std::int64_t>{18, 5, 1, 1}));
  EXPECT_EQ(shapes.at(first + "downsample.1.running_mean"), (std::vector<std::int64_t>{18}));
  EXPECT_EQ(shapes.at("network.encoder.layer2.0.downsample.0.weight"), (std::vector<std::int64_t>{24, 18, 1, 1}));
  EXPECT_FALSE(shapes.contains(second + "downsample.0.weight"));
  EXPECT_FALSE(shapes.contains(first + "conv1.bias"));
  std::map<std::string, bool> decayed;
  for (const Parameter* p : encoder.parameters()) decayed[p->name] = p->decayed;
  EXPECT_TRUE(decayed.at(first + "conv1.weight"));
  EXPECT_FALSE(decayed.at(first + "bn1.weight"));
  EXPECT_FALSE(decayed.at(first + "bn1.bias"));
  EXPECT_TRUE(decayed.at(first + "downsample.1.weight"));
  EXPECT_FALSE(decayed.at(first + "downsample.1.bias"));
}

}  // namespace
}  // namespace lpl::rate
