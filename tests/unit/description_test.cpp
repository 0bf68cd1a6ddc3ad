// The description language: what is read, what is echoed, what is refused and with which words.
#include "spiking/description.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "core/errors.hpp"
#include "core/random.hpp"
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

TEST(Description, ReadsWhatItSays) {
  const auto s = read_simulation_text(kSmall, "net.sim");
  EXPECT_EQ(s.seed, 7u);
  EXPECT_EQ(s.min_delay, 8);
  EXPECT_EQ(s.end(), 10000);
  EXPECT_EQ(s.connections[0].delay, 8);
  EXPECT_EQ(s.populations[0].cell.tau_membrane, 0.02);
  EXPECT_EQ(std::get<LplRule>(*s.connections[0].rule).tau_mean, 600);
  EXPECT_TRUE(s.phases[0].learns[0]);
}

TEST(Description, CanonicalTextReadsBackToItself) {
  const auto first = read_simulation_text(kSmall, "net.sim", {"rule.lpl.hebbian.strength=0.5"});
  const auto again = read_simulation_text(first.canonical_text, "again.sim");
  EXPECT_EQ(first.canonical_text, again.canonical_text);
  EXPECT_EQ(std::get<LplRule>(*again.connections[0].rule).hebbian_strength, 0.5);
}

TEST(Description, OverridesReachListsByNameAndModels) {
  const auto s = read_simulation_text(kSmall, "net.sim",
                                      {"phase.run.duration=2 s", "connection.input_exc.weight=0.3",
                                       "cell.if.tau_membrane=\"10 ms\"", "rule.lpl.predictive.strength=0"});
  EXPECT_EQ(s.end(), 20000);
  EXPECT_EQ(s.connections[0].weight, 0.3);
  EXPECT_EQ(s.populations[0].cell.tau_membrane, 0.01);
  EXPECT_EQ(std::get<LplRule>(*s.connections[0].rule).predictive_strength, 0);
}

// Where toml++ takes such letters for blanks or digits, it is not defined.
TEST(Description, RefusesLettersBeyondAsciiOutsideOfTexts) {
  EXPECT_EQ(refusal("# \u00fcber\n" + kSmall), "accepted");
  for (const char* value : {"12\u0207", "3e'\u0207", "\"\"\"\\\u0207\"\"\""})
    EXPECT_THAT(refusal(replaced(kSmall, "seed = 7", std::string("seed = ") + value)), testing::HasSubstr("net.sim:2:"))
        << value;
}

TEST(Description, RefusesBadOverrides) {
  EXPECT_THAT(refusal(kSmall, {"phase.lern.duration=2 s"}), testing::HasSubstr("no entry is named 'lern'"));
  EXPECT_THAT(refusal(kSmall, {"phase.run.duration"}), testing::HasSubstr("write KEY=VALUE"));
  EXPECT_THAT(refusal(kSmall, {"population.exc.sise=3"}), testing::HasSubstr("did you mean 'size'?"));
  EXPECT_THAT(refusal(kSmall, {"phases.run.duration=2 s"}), testing::HasSubstr("did you mean 'phase'?"));
  EXPECT_THAT(refusal(kSmall, {"rule.lpk.predictive.strength=2"}), testing::HasSubstr("no 'lpk'"));
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
        Refusal{"nearest_key", "weight = 0.2", "wieght = 0.2", "key 'weight' is missing"},
        Refusal{"wrong_unit", "\"1 s\"", "\"1 mV\"", "unit 'mV'; a time takes"},
        Refusal{"no_unit", "\"1 s\"", "1", "needs a unit"},
        Refusal{"negative_size", "size = 10", "size = -10", "'size' is -10; it must be from 1"},
        Refusal{"fraction_size", "size = 10", "size = 10.5", "must be a whole number"},
        Refusal{"short_delay", "density", "delay = \"0.3 ms\"\ndensity", "below the minimum delay of 0.0008 s"},
        Refusal{"delay_off_grid", "density", "delay = \"0.85 ms\"\ndensity", "no multiple of the step"},
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
        Refusal{"phase_initial", "name = \"run\"", "name = \"initial\"", "first snapshot"},
        Refusal{"name_twice", "name = \"exc\"", "name = \"input\"", "is taken"},
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
              testing::HasSubstr("each line holds 1"));
}

// Mutated descriptions never crash: they are read or refused with a message.
TEST(Description, SurvivesThousandsOfMutations) {
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
  for (std::uint32_t trial = 0; trial < 4000; ++trial) {
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
  EXPECT_EQ(accepted + refused, 4000);
  EXPECT_GT(refused, 1000);
  EXPECT_GT(accepted, 100);
}

}  // namespace
}  // namespace lpl::spiking
