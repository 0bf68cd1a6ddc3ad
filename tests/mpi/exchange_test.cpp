// Spike exchange and agreement on failure; runs on 1, 2 and 4 ranks with the same assertions.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <thread>

#include "comm/directed_exchange.hpp"
#include "comm/gathering_exchange.hpp"
#include "core/errors.hpp"
#include "core/random.hpp"
#include "spiking/synapses.hpp"
#include "support/world.hpp"

namespace lpl::spiking {
namespace {

// The spikes of a population of `size` in one epoch, the same on all ranks.
EpochSpikes all_spikes(std::uint32_t epoch, std::uint32_t population, NeuronId size, std::size_t steps, double p) {
  EpochSpikes spikes;
  spikes.clear(steps);
  Random random(5, Draw::signal, population, epoch);
  for (std::size_t s = 0; s < steps; ++s)
    for (NeuronId id = 0; id < size; ++id)
      if (random.uniform() < p) {
        spikes.ids.push_back(id);
        ++spikes.count[s];
      }
  return spikes;
}

EpochSpikes part_of(const EpochSpikes& all, LocalRange range) {
  EpochSpikes part;
  part.clear(all.count.size());
  std::size_t i = 0;
  for (std::size_t s = 0; s < all.count.size(); ++s)
    for (std::uint32_t n = 0; n < all.count[s]; ++n, ++i)
      if (range.holds(all.ids[i])) {
        part.ids.push_back(all.ids[i]);
        ++part.count[s];
      }
  return part;
}

// Routes by which rank `to` hears what hears(from, to, id) says.
template <class Hears>
Routes routes_by(const std::vector<NeuronId>& sizes, Communicator& comm, Hears hears) {
  Routes routes;
  std::vector<bool> to(static_cast<std::size_t>(comm.size())), from(to);
  for (const NeuronId size : sizes) {
    const LocalRange own = local_range(size, comm.rank(), comm.size());
    routes.listeners.emplace_back(own.first, own.count, comm.size());
    for (int other = 0; other < comm.size(); ++other) {
      if (other == comm.rank()) continue;
      const LocalRange range = local_range(size, other, comm.size());
      for (NeuronId id = 0; id < size; ++id) {
        if (own.holds(id) && hears(comm.rank(), other, id)) {
          routes.listeners.back().add(id, other);
          to[static_cast<std::size_t>(other)] = true;
        }
        if (range.holds(id) && hears(other, comm.rank(), id)) from[static_cast<std::size_t>(other)] = true;
      }
    }
  }
  for (int rank = 0; rank < comm.size(); ++rank) {
    if (to[static_cast<std::size_t>(rank)]) routes.to.push_back(rank);
    if (from[static_cast<std::size_t>(rank)]) routes.from.push_back(rank);
  }
  return routes;
}

bool always(int, int, NeuronId) { return true; }

enum class Form { gathering, directed };

std::unique_ptr<SpikeExchange> make(Form form, const std::vector<NeuronId>& sizes) {
  Communicator& comm = test::world();
  if (form == Form::gathering) return std::make_unique<GatheringExchange>(comm, sizes.size());
  return std::make_unique<DirectedExchange>(comm, routes_by(sizes, comm, always));
}

struct Epochs {
  std::vector<NeuronId> sizes = {1000, 7};
  std::vector<EpochSpikes> expected, local, found{2};

  // Silence, a trickle, and bursts that overflow a message.
  std::size_t make(std::uint32_t epoch) {
    const std::size_t steps = 1 + epoch % 8;
    const double p = epoch % 3 == 0 ? 0.0 : epoch % 7 == 0 ? 0.5 : 0.002;
    expected.clear();
    local.clear();
    for (std::uint32_t q = 0; q < 2; ++q) {
      expected.push_back(all_spikes(epoch, q, sizes[q], steps, p));
      local.push_back(part_of(expected[q], local_range(sizes[q], test::world().rank(), test::world().size())));
    }
    return steps;
  }
};

class SpikeExchanges : public testing::TestWithParam<Form> {
 protected:
  // What is known after as many exchanges as signals may take, the first with `own` and `local`.
  Signals signals_after(SpikeExchange& exchange, Signals own, std::vector<EpochSpikes> local) {
    std::vector<EpochSpikes> found(1);
    Signals known;
    const std::uint64_t exchanges = GetParam() == Form::directed ? DirectedExchange::kExchangesPerSignals : 1;
    for (std::uint64_t i = 0; i < exchanges; ++i) {
      exchange.begin(local, i == 0 ? own : Signals{});
      const Signals signals = exchange.end(local, found, 8);
      known.failed |= signals.failed;
      known.wants_checkpoint |= signals.wants_checkpoint;
      known.is_full |= signals.is_full;
    }
    return known;
  }
};

TEST_P(SpikeExchanges, BringAllSpikesSortedToAllRanksWhereAllHearAll) {
  Epochs epochs;
  const auto exchange = make(GetParam(), epochs.sizes);
  for (std::uint32_t epoch = 0; epoch < 60; ++epoch) {
    const std::size_t steps = epochs.make(epoch);
    exchange->begin(epochs.local, {});
    ASSERT_FALSE(exchange->end(epochs.local, epochs.found, steps).failed);
    for (std::size_t q = 0; q < 2; ++q) {
      ASSERT_EQ(epochs.found[q].ids, epochs.expected[q].ids) << "epoch " << epoch;
      ASSERT_EQ(epochs.found[q].count, epochs.expected[q].count);
    }
  }
}

TEST(GatheringExchange, GrowsItsMessageOnceOrTwiceNotAtEveryBurst) {
  Epochs epochs;
  GatheringExchange exchange(test::world(), 2);
  for (std::uint32_t epoch = 0; epoch < 60; ++epoch) {
    const std::size_t steps = epochs.make(epoch);
    exchange.begin(epochs.local, {});
    exchange.end(epochs.local, epochs.found, steps);
  }
  if (test::world().size() == 1) return;
  EXPECT_GE(exchange.overflows(), 1);
  EXPECT_LE(exchange.overflows(), 3);
}

// Not all pairs have a message, not in both directions, and a rank always has its own.
TEST(DirectedExchange, BringsTheSpikesThatARankHears) {
  Communicator& comm = test::world();
  const auto hears = [&](int from, int to, NeuronId id) {
    return (from + 1) % comm.size() != to && (id + static_cast<NeuronId>(to)) % 3 == 0;
  };
  Epochs epochs;
  DirectedExchange exchange(comm, routes_by(epochs.sizes, comm, hears));
  for (std::uint32_t epoch = 0; epoch < 60; ++epoch) {
    const std::size_t steps = epochs.make(epoch);
    exchange.begin(epochs.local, {});
    ASSERT_FALSE(exchange.end(epochs.local, epochs.found, steps).failed);
    for (std::size_t q = 0; q < 2; ++q) {
      EpochSpikes expected;
      expected.clear(steps);
      auto id = epochs.expected[q].ids.begin();
      for (std::size_t s = 0; s < steps; ++s)
        for (std::uint32_t n = 0; n < epochs.expected[q].count[s]; ++n, ++id)
          for (int rank = 0; rank < comm.size(); ++rank)
            if (local_range(epochs.sizes[q], rank, comm.size()).holds(*id) &&
                (rank == comm.rank() || hears(rank, comm.rank(), *id))) {
              expected.ids.push_back(*id);
              ++expected.count[s];
            }
      ASSERT_EQ(epochs.found[q].ids, expected.ids) << "epoch " << epoch;
      ASSERT_EQ(epochs.found[q].count, expected.count);
    }
  }
  if (comm.size() == 2) {
    EXPECT_EQ(exchange.traffic().messages, 0);
  }
}

TEST_P(SpikeExchanges, TellEveryRankOfAFailure) {
  Communicator& comm = test::world();
  const auto exchange = make(GetParam(), {10});
  std::vector<EpochSpikes> silence(1);
  silence[0].clear(8);
  EXPECT_FALSE(signals_after(*exchange, {}, silence).failed);
  EXPECT_TRUE(signals_after(*exchange, {.failed = comm.rank() == comm.size() - 1}, silence).failed);
}

TEST_P(SpikeExchanges, TellEveryRankThatOneWantsACheckpointOrIsFull) {
  Communicator& comm = test::world();
  const auto exchange = make(GetParam(), {10'000});
  // The last exchange overflows the message.
  for (const auto& [wanting, spikes] :
       std::vector<std::pair<int, NeuronId>>{{-1, 0}, {0, 1}, {comm.size() - 1, 2}, {-1, 3}, {0, 500}}) {
    std::vector<EpochSpikes> local(1);
    local[0].clear(8);
    local[0].ids.assign(spikes, local_range(10'000, comm.rank(), comm.size()).first);
    local[0].count[0] = spikes;
    const bool own = comm.rank() == wanting, checkpoint = spikes % 2 == 0;  // else it is full
    const Signals signals = signals_after(
        *exchange, {.wants_checkpoint = own && checkpoint, .is_full = own && !checkpoint}, std::move(local));
    EXPECT_FALSE(signals.failed);
    EXPECT_EQ(signals.wants_checkpoint, wanting >= 0 && checkpoint);
    EXPECT_EQ(signals.is_full, wanting >= 0 && !checkpoint);
  }
}

INSTANTIATE_TEST_SUITE_P(Forms, SpikeExchanges, testing::Values(Form::gathering, Form::directed));

TEST(Communicator, IsPatientWithARankThatWorksForLong) {
  Communicator& comm = test::world();
  comm.end_when_stalled(1, "test");
  for (int working = 0; working < comm.size(); ++working) {
    if (comm.rank() == working) std::this_thread::sleep_for(std::chrono::seconds(3));
    EXPECT_EQ(comm.max(comm.rank()), comm.size() - 1);
  }
  comm.end_when_stalled(0, "test");
}

TEST(Communicator, GathersAndScattersBytes) {
  Communicator& comm = test::world();
  const auto part = [](int rank) {
    return std::string(static_cast<std::size_t>(rank) * 100'000, static_cast<char>('a' + rank));
  };
  std::vector<std::string> all;
  for (int rank = 0; rank < comm.size(); ++rank) all.push_back(part(rank));
  EXPECT_EQ(comm.gather(part(comm.rank())), comm.rank() == 0 ? all : std::vector<std::string>{});
  EXPECT_EQ(comm.scatter(comm.rank() == 0 ? all : std::vector<std::string>{}), part(comm.rank()));
}

TEST(Agree, GivesEveryRankTheErrorOfTheLowestFailingRank) {
  Communicator& comm = test::world();
  const int last = comm.size() - 1;
  try {
    agree(comm, [&] {
      if (comm.rank() == last) throw IoError("disk full");
    });
    FAIL() << "nobody threw";
  } catch (const IoError& error) {
    EXPECT_NE(std::string(error.what()).find("disk full"), std::string::npos);
    if (comm.size() > 1) {
      EXPECT_EQ(std::string(error.what()), "rank " + std::to_string(last) + ": disk full");
    }
  }
  EXPECT_THROW(agree(comm, [] { throw ConfigError("key"); }), ConfigError);
  EXPECT_NO_THROW(agree(comm, [] {}));
}

TEST(Communicator, SumsMaximaGatherAndBroadcast) {
  Communicator& comm = test::world();
  std::vector<std::int64_t> sums = {1, comm.rank()};
  comm.sum(sums);
  EXPECT_EQ(sums[0], comm.size());
  EXPECT_EQ(sums[1], comm.size() * (comm.size() - 1) / 2);
  EXPECT_EQ(comm.max(comm.rank()), comm.size() - 1);
  const auto parts = comm.gather(std::string(static_cast<std::size_t>(comm.rank()), 'x'));
  EXPECT_EQ(parts.size(), comm.rank() == 0 ? static_cast<std::size_t>(comm.size()) : 0u);
  for (std::size_t r = 0; r < parts.size(); ++r) EXPECT_EQ(parts[r].size(), r);
  EXPECT_EQ(comm.broadcast(comm.rank() == comm.size() - 1 ? "last" : "", comm.size() - 1), "last");
}

}  // namespace
}  // namespace lpl::spiking
