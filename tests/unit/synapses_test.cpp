#include "spiking/synapses.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "spiking/network.hpp"

namespace lpl::spiking {
namespace {

SimulationDescription wired(const std::string& pattern, int pre = 300, int post = 200) {
  return read_simulation_text(
      fmt::format("simulation = {{ seed = 3 }}\n[[population]]\nname = \"a\"\ncell = \"if\"\nsize = {}\n"
                  "[[population]]\nname = \"b\"\ncell = \"if\"\nsize = {}\n"
                  "[[connection]]\nname = \"c\"\nfrom = \"a\"\nto = \"b\"\n{}\nweight = 0.25\n"
                  "[[phase]]\nname = \"r\"\nduration = \"1 s\"\n",
                  pre, post, pattern),
      "wired.sim");
}

using Pairs = std::set<std::pair<NeuronId, NeuronId>>;

Pairs pairs_of(const SimulationDescription& s, int ranks) {
  Pairs pairs;
  for (int rank = 0; rank < ranks; ++rank) {
    const Network network(s, rank, ranks);
    const Synapses& synapses = network.connections[0].synapses;
    const NeuronId first = network.populations[s.connections[0].to]->range().first;
    synapses.by_target([&](NeuronId pre, std::uint64_t i) {
      EXPECT_EQ(synapses.weight[i], 0.25f);
      EXPECT_TRUE(pairs.emplace(pre, first + network.layout.neuron_of(synapses.target[i])).second);
    });
  }
  return pairs;
}

TEST(Synapses, RandomWiringHasItsDensityAndIsTheSameOnAnyNumberOfRanks) {
  const auto s = wired("density = 0.1");
  const Pairs one = pairs_of(s, 1);
  EXPECT_NEAR(static_cast<double>(one.size()), s.connections[0].wiring->expected(), 5 * std::sqrt(6000 * 0.9));
  for (const int ranks : {2, 3, 7, 300}) EXPECT_EQ(pairs_of(s, ranks), one) << ranks << " ranks";
}

TEST(Synapses, DensityOneConnectsAllAndZeroNone) {
  EXPECT_EQ(pairs_of(wired("density = 1.0", 13, 17), 2).size(), 13u * 17u);
  EXPECT_EQ(pairs_of(wired("density = 0.0", 13, 17), 2).size(), 0u);
}

TEST(Synapses, OneToOne) {
  Pairs expected;
  for (NeuronId n = 0; n < 50; ++n) expected.emplace(n, n);
  EXPECT_EQ(pairs_of(wired("one_to_one = true", 50, 50), 3), expected);
}

TEST(Synapses, GaussianMaskPeaksAtItsCentres) {
  const auto s = wired("mask = { profile = \"gaussian\", width = 20 }", 100, 25);
  const Pairs pairs = pairs_of(s, 1);
  EXPECT_EQ(pairs, pairs_of(s, 4));
  EXPECT_NEAR(static_cast<double>(pairs.size()), s.connections[0].wiring->expected(), 80);
  double distance = 0;
  for (const auto& [pre, post] : pairs) distance += std::abs(pre - post * 100.0 / 24);
  EXPECT_LT(distance / static_cast<double>(pairs.size()), 20 / std::sqrt(3.141) + 2);  // mean |x| of exp(-x^2/w^2)
}

TEST(Synapses, MemoryFallsWithRanks) {
  const auto s = wired("density = 0.5", 2000, 1000);
  const Network whole(s, 0, 1), part(s, 2, 4);
  EXPECT_LT(static_cast<double>(part.bytes()), 0.3 * static_cast<double>(whole.bytes()));
  EXPECT_LE(static_cast<double>(whole.bytes()) / static_cast<double>(whole.synapses()), 16);
}

TEST(Synapses, PlasticSynapsesCostAtMost32Bytes) {
  auto s = read_simulation_text(
      "simulation = {}\n[[stimulus]]\nname = \"i\"\ntype = \"poisson\"\nsize = 20000\nrate = \"1 Hz\"\n"
      "[[population]]\nname = \"e\"\ncell = \"if\"\nsize = 50\n"
      "[[connection]]\nname = \"c\"\nfrom = \"i\"\nto = \"e\"\ndensity = 1.0\nweight = 0.1\nplasticity = \"lpl\"\n"
      "[[phase]]\nname = \"r\"\nduration = \"1 s\"\n",
      "plastic.sim", {"rule.lpl.update.gradient=augmented"});
  const Network network(s, 0, 1);
  EXPECT_LE(static_cast<double>(network.bytes()) / static_cast<double>(network.synapses()), 32);
}

}  // namespace
}  // namespace lpl::spiking
