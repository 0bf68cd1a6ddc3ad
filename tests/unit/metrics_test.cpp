#include "rate/metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <optional>

#include "core/errors.hpp"
#include "core/random.hpp"
#include "io/hdf5.hpp"

namespace lpl::rate {
namespace {

using Rows = std::vector<std::vector<double>>;
using Labels = std::vector<std::int32_t>;

struct Sample {
  std::vector<float> values;
  std::size_t samples, units;
  Labels labels;
  Features features() const { return {values, samples, units}; }
  Rows rows() const {
    Rows rows;
    for (std::size_t i = 0; i < samples; ++i)
      rows.emplace_back(values.begin() + static_cast<std::ptrdiff_t>(i * units),
                        values.begin() + static_cast<std::ptrdiff_t>((i + 1) * units));
    return rows;
  }
};

// Rectified features around a centre per class, the classes of unequal size.
Sample random_sample(std::size_t samples, std::size_t units, std::int32_t classes, std::uint32_t key) {
  Random random(1, Draw::signal, 7, key);
  std::vector<double> centres(static_cast<std::size_t>(classes) * units);
  for (double& centre : centres) centre = random.normal();
  Sample sample{{}, samples, units, {}};
  for (std::size_t i = 0; i < samples; ++i) {
    const double u = random.uniform();
    const auto label = static_cast<std::int32_t>(u * u * classes);
    sample.labels.push_back(3 * label - 4);  // labels may be any numbers
    for (std::size_t unit = 0; unit < units; ++unit)
      sample.values.push_back(static_cast<float>(
          std::max(0.0, centres[static_cast<std::size_t>(label) * units + unit] + 0.7 * random.normal())));
  }
  return sample;
}

// Literal forms, one formula at a time.

std::vector<double> mean_row(const Rows& rows) {
  std::vector<double> mean(rows[0].size());
  for (const auto& row : rows)
    for (std::size_t k = 0; k < row.size(); ++k) mean[k] += row[k] / static_cast<double>(rows.size());
  return mean;
}

Rows centred(Rows rows) {
  const auto mean = mean_row(rows);
  for (auto& row : rows)
    for (std::size_t k = 0; k < row.size(); ++k) row[k] -= mean[k];
  return rows;
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

double cosine(const std::vector<double>& a, const std::vector<double>& b) {
  const double lengths = std::sqrt(dot(a, a) * dot(b, b));
  return lengths > 0 ? dot(a, b) / lengths : 0;
}

double distance(const std::vector<double>& a, const std::vector<double>& b) {
  return std::sqrt(dot(a, a) + dot(b, b) - 2 * dot(a, b));
}

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// Sum of eigenvalues = trace, sum of their squares = sum of all squared entries of the symmetric matrix.
double slow_participation_ratio(const Rows& rows) {
  const Rows z = centred(rows);
  double trace = 0, squares = 0;
  for (std::size_t i = 0; i < z.size(); ++i)
    for (std::size_t j = 0; j < z.size(); ++j) {
      const double entry = dot(z[i], z[j]);
      if (i == j) trace += entry;
      squares += entry * entry;
    }
  return trace * trace / squares;
}

std::map<std::int32_t, Rows> by_class(const Rows& rows, const Labels& labels) {
  std::map<std::int32_t, Rows> classes;
  for (std::size_t i = 0; i < rows.size(); ++i) classes[labels[i]].push_back(rows[i]);
  return classes;
}

std::vector<double> cosines_of_pairs(const Rows& rows) {
  std::vector<double> cosines;
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (std::size_t j = i + 1; j < rows.size(); ++j) cosines.push_back(cosine(rows[i], rows[j]));
  return cosines;
}

double correlation(std::vector<double> a, std::vector<double> b) {
  const double mean_a = mean_of(a), mean_b = mean_of(b);
  for (double& value : a) value -= mean_a;
  for (double& value : b) value -= mean_b;
  return cosine(a, b);
}

void expect_relative(double value, double expected, double bound, const char* what) {
  EXPECT_LE(std::abs(value - expected), bound * std::abs(expected)) << what << ": " << value << " not " << expected;
}

class MeasuresOfShape : public testing::TestWithParam<std::pair<std::size_t, std::size_t>> {};
INSTANTIATE_TEST_SUITE_P(Shapes, MeasuresOfShape,
                         testing::Values(std::pair{60, 5}, std::pair{23, 90}, std::pair{300, 40}));

TEST_P(MeasuresOfShape, EqualTheirLiteralForms) {
  const auto [samples, units] = GetParam();
  const Sample sample = random_sample(samples, units, 4, 1);
  const Rows rows = sample.rows(), z = centred(rows);
  const auto classes = by_class(rows, sample.labels);
  constexpr double kBound = 1e-9;

  expect_relative(participation_ratio(sample.features()), slow_participation_ratio(rows), kBound, "dimension");

  std::vector<double> across, within_means;
  for (std::size_t i = 0; i < samples; ++i)
    for (std::size_t j = i + 1; j < samples; ++j)
      if (sample.labels[i] != sample.labels[j]) across.push_back(cosine(z[i], z[j]));
  for (const auto& [label, own] : by_class(z, sample.labels)) within_means.push_back(mean_of(cosines_of_pairs(own)));
  const CosineMeasures cosines = cosine_measures(sample.features(), sample.labels);
  expect_relative(cosines.across_classes, mean_of(across), kBound, "across");
  expect_relative(cosines.within_classes, mean_of(within_means), kBound, "within");

  const auto global = mean_row(rows);
  std::vector<double> radii, dimensions, spreads, correlations, distances;
  Rows centres;
  for (const auto& [label, own] : classes) {
    centres.push_back(mean_row(own));
    std::vector<double> from_centre;
    for (const auto& row : own) from_centre.push_back(distance(row, centres.back()));
    radii.push_back(mean_of(from_centre));
    dimensions.push_back(slow_participation_ratio(own));
    spreads.push_back(distance(centres.back(), global));
  }
  for (std::size_t i = 0; i < centres.size(); ++i)
    for (std::size_t j = i + 1; j < centres.size(); ++j) correlations.push_back(correlation(centres[i], centres[j]));
  for (const auto& row : rows) distances.push_back(distance(row, global));
  const ManifoldMeasures manifold = manifold_measures(sample.features(), sample.labels);
  EXPECT_THAT(manifold.classes, testing::ElementsAre(-4, -1, 2, 5));
  EXPECT_THAT(manifold.radii, testing::Pointwise(testing::DoubleNear(1e-8), radii));
  EXPECT_THAT(manifold.dimensions, testing::Pointwise(testing::DoubleNear(1e-8), dimensions));
  EXPECT_THAT(manifold.centroid_spreads, testing::Pointwise(testing::DoubleNear(1e-8), spreads));
  expect_relative(manifold.class_correlation, mean_of(correlations), kBound, "class correlation");
  expect_relative(manifold.relative_radius, mean_of(radii) / mean_of(distances), kBound, "relative radius");
  expect_relative(manifold.dimension, mean_of(dimensions), kBound, "class dimension");

  std::vector<double> squared, exponentials, divergences;
  for (double c : cosines_of_pairs(rows)) {
    squared.push_back(c * c);
    exponentials.push_back(std::exp(-2 * (2 - 2 * c)));
  }
  for (std::size_t unit = 0; unit < units; ++unit) {
    double sum = 0;
    for (const auto& row : z) sum += row[unit] * row[unit];
    const double variance = sum / static_cast<double>(samples - 1) + 1e-4;
    divergences.push_back((variance + global[unit] * global[unit] - 1 - std::log(variance)) / 2);
  }
  const PushMeasures push = push_measures(sample.features());
  expect_relative(push.cosine_push, mean_of(squared), kBound, "cosine push");
  expect_relative(push.kl_to_standard_gaussian, mean_of(divergences), kBound, "KL");
  // Rows of zeros exist in the narrow sample only, and there the formula for unit rows does not hold.
  if (units > 5) expect_relative(push.uniformity, std::log(mean_of(exponentials)), kBound, "uniformity");
}

TEST(Measures, HistogramsCountEveryPairOfASmallSample) {
  const Sample sample = random_sample(50, 8, 3, 2);
  const Rows z = centred(sample.rows());
  std::vector<std::uint64_t> across(CosineMeasures::kBins), within(CosineMeasures::kBins);
  for (std::size_t i = 0; i < 50; ++i)
    for (std::size_t j = i + 1; j < 50; ++j) {
      const auto bin = static_cast<std::size_t>(std::min(39.0, (cosine(z[i], z[j]) + 1) * 20));
      ++(sample.labels[i] == sample.labels[j] ? within : across)[bin];
    }
  const CosineMeasures cosines = cosine_measures(sample.features(), sample.labels);
  EXPECT_EQ(cosines.across_histogram, across);
  EXPECT_EQ(cosines.within_histogram, within);
}

TEST(Measures, OfManySamplesLookAtPairsOfAFewButKeepExactMeans) {
  const Sample sample = random_sample(2500, 6, 3, 3);
  const CosineMeasures cosines = cosine_measures(sample.features(), sample.labels);
  std::uint64_t pairs = 0;
  for (std::size_t bin = 0; bin < CosineMeasures::kBins; ++bin)
    pairs += cosines.across_histogram[bin] + cosines.within_histogram[bin];
  EXPECT_EQ(pairs, 834u * 833u / 2);  // every third row

  const Rows z = centred(sample.rows());
  std::vector<double> across;
  for (std::size_t i = 0; i < z.size(); ++i)
    for (std::size_t j = i + 1; j < z.size(); ++j)
      if (sample.labels[i] != sample.labels[j]) across.push_back(cosine(z[i], z[j]));
  expect_relative(cosines.across_classes, mean_of(across), 1e-9, "across");

  // Uniformity of all equals that of the rows looked at.
  Sample third{{}, 834, 6, {}};
  for (std::size_t i = 0; i < 2500; i += 3)
    third.values.insert(third.values.end(), sample.values.begin() + static_cast<std::ptrdiff_t>(6 * i),
                        sample.values.begin() + static_cast<std::ptrdiff_t>(6 * i + 6));
  EXPECT_EQ(push_measures(sample.features()).uniformity, push_measures(third.features()).uniformity);
}

TEST(Measures, AreNotDefinedWithoutPairsOrVariance) {
  const std::vector<float> constant(12, 0.3f);
  const Features collapsed{constant, 4, 3};
  EXPECT_TRUE(std::isnan(participation_ratio(collapsed)));
  EXPECT_FLOAT_EQ(static_cast<float>(mean_activity(collapsed)), 0.3f);
  const Labels labels{0, 0, 1, 1}, one_class{2, 2, 2, 2}, singleton{0, 0, 0, 1};
  EXPECT_TRUE(std::isnan(cosine_measures(collapsed, labels).across_classes));
  EXPECT_TRUE(std::isnan(cosine_measures(collapsed, labels).within_classes));
  EXPECT_TRUE(std::isnan(cosine_measures(collapsed, one_class).across_classes));
  EXPECT_TRUE(std::isnan(cosine_measures(collapsed, singleton).within_classes));
  EXPECT_TRUE(std::isnan(manifold_measures(collapsed, labels).class_correlation));
  EXPECT_TRUE(std::isnan(push_measures({std::span(constant).first(3), 1, 3}).cosine_push));
}

// The third sample is the mean.
TEST(Measures, LeaveOutSamplesWithoutADirection) {
  const std::vector<float> values{1, 0, -1, 0, 0, 0, 1, 0, -1, 0};
  const Labels labels{0, 1, 0, 0, 1};
  const CosineMeasures found = cosine_measures({values, 5, 2}, labels);
  EXPECT_DOUBLE_EQ(found.within_classes, 1);
  EXPECT_DOUBLE_EQ(found.across_classes, -1);
  EXPECT_EQ(std::accumulate(found.within_histogram.begin(), found.within_histogram.end(), std::uint64_t{0}), 2u);
  EXPECT_EQ(std::accumulate(found.across_histogram.begin(), found.across_histogram.end(), std::uint64_t{0}), 4u);
}

TEST(Measures, RefuseFeaturesThatAreNotFiniteAndSizesThatDisagree) {
  std::vector<float> values(6, 1);
  EXPECT_THROW(participation_ratio({values, 2, 4}), Error);
  EXPECT_THROW(cosine_measures({values, 2, 3}, Labels{1, 2, 3}), Error);
  values[3] = NAN;
  EXPECT_THROW(mean_activity({values, 2, 3}), Error);
}

// The recorded features of the reference. Our sums are in double precision, so both its precisions are met: its double
// results to 1e-10, its single results to 1e-5.
class Recorded : public testing::Test {
 protected:
  void SetUp() override {
    file_.emplace(h5::File::open_read_only(LPL_RECORDED "/metrics.h5"));
    values_ = file_->read<float>("/input/features");
  }
  Features features() const { return {values_, 64, 32}; }
  Labels labels(const std::string& name) const {
    const auto wide = file_->read<std::int64_t>("/input/" + name);
    return {wide.begin(), wide.end()};
  }
  void expect_recorded(const std::string& name, const std::vector<double>& values) const {
    for (const auto& [group, bound] : {std::pair{"/float32/", 1e-5}, {"/float64/", 1e-10}}) {
      if (!file_->exists(group + name)) continue;
      const auto expected = file_->read<double>(group + name);
      ASSERT_EQ(values.size(), expected.size()) << name;
      for (std::size_t i = 0; i < values.size(); ++i)
        if (std::isnan(expected[i]))
          EXPECT_TRUE(std::isnan(values[i])) << name;
        else
          expect_relative(values[i], expected[i], bound, name.c_str());
    }
  }

 private:
  std::optional<h5::File> file_;
  std::vector<float> values_;
};

TEST_F(Recorded, ParticipationRatio) { expect_recorded("participation_ratio", {participation_ratio(features())}); }

TEST_F(Recorded, Cosines) {
  for (const auto& [name, suffix] : {std::pair{"labels", ""}, {"labels_with_singleton", "_singleton"}}) {
    const CosineMeasures measures = cosine_measures(features(), labels(name));
    expect_recorded(std::string("cosine/cross_class_mean") + suffix, {measures.across_classes});
    expect_recorded(std::string("cosine/within_class_mean") + suffix, {measures.within_classes});
  }
}

TEST_F(Recorded, Manifolds) {
  const ManifoldMeasures measures = manifold_measures(features(), labels("labels"));
  expect_recorded("manifold/class_correlation", {measures.class_correlation});
  expect_recorded("manifold/class_radius_relative", {measures.relative_radius});
  expect_recorded("manifold/class_dimension", {measures.dimension});
  expect_recorded("manifold/class_radii", measures.radii);
  expect_recorded("manifold/class_dimensions", measures.dimensions);
  expect_recorded("manifold/centroid_spreads", measures.centroid_spreads);

  const ManifoldMeasures singleton = manifold_measures(features(), labels("labels_with_singleton"));
  expect_recorded("manifold/class_correlation_singleton", {singleton.class_correlation});
  expect_recorded("manifold/class_radius_relative_singleton", {singleton.relative_radius});
  expect_recorded("manifold/class_dimension_singleton", {singleton.dimension});
}

TEST_F(Recorded, Push) {
  const PushMeasures measures = push_measures(features());
  expect_recorded("push/cosine_push", {measures.cosine_push});
  expect_recorded("push/uniformity", {measures.uniformity});
  expect_recorded("push/kl_to_standard_gaussian", {measures.kl_to_standard_gaussian});
}

TEST_F(Recorded, SlicedWasserstein) {
  const std::string group = "/float32/push_random/gaussian/";
  const h5::File file = h5::File::open_read_only(LPL_RECORDED "/metrics.h5");
  const auto columns = file.read<float>(group + "projection"), prior = file.read<float>(group + "normal_draw");
  std::vector<float> directions(columns.size());
  for (std::size_t i = 0; i < columns.size(); ++i) directions[i % 32 * 32 + i / 32] = columns[i];
  expect_recorded("push_random/gaussian/value",
                  {sliced_wasserstein(features(), {prior, 64, 32}, {directions, 32, 32})});
}

TEST(Measures, SlicedWassersteinIsTheShiftOfAGaussianAUnit) {
  const std::size_t samples = 1000, units = 16;
  Random random(3, Draw::toy, 0, 0);
  std::vector<float> values(samples * units), shifted;
  for (float& value : values) value = static_cast<float>(random.normal());
  for (const float value : values) shifted.push_back(value + 3);
  EXPECT_LT(push_measures({values, samples, units}).sliced_wasserstein, 0.02);
  // Along a random direction of length 1, 3 in every unit is 3 times the sum of its elements: 9 on average, squared.
  EXPECT_NEAR(push_measures({shifted, samples, units}).sliced_wasserstein, 9, 3);
}

}  // namespace
}  // namespace lpl::rate
