// The local losses on a device: formulas as in rate/cpu/losses.hpp. Activities and gradients are float32, both views
// one after the other: views x samples x positions x units. Sums are formed in float64, centred.
#pragma once

#include <cstdint>

#include "rate/backend.hpp"
#include "rate/cuda/device.hpp"

namespace lpl::rate::cuda {

struct HookSize {
  std::int64_t samples, positions, units;
  std::int64_t columns() const { return positions * units; }
  std::int64_t view() const { return samples * columns(); }
};

// `losses` receives kLossTerms terms, `dz` the gradient. Null where positives are not shuffled, estimates not stale.
void lpl_loss(Device& device, const LossWeights& weights, const HookSize& hook, const float* z,
              const Partners* positives, EstimateArrays* stale, float* dz, float* losses);

void contrastive_loss(Device& device, const LossWeights& weights, const HookSize& hook, const float* z, float* dz,
                      float* losses);

// `loss` receives the mean cross-entropy.
void cross_entropy(Device& device, const HookSize& hook, const float* logits, const std::int32_t* labels,
                   float* dlogits, float* loss);

}  // namespace lpl::rate::cuda
