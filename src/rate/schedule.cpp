#include "rate/schedule.hpp"

#include <cmath>
#include <numbers>

namespace lpl {

double Schedule::rate(int epoch) const {
  if (epoch >= epochs) return final_rate;
  if (epoch < warmup_epochs) {
    if (warmup_epochs == 1) return start_rate;
    return start_rate + epoch * (base_rate - start_rate) / (warmup_epochs - 1);
  }
  const double phase = std::numbers::pi * (epoch - warmup_epochs) / (epochs - warmup_epochs);
  return final_rate + (base_rate - final_rate) * (1 + std::cos(phase)) / 2;
}

}  // namespace lpl
