#include "rate/readout.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <thread>

#include "core/errors.hpp"
#include "core/random.hpp"

namespace lpl::rate {
namespace {

using Labels = std::vector<std::int32_t>;

struct Data {
  std::vector<float> values;
  std::size_t samples, units;
  std::vector<Labels> labels;  // [column][sample]
  LabelledFeatures view() const {
    LabelledFeatures view{{values, samples, units}, {}};
    for (const Labels& column : labels) view.labels.emplace_back(column);
    return view;
  }
};

// Samples around a random centre per class of the first column; further columns are random labels.
Data clusters(std::size_t samples, std::size_t units, const std::vector<std::size_t>& classes, double deviation,
              std::uint32_t key) {
  Data data{{}, samples, units, std::vector<Labels>(classes.size())};
  Random draw_centres(1, Draw::signal, 11, 0), random(1, Draw::signal, 12, key);
  std::vector<double> centres(classes[0] * units);
  for (double& centre : centres) centre = draw_centres.normal();
  for (std::size_t i = 0; i < samples; ++i) {
    for (std::size_t column = 0; column < classes.size(); ++column)
      data.labels[column].push_back(
          static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(classes[column]))));
    const auto label = static_cast<std::size_t>(data.labels[0].back());
    for (std::size_t unit = 0; unit < units; ++unit)
      data.values.push_back(static_cast<float>(centres[label * units + unit] + deviation * random.normal()));
  }
  return data;
}

// The same training written out in double precision, one classifier at a time.
struct Twin {
  std::vector<double> parameters;  // weights (classes, units), then biases
  double loss = 0;
  double accuracy = 0;
};

std::vector<double> logits_of(const std::vector<double>& parameters, std::span<const float> row, std::size_t classes) {
  std::vector<double> logits;
  for (std::size_t c = 0; c < classes; ++c) {
    double logit = parameters[classes * row.size() + c];
    for (std::size_t unit = 0; unit < row.size(); ++unit)
      logit += parameters[c * row.size() + unit] * static_cast<double>(row[unit]);
    logits.push_back(logit);
  }
  return logits;
}

Twin twin(const Data& data, std::size_t column, const ReadoutOptions& options) {
  const std::size_t classes = options.classes[column], units = data.units;
  const Features features = data.view().features;
  Twin result;
  auto& parameters = result.parameters;
  Random initial(options.seed, Draw::readout_weights, 0, static_cast<std::uint32_t>(column));
  for (std::size_t i = 0; i < classes * (units + 1); ++i)
    parameters.push_back((2 * initial.uniform() - 1) / std::sqrt(static_cast<double>(units)));

  std::vector<double> first(parameters.size()), second(parameters.size());
  int step = 0;
  for (int epoch = 0; epoch < options.epochs; ++epoch) {
    std::vector<std::size_t> order(data.samples);
    std::iota(order.begin(), order.end(), 0);
    Random shuffle(options.seed, Draw::readout_order, 0, static_cast<std::uint32_t>(epoch));
    for (std::size_t left = order.size(); left > 1; --left)
      std::swap(order[left - 1], order[shuffle.below(static_cast<std::uint32_t>(left))]);
    for (std::size_t begin = 0; begin < order.size(); begin += options.batch) {
      const std::size_t size = std::min(options.batch, order.size() - begin);
      std::vector<double> gradient(parameters.size());
      for (std::size_t i = begin; i < begin + size; ++i) {
        const auto row = features.row(order[i]);
        const auto logits = logits_of(parameters, row, classes);
        double sum = 0;
        for (double logit : logits) sum += std::exp(logit);
        for (std::size_t c = 0; c < classes; ++c) {
          const bool target = data.labels[column][order[i]] == static_cast<std::int32_t>(c);
          const double error = (std::exp(logits[c]) / sum - (target ? 1 : 0)) / static_cast<double>(size);
          for (std::size_t unit = 0; unit < units; ++unit)
            gradient[c * units + unit] += error * static_cast<double>(row[unit]);
          gradient[classes * units + c] += error;
        }
      }
      ++step;
      for (std::size_t p = 0; p < parameters.size(); ++p) {
        first[p] = 0.9 * first[p] + 0.1 * gradient[p];
        second[p] = 0.999 * second[p] + 0.001 * gradient[p] * gradient[p];
        const double m = first[p] / (1 - std::pow(0.9, step)), v = second[p] / (1 - std::pow(0.999, step));
        parameters[p] -= options.learning_rate * m / (std::sqrt(v) + 1e-8);
      }
    }
  }
  for (std::size_t i = 0; i < data.samples; ++i) {
    const auto logits = logits_of(parameters, features.row(i), classes);
    const auto label = static_cast<std::size_t>(data.labels[column][i]);
    double sum = 0;
    for (double logit : logits) sum += std::exp(logit);
    result.loss += (std::log(sum) - logits[label]) / static_cast<double>(data.samples);
    const auto best = static_cast<std::size_t>(std::ranges::max_element(logits) - logits.begin());
    result.accuracy += (best == label ? 1 : 0) / static_cast<double>(data.samples);
  }
  return result;
}

// 150 samples in batches of 64 leave a batch of 22.
TEST(Readout, EqualsItsTwinInDoublePrecision) {
  const ReadoutOptions options{.classes = {5, 3}, .seed = 9, .learning_rate = 1e-2, .epochs = 3, .batch = 64};
  const Data data = clusters(150, 70, options.classes, 1, 1);
  const auto readouts = train_readouts(data.view(), data.view(), options);
  ASSERT_EQ(readouts.size(), 2u);
  for (std::size_t column = 0; column < 2; ++column) {
    const Twin expected = twin(data, column, options);
    std::vector<float> parameters = readouts[column].weights;
    parameters.insert(parameters.end(), readouts[column].biases.begin(), readouts[column].biases.end());
    ASSERT_EQ(parameters.size(), expected.parameters.size());
    for (std::size_t p = 0; p < parameters.size(); ++p)
      EXPECT_NEAR(static_cast<double>(parameters[p]), expected.parameters[p], 2e-5) << column << ", parameter " << p;
    EXPECT_NEAR(readouts[column].train_loss, expected.loss, 1e-5);
    EXPECT_NEAR(readouts[column].train_accuracy, expected.accuracy, 1e-9);
    EXPECT_EQ(readouts[column].test_accuracy, readouts[column].train_accuracy);
  }
}

TEST(Readout, TellsSeparateClassesApartAndGuessesRandomLabels) {
  const ReadoutOptions options{.classes = {10, 4}, .seed = 1};
  const Data train = clusters(4000, 40, options.classes, 0.5, 1), test = clusters(1000, 40, options.classes, 0.5, 2);
  const auto readouts = train_readouts(train.view(), test.view(), options);
  EXPECT_GT(readouts[0].train_accuracy, 0.99);
  EXPECT_GT(readouts[0].test_accuracy, 0.99);
  EXPECT_LT(readouts[0].train_loss, 0.5);
  EXPECT_NEAR(readouts[1].test_accuracy, 0.25, 0.05);
}

TEST(Readout, IsTheSameInEveryThread) {
  const ReadoutOptions options{.classes = {7, 10}, .seed = 3, .epochs = 2, .batch = 200};
  const Data data = clusters(1001, 301, options.classes, 1, 4);
  const auto alone = train_readouts(data.view(), data.view(), options);
  std::vector<std::vector<Readout>> together(3);
  std::vector<std::jthread> threads;
  for (auto& readouts : together)
    threads.emplace_back([&] { readouts = train_readouts(data.view(), data.view(), options); });
  threads.clear();
  for (const auto& readouts : together)
    for (std::size_t column = 0; column < 2; ++column) {
      EXPECT_EQ(alone[column].weights, readouts[column].weights);
      EXPECT_EQ(alone[column].biases, readouts[column].biases);
      EXPECT_EQ(alone[column].train_loss, readouts[column].train_loss);
    }
}

TEST(Readout, OfOneColumnDoesNotDependOnTheOthers) {
  const ReadoutOptions both{.classes = {6, 3}, .seed = 5, .epochs = 2}, one{.classes = {6}, .seed = 5, .epochs = 2};
  Data data = clusters(600, 30, both.classes, 1, 6);
  const auto together = train_readouts(data.view(), data.view(), both);
  data.labels.pop_back();
  const auto alone = train_readouts(data.view(), data.view(), one);
  EXPECT_THAT(alone[0].weights, testing::Pointwise(testing::FloatNear(1e-5f), together[0].weights));
  EXPECT_NE(train_readouts(data.view(), data.view(), {.classes = {6}, .seed = 6, .epochs = 2})[0].weights,
            alone[0].weights);
}

TEST(Readout, SaysWhatItLearnedInTheLastQuarter) {
  const ReadoutOptions twelve{.classes = {6}, .seed = 5, .epochs = 12}, nine{.classes = {6}, .seed = 5, .epochs = 9};
  const Data data = clusters(600, 30, {6}, 1, 6);
  const Readout last = train_readouts(data.view(), data.view(), twelve)[0];
  const Readout before = train_readouts(data.view(), data.view(), nine)[0];
  EXPECT_GT(last.late_rise, 0);
  EXPECT_DOUBLE_EQ(last.late_rise, last.train_accuracy - before.train_accuracy);
}

TEST(Readout, CountsWhatIsAmongItsFiveLikeliest) {
  const ReadoutOptions options{.classes = {12, 4}, .seed = 5, .epochs = 1};
  const Data data = clusters(300, 20, options.classes, 4, 6);
  const auto readouts = train_readouts(data.view(), data.view(), options);
  int first = 0, among_five = 0;
  for (std::size_t i = 0; i < 300; ++i) {
    const auto logit = [&](std::size_t k) {
      double sum = static_cast<double>(readouts[0].biases[k]);
      for (std::size_t u = 0; u < 20; ++u)
        sum += static_cast<double>(readouts[0].weights[k * 20 + u]) * static_cast<double>(data.values[i * 20 + u]);
      return sum;
    };
    int larger = 0;
    for (std::size_t k = 0; k < 12; ++k)
      larger += logit(k) > logit(static_cast<std::size_t>(data.labels[0][i])) ? 1 : 0;
    first += larger < 1 ? 1 : 0;
    among_five += larger < 5 ? 1 : 0;
  }
  EXPECT_LT(first, among_five);
  EXPECT_LT(among_five, 300);
  EXPECT_DOUBLE_EQ(readouts[0].test_accuracy, first / 300.0);
  EXPECT_DOUBLE_EQ(readouts[0].test_top5, among_five / 300.0);
  EXPECT_EQ(readouts[1].test_top5, 1);
}

TEST(Readout, RefusesWhatDoesNotFit) {
  const ReadoutOptions options{.classes = {3}, .epochs = 1};
  const Data good = clusters(20, 4, {3}, 1, 1);
  const auto refusal = [&](const Data& train, const Data& test) -> std::string {
    try {
      train_readouts(train.view(), test.view(), options);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_EQ(refusal(good, good), "accepted");
  Data bad = good;
  bad.labels[0][7] = 3;
  EXPECT_THAT(refusal(good, bad), testing::HasSubstr("test label column 0 holds 3; its classes are 0 to 2"));
  bad = good;
  bad.labels[0].pop_back();
  EXPECT_THAT(refusal(bad, good), testing::HasSubstr("has 19 labels for 20 samples"));
  bad = good;
  bad.values[3] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(refusal(bad, good), testing::HasSubstr("the loss of label column 0 is nan"));
  EXPECT_THAT(refusal(good, clusters(20, 5, {3}, 1, 1)), testing::HasSubstr("have 4 units, the test features 5"));
  EXPECT_THROW(train_readouts(good.view(), good.view(), {.classes = {3}, .batch = 0}), Error);
  bad = good;
  bad.labels.clear();
  EXPECT_THAT(refusal(bad, good), testing::HasSubstr("0 training label columns, but classes are given for 1"));
}

}  // namespace
}  // namespace lpl::rate
