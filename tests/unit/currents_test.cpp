// Currents that are computed: against closed forms and the statistics of their noise, the same bits however they are
// computed.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "core/errors.hpp"
#include "spiking/network.hpp"
#include "support/world.hpp"

namespace lpl::spiking {
namespace {

constexpr double kDt = 1e-4;

std::string network(const std::string& stimuli, NeuronId size = 40) {
  return fmt::format(R"([simulation]
min_delay = "3.2 ms"
[cell.c]
model = "equations"
step = ["V = J", "c = I"]
[cell.c.inputs]
I = "pA"
J = "mV"
[cell.c.states]
V = "0 mV"
c = "0 pA"
[cell.c.spike]
when = "V > 1 V"
[[population]]
name = "p"
cell = "c"
size = {}
positions = {{ grid = [5, {}], extent = ["10 mm", "4 mm"] }}
{}
[[phase]]
name = "a"
duration = "20 ms"
[[phase]]
name = "b"
duration = "30 ms"
[[phase]]
name = "c"
duration = "100 s"
)",
                     size, size / 5, stimuli);
}

std::string current(const std::string& keys, const std::string& name = "s") {
  return fmt::format("[[stimulus]]\nname = \"{}\"\ntype = \"current\"\nto = \"p\"\n{}\n", name, keys);
}

using Steps = std::vector<std::vector<float>>;

// What is added to an input, by step and neuron, computed by the parts of so many ranks in epochs of so many steps.
Steps added(const std::string& stimuli, Step steps, NeuronId size = 40, int ranks = 1, Step epoch = 16,
            std::size_t input = 0) {
  const auto simulation = read_simulation_text(network(stimuli, size), "net.sim");
  Steps result(static_cast<std::size_t>(steps));
  for (int rank = 0; rank < ranks; ++rank) {
    Network part(simulation, rank, ranks);
    Neurons& neurons = *part.populations[0];
    for (Step from = 0; from < steps; from += epoch) {
      const Step to = std::min(from + epoch, steps);
      EXPECT_LE(static_cast<std::size_t>(to - from), part.layout.slots());
      neurons.release();
      for (const auto& actor : part.actors) actor->act(from, to);
      for (Step step = from; step < to; ++step)
        for (std::size_t n = 0; n < neurons.range().count; ++n)
          result[static_cast<std::size_t>(step)].push_back(
              neurons.current(input)[part.layout.target_of(n) + static_cast<std::size_t>(step - from) * kBlock]);
    }
  }
  return result;
}

TEST(Currents, FollowExpressionsOfTime) {
  const Steps found = added(current("value = \"100 pA * sin(6.283185307179586 * 5 Hz * t) + 2 nA/s * t\"\n"
                                    "neurons = [\"3:20\", 35]"),
                            2100);
  for (std::size_t k = 0; k < found.size(); ++k)
    for (std::size_t n = 0; n < 40; ++n) {
      const double t = static_cast<double>(k) * kDt;
      const bool listed = (n >= 3 && n < 20) || n == 35;
      const double expected = listed ? 1e-10 * std::sin(2 * std::numbers::pi * 5 * t) + 2e-9 * t : 0;
      ASSERT_NEAR(found[k][n], expected, 1e-7 * std::abs(expected) + 1e-24) << k << " " << n;
    }
}

TEST(Currents, FollowExpressionsOfPlace) {
  const Steps found = added(current("value = \"1 pA * i / N + 1 nA/m * x + 1 uA/m * y * t / 1 s\""), 40);
  for (std::size_t k = 0; k < found.size(); ++k)
    for (std::size_t n = 0; n < 40; ++n) {
      const double x = (static_cast<double>(n % 5) + 0.5) * 2e-3, y = (static_cast<double>(n / 5) + 0.5) * 5e-4;
      const double expected = 1e-12 * static_cast<double>(n) / 40 + 1e-9 * x + 1e-6 * y * static_cast<double>(k) * kDt;
      ASSERT_NEAR(found[k][n], expected, 1e-7 * expected) << k << " " << n;
    }
}

TEST(Currents, KnowWhatIsDefined) {
  std::string text = network(current("value = \"4 * strength * i\"\nstart = \"2 * pause\"", "a") +
                             current("noise = { mean = \"strength\", deviation = \"0 * strength\" }", "b"));
  text = "[define]\nstrength = \"3 pA\"\npause = \"0.1 ms\"\n" + text;
  const auto simulation = read_simulation_text(text, "net.sim");
  Network part(simulation, 0, 1);
  Neurons& neurons = *part.populations[0];
  for (const auto& actor : part.actors) actor->act(1, 3);
  EXPECT_FLOAT_EQ(neurons.current(0)[2], 3e-12f);
  EXPECT_FLOAT_EQ(neurons.current(0)[kBlock + 2], 27e-12f);
}

// Once a step and on lanes: one value.
TEST(Currents, AreTheSameOnceForAllAndForEach) {
  const std::string value = "100 pA * exp(-t / 3 ms) * sin(700 Hz * t)";
  EXPECT_EQ(added(current("value = \"" + value + "\""), 64),
            added(current("value = \"" + value + " + 0 pA * i\""), 64));
}

TEST(Currents, ActFromStartToStopInTheirPhases) {
  const auto steps = [](const std::string& keys) {
    const Steps found = added(current("value = \"1 pA\"\n" + keys), 700);
    std::vector<std::size_t> changes;
    for (std::size_t k = 0; k < found.size(); ++k)
      if ((found[k][7] != 0) != (k > 0 && found[k - 1][7] != 0)) changes.push_back(k);
    return changes;
  };
  using testing::ElementsAre;
  EXPECT_THAT(steps(""), ElementsAre(0u));
  EXPECT_THAT(steps("start = \"1.3 ms\"\nstop = \"2 ms\""), ElementsAre(13u, 20u));
  EXPECT_THAT(steps("phases = [\"b\"]"), ElementsAre(200u, 500u));
  EXPECT_THAT(steps("phases = [\"a\", \"c\"]\nstart = \"10 ms\"\nstop = \"60.1 ms\""),
              ElementsAre(100u, 200u, 500u, 601u));
  const Steps series =
      added(current("times = [\"0 s\", \"1 s\"]\nvalues = [\"1 pA\", \"1 pA\"]\nphases = [\"b\"]"), 700);
  EXPECT_EQ(series[199][0], 0);
  EXPECT_EQ(series[200][0], 1e-12f);
  EXPECT_EQ(series[500][0], 0);
}

TEST(Currents, AddUpAtTheInputThatTheyName) {
  const std::string stimuli = current("value = \"1 mV\"\ninput = \"J\"", "a") +
                              current("times = [\"0 s\", \"1 s\"]\nvalues = [\"2 mV\", \"2 mV\"]\ninput = \"J\"", "b") +
                              current("value = \"5 pA\"", "c");
  EXPECT_FLOAT_EQ(added(stimuli, 1, 40, 1, 16, 1)[0][3], 3e-3f);
  EXPECT_FLOAT_EQ(added(stimuli, 1)[0][3], 5e-12f);
}

// --- Noise -----------------------------------------------------------------------------------------------------------

const std::string kWhite = "noise = { mean = \"50 pA\", deviation = \"10 pA\" }";
const std::string kSlowWhite = "noise = { deviation = \"10 pA\", every = \"0.7 ms\" }";
const std::string kOrnstein =
    "noise = { type = \"ornstein_uhlenbeck\", mean = \"50 pA\", deviation = \"10 pA\", tau = \"2 ms\" }";
const std::string kSharedWhite = "noise = { deviation = \"10 pA\", every = \"0.7 ms\", shared = true }";
const std::string kSharedOrnstein =
    "noise = { type = \"ornstein_uhlenbeck\", deviation = \"10 pA\", tau = \"2 ms\", shared = true }";

class Noises : public testing::TestWithParam<std::string> {};

TEST_P(Noises, AreTheSameOnAnyRanksInAnyEpochsForAnyOthers) {
  const std::string window = "\nstart = \"1.5 ms\"\nphases = [\"a\", \"c\"]";
  const Steps expected = added(current(GetParam() + window), 540);
  EXPECT_NE(expected[20], expected[27]);
  for (const int ranks : {1, 2, 3, 7})
    for (const Step epoch : {1, 5, 16, 32})
      EXPECT_EQ(added(current(GetParam() + window), 540, 40, ranks, epoch), expected) << ranks << " " << epoch;
  const Steps some = added(current(GetParam() + window + "\nneurons = [1, \"17:39\"]"), 540);
  for (std::size_t k = 0; k < some.size(); ++k)
    for (std::size_t n = 0; n < 40; ++n) ASSERT_EQ(some[k][n], n == 1 || (n >= 17 && n < 39) ? expected[k][n] : 0) << n;
  EXPECT_NE(added(current(GetParam() + window, "other"), 540), expected);
}

INSTANTIATE_TEST_SUITE_P(OfAllKinds, Noises,
                         testing::Values(kWhite, kSlowWhite, kOrnstein, kSharedWhite, kSharedOrnstein));

// What a checkpoint holds, of any neurons.
TEST(Currents, WithAMemoryHaveTheSameOnAnyRanks) {
  const auto simulation = read_simulation_text(network(current(kOrnstein + "\nneurons = [3, \"20:30\"]")), "net.sim");
  const auto memory = [&](int ranks) {
    std::vector<double> values;
    for (int rank = 0; rank < ranks; ++rank) {
      Network part(simulation, rank, ranks);
      for (Step from = 0; from < 64; from += 16)
        for (const auto& actor : part.actors) actor->act(from, from + 16);
      const auto all = std::get<std::span<double>>(part.variables.find(By::neuron, 0, "current of s")->data);
      values.insert(values.end(), all.begin(), all.begin() + part.populations[0]->range().count);
    }
    return values;
  };
  const std::vector<double> expected = memory(1);
  EXPECT_NE(expected[20], 0);
  EXPECT_EQ(expected[19], 0);
  for (const int ranks : {2, 3, 7}) EXPECT_EQ(memory(ranks), expected) << ranks;
}

// Bounds are five standard errors.
struct Moments {
  double mean = 0, variance = 0;
};
Moments moments(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  Moments m;
  for (const double value : values) m.mean += value / n;
  for (const double value : values) m.variance += (value - m.mean) * (value - m.mean) / n;
  return m;
}
void expect_moments(const std::vector<double>& values, double mean, double deviation) {
  const auto n = static_cast<double>(values.size());
  const Moments found = moments(values);
  EXPECT_NEAR(found.mean, mean, 5 * deviation / std::sqrt(n));
  EXPECT_NEAR(found.variance, deviation * deviation, 5 * deviation * deviation * std::sqrt(2 / n));
}
// Of pairs that are independent of each other.
void expect_correlation(const std::vector<double>& a, const std::vector<double>& b, double expected) {
  const auto n = static_cast<double>(a.size());
  const Moments of_a = moments(a), of_b = moments(b);
  double covariance = 0;
  for (std::size_t i = 0; i < a.size(); ++i) covariance += (a[i] - of_a.mean) * (b[i] - of_b.mean) / n;
  EXPECT_NEAR(covariance / std::sqrt(of_a.variance * of_b.variance), expected,
              5 * (1 - expected * expected) / std::sqrt(n));
}
std::vector<double> picoamperes(const std::vector<float>& amperes) {
  std::vector<double> result;
  for (const float value : amperes) result.push_back(value * 1e12);
  return result;
}

TEST(Currents, OfWhiteNoiseAreIndependentNormalNumbers) {
  constexpr NeuronId kSize = 4000;
  const Steps found = added(current(kWhite), 50, kSize);
  std::vector<double> all, before, after, left, right;
  for (std::size_t k = 0; k < found.size(); ++k) {
    const std::vector<double> now = picoamperes(found[k]);
    all.insert(all.end(), now.begin(), now.end());
    for (std::size_t n = 0; n < kSize; n += 2) {
      left.push_back(now[n]);
      right.push_back(now[n + 1]);
    }
    if (k % 2 == 1) continue;
    const std::vector<double> next = picoamperes(found[k + 1]);
    before.insert(before.end(), now.begin(), now.end());
    after.insert(after.end(), next.begin(), next.end());
  }
  expect_moments(all, 50, 10);
  expect_correlation(before, after, 0);
  expect_correlation(left, right, 0);
  // Normal: as many beyond one and two deviations as should be.
  for (const auto& [deviations, part] : {std::pair{1.0, 0.317311}, std::pair{2.0, 0.0455003}}) {
    double beyond = 0;
    for (const double value : all) beyond += std::abs(value - 50) > 10 * deviations;
    const auto n = static_cast<double>(all.size());
    EXPECT_NEAR(beyond / n, part, 5 * std::sqrt(part * (1 - part) / n));
  }
}

TEST(Currents, OfWhiteNoiseKeepTheirValues) {
  const Steps found = added(current(kSlowWhite + "\nstart = \"1 ms\""), 300);
  for (std::size_t k = 11; k < found.size(); ++k)
    for (std::size_t n = 0; n < 40; ++n) ASSERT_EQ(found[k][n] == found[k - 1][n], k % 7 != 0) << k << " " << n;
}

TEST(Currents, AreSharedByAllNeuronsWhereTheyShould) {
  for (const std::string& noise : {kSharedWhite, kSharedOrnstein}) {
    const Steps found = added(current(noise), 100);
    for (const auto& step : found) EXPECT_THAT(step, testing::Each(step.front()));
  }
}

// The same numbers, stretched.
TEST(Currents, OfNoiseHaveMeansAndDeviationsOfTheirOwn) {
  for (const std::string kind : {"every = \"0.4 ms\"", "type = \"ornstein_uhlenbeck\", tau = \"3 ms\""}) {
    const auto noise = [&](const std::string& factor) {
      return added(current(fmt::format("noise = {{ mean = \"3 pA{0}\", deviation = \"2 pA{0}\", {1} }}", factor, kind)),
                   100);
    };
    const Steps one = noise(""), by_neuron = noise(" * i");
    for (std::size_t k = 0; k < one.size(); ++k)
      for (std::size_t n = 0; n < 40; ++n)
        ASSERT_NEAR(by_neuron[k][n], static_cast<double>(one[k][n]) * static_cast<double>(n), 1e-16) << k << " " << n;
  }
  const std::string noise = "noise = { deviation = \"2 pA\", every = \"0.4 ms\", shared = ";
  for (const std::string shared : {"false }", "true }"}) {
    const Steps one = added(current(noise + shared), 100);
    std::string rising = noise;
    const Steps over_time = added(current(rising.replace(rising.find("2 pA"), 4, "2 nA/s * t") + shared), 100);
    for (std::size_t k = 0; k < one.size(); ++k) {
      const double t = static_cast<double>(k / 4 * 4) * kDt;
      ASSERT_NEAR(over_time[k][9], static_cast<double>(one[k][9]) * 1e3 * t, 1e-17) << k;
    }
  }
}

class Ornstein : public testing::TestWithParam<double> {};  // tau in steps

// By theory x(t) and x(t + s) are correlated by exp(-s / tau), from the first step on.
TEST_P(Ornstein, IsStationaryAndForgetsWithItsTimeConstant) {
  constexpr NeuronId kSize = 4000;
  const double tau = GetParam();
  const Steps found =
      added(current(fmt::format("noise = {{ type = \"ornstein_uhlenbeck\", mean = \"-20 pA\", deviation = \"10 pA\", "
                                "tau = \"{:.17g} s\" }}",
                                tau * kDt)),
            120, kSize);
  for (const std::size_t step : {0u, 1u, 40u, 119u}) expect_moments(picoamperes(found[step]), -20, 10);
  for (const std::size_t from : {0u, 19u})
    for (const std::size_t lag : {1u, 7u, 100u})
      expect_correlation(picoamperes(found[from]), picoamperes(found[from + lag]),
                         std::exp(-static_cast<double>(lag) / tau));
}

INSTANTIATE_TEST_SUITE_P(OfAnyTimeConstant, Ornstein, testing::Values(0.3, 1.0, 20.0, 1000.0));

// A slow process moves by its own steps: the change in a step has the variance 2 deviation^2 dt / tau.
TEST(Currents, OfSlowProcessesMoveByTheirOwnSteps) {
  constexpr NeuronId kSize = 4000;
  const Steps found = added(
      current("noise = { type = \"ornstein_uhlenbeck\", mean = \"0 pA\", deviation = \"10 pA\", tau = \"10 s\" }"), 2,
      kSize);
  std::vector<double> changes;
  for (std::size_t n = 0; n < kSize; ++n)
    changes.push_back((static_cast<double>(found[1][n]) - static_cast<double>(found[0][n])) * 1e12);
  expect_moments(changes, 0, 10 * std::sqrt(2 * kDt / 10));
}

// --- Refusals --------------------------------------------------------------------------------------------------------

TEST(Currents, ThatAreNoNumbersEndTheRun) {
  // Not as misuse, exit status 2, which a ConfigError would be.
  const auto message = [](const std::string& value) -> std::string {
    try {
      added(current("value = \"" + value + "\""), 100);
    } catch (const ConfigError&) {
      return "misuse";
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_EQ(message("1 pA / (0.0064 - t / 1 s)"),
            "stimulus 's': the current is inf A at 0.0064 s; in size it must be a number up to 3.40282e+38; "
            "look at its expressions");
  EXPECT_THAT(message("1 pA * log(20 - i)"), testing::HasSubstr("the current of neuron 20 is -inf A at 0 s"));
}

TEST(Currents, WarnWhereTheyNeverAct) {
  const auto warnings = [](const std::string& keys) {
    return read_simulation_text(network(current("value = \"1 pA\"\n" + keys)), "net.sim").warnings;
  };
  EXPECT_THAT(warnings("start = \"100 s\""), testing::IsEmpty());
  EXPECT_THAT(warnings("start = \"200 s\""),
              testing::ElementsAre("stimulus 's': begins at 200 s, after the end of the run at 100.05 s"));
  EXPECT_THAT(warnings("start = \"20 ms\"\nstop = \"30 ms\"\nphases = [\"a\"]"),
              testing::ElementsAre("stimulus 's': never acts: its phases lie outside of 0.02 s to 0.03 s"));
}

struct Refusal {
  const char *name, *keys, *message;
};
class RefusesCurrents : public testing::TestWithParam<Refusal> {};

TEST_P(RefusesCurrents, ThatCannotBe) {
  const std::string text = network(current(GetParam().keys));
  EXPECT_THAT(test::refusal([&] { read_simulation_text(text, "net.sim"); }),
              testing::ContainsRegex(std::string("^net\\.sim:[0-9]+:[0-9]+: stimulus 's'") + GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    OfAllKinds, RefusesCurrents,
    testing::Values(
        Refusal{"nothing", "start = \"1 s\"", ": give exactly one of value, noise, file, times"},
        Refusal{"two", "value = \"1 pA\"\nnoise = { deviation = \"1 pA\" }",
                ": both 'value' and 'noise' are given; give exactly one of value, noise"},
        Refusal{"series_too", "value = \"1 pA\"\ntimes = [\"0 s\"]\nvalues = [\"1 pA\"]",
                ": both 'value' and 'times' are given; give exactly one of"},
        Refusal{"dimension", "value = \"1 mV * sin(3 Hz * t)\"", ": 'value': .*voltage.*current"},
        Refusal{"unit", "value = 3", ": 'value' is 3, a current needs a unit; write it as \"3 A\""},
        Refusal{"argument", "value = \"1 pA * sin(t)\"", ": 'value': .*time"},
        Refusal{"name", "value = \"1 pA * j\"", ": 'value': .*'j'"},
        Refusal{"dimension_of_space", "value = \"1 pA * z / 1 m\"", ": 'value': .*'z'"},
        Refusal{"volts", "input = \"J\"\nvalue = \"20 V\"",
                ": 'value' is \"20 V\"; in size it must be a number up to 10 V; did you mean mV"},
        Refusal{"volts_of_noise", "input = \"J\"\nnoise = { deviation = \"20 V\" }",
                " noise: 'deviation' is \"20 V\"; in size it must be a number up to 10 V; did you mean mV"},
        Refusal{"input", "input = \"K\"\nvalue = \"1 pA\"", ": 'input' is \"K\", but no input of the model"},
        Refusal{"start_off_grid", "value = \"1 pA\"\nstart = \"0.25 ms\"",
                ": 'start' is \"0.25 ms\", which is no multiple"},
        Refusal{"stop_off_grid", "value = \"1 pA\"\nstop = \"0.25 ms\"",
                ": 'stop' is \"0.25 ms\", which is no multiple"},
        Refusal{"stop_before_start", "value = \"1 pA\"\nstart = \"2 s\"\nstop = \"2 s\"",
                ": 'stop' is \"2 s\", but it starts at 2 s"},
        Refusal{"phase", "value = \"1 pA\"\nphases = [\"d\"]", ": 'phases' is \"d\", but no phase"},
        Refusal{"no_phase", "value = \"1 pA\"\nphases = []", ": 'phases' lists no phase; leave it out to act in all"},
        Refusal{"every_off_grid", "noise = { deviation = \"1 pA\", every = \"0.25 ms\" }",
                " noise: 'every' is \"0.25 ms\", which is no multiple"},
        Refusal{"negative_deviation", "noise = { deviation = \"-1 pA\" }",
                " noise: 'deviation' is \"-1 pA\"; it must not be below 0 A"},
        Refusal{"mean_in_volts", "noise = { mean = \"1 mV\", deviation = \"1 pA\" }", " noise: 'mean': .*voltage"},
        Refusal{"ornstein_over_time",
                "noise = { type = \"ornstein_uhlenbeck\", deviation = \"1 pA * t / 1 s\", tau = \"1 ms\" }",
                " noise: 'deviation': .*'t'"},
        Refusal{"shared_by_place", "noise = { deviation = \"1 pA * i\", shared = true }", " noise: 'deviation': .*'i'"},
        Refusal{"no_deviation", "noise = { mean = \"1 pA\" }", " noise: .*'deviation'"},
        Refusal{"tau_of_white", "noise = { deviation = \"1 pA\", tau = \"1 ms\" }", " noise: .*'tau'"},
        Refusal{"every_of_ornstein",
                "noise = { type = \"ornstein_uhlenbeck\", deviation = \"1 pA\", tau = \"1 ms\", every = \"1 ms\" }",
                " noise: .*'every'"},
        Refusal{"no_tau", "noise = { type = \"ornstein_uhlenbeck\", deviation = \"1 pA\" }", " noise: .*'tau'"},
        Refusal{"tau", "noise = { type = \"ornstein_uhlenbeck\", deviation = \"1 pA\", tau = \"0 ms\" }",
                " noise: 'tau' is \"0 ms\"; it must be .* above 0 s"},
        Refusal{"kind_of_noise", "noise = { type = \"pink\", deviation = \"1 pA\" }", " noise: 'type' is \"pink\""}),
    [](const auto& tested) { return tested.param.name; });

TEST(Currents, ReadBackFromTheirCanonicalText) {
  const std::string text =
      network(current(kWhite) + current(kSharedOrnstein, "b") +
              current("value = \"1 pA * i\"\nphases = [\"b\"]\nstop = \"1 s\"\ninput = \"I\"", "c"));
  const auto first = read_simulation_text(text, "net.sim");
  EXPECT_EQ(read_simulation_text(first.canonical_text, "again.sim").canonical_text, first.canonical_text);
}

std::string pattern_current(const std::string& keys) {
  return "[[stimulus]]\nname = \"s\"\ntype = \"pattern_current\"\nto = \"p\"\n" + keys +
         "\n[[stimulus.pattern]]\nneurons = \"0:3\"\n[[stimulus.pattern]]\nneurons = [38, 2]\nintensities = [-2, "
         "0.5]\n";
}

TEST(PatternCurrents, AreAddedToWhatIsShown) {
  const std::string text = pattern_current(
      "amplitude = \"4 pA\"\non = \"0.4 ms\"\noff = \"0.7 ms\"\norder = \"sequential\"\n"
      "phases = [\"a\", \"c\"]");
  const Steps found = added(text, 700);
  for (std::size_t k = 0; k < found.size(); ++k) {
    const std::size_t since = k < 200 ? k : k - 500;  // phase b lasts from step 200 to 500; 18 are shown before
    const bool acts = k < 200 || k >= 500;
    const std::size_t which = (since / 11 + (k < 200 ? 0 : 18)) % 2;
    for (std::size_t n = 0; n < 40; ++n) {
      double expected = 0;
      if (acts && since % 11 >= 7) {
        if (which == 0 && n < 3) expected = 4e-12;
        if (which == 1 && n == 38) expected = -8e-12;
        if (which == 1 && n == 2) expected = 2e-12;
      }
      ASSERT_FLOAT_EQ(found[k][n], static_cast<float>(expected)) << k << " " << n;
    }
  }
  EXPECT_EQ(added(text, 700, 40, 3, 5), found);
}

TEST(PatternCurrents, FollowAFile) {
  const test::Scratch scratch;
  const std::string path = scratch.write("amplitudes.txt", "0.0003 1e-12 0\n0.001 0 2e-12\n0.002 1e-12 1e-12\n");
  const std::string text = pattern_current("amplitudes = \"" + path + "\"");
  const Steps found = added(text, 30);
  for (std::size_t k = 0; k < found.size(); ++k) {
    const double first = (k >= 3 && k < 10) || k >= 20 ? 1e-12 : 0, second = k < 10 ? 0 : k < 20 ? 2e-12 : 1e-12;
    EXPECT_FLOAT_EQ(found[k][0], static_cast<float>(first)) << k;
    EXPECT_FLOAT_EQ(found[k][2], static_cast<float>(first + second / 2)) << k;
    EXPECT_FLOAT_EQ(found[k][38], static_cast<float>(-2 * second)) << k;
    EXPECT_EQ(found[k][5], 0) << k;
  }
  EXPECT_EQ(added(text, 30, 40, 3, 7), found);
  const auto bad = [&](const std::string& content) {
    scratch.write("amplitudes.txt", content);
    return test::refusal([&] { read_simulation_text(network(text), "net.sim"); });
  };
  using testing::HasSubstr;
  EXPECT_THAT(bad("0 1e-12\n"),
              HasSubstr("amplitudes.txt:1:3: the line has 2 numbers; expected 3: time in seconds and an "
                        "amplitude in A for each of 2 patterns"));
  EXPECT_THAT(bad("0.1 0 0\n0.1 1 1\n"), HasSubstr("amplitudes.txt:2:1: the time 0.1 s is no step later"));
  EXPECT_THAT(bad("-1 0 0\n"), HasSubstr("amplitudes.txt:1:1: the time -1 s lies outside"));
  EXPECT_THAT(bad("0 0 3e38\n"), HasSubstr("amplitudes.txt:1:5: the amplitude of 3e+38 A"));
  scratch.write("amplitudes.txt", "0.00035 1e-12 0\n");
  EXPECT_THAT(read_simulation_text(network(text), "net.sim").warnings,
              testing::ElementsAre(HasSubstr("1 of the times lie between the steps")));
}

TEST(PatternCurrents, AreRefusedWhereTheyCannotBe) {
  using testing::HasSubstr;
  const auto refused = [&](const std::string& keys) {
    return test::refusal([&] { read_simulation_text(network(pattern_current(keys)), "net.sim"); });
  };
  EXPECT_THAT(refused(""), HasSubstr("give exactly one of amplitude"));
  EXPECT_THAT(refused("amplitude = \"4 mV\"\non = \"1 ms\"\noff = \"0 s\""), HasSubstr("4 mV"));
  EXPECT_THAT(refused("input = \"J\"\namplitude = \"6 V\"\non = \"1 ms\"\noff = \"0 s\""),
              HasSubstr("times the largest intensity of pattern 1, 2, that is more than 10 V"));
  EXPECT_THAT(refused("amplitude = \"4 pA\"\noff = \"0 s\""), HasSubstr("key 'on' is missing"));
}

}  // namespace
}  // namespace lpl::spiking
