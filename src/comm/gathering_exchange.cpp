#include "comm/gathering_exchange.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace lpl {
namespace {

// In place of, and in, a message's length.
constexpr std::uint32_t kFailed = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint32_t kWantsCheckpoint = 1u << 31, kIsFull = 1u << 30;

}  // namespace

GatheringExchange::GatheringExchange(Communicator& comm, std::size_t populations)
    : comm_(comm), populations_(populations), words_(kLeastWords) {}

// Message: [words in all | kFailed], counts by (population, step), ids by (population, step).
void GatheringExchange::begin(const std::vector<EpochSpikes>& local, Signals own) {
  signals_ = own;
  if (comm_.size() == 1) return;
  message_.assign(1, 0);
  if (!own.failed) {
    for (const EpochSpikes& spikes : local) message_.insert(message_.end(), spikes.count.begin(), spikes.count.end());
    for (const EpochSpikes& spikes : local) message_.insert(message_.end(), spikes.ids.begin(), spikes.ids.end());
    message_[0] = static_cast<std::uint32_t>(message_.size()) | (own.wants_checkpoint ? kWantsCheckpoint : 0) |
                  (own.is_full ? kIsFull : 0);
  } else {
    message_[0] = kFailed;
  }
  if (message_.size() < words_) message_.resize(words_);
  comm_.begin_all_gather(message_.data(), words_);
  const auto others = static_cast<std::int64_t>(comm_.size() - 1), words = static_cast<std::int64_t>(words_);
  traffic_ = {traffic_.exchanges + 1, traffic_.messages + 1, traffic_.sent + words, traffic_.received + others * words};
}

Signals GatheringExchange::end(std::vector<EpochSpikes>& local, std::vector<EpochSpikes>& all, std::size_t steps) {
  if (comm_.size() == 1) {
    all.swap(local);
    return signals_;
  }
  const auto ranks = static_cast<std::size_t>(comm_.size());
  received_.resize(ranks * words_);
  comm_.end_all_gather(message_.data(), words_, received_.data());

  std::size_t longest = 0;
  for (std::size_t r = 0; r < ranks; ++r) {
    std::uint32_t& length = received_[r * words_];
    if (length == kFailed) return {.failed = true};
    if (length & kWantsCheckpoint) signals_.wants_checkpoint = true;
    if (length & kIsFull) signals_.is_full = true;
    length &= ~(kWantsCheckpoint | kIsFull);
    longest = std::max<std::size_t>(longest, length);
  }
  const bool overflow = longest > words_;
  if (overflow) {
    ++overflows_;
    std::vector<int> rest(ranks);
    std::size_t total = 0;
    for (std::size_t r = 0; r < ranks; ++r) {
      const std::size_t length = received_[r * words_];
      rest[r] = length > words_ ? static_cast<int>(length - words_) : 0;
      total += static_cast<std::size_t>(rest[r]);
    }
    remainder_.resize(total);
    comm_.all_gather(message_.data() + words_, rest, remainder_.data());
    const int own = rest[static_cast<std::size_t>(comm_.rank())];
    traffic_.sent += own;
    traffic_.received += static_cast<std::int64_t>(total) - own;
    whole_.resize(ranks);
    auto at = remainder_.begin();
    for (std::size_t r = 0; r < ranks; ++r) {
      const auto begin = received_.begin() + static_cast<std::ptrdiff_t>(r * words_);
      whole_[r].assign(begin, begin + static_cast<std::ptrdiff_t>(words_));
      whole_[r].insert(whole_[r].end(), at, at + rest[r]);
      at += rest[r];
    }
  }

  for (std::size_t p = 0; p < populations_; ++p) all[p].clear(steps);
  const auto begin_of = [&](std::size_t r) { return overflow ? whole_[r].data() : received_.data() + r * words_; };
  // Ranks hold ascending ranges of ids, so taking them in rank order within a step keeps ids sorted.
  cursor_.resize(ranks);
  for (std::size_t r = 0; r < ranks; ++r) cursor_[r] = begin_of(r) + 1 + populations_ * steps;
  for (std::size_t p = 0; p < populations_; ++p)
    for (std::size_t s = 0; s < steps; ++s)
      for (std::size_t r = 0; r < ranks; ++r) {
        const std::uint32_t count = begin_of(r)[1 + p * steps + s];
        all[p].ids.insert(all[p].ids.end(), cursor_[r], cursor_[r] + count);
        all[p].count[s] += count;
        cursor_[r] += count;
      }
  if (overflow) words_ = std::bit_ceil(longest + longest / 4);
  return signals_;
}

// As all-gathers by doubling: log2(ranks) messages, one after the other.
ExchangeCost GatheringExchange::cost(const ExchangeLoad& load) {
  using namespace exchange_time;
  const double counts = load.populations * load.steps;
  const double message = std::max<double>(kLeastWords, 1 + counts + load.spikes / load.ranks);
  const double messages = std::ceil(std::log2(load.ranks));
  const double received = (load.ranks - 1) * message;
  return {.messages = messages,
          .sent = message,
          .received = received,
          .seconds = messages * (kLatency + 2 * kMessage) + received * kWord + load.ranks * counts * kCount +
                     load.spikes * kSpike};
}

}  // namespace lpl
