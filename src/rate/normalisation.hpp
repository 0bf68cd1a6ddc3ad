// The arithmetic of batch normalisation (Ioffe & Szegedy 2015), by view and channel: what stands between the sums over
// a batch that a backend forms (Backend::add_moments) and the coefficients that it applies (Backend::combine).
//
// Each view is a batch of its own, as it is where every view goes through the network by itself. A channel becomes
//   y = weight (x - mean) / sqrt(variance + 1e-5) + bias
// with mean and (biased) variance over samples and positions in training, and their running averages after it.
//
// Backends call a step with 0, ..., calls() - 1, in any order. Pointers are to their memory: sums, moments (mean, then
// variance) and coefficients by view and channel, all else by channel. `count` is the number of values of a channel in
// one view.
#pragma once

#include <cmath>
#include <cstdint>

#include "rate/device_code.hpp"

namespace lpl::rate {

// PyTorch's defaults, as published.
inline constexpr double kNormEpsilon = 1e-5, kNormMomentum = 0.1;

LPL_DEVICE inline double inverse_deviation(double variance) { return 1.0 / std::sqrt(variance + kNormEpsilon); }

// The coefficients of view and channel `i` of `both` that give y.
LPL_DEVICE inline void write_coefficients(float mean, double variance, float weight, float bias, std::uint32_t both,
                                          std::uint32_t i, float* coefficients) {
  coefficients[i] = mean;
  coefficients[both + i] = static_cast<float>(static_cast<double>(weight) * inverse_deviation(variance));
  coefficients[2 * both + i] = 0.0f;
  coefficients[3 * both + i] = bias;
}

// Means, from moments about 0.
struct BatchMeans {
  std::uint32_t channels;
  double count;
  const float* sums;
  float* moments;
  std::uint32_t calls() const { return 2 * channels; }
  LPL_DEVICE void operator()(std::uint32_t i) const {
    moments[i] = static_cast<float>(static_cast<double>(sums[i]) / count);
  }
};

// From moments about (nearly) the means: variances, and the coefficients that give y. Moves the running averages by a
// tenth towards each view in turn; they average the unbiased variance.
struct BatchNormalisation {
  std::uint32_t channels;
  double count;
  const float* sums;
  float* moments;
  const float* weight;
  const float* bias;
  float* running_mean;
  float* running_variance;
  float* coefficients;
  std::uint32_t calls() const { return channels; }
  LPL_DEVICE void operator()(std::uint32_t channel) const {
    const std::uint32_t both = 2 * channels;
    for (std::uint32_t i = channel; i < both; i += channels) {
      const double offset = static_cast<double>(sums[i]) / count;  // of the mean from the centre, by rounding
      const double variance = static_cast<double>(sums[both + i]) / count - offset * offset;
      moments[both + i] = static_cast<float>(variance);
      move_towards(static_cast<double>(moments[i]), running_mean[channel]);
      move_towards(variance * count / (count - 1), running_variance[channel]);
      write_coefficients(moments[i], variance, weight[channel], bias[channel], both, i, coefficients);
    }
  }

 private:
  LPL_DEVICE static void move_towards(double found, float& average) {
    average = static_cast<float>((1 - kNormMomentum) * static_cast<double>(average) + kNormMomentum * found);
  }
};

// The coefficients that give y after training.
struct RunningNormalisation {
  std::uint32_t channels;
  const float* weight;
  const float* bias;
  const float* running_mean;
  const float* running_variance;
  float* coefficients;
  std::uint32_t calls() const { return channels; }
  LPL_DEVICE void operator()(std::uint32_t channel) const {
    const std::uint32_t both = 2 * channels;
    for (std::uint32_t i = channel; i < both; i += channels)
      write_coefficients(running_mean[channel], static_cast<double>(running_variance[channel]), weight[channel],
                         bias[channel], both, i, coefficients);
  }
};

// From moments with dy, the gradient with respect to y: the coefficients that give the gradient with respect to x, and
// the gradients with respect to weight and bias.
struct NormalisationGradient {
  std::uint32_t channels;
  double count;
  const float* sums;
  const float* moments;
  const float* weight;
  float* coefficients;
  float* weight_gradient;
  float* bias_gradient;
  std::uint32_t calls() const { return channels; }
  LPL_DEVICE void operator()(std::uint32_t channel) const {
    const std::uint32_t both = 2 * channels;
    double by_weight = 0, by_bias = 0;
    for (std::uint32_t i = channel; i < both; i += channels) {
      const auto sum = static_cast<double>(sums[i]), sum_along = static_cast<double>(sums[both + i]);
      const double inverse = inverse_deviation(static_cast<double>(moments[both + i]));
      const double slope = static_cast<double>(weight[channel]) * inverse;
      coefficients[i] = moments[i];
      coefficients[both + i] = static_cast<float>(-slope * inverse * inverse * sum_along / count);
      coefficients[2 * both + i] = static_cast<float>(slope);
      coefficients[3 * both + i] = static_cast<float>(-slope * sum / count);
      by_weight += inverse * sum_along;
      by_bias += sum;
    }
    weight_gradient[channel] = static_cast<float>(by_weight);
    bias_gradient[channel] = static_cast<float>(by_bias);
  }
};

}  // namespace lpl::rate
