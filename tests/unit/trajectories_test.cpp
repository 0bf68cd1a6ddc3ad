#include "rate/data/trajectories.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "core/errors.hpp"
#include "io/shapes_file.hpp"

namespace lpl::rate {
namespace {

constexpr std::int64_t kTrajectories = 4000;
constexpr int kFrames = 17;

const FrameStream& stream() {
  static const FrameStream frames(1, kTrajectories);
  return frames;
}

// Levels of one factor along a trajectory.
std::vector<int> levels_along(std::int64_t trajectory, std::size_t factor) {
  std::vector<int> levels;
  for (int t = 0; t < kFrames; ++t)
    levels.push_back(shapes_levels(stream().frames()[static_cast<std::size_t>(trajectory * kFrames + t)])[factor]);
  return levels;
}

// The factor that changes along a trajectory; fails where several do.
std::size_t moving_factor(std::int64_t trajectory) {
  std::set<std::size_t> moving;
  for (std::size_t f = 0; f < 6; ++f) {
    const auto levels = levels_along(trajectory, f);
    if (std::set(levels.begin(), levels.end()).size() > 1) moving.insert(f);
  }
  EXPECT_EQ(moving.size(), 1u) << trajectory;
  return moving.empty() ? 6 : *moving.begin();
}

TEST(Trajectories, OneFactorMovesAndEachOfFiveEquallyOften) {
  std::map<std::size_t, double> count;
  for (std::int64_t t = 0; t < kTrajectories; ++t) ++count[moving_factor(t)];
  EXPECT_EQ(count.count(4), 0u);  // never the shape
  for (const std::size_t f : {0u, 1u, 2u, 3u, 5u}) EXPECT_NEAR(count[f] / kTrajectories, 0.2, 0.023) << f;
}

TEST(Trajectories, ScaleAndOrientationReflect) {
  double doubled = 0, all = 0;
  for (std::int64_t t = 0; t < kTrajectories; ++t) {
    const std::size_t factor = moving_factor(t);
    if (factor != 3 && factor != 5) continue;
    const int last = kShapesFactors[factor].levels - 1;
    const auto levels = levels_along(t, factor);
    // One of four steps explains the whole trajectory.
    std::set<int> explanations;
    for (const int first_step : {-2, -1, 1, 2}) {
      int level = levels[0], step = first_step;
      bool agrees = true;
      for (int k = 1; k < kFrames; ++k) {
        level = std::min(std::max(level + step, 0), last);
        if (level == 0 || level == last) step = -step;
        agrees = agrees && level == levels[static_cast<std::size_t>(k)];
      }
      if (agrees) explanations.insert(first_step);
    }
    ASSERT_EQ(explanations.size(), 1u) << t;
    doubled += std::abs(*explanations.begin()) == 2;
    ++all;
  }
  EXPECT_NEAR(doubled / all, 0.25, 3.5 * std::sqrt(0.25 * 0.75 / all));
}

TEST(Trajectories, HuesGoAroundInOnePermutedOrder) {
  for (std::size_t factor = 0; factor < 3; ++factor) {
    // Successors by a step of one; trajectories in the other direction and of double steps must agree with them.
    std::map<int, int> next;
    double doubled = 0, all = 0;
    for (std::int64_t t = 0; t < kTrajectories; ++t) {
      if (moving_factor(t) != factor) continue;
      const auto levels = levels_along(t, factor);
      for (int k = 0; k + 10 < kFrames; ++k)
        ASSERT_EQ(levels[static_cast<std::size_t>(k)], levels[static_cast<std::size_t>(k + 10)]);
      const bool all_ten = std::set(levels.begin(), levels.end()).size() == 10;
      doubled += !all_ten;
      ++all;
      if (!all_ten) continue;
      const bool first = next.empty();
      const bool backwards = !first && next.at(levels[1]) == levels[0];
      for (std::size_t k = 0; k < 10; ++k) {
        const int from = levels[k + backwards], to = levels[k + !backwards];
        if (first) next[from] = to;
        ASSERT_EQ(next.at(from), to);
      }
    }
    EXPECT_NEAR(doubled / all, 0.25, 3.5 * std::sqrt(0.25 * 0.75 / all));
    std::vector<int> order{0};
    for (int k = 0; k < 9; ++k) order.push_back(next.at(order.back()));
    EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
    for (std::int64_t t = 0; t < kTrajectories; ++t) {
      if (moving_factor(t) != factor) continue;
      const auto levels = levels_along(t, factor);
      if (std::set(levels.begin(), levels.end()).size() == 10) continue;
      ASSERT_TRUE(next.at(next.at(levels[0])) == levels[1] || next.at(next.at(levels[1])) == levels[0]);
    }
  }
}

TEST(Trajectories, StartAnywhere) {
  for (std::size_t f = 0; f < 6; ++f) {
    std::map<int, double> count;
    for (std::int64_t t = 0; t < kTrajectories; ++t) ++count[levels_along(t, f)[0]];
    const int levels = kShapesFactors[f].levels;
    EXPECT_EQ(count.size(), static_cast<std::size_t>(levels));
    double chi_squared = 0;
    for (const auto& [level, n] : count)
      chi_squared += std::pow(n - static_cast<double>(kTrajectories) / levels, 2) * levels / kTrajectories;
    EXPECT_LT(chi_squared, levels - 1 + 4.5 * std::sqrt(2.0 * levels));
  }
}

TEST(Trajectories, DependOnTheSeedOnly) {
  EXPECT_EQ(FrameStream(1, 50).frames(),
            std::vector<std::int64_t>(stream().frames().begin(), stream().frames().begin() + 50 * kFrames));
  EXPECT_NE(FrameStream(2, 50).frames(), FrameStream(1, 50).frames());
}

TEST(Trajectories, BlocksCutTheStreamWithoutOverlap) {
  const FrameStream published(1);
  EXPECT_EQ(published.blocks(1024), 1061);
  const BlockSplit split = split_blocks(1061);
  EXPECT_EQ(split.train, 1031);
  EXPECT_EQ(split.validation, 20);
  EXPECT_EQ(split.test, 10);
  const auto first = stream().block(0, 64), second = stream().block(1, 64);
  EXPECT_EQ(first.size(), 65u);
  EXPECT_EQ(first.data() + 65, second.data());
  EXPECT_THROW(split_blocks(30), ConfigError);
}

}  // namespace
}  // namespace lpl::rate
