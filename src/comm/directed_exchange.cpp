#include "comm/directed_exchange.hpp"

#include <algorithm>
#include <cmath>

namespace lpl {

DirectedExchange::DirectedExchange(Communicator& comm, Routes routes)
    : comm_(comm),
      routes_(std::move(routes)),
      letter_to_(static_cast<std::size_t>(comm.size()), 0),
      outgoing_(routes_.to.size()) {
  for (const int rank : routes_.to) {
    letter_to_[static_cast<std::size_t>(rank)] = letters_.size();
    letters_.push_back({.rank = rank, .words = {}});
  }
  for (const int rank : routes_.from) received_.push_back({.rank = rank, .words = {}});
}

// A group is what spikes in one population in one step. Message: [groups], (group, count) of each, ids.
void DirectedExchange::begin(const std::vector<EpochSpikes>& local, Signals own) {
  signals_.failed |= own.failed;
  signals_.wants_checkpoint |= own.wants_checkpoint;
  signals_.is_full |= own.is_full;
  for (Outgoing& outgoing : outgoing_) {
    outgoing.groups.clear();
    outgoing.ids.clear();
  }
  for (std::size_t p = 0; p < local.size(); ++p) {
    const NeuronId* id = local[p].ids.data();
    const std::size_t steps = local[p].count.size();
    for (std::size_t s = 0; s < steps; ++s)
      for (std::uint32_t n = 0; n < local[p].count[s]; ++n, ++id)
        routes_.listeners[p].each(*id, [&](int rank) {
          Outgoing& outgoing = outgoing_[letter_to_[static_cast<std::size_t>(rank)]];
          const auto group = static_cast<std::uint32_t>(p * steps + s);
          if (outgoing.groups.empty() || *(outgoing.groups.end() - 2) != group)
            outgoing.groups.insert(outgoing.groups.end(), {group, 0});
          ++outgoing.groups.back();
          outgoing.ids.push_back(*id);
        });
  }
  ++traffic_.exchanges;
  for (std::size_t i = 0; i < outgoing_.size(); ++i) {
    std::vector<std::uint32_t>& words = letters_[i].words;
    words.assign(1, static_cast<std::uint32_t>(outgoing_[i].groups.size() / 2));
    words.insert(words.end(), outgoing_[i].groups.begin(), outgoing_[i].groups.end());
    words.insert(words.end(), outgoing_[i].ids.begin(), outgoing_[i].ids.end());
    traffic_.sent += static_cast<std::int64_t>(words.size());
    ++traffic_.messages;
  }
  comm_.begin_letters(letters_);
}

Signals DirectedExchange::end(std::vector<EpochSpikes>& local, std::vector<EpochSpikes>& all, std::size_t steps) {
  comm_.end_letters(received_);
  runs_.resize(local.size() * steps);
  for (auto& runs : runs_) runs.clear();
  // Ranks hold ascending ranges of ids, so taking them in rank order within a step keeps ids sorted.
  for (const Letter& letter : received_)
    if (letter.rank < comm_.rank()) take(letter);
  take(local, steps);
  for (const Letter& letter : received_)
    if (letter.rank > comm_.rank()) take(letter);
  for (std::size_t p = 0; p < all.size(); ++p) {
    all[p].clear(steps);
    for (std::size_t s = 0; s < steps; ++s)
      for (const Run& run : runs_[p * steps + s]) {
        all[p].ids.insert(all[p].ids.end(), run.ids, run.ids + run.count);
        all[p].count[s] += run.count;
      }
  }
  return traffic_.exchanges % kExchangesPerSignals == 0 ? exchange_signals() : Signals{};
}

void DirectedExchange::take(const std::vector<EpochSpikes>& own, std::size_t steps) {
  for (std::size_t p = 0; p < own.size(); ++p) {
    const NeuronId* ids = own[p].ids.data();
    for (std::size_t s = 0; s < steps; ids += own[p].count[s++])
      if (own[p].count[s] > 0) runs_[p * steps + s].push_back({ids, own[p].count[s]});
  }
}

void DirectedExchange::take(const Letter& letter) {
  traffic_.received += static_cast<std::int64_t>(letter.words.size());
  const std::uint32_t* group = letter.words.data() + 1;
  const std::uint32_t* ids = group + 2 * std::size_t{letter.words.front()};
  for (std::uint32_t i = 0; i < letter.words.front(); ++i, group += 2) {
    runs_[group[0]].push_back({ids, group[1]});
    ids += group[1];
  }
}

Signals DirectedExchange::exchange_signals() {
  std::vector<std::int64_t> ranks = {signals_.failed, signals_.wants_checkpoint, signals_.is_full};
  comm_.sum(ranks);
  signals_ = {};
  return {.failed = ranks[0] > 0, .wants_checkpoint = ranks[1] > 0, .is_full = ranks[2] > 0};
}

// Spikes of a message fall into groups by chance.
ExchangeCost DirectedExchange::cost(const ExchangeLoad& load) {
  using namespace exchange_time;
  const double groups = load.populations * load.steps;
  const double spikes = load.partners > 0 ? load.heard / load.partners : 0;
  const double occupied = groups > 0 ? -groups * std::expm1(-spikes / groups) : 0;
  const double words = load.partners * (1 + 2 * occupied) + load.heard;
  const double signals = std::ceil(std::log2(load.ranks)) * (kLatency + 2 * kMessage) / kExchangesPerSignals;
  return {.messages = load.partners,
          .sent = words,
          .received = words,
          .seconds = kLatency + load.partners * (2 * kMessage + 2 * occupied * kCount) + words * kWord +
                     load.heard * kSpike + signals};
}

}  // namespace lpl
