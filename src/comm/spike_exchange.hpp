// Exchange of the spikes of one epoch between ranks.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

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

// What ranks let each other know beside spikes.
struct Signals {
  bool failed = false, wants_checkpoint = false;
  bool is_full = false;  // much is buffered, which should be gathered
};

// What a rank has sent and received.
struct Traffic {
  std::int64_t exchanges = 0, messages = 0, sent = 0, received = 0;  // the latter two in words of 4 bytes
};

// Ids of lower ranks must be below those of higher ranks.
class SpikeExchange {
 public:
  virtual ~SpikeExchange() = default;

  // Collective, in two halves with nothing collective in between. begin() sends this rank's spikes of an epoch of
  // `steps` steps. end() brings those that it hears, with its own, sorted by (step, id), into `all[p]`, and returns
  // signals that any rank has given by now, the same on all ranks; they may come some exchanges later. Where one has
  // failed, there may be no spikes. On one rank `local` is used up.
  virtual void begin(const std::vector<EpochSpikes>& local, Signals own) = 0;
  virtual Signals end(std::vector<EpochSpikes>& local, std::vector<EpochSpikes>& all, std::size_t steps) = 0;

  virtual std::string_view name() const = 0;
  const Traffic& traffic() const { return traffic_; }

 protected:
  Traffic traffic_;
};

// What an exchange is to carry in an epoch, as expected.
struct ExchangeLoad {
  double ranks = 1, populations = 0, steps = 0;
  double spikes = 0;    // of all ranks
  double heard = 0;     // of other ranks, that a rank needs,
  double partners = 0;  // and of how many ranks they are
};

// What it costs a rank.
struct ExchangeCost {
  double messages = 0, sent = 0, received = 0;  // the latter two in words of 4 bytes
  double seconds = 0;
};

// Assumed between hosts, where an exchange is chosen.
namespace exchange_time {
inline constexpr double kLatency = 2e-6;    // [s] of a message,
inline constexpr double kMessage = 0.5e-6;  // [s] of the processor, for each that is sent and each that is received
inline constexpr double kWord = 4 / 1e10;   // [s] on the way, for each word
inline constexpr double kCount = 1e-9;      // [s] to unpack a count
inline constexpr double kSpike = 10e-9;     // [s] to take in a spike and look for its synapses
}  // namespace exchange_time

}  // namespace lpl
