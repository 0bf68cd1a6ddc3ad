// The local losses on a device: formulas as in rate/cpu/losses.hpp. Activities and gradients are float32, both views
// one after the other: views x samples x positions x units. Sums are formed in float64, centred.
#pragma once

#include <cstdint>
#include <vector>

#include "rate/cuda/device.hpp"
#include "rate/objective.hpp"

namespace lpl::cuda {

struct HookSize {
  std::int64_t samples, positions, units;
  std::int64_t columns() const { return positions * units; }
  std::int64_t view() const { return samples * columns(); }
};

// `losses` receives kLossTerms terms, `dz` the gradient. Waits for the device where there are stale estimates, which
// live on the host. Throws Error where the positives are no permutation.
void lpl_loss(Device& device, const LplObjective& objective, const HookSize& hook, const float* z,
              const std::vector<std::int64_t>* positives, StaleEstimates* stale, float* dz, float* losses);

void contrastive_loss(Device& device, const LplObjective& objective, const HookSize& hook, const float* z, float* dz,
                      float* losses);

// `loss` receives the mean cross-entropy.
void cross_entropy(Device& device, const HookSize& hook, const float* logits, const std::vector<std::int32_t>& labels,
                   float* dlogits, float* loss);

}  // namespace lpl::cuda
