// The shares of a loop's time.
#include "core/timers.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace lpl {
namespace {

double sum_of(const Laps& laps) {
  double sum = 0;
  for (std::size_t a = 0; a < kActivityNames.size(); ++a) sum += laps.seconds(static_cast<Activity>(a));
  return sum;
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
  EXPECT_NEAR(sum_of(laps), laps.wall(), 0.05 * laps.wall());
  EXPECT_GT(laps.seconds(Activity::update), laps.seconds(Activity::record));
  EXPECT_GT(laps.seconds(Activity::record), 0.005);
}

TEST(Laps, AreNothingBeforeTheFirst) {
  Laps laps;
  laps.start();
  EXPECT_EQ(sum_of(laps), 0);
}

}  // namespace
}  // namespace lpl
