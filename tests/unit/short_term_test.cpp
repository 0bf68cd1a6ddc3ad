// Short-term plasticity: what spikes transmit, against loops over all steps; descriptions that are refused.
#include "spiking/short_term/short_term.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/random.hpp"
#include "spiking/network.hpp"
#include "support/world.hpp"

namespace lpl::spiking {
namespace {

constexpr double kDt = 1e-4;

SimulationDescription described(const std::string& short_term) {
  return read_simulation_text(
      fmt::format("simulation = {{}}\n[[stimulus]]\nname = \"in\"\ntype = \"poisson\"\nsize = 3\nrate = \"1 Hz\"\n"
                  "[[population]]\nname = \"out\"\ncell = \"if\"\nsize = 2\n"
                  "[[connection]]\nfrom = \"in\"\nto = \"out\"\nall_to_all = true\nweight = 0.1\nshort_term = {}\n"
                  "[[phase]]\nname = \"run\"\nduration = \"1 s\"\n",
                  short_term),
      "net.sim");
}

// The spikes that one source emits in each step: often none for long, at times several in a row or at once.
std::vector<unsigned> random_train(std::uint32_t seed) {
  Random random(seed, Draw::signal, 4712, 0);
  std::vector<unsigned> spikes(20000, 0);
  for (std::size_t k = random.below(500); k < spikes.size();
       k += random.below(4) == 0 ? random.below(5) : random.below(900))
    ++spikes[k];
  return spikes;
}

// What the spikes of a train transmit by the form that runs.
std::vector<double> fast(const std::string& short_term, const std::vector<unsigned>& train) {
  const auto simulation = described(short_term);
  const Network network(simulation, 0, 1);
  std::vector<double> factors;
  for (std::size_t k = 0; k < train.size(); ++k)
    for (unsigned n = 0; n < train[k]; ++n)
      factors.push_back(network.connections[0].short_term->factor(1, static_cast<Step>(k)));
  return factors;
}

void expect_near(const std::vector<double>& expected, const std::vector<double>& found, double tolerance) {
  ASSERT_EQ(expected.size(), found.size());
  ASSERT_GT(expected.size(), 40u);
  for (std::size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(expected[i], found[i], tolerance) << "spike " << i;
}

struct Parameters {
  double U, tau_rec, tau_fac, tau_psc, x, u, y;  // [ms]
};

class ShortTermForm : public testing::TestWithParam<std::uint32_t> {
 protected:
  Parameters drawn() {
    const auto part = [&] { return 0.001 * random_.below(1001); };
    const auto time = [&](std::uint32_t low) { return low + 0.5 * random_.below(400); };
    Parameters p{};
    p.U = part(), p.tau_rec = time(3), p.tau_fac = time(3), p.tau_psc = time(2), p.x = part(), p.u = part();
    p.y = (1 - p.x) * part();
    return p;
  }
  Random random_{GetParam(), Draw::signal, 4713, 0};
};

// Euler, step by step: the definition.
TEST_P(ShortTermForm, MarkramIsItsSteps) {
  const Parameters p = drawn();
  const auto train = random_train(GetParam());
  std::vector<double> expected;
  double x = p.x, u = p.u;
  for (const unsigned spikes : train) {
    x += kDt / (1e-3 * p.tau_rec) * (1 - x);
    u += kDt / (1e-3 * p.tau_fac) * (p.U - u);
    for (unsigned n = 0; n < spikes; ++n) {
      expected.push_back(u * x);
      x -= u * x;
      u += p.U * (1 - u);
    }
  }
  const auto found = fast(fmt::format("{{ U = {}, tau_rec = \"{} ms\", tau_fac = \"{} ms\", x = {}, u = {} }}", p.U,
                                      p.tau_rec, p.tau_fac, p.x, p.u),
                          train);
  expect_near(expected, found, 1e-7);
}

// The flow of resources between spikes by Runge and Kutta's method.
TEST_P(ShortTermForm, TsodyksFollowsItsEquations) {
  Parameters p = drawn();
  if (GetParam() % 4 == 0) p.tau_psc = p.tau_rec;
  if (GetParam() % 4 == 1) p.tau_psc = p.tau_rec * (1 + 1e-9);
  const auto train = random_train(GetParam());
  std::vector<double> expected;
  double y = p.y, z = 1 - p.x - p.y, u = p.u;
  const double a = kDt / (1e-3 * p.tau_psc), b = kDt / (1e-3 * p.tau_rec), c = kDt / (1e-3 * p.tau_fac);
  const auto step = [&] {
    const double y1 = -a * y, z1 = a * y - b * z;
    const double y2 = -a * (y + y1 / 2), z2 = a * (y + y1 / 2) - b * (z + z1 / 2);
    const double y3 = -a * (y + y2 / 2), z3 = a * (y + y2 / 2) - b * (z + z2 / 2);
    const double y4 = -a * (y + y3), z4 = a * (y + y3) - b * (z + z3);
    y += (y1 + 2 * y2 + 2 * y3 + y4) / 6;
    z += (z1 + 2 * z2 + 2 * z3 + z4) / 6;
    u *= 1 - c + c * c / 2 - c * c * c / 6 + c * c * c * c / 24;
  };
  for (const unsigned spikes : train) {
    step();
    for (unsigned n = 0; n < spikes; ++n) {
      u += p.U * (1 - u);
      const double used = u * (1 - y - z);
      expected.push_back(used);
      y += used;
    }
  }
  const auto found = fast(fmt::format("{{ model = \"tsodyks\", U = {}, tau_rec = \"{:.17g} ms\", tau_fac = \"{} ms\", "
                                      "tau_psc = \"{:.17g} ms\", x = {:.17g}, u = {}, y = {:.17g} }}",
                                      p.U, p.tau_rec, p.tau_fac, p.tau_psc, p.x, p.u, p.y),
                          train);
  expect_near(expected, found, 3e-7);
}

// x recovers to 1 and u, raised by each spike, falls back to U: step by step.
TEST_P(ShortTermForm, Tsodyks2RecoversFromEachSpike) {
  Parameters p = drawn();
  if (GetParam() % 3 == 0) p.tau_fac = 0;
  const auto train = random_train(GetParam());
  const double recovery = std::exp(-kDt / (1e-3 * p.tau_rec));
  const double facilitation = p.tau_fac > 0 ? std::exp(-kDt / (1e-3 * p.tau_fac)) : 0;
  std::vector<double> expected;
  double x = p.x, u = p.u, raised = 0;
  bool first = true;
  for (const unsigned spikes : train) {
    if (!first) x = 1 + (x - 1) * recovery, raised *= facilitation;
    for (unsigned n = 0; n < spikes; ++n) {
      // Without facilitation nothing is left of a spike, not even in its own step.
      if (!first) u = p.U + (p.tau_fac > 0 ? raised : 0);
      first = false;
      expected.push_back(u * x);
      x -= u * x;
      raised = u * (1 - p.U);
    }
  }
  const auto found =
      fast(fmt::format("{{ model = \"tsodyks2\", U = {}, tau_rec = \"{} ms\", tau_fac = \"{} ms\", x = {}, u "
                       "= {} }}",
                       p.U, p.tau_rec, p.tau_fac, p.x, p.u),
           train);
  expect_near(expected, found, 1e-7);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ShortTermForm, testing::Range(1u, 25u));

// Active resources that leave at once are tsodyks2's.
TEST(ShortTerm, TsodyksWithoutCurrentIsTsodyks2) {
  const auto train = random_train(99);
  const char* const same = "U = 0.3, tau_rec = \"70 ms\", tau_fac = \"40 ms\"";
  expect_near(fast(fmt::format("{{ model = \"tsodyks2\", {} }}", same), train),
              fast(fmt::format("{{ model = \"tsodyks\", tau_psc = \"1e-12 s\", {} }}", same), train), 1e-7);
}

// A time constant of one step: nothing is left of a spike in the next one. Very long silence changes nothing else.
TEST(ShortTerm, RecoversWhollyInAStepAndInALongTime) {
  std::vector<unsigned> train(100, 1);
  for (const double factor : fast("{ U = 0.4, tau_rec = \"0.1 ms\", tau_fac = \"0.1 ms\" }", train))
    ASSERT_EQ(factor, 0.4f);
  const auto simulation = described("{ model = \"tsodyks\", tau_rec = \"1 ms\", tau_psc = \"1e-6 s\" }");
  const Network network(simulation, 0, 1);
  EXPECT_EQ(network.connections[0].short_term->factor(0, 5), 0.5f);
  EXPECT_EQ(network.connections[0].short_term->factor(0, kLongestRun - 1), 0.5f);
}

TEST(ShortTerm, DefaultsAreThoseOfItsSources) {
  EXPECT_EQ(described("{}").canonical_text, described("{ model = \"markram\", U = 0.01, tau_rec = \"200 ms\", tau_fac "
                                                      "= \"1 s\", x = 1, u = 0.01 }")
                                                .canonical_text);
  EXPECT_EQ(
      described("{ model = \"tsodyks\" }").canonical_text,
      described("{ model = \"tsodyks\", U = 0.5, tau_rec = \"800 ms\", tau_psc = \"3 ms\", tau_fac = \"0 ms\", x = "
                "1, y = 0, u = 0 }")
          .canonical_text);
  EXPECT_EQ(described("{ model = \"tsodyks2\", U = 0.7 }").canonical_text,
            described("{ model = \"tsodyks2\", U = 0.7, tau_rec = \"800 ms\", tau_fac = \"0 ms\", x = 1, u = 0.7 }")
                .canonical_text);
  const std::string text = described("{ model = \"tsodyks\" }").canonical_text;
  EXPECT_EQ(read_simulation_text(text, "net.sim").canonical_text, text);
}

// One table for all pairs, and overrides.
TEST(ShortTerm, IsAKeyOfTablesOfConnections) {
  const auto s = read_simulation_text(
      "simulation = {}\n[[population]]\nname = \"a\"\ncell = \"if\"\nsize = 2\n"
      "[[population]]\nname = \"b\"\ncell = \"if\"\nsize = 2\n"
      "[[connections]]\nfrom = [\"a\", \"b\"]\nto = [\"a\", \"b\"]\nall_to_all = true\nweight = [[0.1, 0.2], [0.3, "
      "0]]\n"
      "short_term = { model = \"tsodyks2\", U = 0.3 }\n"
      "[[phase]]\nname = \"run\"\nduration = \"1 s\"\n",
      "net.sim");
  ASSERT_EQ(s.connections.size(), 3u);
  const Network network(s, 0, 1);
  for (const Connection& connection : network.connections) EXPECT_EQ(connection.short_term->factor(0, 7), 0.3f);
}

// Nothing is kept by synapse, and nothing of sources that no neuron of a rank hears.
TEST(ShortTerm, CostsMemoryBySourceThatIsHeard) {
  const auto bytes = [](const std::string& short_term, const std::string& wiring) {
    const auto s = read_simulation_text(
        fmt::format("simulation = {{}}\n[[stimulus]]\nname = \"in\"\ntype = \"poisson\"\nsize = 1000\nrate = \"1 Hz\"\n"
                    "[[population]]\nname = \"out\"\ncell = \"if\"\nsize = 100\n"
                    "[[connection]]\nfrom = \"in\"\nto = \"out\"\n{}\nweight = 0.1\n{}\n"
                    "[[phase]]\nname = \"run\"\nduration = \"1 s\"\n",
                    wiring, short_term),
        "net.sim");
    return Network(s, 0, 1).bytes();
  };
  const std::string form = "short_term = {}", all = "all_to_all = true";
  EXPECT_EQ(bytes(form, all) - bytes("", all), 1000u * 24);
  EXPECT_EQ(bytes(form, "density = 0") - bytes("", "density = 0"), 0u);
}

TEST(ShortTerm, WhatCannotBeIsRefusedWhereItStands) {
  const auto refused = [](const std::string& table) { return test::refusal([&] { described(table); }); };
  const auto says = [](const std::string& what) {
    return testing::AllOf(testing::HasSubstr("net.sim:16:"), testing::HasSubstr("connection 'in_out' short_term: "),
                          testing::HasSubstr(what));
  };
  EXPECT_THAT(refused("{ U = 1.2 }"), says("'U' is 1.2; it must be a finite number not below 0 and not above 1"));
  EXPECT_THAT(refused("{ U = -0.1 }"), says("'U' is -0.1"));
  EXPECT_THAT(refused("{ x = 2 }"), says("'x' is 2"));
  EXPECT_THAT(refused("{ tau_rec = \"0 ms\" }"), says("'tau_rec' is \"0 ms\""));
  EXPECT_THAT(refused("{ tau_rec = \"50 us\" }"),
              says("'tau_rec' is \"50 us\", below dt = \"0.1 ms\", the step in which this form recovers; raise it, or "
                   "take model = \"tsodyks2\""));
  EXPECT_THAT(refused("{ tau_fac = \"0 ms\" }"), says("'tau_fac' is \"0 ms\""));
  EXPECT_THAT(refused("{ tau_psc = \"1 ms\" }"), says("key 'tau_psc' is not known here"));
  EXPECT_THAT(refused("{ model = \"tsodyks\", tau_psc = \"-1 ms\" }"), says("'tau_psc' is \"-1 ms\""));
  EXPECT_THAT(refused("{ model = \"tsodyks2\", tau_rec = \"0 s\" }"), says("'tau_rec' is \"0 s\""));
  EXPECT_THAT(refused("{ model = \"tsodyks\", x = 0.8, y = 0.4 }"), says("x + y is 1.2"));
  EXPECT_THAT(refused("{ model = \"tsodiks\" }"), says("it must be markram, tsodyks or tsodyks2"));
  EXPECT_THAT(refused("0.5"), testing::HasSubstr("'short_term' is 0.5; it must be a table"));
}

}  // namespace
}  // namespace lpl::spiking
