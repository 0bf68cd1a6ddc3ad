// Linear readout: how well a linear classifier tells labels from fixed features. Softmax regression trained by Adam
// (betas 0.9 and 0.999, epsilon 1e-8, no weight decay); weights and biases start uniform within ±1/√units.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rate/features.hpp"

namespace lpl::rate {

// Features with several label columns (such as the factors of a scene), each read out by a classifier of its own.
struct LabelledFeatures {
  Features features;
  std::vector<std::span<const std::int32_t>> labels;  // [column][sample], from 0
};

struct ReadoutOptions {
  std::vector<std::size_t> classes;  // number of classes of each label column
  std::uint64_t seed = 0;            // keys the initial weights and the order of the samples
  double learning_rate = 1e-3;
  int epochs = 20;
  std::size_t batch = 512;  // samples a step; the last batch of an epoch holds what is left
};

// One trained classifier.
struct Readout {
  std::vector<float> weights;  // (classes, units)
  std::vector<float> biases;   // (classes)
  double train_loss = 0;       // mean cross-entropy [nat] over the training samples, after training
  double train_accuracy = 0;   // fraction right
  double late_rise = 0;        // of it, in the last quarter of the epochs
  double test_accuracy = 0;
  double test_top5 = 0;  // fraction whose class is among the five that the classifier holds for likeliest
};

// Trains a classifier per label column on `train` and tests it on `test`, in the calling thread; readouts of several
// layers may be trained at the same time. Throws Error where sizes disagree, the batch is empty, a label is outside its
// classes, or a loss is not finite because the features are not.
std::vector<Readout> train_readouts(const LabelledFeatures& train, const LabelledFeatures& test,
                                    const ReadoutOptions& options);

}  // namespace lpl::rate
