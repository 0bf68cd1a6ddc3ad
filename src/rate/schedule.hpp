// Steps of a training, and the learning rate of an epoch: linear warm-up, then half a cosine.
#pragma once

#include <algorithm>
#include <cstdint>

namespace lpl::rate {

// How the batches of an epoch are dealt to the steps of the optimiser: `accumulate` to each, to the last what remains.
// All numbers count from 0, over all epochs.
struct Steps {
  std::int64_t batches_per_epoch = 1;
  std::int64_t accumulate = 1;

  std::int64_t per_epoch() const { return (batches_per_epoch + accumulate - 1) / accumulate; }
  std::int64_t first_batch(std::int64_t step) const {
    return step / per_epoch() * batches_per_epoch + step % per_epoch() * accumulate;
  }
  std::int64_t batches(std::int64_t step) const {
    return std::min(accumulate, batches_per_epoch - step % per_epoch() * accumulate);
  }
};

struct Schedule {
  std::int64_t epochs = 0;         // M
  std::int64_t warmup_epochs = 0;  // W
  double start_rate = 0;           // of epoch 0 where there is warm-up
  double base_rate = 0;            // of the epochs W - 1 and W
  double final_rate = 0;           // of epoch M and later; training itself ends with epoch M - 1

  // The rate during `epoch` (from 0), in closed form:
  //   start + epoch (base - start) / (W - 1)                             below W  (W = 1: start)
  //   final + (base - final) (1 + cos(π (epoch - W) / (M - W))) / 2      below M
  //   final                                                              from M on
  // The published schedule is the same but for two faults: without warm-up it stays near the final rate throughout
  // (here it starts at the base rate), and beyond the end it rises again (here it stays at the final rate).
  double rate(std::int64_t epoch) const;
};

}  // namespace lpl::rate
