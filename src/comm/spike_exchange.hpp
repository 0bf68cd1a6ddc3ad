// Exchange of the spikes of one epoch between all ranks.
#pragma once

#include <cstdint>
#include <vector>

#include "comm/communicator.hpp"
#include "core/types.hpp"

namespace lpl {

// Spikes of one population in one epoch, by step of the epoch, ascending ids within a step.
struct EpochSpikes {
  std::vector<NeuronId> ids;
  std::vector<std::uint32_t> count;  // per step of the epoch

  void clear(std::size_t steps) {
    ids.clear();
    count.assign(steps, 0);
  }
};

// One all-gather of a fixed-size message per epoch in the usual case; only spikes and their counts travel. The
// message size adapts: where a rank's spikes do not fit, a second collective brings the rest and every rank enlarges
// the message alike. A rank that has failed says so in its message, so that all ranks stop together; one that wants a
// checkpoint does too.
class SpikeExchange {
 public:
  // The least words of a message.
  static constexpr std::size_t kLeastWords = 64;

  // `populations`: how many populations are exchanged; ids of lower ranks must be below those of higher ranks.
  SpikeExchange(Communicator& comm, std::size_t populations);

  // Collective, in two halves with nothing collective in between. begin() sends this rank's spikes of an epoch of
  // `steps` steps; `healthy` is false where this rank has failed, `wants_checkpoint` true where it asks for one. end()
  // brings those of every rank, sorted by (step, id), into `all[p]`, and returns false where any rank has failed. On
  // one rank `local` is used up.
  void begin(const std::vector<EpochSpikes>& local, bool healthy, bool wants_checkpoint);
  bool end(std::vector<EpochSpikes>& local, std::vector<EpochSpikes>& all, std::size_t steps);

  // Whether a rank wanted a checkpoint in the last exchange; the same on all ranks.
  bool checkpoint_wanted() const { return checkpoint_wanted_; }

  // How often a second collective was needed.
  std::int64_t overflows() const { return overflows_; }

 private:
  Communicator& comm_;
  std::size_t populations_;
  std::size_t words_;
  std::int64_t overflows_ = 0;
  bool healthy_ = true, checkpoint_wanted_ = false;
  std::vector<std::uint32_t> message_;
  std::vector<std::uint32_t> received_;
  std::vector<std::uint32_t> remainder_;
  std::vector<std::vector<std::uint32_t>> whole_;  // per rank, only after an overflow
  std::vector<const std::uint32_t*> cursor_;       // per rank, next id to take
};

}  // namespace lpl
