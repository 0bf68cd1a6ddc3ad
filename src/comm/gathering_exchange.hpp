// Every rank gets all spikes.
#pragma once

#include "comm/communicator.hpp"
#include "comm/spike_exchange.hpp"

namespace lpl {

// One all-gather of a fixed-size message per epoch in the usual case; only spikes and their counts travel. The
// message size adapts: where a rank's spikes do not fit, a second collective brings the rest and every rank enlarges
// the message alike. Signals travel in the messages, so that all ranks act on them together.
class GatheringExchange final : public SpikeExchange {
 public:
  // The least words of a message.
  static constexpr std::size_t kLeastWords = 64;

  // `populations`: how many populations are exchanged.
  GatheringExchange(Communicator& comm, std::size_t populations);

  void begin(const std::vector<EpochSpikes>& local, Signals own) override;
  Signals end(std::vector<EpochSpikes>& local, std::vector<EpochSpikes>& all, std::size_t steps) override;
  std::string_view name() const override { return "all-gather"; }

  // How often a second collective was needed.
  std::int64_t overflows() const { return overflows_; }

  static ExchangeCost cost(const ExchangeLoad& load);

 private:
  Communicator& comm_;
  std::size_t populations_;
  std::size_t words_;
  std::int64_t overflows_ = 0;
  Signals signals_;
  std::vector<std::uint32_t> message_;
  std::vector<std::uint32_t> received_;
  std::vector<std::uint32_t> remainder_;
  std::vector<std::vector<std::uint32_t>> whole_;  // per rank, only after an overflow
  std::vector<const std::uint32_t*> cursor_;       // per rank, next id to take
};

}  // namespace lpl
