// The description language: what is read, what is echoed, what is refused and with which words.
#include "spiking/model/catalogue.hpp"
#include "spiking/description.hpp"
#include "spiking/record/state.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <tuple>

#include "core/errors.hpp"
#include "core/random.hpp"
#include "spiking/network.hpp"
#include "spiking/plasticity/lpl.hpp"
#include "spiking/stimulus/poisson.hpp"
#include "spiking/stimulus/spike_train.hpp"
#include "support/spiking_run.hpp"
#include "support/world.hpp"

namespace lpl::spiking {
namespace {

const std::string kSmall = R"([simulation]
seed = 7
[[stimulus]]
name = "input"
type = "poisson"
size = 20
rate = "10 Hz"
[[population]]
name = "exc"
cell = "if"
size = 10
[[connection]]
name = "input_exc"
from = "input"
to = "exc"
density = 0.5
weight = 0.2
plasticity = "lpl"
[[phase]]
name = "run"
duration = "1 s"
[[record]]
what = "spikes"
of = "exc"
)";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

std::string refusal(const std::string& text, const std::vector<std::string>& overrides = {}) {
  try {
    read_simulation_text(text, "net.sim", overrides);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

const LplRule& lpl_of(const SimulationDescription& s) { return dynamic_cast<const Lpl&>(*s.connections[0].rule).rule; }

TEST(Description, ReadsWhatItSays) {
  const auto s = read_simulation_text(kSmall, "net.sim");
  EXPECT_EQ(s.seed, 7u);
  EXPECT_EQ(s.end(), 10000);
  EXPECT_EQ(s.connections[0].delay, 8);
  EXPECT_EQ(values_of(s.populations[0], 0, s.seed)("tau_membrane"), 0.02);
  EXPECT_EQ(lpl_of(s).tau_mean, 600);
  EXPECT_TRUE(s.phases[0].learns[0]);
}

TEST(Description, CanonicalTextReadsBackToItself) {
  const auto first = read_simulation_text(kSmall, "net.sim", {"rule.lpl.hebbian.strength=0.5"});
  const auto again = read_simulation_text(first.canonical_text, "again.sim");
  EXPECT_EQ(first.canonical_text, again.canonical_text);
  EXPECT_EQ(lpl_of(again).hebbian_strength, 0.5);
}

TEST(Description, OverridesReachListsByNameAndModels) {
  const auto s = read_simulation_text(kSmall, "net.sim",
                                      {"phase.run.duration=2 s", "connection.input_exc.weight=0.3",
                                       "cell.if.tau_membrane=\"10 ms\"", "rule.lpl.predictive.strength=0"});
  EXPECT_EQ(s.end(), 20000);
  EXPECT_EQ(s.connections[0].weight.most(), 0.3);
  EXPECT_EQ(values_of(s.populations[0], 0, s.seed)("tau_membrane"), 0.01);
  EXPECT_EQ(lpl_of(s).predictive_strength, 0);
}

// Where toml++ takes such letters for blanks or digits, it is not defined.
TEST(Description, DefinitionsStandInQuantitiesNumbersAndCounts) {
  const std::string text = replaced(
      replaced(replaced(kSmall, "[simulation]",
                        "[define]\nstrength = \"w / half\"\nw = 0.1\nhalf = 0.5\nlast = \"2 s\"\n[simulation]"),
               "size = 10\n", "size = \"20 * half\"\n"),
      "weight = 0.2", "weight = \"strength\"");
  const auto s = read_simulation_text(replaced(text, "duration = \"1 s\"", "duration = \"last + 500 ms\""), "net.sim",
                                      {"define.last=\"1 s\""});
  EXPECT_EQ(s.populations[0].size, 10u);
  EXPECT_EQ(s.connections[0].weight.most(), 0.2);
  EXPECT_EQ(s.end(), 15000);
  EXPECT_EQ(read_simulation_text(s.canonical_text, "net.sim").canonical_text, s.canonical_text);
}

// <NAMED|PLAIN>: what [define] gives, and the same in numbers.
const std::string kDefined = R"([simulation]
seed = 3
dt = <step|"0.1 ms">
[cell.exc]
model = "lif"
tau_membrane = <2 * tau|"20 ms">
[[population]]
name = "p"
cell = "exc"
size = <2 * half|40>
positions = { grid = [<5|5>, <half / 2.5|8>], extent = [<side|"1 mm">, <2 * side|"2 mm">] }
[[stimulus]]
name = "shown"
type = "patterns"
size = <2 * half|40>
rate = <40 * low|"400 Hz">
background = <low|"10 Hz">
on = { lognormal = [<tau|"10 ms">, <small|"0.1">] }
off = { exponential = <tau|"10 ms"> }
order = [<one|1>, <0 * one|0>]
pattern = [{ neurons = "0:20", intensities = <one|1> }, { neurons = [25, 26], intensities = [<one|1>, <small|0.1>] }]
[[stimulus]]
name = "noise"
type = "frozen_noise"
size = <half|20>
rate = <8 * low|"80 Hz">
count = <2 * one|2>
on = <tau|"10 ms">
off = <tau|"10 ms">
probabilities = [<small|0.1>, <1 - small|0.9>]
positions = { random = true, extent = [<side|"1 mm">, <2 * side|"2 mm">] }
[[stimulus]]
name = "fluctuating"
type = "correlated"
groups = <2 * one|2>
size = <half / 2|10>
rate = <low|"10 Hz">
deviation = <low / 2|"5 Hz">
tau = <tau|"10 ms">
[[stimulus]]
name = "current"
type = "current"
to = "p"
times = [<0 * tau|"0 ms">, <2 * tau|"20 ms">]
values = [<0 * J|"0 V">, <J|"2 mV">]
[[stimulus]]
name = "driven"
type = "pattern_current"
to = "p"
patterns = { count = <2 * one|2>, density = <small|0.1> }
amplitude = <J|"2 mV">
on = <tau|"10 ms">
off = <tau|"10 ms">
[[connection]]
name = "blocks"
from = "shown"
to = "p"
blocks = { from = [<half|20>, <half|20>], to = [<half / 2|10>, <1.5 * half|30>], probability = [[<2 * small|0.2>, 0.3], [0.1, <small|0.1>]] }
weight = { lognormal = [<small|0.1>, <5 * small|0.5>] }
delay = { lognormal = [<tau / 5|"2 ms">, <small|"0.1">], high = <tau|"10 ms"> }
short_term = { model = "tsodyks2", U = <5 * small|0.5>, tau_rec = <10 * tau|"100 ms"> }
[[connection]]
from = "noise"
to = "p"
distance = { probability = <0.5 + 0 * distance / side|0.5>, within = <3 * side|"3 mm"> }
weight = { normal = [<small|0.1>, <small / 10|0.01>], low = <0 * small|0>, high = <one|1> }
plasticity = "own"
[rule.own]
type = "stdp_power"
lambda = <small|0.1>
tau_plus = <2 * tau|"20 ms">
[[phase]]
name = "run"
duration = <20 * tau|"200 ms">
[[record]]
what = "spikes"
of = "p"
[[record]]
what = "weights"
of = "noise_p"
)";

// Of each <NAME|NUMBER>: the name in quotes, or the number.
std::string chosen(std::string_view text, bool named) {
  std::string all;
  while (!text.empty()) {
    const std::size_t open = text.find('<');
    all += text.substr(0, open);
    if (open == std::string_view::npos) break;
    const std::size_t bar = text.find('|', open), close = text.find('>', bar);
    all += named ? fmt::format("\"{}\"", text.substr(open + 1, bar - open - 1))
                 : std::string(text.substr(bar + 1, close - bar - 1));
    text.remove_prefix(close + 1);
  }
  return all;
}

std::string as(bool named) {
  const std::string definitions =
      "[define]\nstep = \"0.1 ms\"\ntau = \"10 ms\"\nhalf = 20\nside = \"1 mm\"\nlow = \"10 Hz\"\nsmall = 0.1\none = "
      "1\n"
      "J = \"2 mV\"\n";
  const std::string text = chosen(kDefined, named);
  return named ? definitions + text : text;
}

TEST(Description, DefinitionsStandWhereverNumbersAndQuantitiesDo) {
  const test::Scratch scratch;
  const auto comm = make_serial_communicator();
  const auto results = [&](bool named) {
    const auto s = read_simulation_text(as(named), scratch.path("net.sim"));
    EXPECT_EQ(read_simulation_text(s.canonical_text, scratch.path("net.sim")).canonical_text, s.canonical_text);
    const std::string path = scratch.path(named ? "named.h5" : "plain.h5");
    test::run_to_file(s, *comm, path);
    const auto spikes = test::read_recorded_spikes(path, "p", s.dt);
    return std::tuple(spikes.step, spikes.id, test::read_recorded_weights(path, "noise_p", "run"));
  };
  const auto plain = results(false), named = results(true);
  EXPECT_GT(std::get<0>(plain).size(), 100u);
  EXPECT_GT(std::get<2>(plain).size(), 100u);
  EXPECT_EQ(named, plain);
}

TEST(Description, NamesInListsAreRefusedWhereTheyStand) {
  const auto with = [&](const std::string& wiring) {
    return refusal("[define]\nhalf = 0.5\nshort = \"1 ms\"\n" +
                   replaced(replaced(kSmall, "density = 0.5", wiring), "plasticity = \"lpl\"\n", ""));
  };
  EXPECT_EQ(with("delay = { lognormal = [\"short\", \"hall\"] }\ndensity = \"half\""),
            "net.sim:19:34: 'delay' of connection 'input_exc': 'lognormal': there is no 'hall' here; did you mean "
            "'half'?");
  EXPECT_EQ(with("delay = { lognormal = [0.5, \"short * half\"] }\ndensity = \"half\""),
            "net.sim:19:23: 'delay' of connection 'input_exc': 'lognormal' holds 0.5, a time needs a unit; write it as "
            "\"0.5 s\"");
  EXPECT_THAT(with("delay = { lognormal = [\"short\", \"short\"] }\ndensity = \"half\""),
              testing::HasSubstr("net.sim:19:34: 'delay' of connection 'input_exc': 'lognormal': 'short' is a time; it "
                                 "must be a number"));
  EXPECT_THAT(with("blocks = { probability = [[\"half\", 0.5], [0.5, \"hall\"]] }"),
              testing::HasSubstr("net.sim:19:49: connection 'input_exc' blocks: 'probability': there is no 'hall'"));
  EXPECT_THAT(with("blocks = { probability = [[\"4 * half\"]] }"), testing::HasSubstr("not above 1"));
  EXPECT_THAT(with("blocks = { probability = [[0.5]], from = [\"21 * half\", 10] }"),
              testing::HasSubstr("'from' holds \"21 * half\", which is 10.5; it must be a whole number"));
  EXPECT_THAT(with("blocks = { probability = [[0.5]], from = [\"50 * half\"] }"),
              testing::HasSubstr("'from' holds \"50 * half\", which is 25; it must hold whole numbers from 1 to 20"));
}

TEST(Description, DefinitionsStandInTheDefaultsOfTexts) {
  const std::string text = "[define]\nslow = \"30 ms\"\ngain = 0.5\n" +
                           replaced(replaced(kSmall, "plasticity = \"lpl\"\n", ""), "cell = \"if\"", "cell = \"own\"") +
                           R"(
[cell.own]
model = "equations"
parameters = { tau = "2 * slow", factor = { default = "gain" } }
states = { x = "0" }
dynamics = { x = "-x / tau * factor" }
receptors = { exc = { state = "x" } }
)";
  const auto s = read_simulation_text(text, "net.sim");
  const auto values = values_of(s.populations[0], 0, s.seed);
  EXPECT_DOUBLE_EQ(values("tau"), 0.06);
  EXPECT_EQ(values("factor"), 0.5);
  EXPECT_THAT(refusal(replaced(text, "2 * slow", "2 * slov")), testing::HasSubstr("did you mean 'slow'?"));
}

TEST(Description, BadDefinitionsAreRefused) {
  const auto with = [&](const std::string& define, const std::string& duration = "1 s") {
    return refusal(replaced(replaced(kSmall, "[simulation]", "[define]\n" + define + "\n[simulation]"),
                            "duration = \"1 s\"", "duration = \"" + duration + "\""));
  };
  EXPECT_EQ(with("last = \"1 s\"", "last"), "accepted");
  EXPECT_EQ(with("last = \"1 s\""), "net.sim:2:8: define: nothing names 'last'; use it or remove it");
  EXPECT_THAT(with("last = \"1 s\"", "lost"),
              testing::HasSubstr("net.sim:23:13: phase 'run': 'duration': there is no 'lost' "
                                 "here; did you mean 'last'?"));
  EXPECT_THAT(with("last = \"1 mV\"", "last"), testing::HasSubstr("net.sim:23:13: phase 'run'"));
  EXPECT_EQ(with("a = \"2 * b\"\nb = \"c\"\nc = \"1 / b\"", "a"),
            "net.sim:3:5: define: 'b' is \"c\"; it leads back to itself (b, c, b), so that none of them has a value");
  EXPECT_THAT(with("a = \"2 * a\"", "a"), testing::HasSubstr("net.sim:2:5: define: 'a' is \"2 * a\"; it leads back"));
  EXPECT_THAT(with("a = \"2 * b\"\nb = \"2 * c\"", "a"),
              testing::HasSubstr("net.sim:3:10: define: 'b': there is no 'c' here; known: nothing"));
  EXPECT_THAT(with("exp = 1", "exp"), testing::HasSubstr("'exp' cannot be a name"));
  EXPECT_THAT(with("a = \"1 / 0\"", "a * 1 s"),
              testing::HasSubstr("net.sim:2:5: define: 'a' is \"1 / 0\"; it must be a finite"));
  EXPECT_THAT(with("a = [1]", "a * 1 s"), testing::HasSubstr("'a' is a list"));
  EXPECT_THAT(refusal(replaced(replaced(kSmall, "[simulation]", "[define]\nhalf = 0.5\n[simulation]"), "size = 10\n",
                               "size = \"21 * half\"\n")),
              testing::HasSubstr("'size' is \"21 * half\", which is 10.5; it must be a whole number"));
}

const std::string kTable = R"(simulation = {}
[[population]]
name = "a"
cell = "lif"
size = 10
[[population]]
name = "b"
cell = "lif"
size = 20
[[connections]]
from = ["a", "b"]
to = ["a", "b"]
receptor = [["AMPA", "GABA"], ["AMPA", "GABA"]]
density = [[0.1, 0.2], [0, 0.4]]
weight = 0.5
[[phase]]
name = "run"
duration = "1 s"
)";

TEST(Description, ATableConnectsItsPairs) {
  const auto s = read_simulation_text(kTable, "net.sim");
  std::vector<std::string> names;
  for (const ConnectionDescription& c : s.connections) names.push_back(c.name);
  EXPECT_EQ(names, (std::vector<std::string>{"a_a", "b_a", "b_b"}));  // 0 leaves a to b out
  EXPECT_EQ(s.connections[1].from, 1u);
  EXPECT_EQ(s.connections[1].to, 0u);
  EXPECT_EQ(s.receptor_of(s.connections[1]).name, "GABA");
  EXPECT_NEAR(s.connections[1].wiring->expected(), 0.2 * 20 * 10, 1e-9);
  EXPECT_NEAR(s.connections[2].wiring->expected(), 0.4 * 20 * 19, 1e-9);
  // The canonical text names each pair by itself, and gives the same network.
  const auto again = read_simulation_text(s.canonical_text, "net.sim");
  EXPECT_EQ(again.canonical_text, s.canonical_text);
  EXPECT_EQ(again.connections.size(), 3u);
}

TEST(Description, TablesThatDoNotFitAreRefused) {
  EXPECT_THAT(refusal(replaced(kTable, "[0, 0.4]]", "[0, 0.4, 1]]")),
              testing::HasSubstr(
                  "net.sim:14:11: connections 1: 'density' must have 2 rows, one for each of 'to', of 2 columns"));
  EXPECT_THAT(refusal(replaced(kTable, "0.4]]", "1.4]]")),
              testing::HasSubstr("net.sim:14:28: connection 'b_b': 'density' is 1.4"));
  EXPECT_THAT(refusal(replaced(kTable, "[[0.1, 0.2], [0, 0.4]]", "[[0, 0], [0, 0]]")),
              testing::HasSubstr("no pair is left"));
  EXPECT_THAT(refusal(replaced(kTable, "to = [\"a\", \"b\"]", "to = [\"a\", \"c\"]")),
              testing::HasSubstr("net.sim:12:12: connection 'b_c'"));
  EXPECT_THAT(refusal(replaced(kTable, "weight = 0.5", "weight = 0.5\nwait = 1")),
              testing::HasSubstr("key 'wait' is not known here"));
}

TEST(Description, RefusesLettersBeyondAsciiOutsideOfTexts) {
  EXPECT_EQ(refusal("# \u00fcber\n" + kSmall), "accepted");
  for (const char* value : {"12\u0207", "3e'\u0207", "\"\"\"\\\u0207\"\"\""})
    EXPECT_THAT(refusal(replaced(kSmall, "seed = 7", std::string("seed = ") + value)), testing::HasSubstr("net.sim:2:"))
        << value;
}

TEST(Description, TheMinimumDelayIsFoundAndAPromiseIsChecked) {
  const std::string recurrent = replaced(kSmall, "[[phase]]",
                                         "[[connection]]\nname = \"rec\"\nfrom = \"exc\"\nto = \"exc\"\n"
                                         "density = 0.1\nweight = 0.1\ndelay = \"0.3 ms\"\n[[phase]]");
  EXPECT_EQ(read_simulation_text(recurrent, "net.sim").min_delay, 3);
  EXPECT_THAT(refusal(recurrent, {"simulation.min_delay=0.4 ms"}),
              testing::HasSubstr("'delay' is \"0.3 ms\", below the minimum delay of 0.0004 s"));
  EXPECT_THAT(
      refusal(recurrent, {"simulation.min_delay=0.4 ms", "connection.rec.delay={uniform = [\"0.26 ms\", \"1 ms\"]}"}),
      testing::HasSubstr("'delay' may be drawn as short as 0.0003 s, below the minimum delay of 0.0004 s"));
  // Inputs are known ahead.
  EXPECT_EQ(read_simulation_text(recurrent, "net.sim", {"connection.input_exc.delay=0.1 ms"}).min_delay, 3);
}

// What was the minimum delay is the default of delays and of the LPL rule's lateness.
TEST(Description, LatenessIsAKeyOfTheRule) {
  const auto lateness = [](const std::vector<std::string>& overrides) {
    const auto s = read_simulation_text(kSmall, "net.sim", overrides);
    return dynamic_cast<const Lpl&>(*s.connections[0].rule).lateness;
  };
  EXPECT_EQ(lateness({}), 8);
  EXPECT_EQ(lateness({"simulation.min_delay=0.3 ms"}), 3);
  EXPECT_EQ(lateness({"simulation.min_delay=0.3 ms", "rule.lpl.eligibility={lateness = \"0.8 ms\"}"}), 8);
  EXPECT_EQ(lateness({"rule.lpl.eligibility={lateness = \"2 ms\"}"}), 20);
  EXPECT_THAT(refusal(kSmall, {"rule.lpl.eligibility={lateness = \"0.85 ms\"}"}),
              testing::HasSubstr("no multiple of the step"));
}

TEST(Description, RefusesBadOverrides) {
  EXPECT_THAT(refusal(replaced(kSmall, "name = \"input_exc\"\n", ""), {"connection.input_exc.weight=1"}),
              testing::HasSubstr("no entry is named 'input_exc'; give those of the description a 'name'"));
  EXPECT_THAT(refusal(kSmall, {"phase.lern.duration=2 s"}), testing::HasSubstr("no entry is named 'lern'"));
  EXPECT_THAT(refusal(kSmall, {"phase.run.duration"}), testing::HasSubstr("write KEY=VALUE"));
  EXPECT_THAT(refusal(kSmall, {"population.exc.sise=3"}), testing::HasSubstr("did you mean 'size'?"));
  EXPECT_THAT(refusal(kSmall, {"phases.run.duration=2 s"}), testing::HasSubstr("did you mean 'phase'?"));
  EXPECT_THAT(refusal(kSmall, {"rule.lpk.predictive.strength=2"}), testing::HasSubstr("[rule.lpk] is not used"));
  EXPECT_EQ(refusal(kSmall, {"population.exc.positons.random=true"}),
            "net.sim (--set): population 'exc': key 'positons' is not known here; did you mean 'positions'?");
}

TEST(Description, OverridesMakeTheTablesThatAreNotWrittenOut) {
  const std::string place = "positions = { random = true, extent = [\"1 mm\"] }\n";
  EXPECT_EQ(read_simulation_text(kSmall, "net.sim",
                                 {"population.exc.positions.random=true", "population.exc.positions.extent=[\"1 mm\"]"})
                .canonical_text,
            read_simulation_text(replaced(kSmall, "size = 10\n", "size = 10\n" + place), "net.sim").canonical_text);
}

TEST(Description, ATableThatIsMissingAndATrainingAreNamed) {
  EXPECT_THAT(refusal("[[phase]]\nname = \"run\"\nduration = \"1 s\"\n"),
              testing::HasSubstr("the table [simulation] is missing (it may be empty, for a seed of 1"));
  EXPECT_THAT(refusal(replaced(kSmall, "[simulation]", "[simulaton]")),
              testing::HasSubstr("but there is 'simulaton'; did you mean 'simulation'?"));
  const std::string training = "[training]\nseed = 1\n[network]\nnet = \"vgg11\"\n";
  for (const std::vector<std::string>& overrides : {std::vector<std::string>{}, {"simulation.seed=3"}})
    EXPECT_THAT(refusal(training, overrides),
                testing::StartsWith("net.sim:3:1: description: [network] is of a training, which lpl_rate runs"));
}

struct Refusal {
  std::string name, from, to, message;
};

class Refuses : public testing::TestWithParam<Refusal> {};

TEST_P(Refuses, WithAPlaceAndAReason) {
  const Refusal& r = GetParam();
  EXPECT_THAT(refusal(replaced(kSmall, r.from, r.to)),
              testing::ContainsRegex("^net\\.sim:[0-9]+:[0-9]+: .*" + r.message));
}

INSTANTIATE_TEST_SUITE_P(
    Mistakes, Refuses,
    testing::Values(
        Refusal{"unknown_key", "size = 10", "size = 10\ntau_maen = 3", "key 'tau_maen' is not known here"},
        Refusal{"nearest_key", "weight = 0.2", "wieght = 0.2",
                "key 'weight' is missing, but there is 'wieght'; did you mean 'weight'\\?"},
        Refusal{"nearest_wiring", "density = 0.5", "densiti = 0.5",
                "give exactly one of all_to_all, .*, but there is 'densiti'; did you mean 'density'\\?"},
        Refusal{"nearest_form", "weight = 0.2", "weight = { nromal = [0.2, 0.1] }",
                "give exactly one of normal, .*, but there is 'nromal'; did you mean 'normal'\\?"},
        Refusal{"nothing_near", "weight = 0.2\n", "", "input_exc': key 'weight' is missing$"},
        Refusal{"wrong_unit", "\"1 s\"", "\"1 mV\"", "unit 'mV'; a time takes"},
        Refusal{"no_unit", "\"1 s\"", "1", "needs a unit"},
        Refusal{"negative_size", "size = 10", "size = -10", "'size' is -10; it must be from 1"},
        Refusal{"fraction_size", "size = 10", "size = 10.5", "must be a whole number"},
        Refusal{"delay_off_grid", "density", "delay = \"0.85 ms\"\ndensity", "no multiple of the step"},
        Refusal{"fast_drive", "[[phase]]",
                "[[stimulus]]\nname = \"d\"\ntype = \"poisson_drive\"\nto = \"exc\"\nweight = 0.1\nrate = \"1 "
                "MHz\"\n[[phase]]",
                "which is 100 events a step; at most 64 are possible, so take several drives or a larger weight"},
        Refusal{"negative_drive", "[[phase]]",
                "[[stimulus]]\nname = \"d\"\ntype = \"poisson_drive\"\nto = \"exc\"\nweight = -0.1\nrate = \"1 "
                "kHz\"\n[[phase]]",
                "'weight' is -0.1"},
        Refusal{"drive_ends_before", "[[phase]]",
                "[[stimulus]]\nname = \"d\"\ntype = \"poisson_drive\"\nto = \"exc\"\nweight = 0.1\nrate = \"1 "
                "kHz\"\nstart = \"1 s\"\nstop = \"1 s\"\n[[phase]]",
                "'stop' is \"1 s\", but it starts at 1 s"},
        Refusal{"unknown_source", "from = \"input\"", "from = \"imput\"", "did you mean 'input'"},
        Refusal{"unknown_target", "to = \"exc\"", "to = \"input\"", "no population has that name"},
        Refusal{"unknown_cell", "\"if\"", "\"iff\"", "there is no cell 'iff'"},
        Refusal{"unknown_rule", "\"lpl\"", "\"lbl\"", "there is no rule 'lbl'"},
        Refusal{"phase_without_duration", "duration = \"1 s\"", "", "key 'duration' is missing"},
        Refusal{"no_phase", "[[phase]]\nname = \"run\"\nduration = \"1 s\"\n", "", "needs at least one"},
        Refusal{"zero_duration", "\"1 s\"", "\"0 s\"", "must be a finite number above 0"},
        Refusal{"density_above_one", "density = 0.5", "density = 1.5", "not above 1"},
        Refusal{"two_patterns", "density = 0.5", "density = 0.5\none_to_one = true", "exactly one of"},
        Refusal{"no_pattern", "density = 0.5\n", "", "exactly one of"},
        Refusal{"one_to_one_sizes", "density = 0.5", "one_to_one = true", "needs equal sizes"},
        Refusal{"negative_weight", "weight = 0.2", "weight = -0.2", "not below 0"},
        Refusal{"missing_file", "density = 0.5\nweight = 0.2", "file = \"none.wmat\"", "there is no file"},
        Refusal{"lpl_on_gaba", "density", "receptor = \"GABA\"\ndensity", "AMPA synapses"},
        Refusal{"unknown_receptor", "density", "receptor = \"AMPO\"\ndensity", "must be AMPA, NMDA or GABA"},
        Refusal{"record_unknown", "of = \"exc\"", "of = \"exk\"", "did you mean 'exc'"},
        Refusal{"recorded_twice", "of = \"exc\"", "of = [\"exc\", \"exc\"]", "recorded already"},
        Refusal{"snapshot_name", "what = \"spikes\"\nof = \"exc\"",
                "what = \"group_weights\"\nname = \"run\"\nof = \"input_exc\"\nevery = \"1 s\"", "give another 'name'"},
        Refusal{"phase_initial", "name = \"run\"", "name = \"initial\"", "what a snapshot of weights is called"},
        Refusal{"name_twice", "name = \"exc\"", "name = \"input\"",
                "stimulus 'input': the name 'input' is taken \\(net.sim:9:8: population 'input'\\); give"},
        Refusal{"negative_rate", "\"10 Hz\"", "\"-10 Hz\"", "not below 0"},
        Refusal{"unused_rule", "[[phase]]", "[rule.other]\ntype = \"lpl\"\n[[phase]]",
                "\\[rule.other\\] is not used \\(used: lpl\\); remove it"},
        Refusal{"bad_dt", "seed = 7", "seed = 7\ndt = \"1 s\"", "not above 0.01"},
        Refusal{"syntax", "size = 10", "size = = 10", ""}),
    [](const auto& tested) { return tested.param.name; });

TEST(Description, RefusesBadDataFiles) {
  const test::Scratch scratch;
  const auto with_file = [&](const std::string& from, const std::string& to) {
    std::ofstream(scratch.path("net.sim")) << replaced(kSmall, from, to);
    try {
      read_simulation(scratch.path("net.sim"), {}, {});
    } catch (const ConfigError& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  scratch.write("nan.dat", "0 5\n1 nan\n2 5\n");
  EXPECT_THAT(with_file("rate = \"10 Hz\"", "rate = { file = \"nan.dat\" }"),
              testing::HasSubstr("nan.dat:2:3: the value is nan"));
  scratch.write("back.dat", "0 5\n2 5\n1 5\n");
  EXPECT_THAT(with_file("rate = \"10 Hz\"", "rate = { file = \"back.dat\" }"),
              testing::HasSubstr("times must start at 0 and rise"));
  scratch.write("small.wmat", "%%MatrixMarket matrix coordinate real general\n3 3 1\n1 1 1\n");
  EXPECT_THAT(with_file("density = 0.5", "mask = \"small.wmat\""),
              testing::HasSubstr("the matrix is 3 x 3, but 'input' has 20"));
  scratch.write("short.spk", "123456789012");
  EXPECT_THAT(with_file("type = \"poisson\"\nsize = 20\nrate = \"10 Hz\"",
                        "type = \"spikes\"\nsize = 20\nfile = \"short.spk\""),
              testing::HasSubstr("truncated or of another format"));
  EXPECT_THAT(with_file("size = 10", "size = 10\ninitial_membrane = { file = \"back.dat\" }"),
              testing::HasSubstr("back.dat:1:3: the line has 2 numbers; expected 1"));
}

// What a method cannot do is refused, never clamped or rounded.
INSTANTIATE_TEST_SUITE_P(
    BeyondTheMethod, Refuses,
    testing::Values(
        Refusal{"rate", "\"10 Hz\"", "\"16 kHz\"", "'rate' is \"16 kHz\", above 1/dt = 10000 Hz"},
        Refusal{"signal_rate", "\"10 Hz\"", "{ period = \"1 s\", mean = \"9 kHz\", deviation = \"2 kHz\" }",
                "the signal rises to 1[0-9.]+ Hz, above 1/dt"},
        Refusal{"signal_without_samples", "\"10 Hz\"", "{ period = \"15 ms\" }", "it must hold two samples at least"},
        Refusal{"signal_loop", "\"10 Hz\"", "{ period = \"1e-30 s\", interval = \"1e-31 s\" }", "not below 0.0001"},
        Refusal{"signal_terms", "\"10 Hz\"", "{ period = \"9000 s\", harmonics = 4096 }", "terms to add"},
        Refusal{"mean_rate", "density", "initial_traces = { mean_rate = \"20 kHz\" }\ndensity",
                "'mean_rate' is \"20 kHz\", above 1/dt = 10000 Hz: a neuron"},
        Refusal{"default_delay", "seed = 7", "dt = \"1 ms\"",
                "'delay' is not given, so it is \"0.8 ms\" by default, which is no multiple of the step dt = \"1 "
                "ms\"; write a multiple, such as delay = \"1 ms\""},
        Refusal{"duration_off_grid", "\"1 s\"", "\"1000.00005 s\"",
                "'duration' is \"1000.00005 s\", which is no multiple of the step dt = \"0.1 ms\""},
        Refusal{"duration_beyond_numbers", "\"1 s\"", "\"1e300 s\"", "in size it must be 0 or from"},
        Refusal{"duration_beyond_steps", "\"1 s\"", "\"1e9 s\"", "more than 549755813888 steps"},
        Refusal{"duration_outside_double", "\"1 s\"", "\"1e999 s\"", "lies outside what a number can hold"},
        Refusal{"phases_beyond_steps", "[[record]]",
                "[[phase]]\nname = \"b\"\nduration = \"5e7 s\"\n[[phase]]\nname = \"c\"\nduration = \"5e7 "
                "s\"\n[[record]]",
                "with this phase the run has"},
        Refusal{"decimal_comma", "\"1 s\"", "\"0,5 s\"", "has a decimal comma"},
        Refusal{"weight_above_w_max", "weight = 0.2", "weight = 1.5",
                "'weight' is 1.5, above w_max = 1 of the rule 'lpl'"},
        Refusal{"weight_beyond_float", "weight = 0.2", "weight = 1e39", "not above 1000000"},
        Refusal{"weight_below_float", "weight = 0.2", "weight = 1e-50", "'weight' is 1e-50; in size it must be 0"},
        Refusal{"seed", "seed = 7", "seed = -1", "'seed' is -1; it must be from 0"},
        Refusal{"control_character", "name = \"exc\"", "name = \"e\\u001Bxc\"", "the name is \"e.x1bxc\"; it must"},
        Refusal{"reversed_letters", "name = \"exc\"", "name = \"e\\u202Exc\"", "the name is \"e.u202exc\"; it must"},
        Refusal{"space_of_no_width", "name = \"exc\"", "name = \"e\\u200Bxc\"", "the name is \"e.u200bxc\"; it must"},
        Refusal{"space_that_does_not_break", "name = \"exc\"", "name = \"e\\u00A0xc\"",
                "the name is \"e.xa0xc\"; it must"},
        Refusal{"null_character", "name = \"exc\"", "name = \"e\\u0000xc\"", "the name is \"e.x00xc\"; it must"},
        Refusal{"control_character_of_two_bytes", "name = \"exc\"", "name = \"e\\u009Bxc\"", "the name is \"e.x9bxc\""},
        Refusal{"step_name", "name = \"run\"", "name = \"step_1\"", "what a snapshot of weights is called"}),
    [](const auto& tested) { return tested.param.name; });

const std::string kCell = "cell = \"c\"\nsize = 10\n[cell.c]\nmodel = \"lif\"\n";

class RefusesCells : public testing::TestWithParam<Refusal> {};

TEST_P(RefusesCells, WithWhatTheyCannotDo) {
  const Refusal& r = GetParam();
  const std::string text =
      replaced(replaced(kSmall, "cell = \"if\"\nsize = 10\n", kCell + r.to + "\n"), "plasticity = \"lpl\"", "");
  EXPECT_THAT(refusal(text), testing::ContainsRegex("^net\\.sim:[0-9]+:[0-9]+: cell 'c': " + r.message));
}

INSTANTIATE_TEST_SUITE_P(
    States, RefusesCells,
    testing::Values(
        Refusal{"refractory", "", "refractory = \"0.45 ms\"", "'refractory' is \"0.45 ms\", which is no multiple"},
        Refusal{"long_refractory", "", "refractory = \"2000 s\"",
                "'refractory' is \"2000 s\", which is more than 16777216 steps"},
        Refusal{"threshold", "", "threshold = \"20 mV\"", "'threshold' is \"20 mV\": never reached"},
        Refusal{"threshold_at_zero", "", "threshold = \"0 V\"", "'threshold' is \"0 V\": never reached"},
        Refusal{"threshold_below", "", "threshold = \"-90 mV\"", "'threshold' is \"-90 mV\": always exceeded"},
        Refusal{"leak", "", "E_leak = \"10 mV\"", "'E_leak' is \"10 mV\": not in"},
        Refusal{"leak_below", "", "E_leak = \"-90 mV\"", "'E_inh' is \"-80 mV\": above"},
        Refusal{"millivolts", "", "E_leak = \"-65 V\"", "'E_leak' is \"-65 V\"; .* did you mean mV"},
        Refusal{"inhibition", "", "E_inh = \"-80 V\"", "'E_inh' is \"-80 V\"; .* did you mean mV"},
        Refusal{"drive", "", "drive = \"20 V\"", "'drive' is \"20 V\"; .* did you mean mV"},
        Refusal{"slow", "", "tau_gaba = \"1 h\"", "'tau_gaba' is \"1 h\"; .* float32 can follow is 3355.44 s"}),
    [](const auto& tested) { return tested.param.name; });

TEST(Description, MillisecondsOnTheGridAreTakenAtAnyDuration) {
  for (const auto& [text, steps] : std::vector<std::pair<std::string, Step>>{
           {"1000.0001 s", 10'000'001}, {"100000.0003 s", 1'000'000'003}, {"0.3 ms", 3}, {"7 h", 252'000'000}})
    EXPECT_EQ(read_simulation_text(replaced(kSmall, "\"1 s\"", '"' + text + '"'), "net.sim").end(), steps) << text;
}

TEST(Description, RulesAreBlamedWhereTheyStand) {
  EXPECT_THAT(refusal(kSmall, {"rule.lpl.update.window=500.03 ms"}),
              testing::HasSubstr("rule 'lpl' update: 'window' is \"500.03 ms\", which is no multiple"));
  EXPECT_THAT(refusal(kSmall, {"rule.lpl.predictive.horizon=0.5 ms"}),
              testing::HasSubstr("'horizon' is \"0.5 ms\", which is 5 steps; it must be from the lateness (8)"));
  EXPECT_THAT(refusal(kSmall, {"rule.lpl.hebbian.tau_mean=2 h"}), testing::HasSubstr("float32 can follow"));
  EXPECT_THAT(refusal(kSmall, {"rule.lpl.hebbian.epsilon=1e-35"}), testing::HasSubstr("not below 1e-30"));
  EXPECT_THAT(refusal(kSmall, {"rule.lpl.hebbian.strength=1e38"}), testing::HasSubstr("not above 1000000000"));
  EXPECT_THAT(refusal(kSmall, {"rule.lpl.eligibility.surrogate_floor=10 mV"}), testing::HasSubstr("not above 0"));
  EXPECT_THAT(refusal(kSmall, {"rule.lpl.update.w_max=0.1"}), testing::HasSubstr("'weight' is 0.2, above w_max = 0.1"));
}

TEST(Description, NamesMayHoldAnyPrintableCharacter) {
  const auto s =
      read_simulation_text(replaced(kSmall, "name = \"exc\"\ncell", "name = \"E,l;'\u00e4\u5de6\"\ncell"), "net.sim",
                           {"connection.input_exc.to=E,l;'\u00e4\u5de6", "record.spikes.of=E,l;'\u00e4\u5de6"});
  EXPECT_EQ(s.populations[0].name, "E,l;'\u00e4\u5de6");
}

TEST(Description, ReadsListsOfNeurons) {
  const auto neurons = [](const std::string& list) {
    const auto s = read_simulation_text(
        kSmall + "[[record]]\nwhat = \"state\"\nof = \"exc\"\nvariable = \"V\"\nevery = \"1 ms\"\nneurons = " + list,
        "net.sim");
    return dynamic_cast<const StateRecord&>(*s.records.back()).of.neurons;
  };
  const std::vector<NeuronId> all = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  EXPECT_EQ(neurons("\"all\""), all);
  EXPECT_EQ(neurons("\"0:10\""), all);
  EXPECT_EQ(neurons("\":\""), all);
  EXPECT_THAT(neurons("[7, \"0:3\", 9]"), testing::ElementsAre(0u, 1u, 2u, 7u, 9u));
  EXPECT_THAT(neurons("3"), testing::ElementsAre(3u));
  EXPECT_THAT(neurons("\"8:\""), testing::ElementsAre(8u, 9u));
  for (const auto& [list, message] : std::vector<std::pair<std::string, std::string>>{
           {"\"0:11\"", "holds \"0:11\"; write \"all\", or a range from 0 to 10"},
           {"\"5:5\"", "holds \"5:5\""},
           {"\"-3:5\"", "holds \"-3:5\""},
           {"\"0:4294967297\"", "holds \"0:4294967297\""},
           {"[2, \"0:3\"]", "lists 2 twice"},
           {"[10]", "holds 10; it must hold whole numbers from 0 to 9"},
           {"[-1]", "holds -1"},
           {"[]", "is empty"},
           {"\"some\"", "holds \"some\""}})
    EXPECT_THAT(
        refusal(kSmall +
                "[[record]]\nwhat = \"state\"\nof = \"exc\"\nvariable = \"V\"\nevery = \"1 ms\"\nneurons = " + list),
        testing::HasSubstr(message))
        << list;
}

// Mean of a profile over its loop.
double mean_of(const RateProfile& profile) {
  double sum = 0;
  for (const auto& interval : profile.intervals()) sum += interval.length * (interval.from + interval.to) / 2;
  return sum / profile.period();
}

TEST(Description, AShuffledProfileKeepsLengthRatesAndMean) {
  const test::Scratch scratch;
  const auto groups = [&](const std::string& samples) {
    scratch.write("rate.txt", samples);
    scratch.write("net.sim", replaced(kSmall, "size = 20\nrate = \"10 Hz\"",
                                      "[[stimulus.group]]\nname = \"a\"\nsize = 10\nrate = { file = \"rate.txt\" }\n"
                                      "[[stimulus.group]]\nname = \"b\"\nsize = 10\nrate = { shuffle_of = \"a\" }"));
    return dynamic_cast<const PoissonStimulus&>(*read_simulation(scratch.path("net.sim"), {}, {}).stimuli[0]).inputs;
  };
  using Pieces = std::vector<std::tuple<double, double, double>>;
  const auto pieces = [](const RateProfile& profile) {
    Pieces list;
    for (const auto& i : profile.intervals()) list.emplace_back(std::round(i.length * 1e9), i.from, i.to);
    return list;
  };
  const auto irregular = groups("0 50\n1 50\n2 0\n3.5 20\n3.7 20\n10 0\n");
  EXPECT_EQ(irregular[1].profile.period(), irregular[0].profile.period());
  EXPECT_NEAR(mean_of(irregular[1].profile), mean_of(irregular[0].profile), 1e-9);
  EXPECT_NE(pieces(irregular[1].profile), pieces(irregular[0].profile));
  EXPECT_THAT(pieces(irregular[1].profile), testing::UnorderedElementsAreArray(pieces(irregular[0].profile)));
  // Evenly spaced samples change places one by one, and stay joined.
  const auto regular = groups("0 1\n1 2\n2 3\n3 4\n4 5\n5 1\n");
  EXPECT_TRUE(regular[1].profile.is_regular());
  EXPECT_NEAR(mean_of(regular[1].profile), 3, 1e-12);
  EXPECT_NE(pieces(regular[1].profile), pieces(regular[0].profile));
}

TEST(Description, RefusesProfilesThatCannotBe) {
  const test::Scratch scratch;
  const auto read = [&](const std::string& samples) {
    scratch.write("rate.txt", samples);
    scratch.write("net.sim", replaced(kSmall, "\"10 Hz\"", "{ file = \"rate.txt\" }"));
    return test::refusal([&] { read_simulation(scratch.path("net.sim"), {}, {}); });
  };
  EXPECT_THAT(read("0 5000\n1 30000\n2 5000\n"), testing::HasSubstr("rate.txt:2:3: the rate is 30000 Hz, above 1/dt"));
  EXPECT_THAT(read("0 5\n1e-300 6\n"),
              testing::HasSubstr("begins again, at 1e-300 s; it must last a step of \"0.1 ms\""));
  EXPECT_THAT(read("0 5\n1 -6\n"), testing::HasSubstr("rate.txt:2:3: the rate is -6 Hz"));
  EXPECT_THAT(read("1 5\n2 6\n"), testing::HasSubstr("rate.txt:1:1: the time is 1 s; times must start at 0"));
  EXPECT_THAT(read("0 5\n1 6\n1 7\n"), testing::HasSubstr("rate.txt:3:1: the time is 1 s after 1 s"));
  EXPECT_THAT(read("# nothing\n"), testing::HasSubstr("rate.txt: holds no numbers"));
  EXPECT_EQ(read("0 5000\n1 10000\n2 5000\n"), "accepted");
}

TEST(Description, PairingsLieOnTheGrid) {
  const auto with = [](const std::string& keys) {
    return replaced(kSmall, "type = \"poisson\"\nsize = 20\nrate = \"10 Hz\"",
                    "type = \"pairing\"\nsize = 20\ninterval = \"50 ms\"\npairings = 3\n" + keys);
  };
  EXPECT_THAT(refusal(with("first = \"100 ms\"\nrate = \"30 Hz\"")),
              testing::HasSubstr("'rate' is \"30 Hz\": the 0.0333333333333 s between pairings are no multiple"));
  EXPECT_THAT(refusal(with("first = \"100 ms\"\nrate = \"20 kHz\"")), testing::HasSubstr("above 1/dt"));
  EXPECT_THAT(refusal(with("first = \"100.05 ms\"\nrate = \"10 Hz\"")),
              testing::HasSubstr("'first' is \"100.05 ms\", which"));
  EXPECT_THAT(refusal(with("first = \"10 ms\"\nrate = \"10 Hz\"")), testing::HasSubstr("cannot be below 'interval'"));
  // What the message proposes is taken.
  const std::string proposal = refusal(with("first = \"100 ms\"\nrate = \"30 Hz\""));
  const std::string near = proposal.substr(proposal.rfind("is \"") + 3);
  const auto train = dynamic_cast<const TrainStimulus&>(
                         *read_simulation_text(with("first = \"100 ms\"\nrate = " + near), "net.sim").stimuli[0])
                         .train;
  ASSERT_EQ(train.step.size(), 60u);
  EXPECT_EQ(train.step.front(), 500);
  EXPECT_EQ(train.step.back(), 1000 + 2 * 333 + 500);
}

TEST(Description, RefusesVoltagesThatCannotBe) {
  const test::Scratch scratch;
  scratch.write("vm.txt", "-0.07\n-65\n");
  scratch.write("clamp.txt", "0 -0.065\n0.01 -65\n");
  const auto read = [&](const std::string& from, const std::string& to) {
    scratch.write("net.sim", replaced(kSmall, from, to));
    return test::refusal([&] { read_simulation(scratch.path("net.sim"), {}, {}); });
  };
  const auto device = [&](const std::string& keys) {
    return read("[[phase]]", "[[stimulus]]\nname = \"d\"\nto = \"exc\"\n" + keys + "\n[[phase]]");
  };
  EXPECT_THAT(
      read("size = 10", "size = 10\ninitial_membrane = { file = \"vm.txt\" }"),
      testing::HasSubstr("vm.txt:2:1: -65 V lies outside the plausible range of -1 V to 0 V; did you mean mV?"));
  EXPECT_THAT(read("size = 10", "size = 10\ninitial_membrane = \"-65 V\""), testing::HasSubstr("did you mean mV?"));
  EXPECT_THAT(read("size = 10", "size = 10\ninitial_membrane = \"10 mV\""),
              testing::HasSubstr("V is held in a range, from -0.08 V to 0 V"));
  EXPECT_THAT(device("type = \"clamp\"\nfile = \"clamp.txt\""),
              testing::HasSubstr("clamp.txt:2:6: -65 V lies outside"));
  EXPECT_THAT(device("type = \"clamp\"\ntimes = [\"0 s\"]\nvalues = [\"20 mV\"]"),
              testing::HasSubstr("0.02 V lies outside the range in which V is held, of -0.08 V to 0 V"));
  EXPECT_THAT(device("type = \"current\"\nfile = \"clamp.txt\""), testing::HasSubstr("did you mean mV?"));
  EXPECT_THAT(device("type = \"current\"\ntimes = [\"1 s\", \"0 s\"]\nvalues = [\"1 mV\", \"2 mV\"]"),
              testing::HasSubstr("time 0 s follows 1 s; times must rise"));
  EXPECT_EQ(device("type = \"current\"\ntimes = [\"0 s\"]\nvalues = [\"600 mV\"]\nneurons = [\"0:5\", 7]"), "accepted");
}

TEST(Description, RefusesMatricesThatTheRuleWouldClip) {
  const test::Scratch scratch;
  scratch.write("w.mtx", "%%MatrixMarket matrix coordinate real general\n20 10 2\n1 1 1\n20 10 1.5\n");
  scratch.write("p.mtx", "%%MatrixMarket matrix coordinate pattern general\n20 10 2\n1 1\n20 10\n");
  const auto read = [&](const std::string& from, const std::string& to) {
    scratch.write("net.sim", replaced(kSmall, from, to));
    return test::refusal([&] { read_simulation(scratch.path("net.sim"), {}, {}); });
  };
  const std::string wiring = "density = 0.5\nweight = 0.2";
  EXPECT_THAT(read(wiring, "file = \"w.mtx\""),
              testing::HasSubstr("the weight of entry (20, 10) is 1.5, above w_max = 1 of the rule 'lpl'"));
  EXPECT_EQ(read(wiring, "mask = \"w.mtx\"\nweight = 0.2"), "accepted");
  EXPECT_THAT(read(wiring, "file = \"p.mtx\""),
              testing::HasSubstr("is a pattern and holds no weights; use it as 'mask'"));
  EXPECT_EQ(read(wiring, "mask = \"p.mtx\"\nweight = 0.2"), "accepted");
}

// 0.1 ms * 2^25 = 3355 s.
TEST(Description, WarnsOfDecaysThatFloat32TakesForNone) {
  const auto warnings = [](const std::string& tau, const std::string& V, const std::string& keys = "") {
    return read_simulation_text(
               "simulation = {}\n[[population]]\nname = \"exc\"\ncell = \"slow\"\nsize = 2\n" + keys +
                   "[[phase]]\nname = \"run\"\nduration = \"1 s\"\n[cell.slow]\nmodel = \"equations\"\n"
                   "[cell.slow.states]\nV = \"1 mV\"\nw = \"0 mV\"\n[cell.slow.dynamics]\nV = \"" +
                   V + "\"\nw = \"(V - w) / (" + tau + ")\"\n",
               "net.sim")
        .warnings;
  };
  const std::string linear = "-V / (20 ms)", other = "-V * V / (1 mV * 20 ms)";
  for (const std::string& V : {linear, other}) {
    EXPECT_THAT(warnings("3300 s", V), testing::IsEmpty()) << V;
    EXPECT_THAT(
        warnings("3400 s", V),
        testing::ElementsAre(
            "population 'exc': 'w' decays with a time constant of 3400 s, but in steps of dt = \"0.1 ms\" float32 "
            "follows none above 3355.44 s: it never decays; precision = \"float64\" of the population follows it"))
        << V;
    EXPECT_THAT(warnings("1e9 s", V, "precision = \"float64\"\n"), testing::IsEmpty()) << V;
  }
  EXPECT_THAT(warnings("-1e9 s", linear), testing::IsEmpty());  // which grows
  EXPECT_THAT(warnings("1 s", "-V / (1e9 s)"), testing::ElementsAre(testing::HasSubstr("'V' decays")));
}

TEST(Description, WarnsOfWhatIsHardlyMeant) {
  const test::Scratch scratch;
  const auto warnings = [&](const std::string& from, const std::string& to) {
    scratch.write("net.sim", replaced(kSmall, from, to));
    return read_simulation(scratch.path("net.sim"), {}, {}).warnings;
  };
  const auto spikes = [&](const std::string& text) {
    scratch.write("in.ras", text);
    return warnings("type = \"poisson\"\nsize = 20\nrate = \"10 Hz\"",
                    "type = \"spikes\"\nsize = 20\nfile = \"in.ras\"");
  };
  EXPECT_THAT(warnings("seed = 7", "seed = 8"), testing::IsEmpty());
  EXPECT_THAT(spikes("0.1 1\n0.9999 2\n"), testing::IsEmpty());
  EXPECT_THAT(spikes("0.1 1\n1 2\n"),
              testing::ElementsAre("stimulus 'input': 1 of 2 spikes come after the end of the run at 1 s"));
  EXPECT_THAT(spikes("100 1\n200 2\n"), testing::ElementsAre(testing::HasSubstr("all 2 spikes come after the end")));
  EXPECT_THAT(spikes("# none\n"), testing::ElementsAre("stimulus 'input': has no spike"));
  EXPECT_THAT(spikes("0.1 1\n0.20004 2\n"),
              testing::ElementsAre(testing::HasSubstr("1 of 2 spikes lie between the steps")));
  const auto device = [&](const std::string& keys) {
    return warnings("[[phase]]",
                    "[[stimulus]]\nname = \"d\"\ntype = \"current\"\nto = \"exc\"\ntimes = [\"0 s\", \"10 "
                    "ms\"]\nvalues = [\"1 mV\", \"1 mV\"]\n" +
                        keys + "\n[[phase]]");
  };
  EXPECT_THAT(device("start = \"2 s\""), testing::ElementsAre(testing::HasSubstr("begins at 2 s, after the end")));
  EXPECT_THAT(device("repeats = 3\nevery = \"5 ms\""), testing::ElementsAre(testing::HasSubstr("the rest is cut off")));
  EXPECT_THAT(device("repeats = 3\nevery = \"10 ms\""), testing::IsEmpty());
}

TEST(Description, WarnsOfParrotsThatDoNotCountSpikes) {
  const auto warnings = [](const std::string& wiring) {
    std::string text = replaced(kSmall, "cell = \"if\"\nsize = 10", "cell = \"parrot\"\nsize = 20");
    return read_simulation_text(replaced(text, "density = 0.5\nweight = 0.2\nplasticity = \"lpl\"", wiring), "net.sim")
        .warnings;
  };
  EXPECT_THAT(warnings("one_to_one = true\nweight = 1"), testing::IsEmpty());
  EXPECT_THAT(warnings("density = 0.5\nweight = 1"), testing::IsEmpty());
  EXPECT_THAT(warnings("density = 0.5\nweight = 0.4"),
              testing::ElementsAre(testing::HasSubstr("only weights of 1 repeat every spike")));
  EXPECT_THAT(warnings("one_to_one = true\nweight = 1\nshort_term = {}"),
              testing::ElementsAre(testing::HasSubstr("only weights of 1, without short_term, repeat every spike")));
}

// The places of a rank's neurons have 32 bits; more are refused before any memory is asked for.
TEST(Description, NetworksTooLargeForARankAreRefused) {
  const auto s = read_simulation_text(
      "simulation = {}\n[[population]]\nname = \"p\"\ncell = \"if\"\nsize = 1073741824\n[[phase]]\nname = "
      "\"r\"\nduration = \"1 s\"\n",
      "large.sim");
  EXPECT_THAT(
      test::refusal([&] { Network(s, 0, 1); }),
      testing::HasSubstr("1073741824 neurons on 1 ranks are 1073741824 a rank; at most 536870912 are possible"));
}

// Mutated descriptions never crash: they are read or refused with a message.
TEST(Description, SurvivesAThousandMutations) {
  std::ifstream in(std::string(LPL_EXAMPLES) + "/invariance.sim");
  const std::string original((std::istreambuf_iterator<char>(in)), {});
  ASSERT_GT(original.size(), 1000u);
  const std::vector<std::string> fragments = {"\"",
                                              "[",
                                              "]",
                                              "{",
                                              "}",
                                              "=",
                                              "-1",
                                              "1e308",
                                              "nan",
                                              "[[phase]]",
                                              "\n",
                                              "\"0 s\"",
                                              "true",
                                              "99999999999999999999",
                                              ".",
                                              "#",
                                              "name = \"x\"",
                                              "\xff\xfe",
                                              "'''",
                                              "size"};
  int accepted = 0, refused = 0;
  for (std::uint32_t trial = 0; trial < 1000; ++trial) {
    Random random(99, Draw::signal, 1, trial);
    std::string text = original;
    for (std::uint32_t edits = 1 + random.below(4); edits > 0; --edits) {
      const std::size_t at = random.below(static_cast<std::uint32_t>(text.size()));
      switch (random.below(4)) {
        case 0:
          text.erase(at, 1 + random.below(20));
          break;
        case 1:
          text.insert(at, fragments[random.below(static_cast<std::uint32_t>(fragments.size()))]);
          break;
        case 2:
          text[at] = static_cast<char>(random.below(256));
          break;
        default: {
          const std::size_t from = random.below(static_cast<std::uint32_t>(text.size()));
          text.insert(at, text.substr(from, random.below(60)));
        }
      }
    }
    try {
      read_simulation_text(text, "mutated.sim");
      ++accepted;
    } catch (const ConfigError& error) {
      ++refused;
      EXPECT_GT(std::string(error.what()).size(), 10u);
    }
  }
  EXPECT_EQ(accepted + refused, 1000);
  EXPECT_GT(refused, 250);
  EXPECT_GT(accepted, 25);
}

}  // namespace
}  // namespace lpl::spiking
