#include "rate/metrics.hpp"

#include <fmt/format.h>

#include <Eigen/Dense>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string_view>

#include "core/errors.hpp"
#include "core/random.hpp"
#include "core/text.hpp"

namespace lpl::rate {
namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;  // (samples, units)
using RowVector = Eigen::RowVectorXd;
using Eigen::Index;

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

Matrix in_double(const Features& features) {
  if (features.samples == 0 || features.units == 0 || features.values.size() != features.samples * features.units)
    throw Error(fmt::format("measures: {} values are no matrix of {} samples x {} units", features.values.size(),
                            features.samples, features.units));
  const Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>> values(
      features.values.data(), static_cast<Index>(features.samples), static_cast<Index>(features.units));
  if (!values.allFinite()) throw Error("measures: the features hold values that are not finite");
  return values.cast<double>();
}

Matrix centred(const Matrix& x) {
  const RowVector mean = x.colwise().mean();
  return x.rowwise() - mean;
}

// Rows of length 1; a row of zeros stays.
Matrix unit_rows(Matrix x) {
  for (auto row : x.rowwise()) {
    const double length = row.norm();
    if (length > 0) row /= length;
  }
  return x;
}

// Mean of the n (n - 1) ordered pairs whose values sum to `sum`.
double mean_of_pairs(double sum, Index n) {
  const double count = static_cast<double>(n) * static_cast<double>(n - 1);
  return count > 0 ? sum / count : kUndefined;
}

// Sum of the squared entries of the Gram matrix x xᵀ, which equals that of xᵀ x; the smaller of the two is formed.
double squared_norm_of_gram(const Matrix& x) {
  const Index n = std::min(x.rows(), x.cols());
  Eigen::MatrixXd gram = Eigen::MatrixXd::Zero(n, n);
  if (x.rows() <= x.cols())
    gram.selfadjointView<Eigen::Lower>().rankUpdate(x);
  else
    gram.selfadjointView<Eigen::Lower>().rankUpdate(x.transpose());
  double sum = gram.diagonal().squaredNorm();
  for (Index column = 0; column + 1 < n; ++column) sum += 2 * gram.col(column).tail(n - column - 1).squaredNorm();
  return sum;
}

double participation_ratio(const Matrix& x) {
  const Matrix z = centred(x);
  const double trace = z.squaredNorm();
  return trace > 0 ? trace * trace / squared_norm_of_gram(z) : kUndefined;
}

// Rows of each class, ascending, by label.
using Classes = std::map<std::int32_t, std::vector<Index>>;

Classes classes_of(const Features& features, std::span<const std::int32_t> labels) {
  if (labels.size() != features.samples)
    throw Error(fmt::format("measures: {} labels for {} samples", labels.size(), features.samples));
  Classes classes;
  for (std::size_t i = 0; i < labels.size(); ++i) classes[labels[i]].push_back(static_cast<Index>(i));
  return classes;
}

// Every k-th row, k the smallest stride that leaves at most kPairedSamples.
Index stride_of(Index rows) {
  const Index limit = static_cast<Index>(kPairedSamples);
  return (rows + limit - 1) / limit;
}

Matrix every(Index stride, const Matrix& x) { return x(Eigen::seq(Index{0}, x.rows() - 1, stride), Eigen::all); }

void count_cosines(const Matrix& unit, std::span<const std::int32_t> labels, CosineMeasures& measures) {
  constexpr auto kBins = CosineMeasures::kBins;
  measures.across_histogram.assign(kBins, 0);
  measures.within_histogram.assign(kBins, 0);
  const Index stride = stride_of(unit.rows());
  const Matrix sample = every(stride, unit);
  const auto directed = (sample.rowwise().squaredNorm().array() > 0).eval();
  const Matrix cosines = sample * sample.transpose();
  for (Index i = 0; i < cosines.rows(); ++i)
    for (Index j = i + 1; j < cosines.cols(); ++j) {
      if (!directed[i] || !directed[j]) continue;
      const bool same = labels[static_cast<std::size_t>(i * stride)] == labels[static_cast<std::size_t>(j * stride)];
      auto& histogram = same ? measures.within_histogram : measures.across_histogram;
      const double place = (cosines(i, j) + 1) / 2 * static_cast<double>(kBins);
      ++histogram[static_cast<std::size_t>(std::clamp(place, 0.0, static_cast<double>(kBins - 1)))];
    }
}

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

// Mean off-diagonal entry of the correlation matrix of the rows; NaN where a row is constant.
double mean_correlation(const Matrix& rows) {
  const Matrix deviations = rows.colwise() - rows.rowwise().mean();
  const RowVector sum = (deviations.array().colwise() / deviations.rowwise().norm().array()).colwise().sum();
  return mean_of_pairs(sum.squaredNorm() - static_cast<double>(rows.rows()), rows.rows());
}

double uniformity(const Matrix& unit) {
  const Matrix sample = every(stride_of(unit.rows()), unit);
  const Eigen::VectorXd squares = sample.rowwise().squaredNorm();
  const Matrix products = sample * sample.transpose();
  double sum = 0;
  for (Index i = 0; i < products.rows(); ++i)
    for (Index j = i + 1; j < products.cols(); ++j)
      sum += 2 * std::exp(-2 * (squares[i] + squares[j] - 2 * products(i, j)));
  return std::log(mean_of_pairs(sum, products.rows()));
}

double kl_to_standard_gaussian(const Matrix& x) {
  const RowVector mean = x.colwise().mean();
  const RowVector variance = centred(x).colwise().squaredNorm() / static_cast<double>(x.rows() - 1);
  const auto v = variance.array() + 1e-4;
  return (v + mean.array().square() - 1 - v.log()).mean() / 2;
}

// Projections on the rows of `directions`, ascending along each: (directions, samples).
Matrix sorted_projections(const Matrix& x, const Matrix& directions) {
  Matrix projections = directions * x.transpose();
  for (auto along : projections.rowwise()) std::sort(along.begin(), along.end());
  return projections;
}

double sliced_wasserstein(const Matrix& x, const Matrix& others, const Matrix& directions) {
  return (sorted_projections(x, directions) - sorted_projections(others, directions)).array().square().mean();
}

// The same numbers for every set of as many samples and units.
Matrix normal_rows(Index rows, Index columns, std::string_view name) {
  Matrix x(rows, columns);
  Random random(0, Draw::noise, hash_name(name), 0);
  for (double& value : x.reshaped<Eigen::RowMajor>()) value = random.normal();
  return x;
}

double distance_to_gaussian(const Matrix& x) {
  constexpr Index kDirections = 64;
  const Matrix sample = every(stride_of(x.rows()), x);
  return sliced_wasserstein(sample, normal_rows(sample.rows(), sample.cols(), "gaussian samples"),
                            unit_rows(normal_rows(kDirections, sample.cols(), "directions")));
}

}  // namespace

double sliced_wasserstein(const Features& features, const Features& others, const Features& directions) {
  if (features.samples != others.samples || features.units != others.units || features.units != directions.units)
    throw Error(fmt::format("measures: {} x {} and {} x {} values, along directions of {} units", features.samples,
                            features.units, others.samples, others.units, directions.units));
  return sliced_wasserstein(in_double(features), in_double(others), in_double(directions));
}

double participation_ratio(const Features& features) { return participation_ratio(in_double(features)); }

double mean_activity(const Features& features) { return in_double(features).mean(); }

CosineMeasures cosine_measures(const Features& features, std::span<const std::int32_t> labels) {
  const Classes classes = classes_of(features, labels);
  const Matrix unit = unit_rows(centred(in_double(features)));
  const RowVector squares = unit.rowwise().squaredNorm();

  // The cosines of all ordered pairs of a set of rows sum to |Σ u|² - Σ |u|².
  CosineMeasures measures;
  std::vector<double> within;
  double sum_of_own = 0;     // Σ over classes of |Σ u|²: pairs of equal class, a row with itself among them
  double ordered_pairs = 0;  // of different class
  const auto rows = static_cast<double>((squares.array() > 0).count());  // that have a direction
  for (const auto& [label, members] : classes) {
    const double own = RowVector(unit(members, Eigen::all).colwise().sum()).squaredNorm();
    const auto size = static_cast<Index>((squares(members).array() > 0).count());
    within.push_back(mean_of_pairs(own - squares(members).sum(), size));
    sum_of_own += own;
    ordered_pairs += static_cast<double>(size) * (rows - static_cast<double>(size));
  }
  const double all = RowVector(unit.colwise().sum()).squaredNorm();
  measures.across_classes = ordered_pairs > 0 ? (all - sum_of_own) / ordered_pairs : kUndefined;
  measures.within_classes = mean(within);
  count_cosines(unit, labels, measures);
  return measures;
}

ManifoldMeasures manifold_measures(const Features& features, std::span<const std::int32_t> labels) {
  const Classes classes = classes_of(features, labels);
  const Matrix x = in_double(features);
  const RowVector global_mean = x.colwise().mean();

  ManifoldMeasures measures;
  Matrix centres(static_cast<Index>(classes.size()), x.cols());
  Index next = 0;
  for (const auto& [label, members] : classes) {
    const Matrix own = x(members, Eigen::all);
    const RowVector centre = own.colwise().mean();
    centres.row(next++) = centre;
    measures.classes.push_back(label);
    measures.radii.push_back((own.rowwise() - centre).rowwise().norm().mean());
    measures.dimensions.push_back(participation_ratio(own));
    measures.centroid_spreads.push_back((centre - global_mean).norm());
  }
  measures.class_correlation = mean_correlation(centres);
  measures.relative_radius = mean(measures.radii) / (x.rowwise() - global_mean).rowwise().norm().mean();
  measures.dimension = mean(measures.dimensions);
  return measures;
}

PushMeasures push_measures(const Features& features) {
  const Matrix x = in_double(features);
  const Matrix unit = unit_rows(x);
  // A row with itself contributes |u|⁴.
  const double own = unit.rowwise().squaredNorm().array().square().sum();
  return {.cosine_push = mean_of_pairs(squared_norm_of_gram(unit) - own, unit.rows()),
          .uniformity = uniformity(unit),
          .kl_to_standard_gaussian = kl_to_standard_gaussian(x),
          .sliced_wasserstein = distance_to_gaussian(x)};
}

}  // namespace lpl::rate
