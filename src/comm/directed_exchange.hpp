// Every rank gets the spikes that it hears.
#pragma once

#include <bit>

#include "comm/communicator.hpp"
#include "comm/spike_exchange.hpp"

namespace lpl {

// Which other ranks hear each of the neurons of a population that live on this rank: a bit a rank.
class Listeners {
 public:
  Listeners(NeuronId first, NeuronId count, int ranks)
      : first_(first), words_((static_cast<std::size_t>(ranks) + 63) / 64), bits_(count * words_, 0) {}

  void add(NeuronId id, int rank) { bits_[place(id, rank)] |= std::uint64_t{1} << rank % 64; }
  // Calls visit(rank), ascending.
  template <class Visit>
  void each(NeuronId id, Visit&& visit) const {
    for (std::size_t word = 0; word < words_; ++word)
      for (std::uint64_t bits = bits_[place(id, 0) + word]; bits != 0; bits &= bits - 1)
        visit(static_cast<int>(word * 64) + std::countr_zero(bits));
  }

 private:
  std::size_t place(NeuronId id, int rank) const {
    return (id - first_) * words_ + static_cast<std::size_t>(rank) / 64;
  }

  NeuronId first_;
  std::size_t words_;
  std::vector<std::uint64_t> bits_;  // [neuron][word]
};

struct Routes {
  std::vector<Listeners> listeners;  // by population
  std::vector<int> to, from;         // other ranks that hear neurons of this one, and whose neurons it hears; ascending
};

// One message an epoch to each rank that hears any neuron of this one, with the spikes that it hears. Signals are
// summed over all ranks at every kExchangesPerSignals'th exchange.
class DirectedExchange final : public SpikeExchange {
 public:
  static constexpr int kExchangesPerSignals = 16;

  DirectedExchange(Communicator& comm, Routes routes);

  void begin(const std::vector<EpochSpikes>& local, Signals own) override;
  Signals end(std::vector<EpochSpikes>& local, std::vector<EpochSpikes>& all, std::size_t steps) override;
  std::string_view name() const override { return "directed"; }

  static ExchangeCost cost(const ExchangeLoad& load);

 private:
  struct Outgoing {
    std::vector<std::uint32_t> groups, ids;
  };
  struct Run {
    const NeuronId* ids;
    std::uint32_t count;
  };
  void take(const std::vector<EpochSpikes>& own, std::size_t steps);
  void take(const Letter& letter);
  Signals exchange_signals();

  Communicator& comm_;
  Routes routes_;
  std::vector<std::size_t> letter_to_;  // by rank: place in `outgoing_`
  std::vector<Outgoing> outgoing_;
  std::vector<Letter> letters_, received_;
  std::vector<std::vector<Run>> runs_;  // by population and step, of ranks in order
  Signals signals_;                     // of this rank since the last exchange of them
};

}  // namespace lpl
