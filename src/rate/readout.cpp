#include "rate/readout.hpp"

#include <fmt/format.h>

#include <Eigen/Dense>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/errors.hpp"
#include "core/random.hpp"

namespace lpl::rate {
namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Eigen::Index;

void check(const char* name, const LabelledFeatures& data, const std::vector<std::size_t>& classes) {
  const auto& [features, labels] = data;
  if (features.samples == 0 || features.units == 0 || features.values.size() != features.samples * features.units)
    throw Error(fmt::format("readout: {} values are no {} matrix of {} samples x {} units", features.values.size(),
                            name, features.samples, features.units));
  if (labels.size() != classes.size())
    throw Error(
        fmt::format("readout: {} {} label columns, but classes are given for {}", labels.size(), name, classes.size()));
  for (std::size_t column = 0; column < labels.size(); ++column) {
    if (labels[column].size() != features.samples)
      throw Error(fmt::format("readout: {} label column {} has {} labels for {} samples", name, column,
                              labels[column].size(), features.samples));
    for (std::int32_t label : labels[column])
      if (label < 0 || static_cast<std::size_t>(label) >= classes[column])
        throw Error(fmt::format("readout: {} label column {} holds {}; its classes are 0 to {}", name, column, label,
                                classes[column] - 1));
  }
}

// From the largest on; of equal ones the first comes first.
template <class Logits>
Index place_of(const Logits& logits, Index label) {
  Index place = 0;
  for (Index i = 0; i < logits.size(); ++i)
    place += logits[i] > logits[label] || (logits[i] == logits[label] && i < label) ? 1 : 0;
  return place;
}

// A parameter with Adam's moments.
struct Parameter {
  Matrix value, gradient, first, second;

  Parameter(Index rows, Index columns)
      : value(rows, columns),
        gradient(rows, columns),
        first(Matrix::Zero(rows, columns)),
        second(Matrix::Zero(rows, columns)) {}

  // Adam (Kingma & Ba 2015, algorithm 1), step counted from 1.
  void update(double learning_rate, int step) {
    constexpr double kBeta1 = 0.9, kBeta2 = 0.999;
    constexpr float kEpsilon = 1e-8f;
    const auto rate = static_cast<float>(learning_rate / (1 - std::pow(kBeta1, step)));
    const auto scale = static_cast<float>(1 / std::sqrt(1 - std::pow(kBeta2, step)));
    first = static_cast<float>(kBeta1) * first + static_cast<float>(1 - kBeta1) * gradient;
    second = static_cast<float>(kBeta2) * second + static_cast<float>(1 - kBeta2) * gradient.cwiseAbs2();
    value.array() -= rate * first.array() / (second.array().sqrt() * scale + kEpsilon);
  }
};

// The classifiers of all label columns, stacked: they share the features but nothing else.
class Classifiers {
 public:
  Classifiers(Index units, const ReadoutOptions& options)
      : options_(options), weights_(total(options.classes), units), biases_(1, total(options.classes)) {
    const double bound = 1 / std::sqrt(static_cast<double>(units));
    Index row = 0;
    for (std::size_t column = 0; column < options.classes.size(); ++column) {
      Random random(options.seed, Draw::readout_weights, 0, static_cast<std::uint32_t>(column));
      const auto draw = [&] { return static_cast<float>(bound * (2 * random.uniform() - 1)); };
      const auto classes = static_cast<Index>(options.classes[column]);
      for (auto weights : weights_.value.middleRows(row, classes).rowwise())
        for (float& weight : weights) weight = draw();
      for (float& bias : biases_.value.middleCols(row, classes).reshaped()) bias = draw();
      row += classes;
    }
  }

  // One pass over the samples in an order of its own.
  void train_epoch(const LabelledFeatures& data, int epoch) {
    std::vector<std::size_t> order(data.features.samples);
    std::iota(order.begin(), order.end(), 0);
    Random random(options_.seed, Draw::readout_order, 0, static_cast<std::uint32_t>(epoch));
    for (std::size_t left = order.size(); left > 1; --left)
      std::swap(order[left - 1], order[random.below(static_cast<std::uint32_t>(left))]);
    for_each_batch(order, [&](std::span<const std::size_t> samples) { step(data, samples); });
  }

  struct Score {
    double loss = 0;      // mean cross-entropy
    double accuracy = 0;  // fraction right
    double top5 = 0;      // fraction whose class is among the first five
  };
  std::vector<Score> scores(const LabelledFeatures& data) {
    std::vector<Score> scores(options_.classes.size());
    std::vector<std::size_t> all(data.features.samples);
    std::iota(all.begin(), all.end(), 0);
    for_each_batch(all, [&](std::span<const std::size_t> samples) {
      forward(data.features, samples);
      for_each_answer(data, samples, [&](auto logits, std::size_t column, Index label) {
        Index best = 0;
        const double largest = logits.maxCoeff(&best);
        const double sum = (logits.template cast<double>().array() - largest).exp().sum();
        scores[column].loss += std::log(sum) + largest - static_cast<double>(logits[label]);
        scores[column].accuracy += best == label ? 1 : 0;
        scores[column].top5 += place_of(logits, label) < 5 ? 1 : 0;
      });
    });
    for (Score& score : scores) {
      score.loss /= static_cast<double>(data.features.samples);
      score.accuracy /= static_cast<double>(data.features.samples);
      score.top5 /= static_cast<double>(data.features.samples);
    }
    return scores;
  }

  // Weights and biases of each column.
  std::vector<Readout> parameters() const {
    std::vector<Readout> readouts;
    Index row = 0;
    for (std::size_t count : options_.classes) {
      const auto classes = static_cast<Index>(count);
      const float* weights = weights_.value.row(row).data();
      const float* biases = biases_.value.data() + row;
      Readout& readout = readouts.emplace_back();
      readout.weights.assign(weights, weights + classes * weights_.value.cols());
      readout.biases.assign(biases, biases + classes);
      row += classes;
    }
    return readouts;
  }

 private:
  static Index total(const std::vector<std::size_t>& classes) {
    return static_cast<Index>(std::accumulate(classes.begin(), classes.end(), std::size_t{0}));
  }

  template <class Body>
  void for_each_batch(std::span<const std::size_t> samples, Body&& body) const {
    for (std::size_t begin = 0; begin < samples.size(); begin += options_.batch)
      body(samples.subspan(begin, std::min(options_.batch, samples.size() - begin)));
  }

  // Calls body(logits, column, label) for each sample of the batch and each label column.
  template <class Body>
  void for_each_answer(const LabelledFeatures& data, std::span<const std::size_t> samples, Body&& body) {
    for (std::size_t i = 0; i < samples.size(); ++i) {
      Index first = 0;
      for (std::size_t column = 0; column < options_.classes.size(); ++column) {
        const auto classes = static_cast<Index>(options_.classes[column]);
        body(logits_.row(static_cast<Index>(i)).segment(first, classes), column,
             static_cast<Index>(data.labels[column][samples[i]]));
        first += classes;
      }
    }
  }

  // Gathers the samples into batch_ and computes logits_, both (samples, ...).
  void forward(const Features& features, std::span<const std::size_t> samples) {
    const auto count = static_cast<Index>(samples.size());
    batch_.resize(count, static_cast<Index>(features.units));
    logits_.resize(count, weights_.value.rows());
    for (Index i = 0; i < count; ++i)
      std::ranges::copy(features.row(samples[static_cast<std::size_t>(i)]), batch_.row(i).data());
    logits_.noalias() = batch_ * weights_.value.transpose();
    logits_.rowwise() += biases_.value.row(0);
  }

  void step(const LabelledFeatures& data, std::span<const std::size_t> samples) {
    forward(data.features, samples);
    // The gradient of the mean cross-entropy with respect to the logits takes their place: (softmax - target) / size.
    const float share = 1 / static_cast<float>(samples.size());
    for_each_answer(data, samples, [&](auto logits, std::size_t, Index label) {
      logits = (logits.array() - logits.maxCoeff()).exp();
      logits *= share / logits.sum();
      logits[label] -= share;
    });
    weights_.gradient.noalias() = logits_.transpose() * batch_;
    biases_.gradient = logits_.colwise().sum();
    ++steps_;
    weights_.update(options_.learning_rate, steps_);
    biases_.update(options_.learning_rate, steps_);
  }

  const ReadoutOptions& options_;
  Parameter weights_;  // (classes of all columns, units)
  Parameter biases_;   // (1, classes of all columns)
  Matrix batch_, logits_;
  int steps_ = 0;
};

}  // namespace

std::vector<Readout> train_readouts(const LabelledFeatures& train, const LabelledFeatures& test,
                                    const ReadoutOptions& options) {
  if (options.batch == 0) throw Error("readout: the batch is 0; it must hold at least one sample");
  check("training", train, options.classes);
  check("test", test, options.classes);
  if (train.features.units != test.features.units)
    throw Error(fmt::format("readout: the training features have {} units, the test features {}", train.features.units,
                            test.features.units));

  Classifiers classifiers(static_cast<Index>(train.features.units), options);
  std::vector<Classifiers::Score> before;  // the last quarter of the epochs
  for (int epoch = 0; epoch < options.epochs; ++epoch) {
    if (epoch == options.epochs - std::max(1, options.epochs / 4)) before = classifiers.scores(train);
    classifiers.train_epoch(train, epoch);
  }

  const auto on_train = classifiers.scores(train);
  const auto on_test = classifiers.scores(test);
  std::vector<Readout> readouts = classifiers.parameters();
  for (std::size_t column = 0; column < readouts.size(); ++column) {
    if (!std::isfinite(on_train[column].loss) || !std::isfinite(on_test[column].loss))
      throw Error(
          fmt::format("readout: the loss of label column {} is {} in training and {} in the test; the features "
                      "hold values that are not finite, or far too large",
                      column, on_train[column].loss, on_test[column].loss));
    readouts[column].train_loss = on_train[column].loss;
    readouts[column].train_accuracy = on_train[column].accuracy;
    if (!before.empty()) readouts[column].late_rise = on_train[column].accuracy - before[column].accuracy;
    readouts[column].test_accuracy = on_test[column].accuracy;
    readouts[column].test_top5 = on_test[column].top5;
  }
  return readouts;
}

}  // namespace lpl::rate
