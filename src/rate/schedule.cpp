#include "rate/schedule.hpp"

#include <cmath>
#include <numbers>

namespace lpl::rate {

double Schedule::rate(std::int64_t epoch) const {
  if (epoch >= epochs) return final_rate;
  if (epoch < warmup_epochs) {
    if (warmup_epochs == 1) return start_rate;
    return start_rate + static_cast<double>(epoch) * (base_rate - start_rate) / static_cast<double>(warmup_epochs - 1);
  }
  const double phase =
      std::numbers::pi * static_cast<double>(epoch - warmup_epochs) / static_cast<double>(epochs - warmup_epochs);
  return final_rate + (base_rate - final_rate) * (1 + std::cos(phase)) / 2;
}

}  // namespace lpl::rate
