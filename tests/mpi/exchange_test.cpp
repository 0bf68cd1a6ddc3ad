// Spike exchange and agreement on failure; runs on 1, 2 and 4 ranks with the same assertions.
#include "comm/spike_exchange.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

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

TEST(SpikeExchange, BringsAllSpikesSortedToAllRanksAlsoWhenTheyDoNotFit) {
  Communicator& comm = test::world();
  SpikeExchange exchange(comm, 2);
  const NeuronId sizes[2] = {1000, 7};
  for (std::uint32_t epoch = 0; epoch < 60; ++epoch) {
    const std::size_t steps = 1 + epoch % 8;
    // Silence, a trickle, and bursts that overflow the message.
    const double p = epoch % 3 == 0 ? 0.0 : epoch % 7 == 0 ? 0.5 : 0.002;
    std::vector<EpochSpikes> expected, local, found(2);
    for (std::uint32_t q = 0; q < 2; ++q) {
      expected.push_back(all_spikes(epoch, q, sizes[q], steps, p));
      local.push_back(part_of(expected[q], local_range(sizes[q], comm.rank(), comm.size())));
    }
    exchange.begin(local, true, false);
    ASSERT_TRUE(exchange.end(local, found, steps));
    for (std::size_t q = 0; q < 2; ++q) {
      ASSERT_EQ(found[q].ids, expected[q].ids) << "epoch " << epoch;
      ASSERT_EQ(found[q].count, expected[q].count);
    }
  }
  // The message grew once or twice, not at every burst.
  if (comm.size() > 1) {
    EXPECT_GE(exchange.overflows(), 1);
    EXPECT_LE(exchange.overflows(), 3);
  }
}

TEST(SpikeExchange, TellsEveryRankOfAFailure) {
  Communicator& comm = test::world();
  SpikeExchange exchange(comm, 1);
  std::vector<EpochSpikes> local(1), found(1);
  local[0].clear(8);
  exchange.begin(local, true, false);
  EXPECT_TRUE(exchange.end(local, found, 8));
  local[0].clear(8);
  exchange.begin(local, comm.rank() != comm.size() - 1, false);
  EXPECT_FALSE(exchange.end(local, found, 8));
}

TEST(SpikeExchange, TellsEveryRankThatOneWantsACheckpoint) {
  Communicator& comm = test::world();
  SpikeExchange exchange(comm, 1);
  std::vector<EpochSpikes> found(1);
  // The last exchange overflows the message.
  for (const auto& [wanting, spikes] :
       std::vector<std::pair<int, NeuronId>>{{-1, 0}, {0, 1}, {comm.size() - 1, 2}, {-1, 3}, {0, 500}}) {
    std::vector<EpochSpikes> local(1);
    local[0].clear(8);
    local[0].ids.assign(spikes, 7);
    local[0].count[0] = spikes;
    exchange.begin(local, true, comm.rank() == wanting);
    EXPECT_TRUE(exchange.end(local, found, 8));
    EXPECT_EQ(exchange.checkpoint_wanted(), wanting >= 0);
    EXPECT_EQ(found[0].ids.size(), spikes * static_cast<std::size_t>(comm.size()));
  }
}

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
