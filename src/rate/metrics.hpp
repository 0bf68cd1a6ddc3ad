// Measures of a representation, as published with the LPL networks (Halvagal & Zenke 2023, Methods). All sums are in
// double precision and in a fixed order. A measure that is not defined (no pair of samples, no variance) is NaN.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rate/features.hpp"

namespace lpl::rate {

// Measures that need pairs of samples, and no shortcut through sums, look at no more samples than this: every k-th
// row, k the smallest stride that suffices.
inline constexpr std::size_t kPairedSamples = 1000;

// (Σ λ)² / Σ λ² of the eigenvalues λ of the covariance: 1 on a line, `units` for equal variances in all directions.
double participation_ratio(const Features& features);

double mean_activity(const Features& features);

// Cosines of pairs of samples after the mean sample is subtracted. A sample equal to the mean has no direction, and is
// in no pair.
struct CosineMeasures {
  static constexpr std::size_t kBins = 40;  // of equal width from -1 to 1, which belongs to the last

  double across_classes = 0;  // mean over all pairs of different class
  double within_classes = 0;  // mean over classes of the mean over their pairs; NaN where a class has no pair
  std::vector<std::uint64_t> across_histogram;  // (kBins): pairs of at most kPairedSamples samples
  std::vector<std::uint64_t> within_histogram;
};
CosineMeasures cosine_measures(const Features& features, std::span<const std::int32_t> labels);

// Geometry of the classes, each the cloud of its samples. Classes are the labels that occur, in ascending order.
struct ManifoldMeasures {
  double class_correlation = 0;  // mean off-diagonal correlation coefficient of two class centres across units
  double relative_radius = 0;    // mean class radius / mean distance of all samples from the global mean
  double dimension = 0;          // mean participation ratio of the classes; NaN where a class has one sample
  std::vector<std::int32_t> classes;
  std::vector<double> radii;             // mean distance of a class's samples from its centre
  std::vector<double> dimensions;        // participation ratio of each class
  std::vector<double> centroid_spreads;  // distance of each class centre from the global mean
};
ManifoldMeasures manifold_measures(const Features& features, std::span<const std::int32_t> labels);

// How well a representation fills its space.
struct PushMeasures {
  double cosine_push = 0;  // mean squared cosine of two samples, not centred; 0 with a sample of zeros
  double uniformity = 0;   // log mean exp(-2 d²), d the distance of two unit rows; at most kPairedSamples samples
  double kl_to_standard_gaussian = 0;  // mean over units of KL(N(mean, variance + 1e-4) || N(0, 1))
  double sliced_wasserstein = 0;       // to as many samples of N(0, 1), along 64 directions; at most kPairedSamples
};
PushMeasures push_measures(const Features& features);

// Squared Wasserstein distance of two sets of as many samples along the rows of `directions`, of length 1: the mean
// over directions and samples of the squared difference of the projections, each set's in ascending order.
double sliced_wasserstein(const Features& features, const Features& others, const Features& directions);

}  // namespace lpl::rate
