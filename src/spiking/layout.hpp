// Where the per-epoch data of a population lies: input and voltage buffers are [block][slot][lane], one slot per
// step of an epoch, so that a block's epoch is contiguous and is computed with its state in registers.
#pragma once

#include <bit>
#include <cstdint>

#include "core/types.hpp"

namespace lpl::spiking {

// No epoch is longer than this, however long the minimum delay.
inline constexpr Step kLongestEpoch = 32;

class EpochLayout {
 public:
  explicit EpochLayout(Step longest_epoch)
      : shift_(static_cast<unsigned>(std::bit_width(static_cast<std::uint64_t>(longest_epoch) - 1))) {}
  std::size_t slots() const { return std::size_t{1} << shift_; }
  std::size_t size(std::size_t blocks) const { return blocks * kBlock << shift_; }
  // Position of local neuron n in slot 0; slot s lies s * kBlock further.
  std::uint32_t target_of(std::size_t n) const {
    return static_cast<std::uint32_t>((n / kBlock) * kBlock << shift_ | n % kBlock);
  }
  std::uint32_t neuron_of(std::uint32_t target) const {
    return static_cast<std::uint32_t>((target / kBlock >> shift_) * kBlock | target % kBlock);
  }

 private:
  unsigned shift_;
};

}  // namespace lpl::spiking
