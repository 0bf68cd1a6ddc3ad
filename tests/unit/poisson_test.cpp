// Statistics of the Poisson inputs and the bookkeeping of spikes.
#include "spiking/stimulus/poisson.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <numeric>

namespace lpl::spiking {
namespace {

constexpr double kDt = 1e-4;

PoissonGroup group(NeuronId first, NeuronId size, RateProfile profile) {
  PoissonGroup g;
  g.name = "g" + std::to_string(first);
  g.first = first;
  g.size = size;
  g.profile = std::move(profile);
  return g;
}

SpikeHistory spikes_of(const std::vector<PoissonGroup>& groups, Step steps, std::uint64_t seed = 1) {
  SpikeHistory history(steps + PoissonGenerator::kSegment);
  PoissonGenerator("input", groups, kDt, seed).fill(history, steps);
  return history;
}

TEST(Poisson, HasTheRateAndTheIntervalsOfAPoissonProcess) {
  const std::vector<PoissonGroup> groups = {group(0, 50, RateProfile::constant(20))};
  const Step steps = 1'000'000;  // 100 s
  const SpikeHistory history = spikes_of(groups, steps);
  std::map<NeuronId, Step> last;
  std::vector<double> intervals;
  for (Step k = 0; k < steps; ++k)
    for (const NeuronId id : history.at(k)) {
      if (last.contains(id)) intervals.push_back(static_cast<double>(k - last[id]) * kDt);
      last[id] = k;
    }
  // 100,000 spikes are expected; the standard deviation of their number is 316.
  EXPECT_NEAR(static_cast<double>(history.between(0, steps).size()), 50 * 20 * 100, 5 * 316);
  const double mean = std::accumulate(intervals.begin(), intervals.end(), 0.0) / static_cast<double>(intervals.size());
  double variance = 0;
  for (const double interval : intervals)
    variance += (interval - mean) * (interval - mean) / static_cast<double>(intervals.size());
  EXPECT_NEAR(mean, 0.05, 0.001);
  EXPECT_NEAR(std::sqrt(variance) / mean, 1.0, 0.02);  // coefficient of variation
}

TEST(Poisson, FollowsItsProfileAndLoopsIt) {
  // A triangle: 0 Hz at 0 s, 40 Hz at 0.1 s, back to 0 at 0.2 s.
  const std::vector<PoissonGroup> groups = {group(0, 100, RateProfile::sampled({0, 0.1, 0.2}, {0, 40, 0}))};
  const Step steps = 1'000'000;
  const SpikeHistory history = spikes_of(groups, steps);
  std::vector<double> count(20, 0.0);  // by 10 ms of the 200 ms loop
  for (Step k = 0; k < steps; ++k)
    count[static_cast<std::size_t>(k % 2000 / 100)] += static_cast<double>(history.at(k).size());
  for (std::size_t bin = 0; bin < count.size(); ++bin) {
    const double middle = (static_cast<double>(bin) + 0.5) * 0.01;
    const double rate = 40 * (1 - std::abs(middle - 0.1) / 0.1);
    const double expected = rate * 0.01 * 100 * 500;  // 500 loops of 100 neurons
    EXPECT_NEAR(count[bin], expected, 5 * std::sqrt(expected) + 1) << "bin " << bin;
  }
}

TEST(Poisson, IsSortedHasNoDoublesAndKeepsGroupsApart) {
  const std::vector<PoissonGroup> groups = {group(0, 30, RateProfile::constant(200)),
                                            group(30, 10, RateProfile::constant(0)),
                                            group(40, 30, RateProfile::constant(5000))};
  const SpikeHistory history = spikes_of(groups, 2000);
  for (Step k = 0; k < 2000; ++k) {
    const auto ids = history.at(k);
    EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end()));
    EXPECT_EQ(std::adjacent_find(ids.begin(), ids.end()), ids.end());
    for (const NeuronId id : ids) EXPECT_TRUE(id < 30 || id >= 40);
  }
  EXPECT_NEAR(static_cast<double>(history.between(0, 2000).size()), 0.2 * (30 * 200 + 30 * 5000), 800);
}

TEST(Poisson, DependsOnTheSeedAndOnNothingElse) {
  const std::vector<PoissonGroup> groups = {group(0, 50, RateProfile::constant(20))};
  const SpikeHistory a = spikes_of(groups, 5000, 1), b = spikes_of(groups, 5000, 2);
  // In pieces, the same.
  SpikeHistory c(5000 + PoissonGenerator::kSegment);
  PoissonGenerator generator("input", groups, kDt, 1);
  for (Step until = 7; until <= 5000; until += 37) generator.fill(c, until);
  generator.fill(c, 5000);
  const auto list = [](const SpikeHistory& h) {
    const auto ids = h.between(0, 5000);
    return std::vector<NeuronId>(ids.begin(), ids.end());
  };
  EXPECT_EQ(list(a), list(c));
  EXPECT_NE(list(a), list(b));
}

// At every legal rate, also where the profile's peak reaches one spike a step.
TEST(Poisson, ThinsToTheRateBesideAnyLegalPeak) {
  for (const double peak : {6000.0, 9000.0, 10000.0}) {
    // A tenth of a segment at the peak, in each of its loops; the rest at 5 kHz.
    const std::vector<PoissonGroup> groups = {group(
        0, 100,
        RateProfile::sampled({0, 0.005, 0.00505, 0.0064, 0.00645, 0.0128}, {5000, 5000, peak, peak, 5000, 5000}))};
    const Step steps = 128 * 200;
    const SpikeHistory history = spikes_of(groups, steps);
    double below = 0, at_peak = 0;
    for (Step k = 0; k < steps; ++k) {
      const Step phase = k % 128;
      if (phase < 50 || phase > 65) below += static_cast<double>(history.at(k).size());
      if (phase > 51 && phase < 63) at_peak += static_cast<double>(history.at(k).size());
    }
    const double trials = 200 * 100 * (50 + 62), peak_trials = 200 * 100 * 11;
    EXPECT_NEAR(below / trials, 0.5, 5 * std::sqrt(0.25 / trials)) << peak;
    const double p = peak * kDt;
    EXPECT_NEAR(at_peak / peak_trials, p, 5 * std::sqrt(p * (1 - p) / peak_trials)) << peak;
  }
}

TEST(Poisson, FiresInEveryStepAtOneSpikeAStep) {
  const SpikeHistory history = spikes_of({group(0, 7, RateProfile::constant(1 / kDt))}, 1000);
  for (Step k = 0; k < 1000; ++k) ASSERT_EQ(history.at(k).size(), 7u);
}

// As in Auryn: the loop begins again at the last sample, and jumps where it differs from the first.
TEST(RateProfile, BeginsAgainAtItsLastSample) {
  const RateProfile ramp = RateProfile::sampled({0, 10}, {0, 100});
  EXPECT_EQ(ramp.period(), 10);
  EXPECT_FALSE(ramp.is_constant());
  for (const double loop : {0.0, 10.0, 70.0}) {
    EXPECT_DOUBLE_EQ(ramp.at(loop + 2.5), 25);
    EXPECT_DOUBLE_EQ(ramp.at(loop + 7.5), 75);
    EXPECT_DOUBLE_EQ(ramp.at(loop), 0);
  }
  EXPECT_DOUBLE_EQ(ramp.maximum(9.9, 10.1), 100);
  EXPECT_DOUBLE_EQ(ramp.maximum(10, 10.1), 100);
  RateProfile::Walk walk(ramp, 9.9);
  EXPECT_NEAR(walk.at(0.05), 99.5, 1e-9);
  EXPECT_NEAR(walk.at(0.2), 1, 1e-9);
  EXPECT_TRUE(RateProfile::sampled({0}, {5}).is_constant());
}

// Intervals that change places keep the rates and their mean over the loop.
TEST(RateProfile, IsMadeOfIntervals) {
  const RateProfile p = RateProfile::of({{8, 0, 0}, {1, 50, 50}, {1, 50, 0}});
  EXPECT_EQ(p.period(), 10);
  EXPECT_DOUBLE_EQ(p.at(7.9), 0);
  EXPECT_DOUBLE_EQ(p.at(8.5), 50);
  EXPECT_DOUBLE_EQ(p.at(9.5), 25);
  EXPECT_DOUBLE_EQ(p.maximum(7.5, 8.1), 50);
  EXPECT_FALSE(p.is_regular());
  EXPECT_TRUE(RateProfile::sampled({0, 1, 2}, {2, 6, 2}).is_regular());
  EXPECT_FALSE(RateProfile::sampled({0, 1, 2}, {2, 6, 4}).is_regular());
  EXPECT_FALSE(RateProfile::sampled({0, 1, 3}, {2, 6, 2}).is_regular());
}

TEST(RateProfile, InterpolatesAndBounds) {
  const RateProfile p = RateProfile::sampled({0, 1, 2, 3}, {2, 6, 4, 2});
  EXPECT_DOUBLE_EQ(p.at(0.5), 4);
  EXPECT_DOUBLE_EQ(p.at(2.5), 3);
  EXPECT_DOUBLE_EQ(p.at(3.5), 4);
  for (double begin = 0; begin < 7; begin += 0.13) {
    const double bound = p.maximum(begin, begin + 0.7);
    RateProfile::Walk walk(p, begin);
    for (double elapsed = 0; elapsed <= 0.7; elapsed += 0.01) {
      EXPECT_LE(p.at(begin + elapsed), bound + 1e-12);
      EXPECT_NEAR(walk.at(elapsed), p.at(begin + elapsed), 1e-12);
    }
  }
}

TEST(SpikeHistory, KeepsRecentStepsWhileDroppingOldOnes) {
  SpikeHistory history(100);
  for (Step k = 0; k < 50'000; ++k) {
    const std::vector<NeuronId> ids(static_cast<std::size_t>(k % 5), static_cast<NeuronId>(k));
    history.append(ids, std::vector<std::uint32_t>{static_cast<std::uint32_t>(ids.size())});
    for (const Step back : {0, 1, 50, 99}) {
      if (k < back) continue;
      ASSERT_EQ(history.at(k - back).size(), static_cast<std::size_t>((k - back) % 5));
      for (const NeuronId id : history.at(k - back)) ASSERT_EQ(id, k - back);
    }
  }
  EXPECT_TRUE(history.at(-1).empty());
}

}  // namespace
}  // namespace lpl::spiking
