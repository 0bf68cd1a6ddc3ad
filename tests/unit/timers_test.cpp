// The shares of a loop's time.
#include "core/timers.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <thread>

namespace lpl {
namespace {

double sum_of(const Laps::Times& times) {
  return std::accumulate(times.by_activity.begin(), times.by_activity.end(), 0.0);
}

// The one iteration in seventeen that is looked at may be the slow one.
TEST(Laps, SumToTheWallTimeWhateverIterationIsSlow) {
  Laps laps;
  laps.start();
  for (std::size_t i = 0; i < 17; ++i) {
    laps.begin(i);
    if (i == 0) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    laps.lap(Activity::update);
    laps.lap(Activity::exchange);
  }
  const auto mark = Laps::mark();
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
  laps.charge(Activity::record, mark);
  const Laps::Times times = laps.times();
  const auto of = [&](Activity activity) { return times.by_activity[static_cast<std::size_t>(activity)]; };
  EXPECT_NEAR(sum_of(times), times.wall, 1e-9);
  EXPECT_GT(of(Activity::update), of(Activity::record));
  EXPECT_GT(of(Activity::record), 0.005);
}

TEST(Laps, AreNothingBeforeTheFirst) {
  Laps laps;
  laps.start();
  EXPECT_EQ(sum_of(laps.times()), 0);
}

}  // namespace
}  // namespace lpl
