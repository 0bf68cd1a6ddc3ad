// The arithmetic of batch normalisation (Ioffe & Szegedy 2015), by view and channel: what stands between the sums over
// a batch that a backend forms (Backend::add_moments) and the coefficients that it applies (Backend::combine).
//
// Each view is a batch of its own, as it is where every view goes through the network by itself. A channel becomes
//   y = weight (x - mean) / sqrt(variance + 1e-5) + bias
// with mean and (biased) variance over samples and positions in training, and their running averages after it.
// Vectors of both views hold views x channels; `count` is the number of values of a channel in one view.
#pragma once

#include <vector>

namespace lpl {

struct BatchMoments {
  std::vector<float> mean;
  std::vector<double> variance;  // biased
};

// Means, from moments about 0.
std::vector<float> batch_means(const std::vector<float>& sums, double count);
// From moments about (nearly) the means.
BatchMoments batch_moments(const std::vector<float>& centre, const std::vector<float>& sums, double count);
// The running averages, for both views.
BatchMoments running_moments(const std::vector<float>& mean, const std::vector<float>& variance);
// Moves the running averages by a tenth towards each view in turn; they average the unbiased variance.
void track(const BatchMoments& moments, double count, std::vector<float>& mean, std::vector<float>& variance);

// Coefficients that give y.
std::vector<float> normalising_coefficients(const BatchMoments& moments, const std::vector<float>& weight,
                                            const std::vector<float>& bias);

// From moments with dy, the gradient with respect to y: coefficients that give the gradient with respect to x.
std::vector<float> gradient_coefficients(const BatchMoments& moments, const std::vector<float>& weight,
                                         const std::vector<float>& sums, double count);
struct NormGradient {
  std::vector<float> weight, bias;
};
NormGradient norm_gradient(const BatchMoments& moments, const std::vector<float>& sums);

}  // namespace lpl
