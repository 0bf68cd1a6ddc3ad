#include "spiking/routes.hpp"

#include <algorithm>

#include "comm/gathering_exchange.hpp"
#include "spiking/plasticity/plasticity.hpp"

namespace lpl::spiking {

Hearing::Hearing(const Network& network, const SimulationDescription& simulation, int rank, int ranks)
    : simulation_(simulation), rank_(rank), ranks_(ranks) {
  for (const Population& population : simulation.populations) bits_.emplace_back(population.size, false);
  for (const Connection& connection : network.connections) {
    const ConnectionDescription& c = *connection.description;
    if (c.from < bits_.size())
      for (const NeuronId id : connection.synapses.heard) bits_[c.from][id] = true;
    if (!c.rule) continue;
    for (const auto& listening : c.rule->listens)
      if (listening.source < bits_.size() && !listening.own)
        bits_[listening.source].assign(bits_[listening.source].size(), true);
  }
}

Hearing::Load Hearing::load() const {
  Load load;
  for (int r = 0; r < ranks_; ++r) {
    if (r == rank_) continue;
    double heard = 0;
    for (std::size_t p = 0; p < bits_.size(); ++p) {
      const LocalRange range = local_range(simulation_.populations[p].size, r, ranks_);
      const auto first = bits_[p].begin() + range.first;
      heard += static_cast<double>(std::count(first, first + range.count, true));
    }
    load.neurons += heard;
    if (heard > 0) ++load.partners;
  }
  return load;
}

double Hearing::neurons(std::size_t population) const {
  const std::vector<bool>& bits = bits_[population];
  const LocalRange own = local_range(simulation_.populations[population].size, rank_, ranks_);
  const auto first = bits.begin() + own.first;
  return static_cast<double>(std::count(bits.begin(), bits.end(), true) + std::count(first, first + own.count, false));
}

std::vector<std::uint32_t> Hearing::of_rank(int rank) const {
  std::vector<std::uint32_t> words;
  for (std::size_t p = 0; p < bits_.size(); ++p) {
    const LocalRange range = local_range(simulation_.populations[p].size, rank, ranks_);
    for (NeuronId n = 0; n < range.count; ++n) {
      if (n % 32 == 0) words.push_back(0);
      if (bits_[p][range.first + n]) words.back() |= std::uint32_t{1} << n % 32;
    }
  }
  return words;
}

Routes make_routes(const Hearing& hearing, const SimulationDescription& simulation, Communicator& comm) {
  Routes routes;
  std::vector<Letter> heard, listeners;
  for (int r = 0; r < comm.size(); ++r) {
    if (r == comm.rank()) continue;
    heard.push_back({.rank = r, .words = hearing.of_rank(r)});
    listeners.push_back({.rank = r, .words = {}});
    if (std::ranges::any_of(heard.back().words, [](std::uint32_t word) { return word != 0; })) routes.from.push_back(r);
  }
  comm.begin_letters(heard);
  comm.end_letters(listeners);
  for (const Population& population : simulation.populations) {
    const LocalRange range = local_range(population.size, comm.rank(), comm.size());
    routes.listeners.emplace_back(range.first, range.count, comm.size());
  }
  for (const Letter& letter : listeners) {
    bool any = false;
    std::size_t word = 0;
    for (std::size_t p = 0; p < routes.listeners.size(); ++p) {
      const LocalRange range = local_range(simulation.populations[p].size, comm.rank(), comm.size());
      for (NeuronId n = 0; n < range.count; ++n)
        if (letter.words[word + n / 32] >> n % 32 & 1) {
          routes.listeners[p].add(range.first + n, letter.rank);
          any = true;
        }
      word += (range.count + 31) / 32;
    }
    if (any) routes.to.push_back(letter.rank);
  }
  return routes;
}

ExchangeLoad load_of(const SimulationDescription& simulation, int ranks, Hearing::Load heard, double rate) {
  ExchangeLoad load{.ranks = static_cast<double>(ranks),
                    .populations = static_cast<double>(simulation.populations.size()),
                    .steps = static_cast<double>(longest_epoch(simulation))};
  const double spikes = rate * load.steps * simulation.dt;  // of a neuron
  for (const Population& population : simulation.populations) load.spikes += spikes * population.size;
  load.heard = spikes * heard.neurons;
  load.partners = heard.partners;
  return load;
}

ExchangeForm choose_exchange(const ExchangeLoad& load) {
  const bool cheaper = DirectedExchange::cost(load).seconds < GatheringExchange::cost(load).seconds;
  return load.ranks > kFewRanks && cheaper ? ExchangeForm::directed : ExchangeForm::all_gather;
}

std::unique_ptr<SpikeExchange> make_exchange(const Network& network, const SimulationDescription& simulation,
                                             std::optional<ExchangeForm> wanted, Communicator& comm) {
  const auto all_gather = [&] { return std::make_unique<GatheringExchange>(comm, simulation.populations.size()); };
  if (comm.size() == 1 || wanted == ExchangeForm::all_gather || (!wanted && comm.size() <= kFewRanks))
    return all_gather();
  const Hearing hearing(network, simulation, comm.rank(), comm.size());
  if (!wanted) {
    Hearing::Load heard = hearing.load();
    heard.neurons = static_cast<double>(comm.max(static_cast<std::int64_t>(heard.neurons)));
    heard.partners = static_cast<double>(comm.max(static_cast<std::int64_t>(heard.partners)));
    if (choose_exchange(load_of(simulation, comm.size(), heard, kAssumedRate)) == ExchangeForm::all_gather)
      return all_gather();
  }
  return std::make_unique<DirectedExchange>(comm, make_routes(hearing, simulation, comm));
}

}  // namespace lpl::spiking
