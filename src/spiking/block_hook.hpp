// Work that happens at single steps inside a block's epoch, in time order: plasticity whose transmitted weights depend
// on spikes of the same epoch.
#pragma once

#include <cstdint>

namespace lpl::spiking {

class BlockHook {
 public:
  virtual ~BlockHook() = default;
  // Where `event_steps` says so, before the input of the step is added: arrivals transmit, then change their weights.
  // Does not depend on the spikes of the step.
  virtual void arrive(std::uint32_t block, std::uint32_t step) = 0;
  // Where neurons of the block spiked, after arrive().
  virtual void spiked(std::uint32_t block, std::uint32_t step, std::uint32_t lanes) = 0;
};

}  // namespace lpl::spiking
