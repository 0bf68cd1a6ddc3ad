// Wirings: the same on any number of ranks, and with the statistics that they are named for.
#include "spiking/wiring/wiring.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <numeric>
#include <set>

#include "core/sampling.hpp"
#include "spiking/network.hpp"
#include "support/delays.hpp"
#include "support/world.hpp"

namespace lpl::spiking {
namespace {

struct Size {
  int pre = 300, post = 200;
  bool recurrent = false;
};

std::string description(const std::string& wiring, Size size, const std::string& weight = "weight = 0.25") {
  const std::string second =
      size.recurrent ? "" : fmt::format("[[population]]\nname = \"b\"\ncell = \"if\"\nsize = {}\n", size.post);
  return fmt::format(
      "simulation = {{ seed = 3 }}\n[[population]]\nname = \"a\"\ncell = \"if\"\nsize = {}\n{}"
      "[[connection]]\nname = \"c\"\nfrom = \"a\"\nto = \"{}\"\n{}\n{}\n[[phase]]\nname = \"r\"\nduration = \"1 s\"\n",
      size.pre, second, size.recurrent ? "a" : "b", wiring, weight);
}

SimulationDescription wired(const std::string& wiring, Size size, const std::string& weight = "weight = 0.25") {
  return read_simulation_text(description(wiring, size, weight), "wired.sim");
}

std::string refusal(const std::string& wiring, Size size, const std::string& weight = "weight = 0.25") {
  try {
    wired(wiring, size, weight);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

struct Synapse {
  NeuronId pre, post;
  Step delay;
  float weight;
  auto operator<=>(const Synapse&) const = default;
};
void PrintTo(const Synapse& s, std::ostream* out) {
  *out << s.pre << " -> " << s.post << " after " << s.delay << " with " << s.weight;
}

// By source, target and delay.
std::vector<Synapse> synapses_of(const SimulationDescription& s, int ranks) {
  std::vector<Synapse> all;
  for (int rank = 0; rank < ranks; ++rank) {
    const Network network(s, rank, ranks);
    const Synapses& synapses = network.connections[0].synapses;
    const NeuronId first = network.populations[s.connections[0].to]->range().first;
    synapses.by_target([&](NeuronId pre, std::uint64_t i) {
      EXPECT_LE(synapses.of(pre).begin, i);
      EXPECT_GT(synapses.of(pre).end, i);
      const Step delay = delay_of(synapses, i);
      EXPECT_TRUE(synapses.shortest <= delay && delay <= synapses.longest);
      all.push_back({pre, first + network.layout.neuron_of(synapses.target[i]), delay, synapses.weight[i]});
    });
  }
  std::ranges::stable_sort(all, {}, [](const Synapse& synapse) { return std::pair(synapse.pre, synapse.post); });
  return all;
}

struct Degrees {
  std::vector<double> in, out;
  std::size_t autapses = 0, repeated = 0;  // synapses beyond the first of their pair
};
Degrees degrees_of(const std::vector<Synapse>& synapses, Size size) {
  Degrees degrees;
  degrees.in.resize(static_cast<std::size_t>(size.recurrent ? size.pre : size.post));
  degrees.out.resize(static_cast<std::size_t>(size.pre));
  std::map<std::pair<NeuronId, NeuronId>, int> pairs;
  for (const Synapse& s : synapses) {
    ++degrees.in[s.post];
    ++degrees.out[s.pre];
    degrees.autapses += size.recurrent && s.pre == s.post;
    degrees.repeated += pairs[{s.pre, s.post}]++ > 0;
  }
  return degrees;
}

double sum(const std::vector<double>& values) { return std::accumulate(values.begin(), values.end(), 0.0); }
double mean(const std::vector<double>& values) { return sum(values) / static_cast<double>(values.size()); }
double variance(const std::vector<double>& values) {
  const double centre = mean(values);
  double squares = 0;
  for (const double v : values) squares += (v - centre) * (v - centre);
  return squares / static_cast<double>(values.size() - 1);
}

// Chi-square of counts that should be `expected` each, in units of its standard deviation above its mean.
double excess(const std::vector<double>& counts, double expected) {
  double chi = 0;
  for (const double count : counts) chi += (count - expected) * (count - expected) / expected;
  const auto freedom = static_cast<double>(counts.size() - 1);
  return (chi - freedom) / std::sqrt(2 * freedom);
}

class EveryWiring : public testing::TestWithParam<std::tuple<std::string, Size>> {};

TEST_P(EveryWiring, IsTheSameOnAnyNumberOfRanks) {
  const auto& [wiring, size] = GetParam();
  const auto s = wired(wiring, size,
                       "weight = { normal = [0.25, 0.1], low = 0.01 }\n"
                       "delay = { lognormal = [\"1 ms\", \"0.5\"], high = \"4 ms\" }");
  const std::vector<Synapse> one = synapses_of(s, 1);
  ASSERT_GT(one.size(), 100u);
  const double expected = s.connections[0].wiring->expected();
  EXPECT_NEAR(static_cast<double>(one.size()), expected, 6 * std::sqrt(expected));
  for (const int ranks : {2, 3, 5, 200}) EXPECT_EQ(synapses_of(s, ranks), one) << ranks << " ranks";
  const auto again = read_simulation_text(s.canonical_text, "again.sim");
  EXPECT_EQ(again.canonical_text, s.canonical_text);
  EXPECT_EQ(synapses_of(again, 1), one);
}

const Size kTwo{.pre = 300, .post = 290}, kOne{.pre = 300, .recurrent = true}, kEqual{.pre = 300, .post = 300};

INSTANTIATE_TEST_SUITE_P(
    Keys, EveryWiring,
    testing::Values(
        std::tuple{"density = 0.1", kTwo}, std::tuple{"density = 0.1", kOne}, std::tuple{"all_to_all = true", kTwo},
        std::tuple{"all_to_all = true", kOne}, std::tuple{"one_to_one = true", kEqual},
        std::tuple{"in_degree = 30", kOne}, std::tuple{"in_degree = 30\nmultapses = false\nautapses = false", kOne},
        std::tuple{"out_degree = 30", kTwo}, std::tuple{"out_degree = 250", kOne},
        std::tuple{"out_degree = 30\nmultapses = false\nautapses = false", kOne}, std::tuple{"total = 7001", kTwo},
        std::tuple{"total = 70001\nautapses = false", kOne}, std::tuple{"total = 70001\nmultapses = false", kTwo},
        std::tuple{"total = 70001\nmultapses = false\nautapses = false", kOne},
        std::tuple{"pair_probability = 0.2", kOne}, std::tuple{"poisson = 0.2", kTwo},
        std::tuple{"poisson = 0.2", kOne}, std::tuple{"mask = { profile = \"gaussian\", width = 20 }", kOne},
        std::tuple{"blocks = { from = [100, 200], to = [200, 100], probability = [[0.1, 0.2], [0, 0.05]] }", kOne}));

TEST(Wiring, InDegreeIsExact) {
  const auto some = degrees_of(synapses_of(wired("in_degree = 150", kOne), 1), kOne);
  EXPECT_THAT(some.in, testing::Each(150.0));
  EXPECT_LT(std::abs(excess(some.out, 150)), 4);
  // 300 neurons draw themselves 150/300 times each; the draws of a pair are binomial.
  EXPECT_NEAR(static_cast<double>(some.autapses), 150, 5 * std::sqrt(150));
  const double pair = 150.0 / 300, distinct = -300 * std::expm1(150 * std::log1p(-1.0 / 300));
  EXPECT_NEAR(static_cast<double>(some.repeated), 300 * (150 - distinct), 5 * std::sqrt(300 * 150 * pair));
  const auto different =
      degrees_of(synapses_of(wired("in_degree = 150\nmultapses = false\nautapses = false", kOne), 1), kOne);
  EXPECT_THAT(different.in, testing::Each(150.0));
  EXPECT_EQ(different.autapses + different.repeated, 0u);
  EXPECT_LT(std::abs(excess(different.out, 150)), 12);  // less spread than chi-square's
  // All that there are.
  const auto all =
      degrees_of(synapses_of(wired("in_degree = 299\nmultapses = false\nautapses = false", kOne), 2), kOne);
  EXPECT_THAT(all.out, testing::Each(299.0));
}

TEST(Wiring, OutDegreeIsExact) {
  const Size size{.pre = 500, .post = 700};
  const auto some = degrees_of(synapses_of(wired("out_degree = 300", size), 1), size);
  EXPECT_THAT(some.out, testing::Each(300.0));
  EXPECT_LT(std::abs(excess(some.in, 500.0 * 300 / 700)), 4);
  const double distinct = -700 * std::expm1(300 * std::log1p(-1.0 / 700));
  EXPECT_NEAR(static_cast<double>(some.repeated), 500 * (300 - distinct), 5 * std::sqrt(500 * 300 * 0.4));
  const Size one{.pre = 700, .recurrent = true};
  const auto different =
      degrees_of(synapses_of(wired("out_degree = 300\nmultapses = false\nautapses = false", one), 3), one);
  EXPECT_THAT(different.out, testing::Each(300.0));
  EXPECT_EQ(different.autapses + different.repeated, 0u);
  EXPECT_NEAR(variance(different.in), 300 * (1 - 300.0 / 699), 0.25 * 300);
  const auto all = degrees_of(synapses_of(wired("out_degree = 699\nmultapses = false\nautapses = false", one), 2), one);
  EXPECT_THAT(all.in, testing::Each(699.0));
}

TEST(Wiring, TotalIsExact) {
  const Size size{.pre = 400, .post = 333};
  const auto some = degrees_of(synapses_of(wired("total = 60000", size), 1), size);
  EXPECT_EQ(sum(some.in), 60000);
  EXPECT_LT(std::abs(excess(some.in, 60000.0 / 333)), 4);
  EXPECT_LT(std::abs(excess(some.out, 60000.0 / 400)), 4);
  const double pairs = 400.0 * 333, distinct = -pairs * std::expm1(60000 * std::log1p(-1 / pairs));
  EXPECT_NEAR(static_cast<double>(some.repeated), 60000 - distinct, 5 * std::sqrt(60000 - distinct));
  const Size one{.pre = 201, .recurrent = true};
  const auto different =
      degrees_of(synapses_of(wired("total = 20000\nmultapses = false\nautapses = false", one), 3), one);
  EXPECT_EQ(sum(different.in), 20000);
  EXPECT_EQ(different.autapses + different.repeated, 0u);
  // In-degrees are hypergeometric: 20000 of 201 x 200 pairs.
  EXPECT_NEAR(variance(different.in), 200 * 0.4975 * 0.5025, 20);
  const auto all = degrees_of(synapses_of(wired("total = 40200\nmultapses = false\nautapses = false", one), 2), one);
  EXPECT_THAT(all.in, testing::Each(200.0));
  EXPECT_THAT(all.out, testing::Each(200.0));
}

TEST(Wiring, PairProbabilityIsThatOfAtLeastOneSynapse) {
  // Of the cortical microcircuit's layer 6: a published number of synapses.
  const auto s = wired("pair_probability = 0.1443", {.pre = 2948, .recurrent = true});
  EXPECT_EQ(s.connections[0].wiring->expected(), 1354320);
  const Size size{.pre = 300, .post = 200};
  const auto some = degrees_of(synapses_of(wired("pair_probability = 0.3", size), 1), size);
  const double total = std::round(std::log1p(-0.3) / std::log1p(-1 / 60000.0));
  EXPECT_EQ(sum(some.in), total);
  EXPECT_NEAR(total - static_cast<double>(some.repeated), 0.3 * 60000, 5 * std::sqrt(0.3 * 60000));
}

TEST(Wiring, PoissonPairsHavePoissonNumbers) {
  const Size size{.pre = 300, .post = 200};
  std::map<std::pair<NeuronId, NeuronId>, int> pairs;
  for (const Synapse& s : synapses_of(wired("poisson = 0.7", size), 1)) ++pairs[{s.pre, s.post}];
  std::vector<double> of_number(5, 0);
  for (const auto& [pair, n] : pairs) ++of_number[static_cast<std::size_t>(std::min(n, 4))];
  of_number[0] = 60000 - static_cast<double>(pairs.size());
  double chi = 0, rest = 1, probability = std::exp(-0.7);
  for (std::size_t n = 0; n < 5; ++n) {
    const double expected = 60000 * (n < 4 ? probability : rest);
    chi += (of_number[n] - expected) * (of_number[n] - expected) / expected;
    rest -= probability;
    probability *= 0.7 / static_cast<double>(n + 1);
  }
  EXPECT_LT(chi, 20);  // 4 degrees of freedom: p = 5e-4
}

TEST(Wiring, BlocksHaveTheirDensities) {
  const Size size{.pre = 400, .post = 300};
  std::vector<double> count(4, 0);
  for (const Synapse& s : synapses_of(
           wired("blocks = { from = [100, 300], to = [200, 100], probability = [[0.1, 0.5], [0, 1]] }", size), 2))
    ++count[(s.pre >= 100 ? 2u : 0u) + (s.post >= 200 ? 1u : 0u)];
  EXPECT_NEAR(count[0], 2000, 5 * std::sqrt(1800));
  EXPECT_NEAR(count[1], 5000, 5 * std::sqrt(2500));
  EXPECT_EQ(count[2], 0);
  EXPECT_EQ(count[3], 30000);
}

TEST(Wiring, AutapsesAreAKeyWithTheDefaultOfTheWiring) {
  const auto autapses = [](const std::string& wiring) {
    return degrees_of(synapses_of(wired(wiring, kOne), 1), kOne).autapses;
  };
  EXPECT_EQ(autapses("density = 1"), 0u);
  EXPECT_EQ(autapses("density = 1\nautapses = true"), 300u);
  EXPECT_EQ(autapses("all_to_all = true"), 0u);
  EXPECT_EQ(autapses("all_to_all = true\nautapses = true"), 300u);
  EXPECT_EQ(autapses("one_to_one = true"), 300u);
  EXPECT_EQ(autapses("poisson = 1"), 0u);
  EXPECT_NEAR(static_cast<double>(autapses("poisson = 1\nautapses = true")), 300, 80);
  const std::string mask = "mask = { profile = \"gaussian\", width = 20 }";
  EXPECT_GT(autapses(mask), 250u);
  EXPECT_EQ(autapses(mask + "\nautapses = false"), 0u);
  EXPECT_EQ(synapses_of(wired(mask + "\nautapses = false", kOne), 1).size() + autapses(mask),
            synapses_of(wired(mask, kOne), 1).size());
}

TEST(Wiring, SilentSourcesCostNextToNothing) {
  const auto s = wired("total = 1000", {.pre = 1'000'000, .post = 50});
  const Network network(s, 0, 1);
  const Synapses& synapses = network.connections[0].synapses;
  EXPECT_EQ(synapses.size(), 1000u);
  EXPECT_LE(synapses.wiring_bytes(), 1'000'000 * 0.2 + 1000 * 20);
}

// Where hardly two synapses of a row have the same delay; less where a spike reaches several at once.
TEST(Wiring, AStaticSynapseWithItsOwnDelayTakesTenBytesAtMost) {
  const auto bytes = [](const Size& size, const std::string& in_degree) {
    const auto s = wired(in_degree, size, "weight = 0.1\ndelay = { uniform = [\"1 ms\", \"5 ms\"] }");
    const Network network(s, 0, 1);
    const Synapses& synapses = network.connections[0].synapses;
    return static_cast<double>(synapses.wiring_bytes() + synapses.size() * sizeof(float)) /
           static_cast<double>(synapses.size());
  };
  EXPECT_LE(bytes({.pre = 1000, .post = 500}, "in_degree = 1000"), 8.3);
  const double row = 20.0 / 20;  // its own bytes, of 20 synapses
  EXPECT_LE(bytes({.pre = 1000, .post = 1000}, "in_degree = 20"), 10.1 + row);
}

TEST(Wiring, MistakesAreNamedWithTheirPlace) {
  const Size five{.pre = 5, .recurrent = true};
  const std::pair<std::string, std::string> mistakes[] = {
      {"density = 0.5\nmultapses = true", "this wiring connects a pair at most once"},
      {"density = 0.5\nin_degree = 2", "both 'density' and 'in_degree' are given; give exactly one of all_to_all, "},
      {"", "give exactly one of all_to_all, blocks, density, "},
      {"in_degree = 5\nautapses = false\nmultapses = false",
       "'in_degree' is 5, but a neuron of 'a' has 4 sources in 'a'; lower it or set multapses = true"},
      {"out_degree = 6\nmultapses = false", "'out_degree' is 6, but a neuron of 'a' has 5 targets in 'a'"},
      {"pair_probability = 0.5\nmultapses = false", "density connects each at most once"},
      {"pair_probability = 0", "connects nothing; leave the connection out"},
      {"pair_probability = 1", "'pair_probability' is 1"},
      {"total = 26\nmultapses = false", "'total' is 26, but there are 25 pairs"},
      {"in_degree = 0", "'in_degree' is 0; it must be from 1"},
      {"all_to_all = false", "'all_to_all' can only be true"},
      {"one_to_one = true\nautapses = false", "is autapses and nothing else"},
      {"poisson = -1", "'poisson' is -1"},
      {"blocks = { from = [2, 2], probability = [[1], [1]] }", "in all 4, but 'a' has 5 neurons"},
      {"blocks = { from = [2, 3], probability = [[1, 1]] }", "there must be 2 rows"},
      {"blocks = { probability = 3 }", "it must be a list of lists of numbers"},
      {"blocks = { probability = [[2.0]] }", "not above 1"},
      {"density = 0.1\nautopses = true", "did you mean 'autapses'?"},
  };
  for (const auto& [wiring, message] : mistakes)
    EXPECT_THAT(refusal(wiring, five), testing::ContainsRegex("^wired\\.sim:[0-9]+:[0-9]+: .*")) << wiring;
  for (const auto& [wiring, message] : mistakes) EXPECT_THAT(refusal(wiring, five), testing::HasSubstr(message));
  EXPECT_THAT(refusal("in_degree = 2\nautapses = false", {.pre = 1, .recurrent = true}),
              testing::HasSubstr("0 sources in 'a' without autapses"));
}

std::string spatial(const std::string& source, const std::string& target, const std::string& connection) {
  return fmt::format(
      "simulation = {{ seed = 5 }}\n[[population]]\nname = \"a\"\ncell = \"if\"\nsize = 900\npositions = {}\n"
      "[[stimulus]]\nname = \"i\"\ntype = \"poisson\"\nrate = \"1 Hz\"\nsize = 800\npositions = {}\n"
      "[[connection]]\nname = \"c\"\nfrom = \"i\"\nto = \"a\"\n{}\n[[phase]]\nname = \"r\"\nduration = \"1 s\"\n",
      target, source, connection);
}
std::string spatial_refusal(const std::string& source, const std::string& target, const std::string& connection) {
  try {
    read_simulation_text(spatial(source, target, connection), "space.sim");
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

class SpatialProfile : public testing::TestWithParam<bool> {};

TEST_P(SpatialProfile, IsThatOfTheFormula) {
  const bool periodic = GetParam();
  const std::string space = fmt::format("extent = [\"3 mm\", \"2 mm\"], periodic = {}", periodic);
  const auto s = read_simulation_text(
      spatial("{ random = true, " + space + " }", "{ grid = [30, 30], " + space + " }",
              "distance = { probability = \"0.6 * exp(-distance / 0.3 mm)\", within = \"0.7 mm\" }\nweight = 1\n"
              "delay = { by_distance = \"0.5 ms + distance / (0.4 m/s)\", low = \"0.5 ms\" }"),
      "space.sim");
  const WiringPlace& place = s.connections[0].wiring->place();
  const auto distance = [&](NeuronId pre, NeuronId post) {
    const Positions::Point a = place.pre_positions->at(pre);
    double x = std::abs(a[0] - (post % 30 + 0.5) * 1e-4), y = std::abs(a[1] - (post / 30 + 0.5) * 2e-3 / 30);
    if (periodic) {
      x = std::min(x, 3e-3 - x);
      y = std::min(y, 2e-3 - y);
    }
    return std::hypot(x, y);
  };
  constexpr std::size_t kBins = 14;  // of 0.05 mm
  std::vector<double> count(kBins, 0), expected(kBins, 0), spread(kBins, 0);
  double all = 0;
  for (NeuronId pre = 0; pre < 800; ++pre)
    for (NeuronId post = 0; post < 900; ++post) {
      const double d = distance(pre, post), p = 0.6 * std::exp(-d / 3e-4);
      if (d > 7e-4) continue;
      const auto bin = std::min(kBins - 1, static_cast<std::size_t>(d / 5e-5));
      expected[bin] += p;
      spread[bin] += p * (1 - p);
      all += p;
    }
  const std::vector<Synapse> synapses = synapses_of(s, 1);
  for (const Synapse& synapse : synapses) {
    const double d = distance(synapse.pre, synapse.post);
    ASSERT_LE(d, 7e-4);
    EXPECT_EQ(synapse.delay, std::llround((5e-4 + d / 0.4) / 1e-4));
    ++count[std::min(kBins - 1, static_cast<std::size_t>(d / 5e-5))];
  }
  double chi = 0;
  for (std::size_t bin = 0; bin < kBins; ++bin)
    chi += (count[bin] - expected[bin]) * (count[bin] - expected[bin]) / spread[bin];
  EXPECT_LT(chi, 37);  // 14 degrees of freedom: p = 7e-4
  EXPECT_NEAR(s.connections[0].wiring->expected(), all, 1e-6 * all);
  for (const int ranks : {2, 3, 7}) EXPECT_EQ(synapses_of(s, ranks), synapses);
}

INSTANTIATE_TEST_SUITE_P(Space, SpatialProfile, testing::Bool());

TEST(Positions, MistakesAreNamedWithTheirPlace) {
  const std::string random = "{ random = true, extent = [\"1 mm\"] }", weight = "\nweight = 1";
  const std::string good = "distance = { probability = \"exp(-distance / 1 mm)\" }" + weight;
  EXPECT_EQ(spatial_refusal(random, random, good), "accepted");
  const std::tuple<std::string, std::string, std::string, std::string> mistakes[] = {
      {random, "{ random = true, extent = [\"1 mm\", \"1 mm\"] }", good, "lie in different spaces"},
      {random, "{ random = true, extent = [\"1 mm\"], periodic = true }", good, "lie in different spaces"},
      {random, "{ grid = [30, 31], extent = [\"1 mm\", \"1 mm\"] }", good, "has 930 places for 900 neurons"},
      {random, "{ grid = [900], extent = [\"1 mm\", \"1 mm\"] }", good, "'grid' has 1 sides, but 'extent' has 2"},
      {random, "{ grid = [900] }", good, "key 'extent' is missing"},
      {random, "{ extent = [\"1 mm\"] }", good, "exactly one of grid, random, file"},
      {random, "{ file = \"none.txt\" }", good, "there is no file"},
      {random, "{ random = true, extent = [\"1 ms\"] }", good, "unit 'ms'"},
      {random, random, "distance = { probability = \"exp(-distance)\" }" + weight, "'probability': "},
      {random, random, "distance = { probability = \"exp(-distence / 1 mm)\" }" + weight, "'probability': "},
      {random, random, "distance = { probability = \"1 + distance / 1 mm\" }" + weight,
       "probabilities lie from 0 to 1"},
      {random, random, "distance = { probability = \"1\", within = \"0 mm\" }" + weight, "'within' is"},
      {random, random, "density = 0.1\nweight = { by_distance = \"distance\" }", "'by_distance': "},
  };
  for (const auto& [source, target, connection, message] : mistakes)
    EXPECT_THAT(spatial_refusal(source, target, connection),
                testing::AllOf(testing::ContainsRegex("^space\\.sim:[0-9]+:[0-9]+: .*"), testing::HasSubstr(message)));
  EXPECT_THAT(refusal("distance = { probability = \"1\" }", kTwo),
              testing::HasSubstr("a distance needs positions; give 'a' some"));
}

TEST(Positions, OfAFileAreItsLines) {
  const test::Scratch scratch;
  std::ofstream(scratch.path("p.txt")) << "0 0\n3e-3 4e-3\n";
  const auto s = read_simulation_text(
      "simulation = {}\n[[population]]\nname = \"a\"\ncell = \"if\"\nsize = 2\npositions = { file = \"p.txt\" }\n"
      "[[connection]]\nname = \"c\"\nfrom = \"a\"\nto = \"a\"\nall_to_all = true\nweight = { by_distance = \"distance "
      "/ 1 mm\" }\n"
      "[[phase]]\nname = \"r\"\nduration = \"1 s\"\n",
      scratch.path("f.sim"));
  const std::vector<Synapse> expected = {{0, 1, 8, 5.0f}, {1, 0, 8, 5.0f}};
  EXPECT_EQ(synapses_of(s, 1), expected);
}

// Binomial and hypergeometric draws against their probabilities.
void expect_distribution(const std::vector<double>& counts, double draws, const std::function<double(double)>& log_p) {
  double chi = 0, freedom = -1, rest = 1, rest_count = draws;
  for (std::size_t k = 0; k < counts.size(); ++k) {
    const double p = std::exp(log_p(static_cast<double>(k)));
    if (p * draws < 10) continue;
    chi += (counts[k] - p * draws) * (counts[k] - p * draws) / (p * draws);
    rest -= p;
    rest_count -= counts[k];
    ++freedom;
  }
  EXPECT_GT(freedom, 5);
  EXPECT_LT(std::abs(chi - freedom) / std::sqrt(2 * freedom), 4.5);
  EXPECT_NEAR(rest_count, rest * draws, 5 * std::sqrt(std::max(1.0, rest * draws)));
}
double log_choose(double n, double k) { return std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1); }

TEST(Sampling, BinomialNumbers) {
  constexpr double kDraws = 200000;
  for (const auto& [n, left, right] : {std::array{16u, 3u, 5u}, {40u, 30u, 90u}, {1000u, 999u, 1u}, {5000u, 1u, 3u}}) {
    std::vector<double> counts(n + 1);
    for (std::uint32_t i = 0; i < kDraws; ++i) {
      Random random(1, Draw::toy, 7, i);
      ++counts[draw_binomial(random, n, left, right)];
    }
    if (right == 1) {
      EXPECT_NEAR(counts[1000] / kDraws, std::pow(0.999, 1000), 0.005);
      continue;
    }
    const double p = static_cast<double>(left) / (left + right);
    expect_distribution(counts, kDraws,
                        [p, n = n](double k) { return log_choose(n, k) + k * std::log(p) + (n - k) * std::log1p(-p); });
  }
  Random random(1, Draw::toy, 8, 0);
  double total = 0;
  for (int i = 0; i < 100; ++i) total += static_cast<double>(draw_binomial(random, 300'000'000, 1, 1)) - 150e6;
  EXPECT_LT(std::abs(total) / std::sqrt(100 * 75e6), 4);
}

TEST(Sampling, HypergeometricNumbers) {
  constexpr double kDraws = 200000;
  for (const auto& [n, left, right] : {std::array{16u, 12u, 20u}, {60u, 100u, 70u}, {500u, 400u, 300u}}) {
    std::vector<double> counts(n + 1);
    for (std::uint32_t i = 0; i < kDraws; ++i) {
      Random random(1, Draw::toy, 9, i);
      ++counts[draw_hypergeometric(random, n, left, right)];
    }
    expect_distribution(counts, kDraws, [n = n, left = left, right = right](double k) {
      if (k > left || n - k > right) return -1e9;
      return log_choose(left, k) + log_choose(right, n - k) - log_choose(left + right, n);
    });
  }
  Random random(1, Draw::toy, 10, 0);
  EXPECT_EQ(draw_hypergeometric(random, 700, 400, 300), 400u);
  EXPECT_GE(draw_hypergeometric(random, 699, 400, 300), 399u);
  // As many as the pairs of a large network: the share is sharp.
  const double half =
      static_cast<double>(draw_hypergeometric(random, 1u << 30, std::uint64_t{1} << 50, std::uint64_t{1} << 50));
  EXPECT_NEAR(half, 0.5 * (1u << 30), 5 * std::sqrt(0.25 * (1u << 30)));
}

TEST(Sampling, DistinctNumbersAreDistinctAndEquallyLikely) {
  DistinctDraws distinct;
  std::vector<double> counts(20, 0);
  for (std::uint32_t i = 0; i < 20000; ++i) {
    Random random(1, Draw::toy, 11, i);
    std::vector<std::uint32_t> numbers;
    distinct(random, 7, 20, numbers);
    ASSERT_EQ(std::set(numbers.begin(), numbers.end()).size(), 7u);
    for (const std::uint32_t n : numbers) ++counts[n];
  }
  EXPECT_LT(std::abs(excess(counts, 7000)), 4);
}

std::vector<double> weights(const std::string& weight) {
  std::vector<double> values;
  for (const Synapse& s : synapses_of(wired("in_degree = 100", {.pre = 100, .post = 1000}, "weight = " + weight), 1))
    values.push_back(s.weight);
  return values;
}

TEST(Distribution, HasItsMomentsAndBounds) {
  const auto normal = weights("{ normal = [2, 0.5] }");
  EXPECT_NEAR(mean(normal), 2, 5 * 0.5 / std::sqrt(1e5));
  EXPECT_NEAR(variance(normal), 0.25, 0.25 * 5 * std::sqrt(2 / 1e5));
  const auto lognormal = weights("{ lognormal = [2, 0.5] }");
  EXPECT_NEAR(mean(lognormal), 2 * std::exp(0.125), 0.03);
  const auto uniform = weights("{ uniform = [1, 3] }");
  EXPECT_NEAR(mean(uniform), 2, 0.01);
  EXPECT_NEAR(variance(uniform), 4.0 / 12, 0.01);
  const auto [least, largest] = std::ranges::minmax_element(uniform);
  EXPECT_TRUE(1 <= *least && *largest <= 3) << *least << " to " << *largest;
  const auto exponential = weights("{ exponential = 2 }");
  EXPECT_NEAR(mean(exponential), 2, 5 * 2 / std::sqrt(1e5));
  EXPECT_NEAR(variance(exponential), 4, 0.3);
  // Half of a normal distribution, drawn again and clipped.
  const auto redrawn = weights("{ normal = [2, 0.5], low = 2 }");
  EXPECT_NEAR(mean(redrawn), 2 + 0.5 * std::sqrt(2 / 3.14159265), 0.005);
  EXPECT_GE(*std::ranges::min_element(redrawn), 2);
  const auto clipped = weights("{ normal = [2, 0.5], low = 2, high = 2.5, beyond = \"clip\" }");
  EXPECT_NEAR(static_cast<double>(std::ranges::count(clipped, 2.0)) / 1e5, 0.5, 0.01);
  EXPECT_NEAR(static_cast<double>(std::ranges::count(clipped, 2.5)) / 1e5, 0.1587, 0.01);
  // Weights cannot be below 0 where nothing else is said.
  EXPECT_GE(std::ranges::min(weights("{ normal = [0.1, 0.5] }")), 0);
}

TEST(Distribution, ListsGoBySourceOrTarget) {
  for (const Synapse& s :
       synapses_of(wired("all_to_all = true", {.pre = 3, .post = 2},
                         "weight = { by_source = [1, 2, 3] }\ndelay = { by_target = [\"1 ms\", \"0.34 ms\"] }"),
                   2)) {
    EXPECT_EQ(s.weight, static_cast<float>(s.pre + 1));
    EXPECT_EQ(s.delay, s.post == 0 ? 10 : 3);
  }
}

// Delays of the microcircuit: redrawn below half a step, then those of the nearest step.
TEST(Distribution, DelaysAreThoseOfTheNearestStep) {
  const Size size{.pre = 100, .post = 1000};
  const auto s = wired("in_degree = 100", size, "weight = 1\ndelay = { normal = [\"0.75 ms\", \"0.375 ms\"] }");
  EXPECT_EQ(s.min_delay, 1);
  std::vector<double> counts(40, 0);
  for (const Synapse& synapse : synapses_of(s, 1))
    ++counts[static_cast<std::size_t>(std::min<Step>(synapse.delay, 39))];
  const auto below = [](double steps) { return 0.5 * std::erfc(-(steps - 7.5) / 3.75 / std::sqrt(2)); };
  double chi = 0;
  for (std::size_t d = 1; d < 20; ++d) {
    const auto steps = static_cast<double>(d);
    const double expected = 1e5 * (below(steps + 0.5) - below(steps - 0.5)) / (1 - below(0.5));
    chi += (counts[d] - expected) * (counts[d] - expected) / expected;
  }
  EXPECT_EQ(counts[0], 0);
  EXPECT_LT(chi, 19 + 4 * std::sqrt(38));
}

TEST(Distribution, MistakesAreNamedWithTheirPlace) {
  const std::pair<std::string, std::string> mistakes[] = {
      {"weight = { normal = [1, 0.1], uniform = [0, 1] }", "exactly one of normal, lognormal, uniform"},
      {"weight = { }", "exactly one of normal"},
      {"weight = { normal = [1, -0.1] }", "'normal' is [1, -0.1]; the deviation, its second number, cannot be below 0"},
      {"weight = { normal = [1] }", "'normal' holds 1 values; it must hold 2"},
      {"weight = { normal = [1, 0.1], low = 3 }", "within its bounds of 3 and 1000000; widen them, or set beyond"},
      {"weight = { normal = [1, 0.1], low = 3, high = 2 }", "above 'high'"},
      {"weight = { normal = [1, 0.1], low = -1 }", "'low' is -1"},
      {"weight = { uniform = [2, 1] }", "'uniform' is [2, 1]; its two numbers must rise"},
      {"weight = { uniform = [-1, 1] }", "'uniform' is [-1, 1]; its numbers must lie within 0 and 1000000"},
      {"weight = 1\ndelay = { uniform = [\"0 ms\", \"1 ms\"] }",
       "'uniform' is [\"0 ms\", \"1 ms\"]; its numbers must lie within"},
      {"weight = { lognormal = [0, 1] }", "'lognormal' is [0, 1]; the median, its first number, must be above 0"},
      {"weight = { exponential = 0 }", "'exponential' is 0"},
      {"weight = { by_source = [1, 2] }", "'by_source' holds 2 values, but there are 5 neurons"},
      {"weight = { normal = [1, 0.1], beyond = \"redrow\" }", "must be redraw or clip"},
      {"weight = 1\ndelay = { normal = [\"1 ms\", \"1 mV\"] }", "unit 'mV'"},
      {"weight = 1\ndelay = { normal = [\"1 ms\", \"1 ms\"], low = \"0 ms\" }", "'low' is \"0 ms\"; it must"},
      {"weight = 1\ndelay = { by_source = [\"1 ms\", \"1 ms\", \"7 s\", \"1 ms\", \"1 ms\"] }", "'by_source' is"},
  };
  for (const auto& [weight, message] : mistakes) {
    EXPECT_THAT(refusal("density = 0.5", {.pre = 5, .recurrent = true}, weight),
                testing::AllOf(testing::ContainsRegex("^wired\\.sim:[0-9]+:[0-9]+: .*"), testing::HasSubstr(message)))
        << weight;
  }
  EXPECT_THAT(
      refusal("density = 0.5", {.pre = 5, .recurrent = true}, "weight = { normal = [0.5, 0.1] }\nplasticity = \"lpl\""),
      testing::HasSubstr("'weight' may be drawn as large as 1000000, above w_max = 1"));
  EXPECT_THAT(refusal("density = 0.5", {.pre = 5, .recurrent = true},
                      "weight = 0.5\nplasticity = \"lpl\"\ndelay = { uniform = [\"1 ms\", \"2 ms\"] }"),
              testing::HasSubstr("the synapses of rule 'lpl' must have one delay"));
}

}  // namespace
}  // namespace lpl::spiking
