// The recent spikes of one source, by step. Spikes before the start of the simulation do not exist.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "core/types.hpp"

namespace lpl::spiking {

class SpikeHistory {
 public:
  // Keeps at least the last `keep` steps.
  explicit SpikeHistory(Step keep)
      : keep_(keep),
        mask_(static_cast<std::size_t>(std::bit_ceil(static_cast<std::uint64_t>(2 * keep + 2))) - 1),
        start_(mask_ + 1, 0) {}

  // The steps that are kept, to go on from in another run.
  struct Saved {
    Step end = 0;
    std::vector<std::uint32_t> count;  // by step, up to `end`
    std::vector<NeuronId> ids;
    template <class Archive>
    void serialize(Archive& archive, unsigned) {
      archive& end& count& ids;
    }
  };
  Saved save() const {
    Saved saved;
    saved.end = end_;
    for (Step step = std::max<Step>(0, end_ - keep_); step < end_; ++step) {
      const auto spikes = at(step);
      saved.count.push_back(static_cast<std::uint32_t>(spikes.size()));
      saved.ids.insert(saved.ids.end(), spikes.begin(), spikes.end());
    }
    return saved;
  }
  // For a history that nothing was appended to.
  void load(const Saved& saved) {
    end_ = saved.end - static_cast<Step>(saved.count.size());
    append(saved.ids, saved.count);
  }

  // The step that will be appended next.
  Step end() const { return end_; }

  // Appends the spikes of the next steps: `count` by step, ids ascending within a step.
  void append(std::span<const NeuronId> ids, std::span<const std::uint32_t> count) {
    std::size_t position = dropped_ + ids_.size();
    ids_.insert(ids_.end(), ids.begin(), ids.end());
    for (const std::uint32_t n : count) {
      position += n;
      start_[slot(++end_)] = position;
    }
    if (ids_.size() >= trim_at_) trim();
  }

  // The spikes of `step`, which must be kept still and lie before end().
  std::span<const NeuronId> at(Step step) const {
    return step < 0 ? std::span<const NeuronId>{} : between(step, step + 1);
  }

  // The spikes of steps from .. to-1, step by step.
  std::span<const NeuronId> between(Step from, Step to) const {
    if (to <= 0) return {};
    if (from < 0) from = 0;
    const std::size_t begin = start_[slot(from)] - dropped_;
    return {ids_.data() + begin, start_[slot(to)] - dropped_ - begin};
  }

 private:
  std::size_t slot(Step step) const { return static_cast<std::size_t>(step) & mask_; }

  // Drops what is older than `keep_` steps; amortised O(1) per spike.
  void trim() {
    if (end_ > keep_) {
      const std::size_t old = start_[slot(end_ - keep_)] - dropped_;
      ids_.erase(ids_.begin(), ids_.begin() + static_cast<std::ptrdiff_t>(old));
      dropped_ += old;
    }
    trim_at_ = 2 * ids_.size() + 4096;
  }

  Step keep_;
  Step end_ = 0;
  std::size_t mask_;
  std::vector<std::size_t> start_;  // by slot of step: position of its first spike, counting dropped ones
  std::vector<NeuronId> ids_;
  std::size_t dropped_ = 0;
  std::size_t trim_at_ = 4096;
};

// The spikes that a rank answers for, by source: those of its own neurons; of stimuli, which all ranks make, rank 0
// all.
using OwnSpikes = std::span<const SpikeHistory* const>;

}  // namespace lpl::spiking
