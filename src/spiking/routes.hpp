// Where the spikes of populations are heard.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "comm/directed_exchange.hpp"
#include "spiking/network.hpp"

namespace lpl::spiking {

// How spikes travel between ranks.
enum class ExchangeForm : std::uint8_t { all_gather, directed };

// The neurons of other ranks that a rank needs the spikes of: those that have synapses here, and all of a population
// that a rule here listens to as a whole.
class Hearing {
 public:
  Hearing(const Network& network, const SimulationDescription& simulation, int rank, int ranks);

  struct Load {
    double neurons = 0, partners = 0;  // heard, and of how many ranks
  };
  Load load() const;
  // The neurons of a population whose spikes reach this rank: its own, too.
  double neurons(std::size_t population) const;
  // Bits of the neurons of a rank, by population; each begins with a word of its own.
  std::vector<std::uint32_t> of_rank(int rank) const;

 private:
  const SimulationDescription& simulation_;
  int rank_, ranks_;
  std::vector<std::vector<bool>> bits_;  // [population][neuron]
};

// Collective.
Routes make_routes(const Hearing& hearing, const SimulationDescription& simulation, Communicator& comm);

// What an epoch's exchange carries where neurons fire at `rate` [Hz]; `heard` is of the rank that it costs most.
ExchangeLoad load_of(const SimulationDescription& simulation, int ranks, Hearing::Load heard, double rate);

// That which is expected to cost less; for a few ranks always the all-gather.
ExchangeForm choose_exchange(const ExchangeLoad& load);
inline constexpr int kFewRanks = 64;
inline constexpr double kAssumedRate = 10;  // [Hz] mean rate of neurons, where there is no other

// Collective: the exchange that costs less, or that which is wanted.
std::unique_ptr<SpikeExchange> make_exchange(const Network& network, const SimulationDescription& simulation,
                                             std::optional<ExchangeForm> wanted, Communicator& comm);

}  // namespace lpl::spiking
