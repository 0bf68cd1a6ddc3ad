#include "rate/normalisation.hpp"

#include <cmath>
#include <cstddef>

namespace lpl {
namespace {

constexpr double kEpsilon = 1e-5, kMomentum = 0.1;  // PyTorch's defaults, as published

double inverse_deviation(double variance) { return 1.0 / std::sqrt(variance + kEpsilon); }

void move_towards(double found, float& average) {
  average = static_cast<float>((1 - kMomentum) * static_cast<double>(average) + kMomentum * found);
}

}  // namespace

std::vector<float> batch_means(const std::vector<float>& sums, double count) {
  std::vector<float> means;
  for (std::size_t i = 0; i < sums.size() / 2; ++i)
    means.push_back(static_cast<float>(static_cast<double>(sums[i]) / count));
  return means;
}

BatchMoments batch_moments(const std::vector<float>& centre, const std::vector<float>& sums, double count) {
  BatchMoments moments{centre, {}};
  for (std::size_t i = 0; i < centre.size(); ++i) {
    const double offset = static_cast<double>(sums[i]) / count;  // of the mean from the centre, by rounding
    moments.variance.push_back(static_cast<double>(sums[centre.size() + i]) / count - offset * offset);
  }
  return moments;
}

BatchMoments running_moments(const std::vector<float>& mean, const std::vector<float>& variance) {
  BatchMoments moments;
  for (int view = 0; view < 2; ++view) {
    moments.mean.insert(moments.mean.end(), mean.begin(), mean.end());
    moments.variance.insert(moments.variance.end(), variance.begin(), variance.end());
  }
  return moments;
}

void track(const BatchMoments& moments, double count, std::vector<float>& mean, std::vector<float>& variance) {
  const std::size_t channels = mean.size();
  for (std::size_t i = 0; i < 2 * channels; ++i) {
    move_towards(static_cast<double>(moments.mean[i]), mean[i % channels]);
    move_towards(moments.variance[i] * count / (count - 1), variance[i % channels]);
  }
}

std::vector<float> normalising_coefficients(const BatchMoments& moments, const std::vector<float>& weight,
                                            const std::vector<float>& bias) {
  const std::size_t channels = weight.size(), both = 2 * channels;
  std::vector<float> coefficients(4 * both);
  for (std::size_t i = 0; i < both; ++i) {
    coefficients[i] = moments.mean[i];
    coefficients[both + i] =
        static_cast<float>(static_cast<double>(weight[i % channels]) * inverse_deviation(moments.variance[i]));
    coefficients[3 * both + i] = bias[i % channels];
  }
  return coefficients;
}

std::vector<float> gradient_coefficients(const BatchMoments& moments, const std::vector<float>& weight,
                                         const std::vector<float>& sums, double count) {
  const std::size_t channels = weight.size(), both = 2 * channels;
  std::vector<float> coefficients(4 * both);
  for (std::size_t i = 0; i < both; ++i) {
    const double inverse = inverse_deviation(moments.variance[i]);
    const double slope = static_cast<double>(weight[i % channels]) * inverse;
    coefficients[i] = moments.mean[i];
    coefficients[both + i] =
        static_cast<float>(-slope * inverse * inverse * static_cast<double>(sums[both + i]) / count);
    coefficients[2 * both + i] = static_cast<float>(slope);
    coefficients[3 * both + i] = static_cast<float>(-slope * static_cast<double>(sums[i]) / count);
  }
  return coefficients;
}

NormGradient norm_gradient(const BatchMoments& moments, const std::vector<float>& sums) {
  const std::size_t both = moments.mean.size(), channels = both / 2;
  NormGradient gradient;
  for (std::size_t c = 0; c < channels; ++c) {
    double weight = 0, bias = 0;
    for (const std::size_t i : {c, channels + c}) {
      weight += inverse_deviation(moments.variance[i]) * static_cast<double>(sums[both + i]);
      bias += static_cast<double>(sums[i]);
    }
    gradient.weight.push_back(static_cast<float>(weight));
    gradient.bias.push_back(static_cast<float>(bias));
  }
  return gradient;
}

}  // namespace lpl
