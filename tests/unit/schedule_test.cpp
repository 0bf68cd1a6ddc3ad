#include "rate/schedule.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "io/hdf5.hpp"

namespace lpl::rate {
namespace {

constexpr Schedule kPublished{
    .epochs = 30, .warmup_epochs = 10, .start_rate = 0, .base_rate = 1e-3, .final_rate = 1e-6};

TEST(Schedule, RisesThenFalls) {
  EXPECT_EQ(kPublished.rate(0), 0);
  EXPECT_DOUBLE_EQ(kPublished.rate(3), 1e-3 / 3);
  EXPECT_EQ(kPublished.rate(9), 1e-3);
  EXPECT_EQ(kPublished.rate(10), 1e-3);
  EXPECT_DOUBLE_EQ(kPublished.rate(20), (1e-3 + 1e-6) / 2);
  EXPECT_GT(kPublished.rate(29), 1e-6);
}

TEST(Schedule, StaysAtTheFinalRateBeyondTheEnd) {
  for (int epoch : {30, 31, 50, 75}) EXPECT_EQ(kPublished.rate(epoch), 1e-6);
}

TEST(Schedule, StartsAtTheBaseRateWithoutWarmUp) {
  Schedule schedule = kPublished;
  schedule.warmup_epochs = 0;
  EXPECT_EQ(schedule.rate(0), 1e-3);
  EXPECT_DOUBLE_EQ(schedule.rate(15), (1e-3 + 1e-6) / 2);
}

TEST(Schedule, OfWarmUpOnlyEndsWithIt) {
  Schedule schedule = kPublished;
  schedule.warmup_epochs = 30;
  EXPECT_EQ(schedule.rate(29), 1e-3);
  EXPECT_EQ(schedule.rate(30), 1e-6);
}

// The recorded schedules of the reference, but for the one without warm-up; beyond the end only up to it. The recorded
// rates were found by recursion and differ from the closed form in the last digits.
TEST(Schedule, AgreesWithTheReference) {
  const h5::File file = h5::File::open_read_only(LPL_RECORDED "/lr_schedule.h5");
  struct Variant {
    const char* name;
    std::int64_t epochs, warmup;
    double start;
  };
  for (const auto& [name, epochs, warmup, start] : {Variant{"epochs_30", 30, 10, 0},
                                                    {"epochs_800", 800, 10, 0},
                                                    {"epochs_30_start_1e-5", 30, 10, 1e-5},
                                                    {"epochs_30_past_end", 30, 10, 0},
                                                    {"epochs_30_warmup_1", 30, 1, 0},
                                                    {"epochs_30_warmup_2", 30, 2, 0}}) {
    const Schedule schedule{
        .epochs = epochs, .warmup_epochs = warmup, .start_rate = start, .base_rate = 1e-3, .final_rate = 1e-6};
    const auto recorded = file.read<double>(std::string("/") + name + "/lr");
    for (std::int64_t epoch = 0; epoch < epochs; ++epoch)
      EXPECT_NEAR(schedule.rate(epoch), recorded[static_cast<std::size_t>(epoch)], 1e-12 * 1e-3)
          << name << ", epoch " << epoch;
  }
}

}  // namespace
}  // namespace lpl::rate
