// Stimuli that show something by a schedule, and groups with fluctuating rates: what is shown when, the statistics of
// their spikes, and that neither depends on how it is computed.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "spiking/description.hpp"
#include "spiking/spike_history.hpp"
#include "spiking/stimulus/presented.hpp"
#include "support/world.hpp"

namespace lpl::spiking {
namespace {

using test::refusal;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr double kDt = 1e-4;
constexpr Step kSecond = 10'000;

std::string network(const std::string& keys) {
  return fmt::format(R"(simulation = {{ seed = 7 }}
[[stimulus]]
name = "s"
{}
[[population]]
name = "p"
size = 1
cell = "if"
[[phase]]
name = "learn"
duration = "100 s"
[[phase]]
name = "rest"
duration = "50 s"
[[phase]]
name = "recall"
duration = "50 s"
)",
                     keys);
}

SimulationDescription described(const std::string& keys) { return read_simulation_text(network(keys), "net.sim"); }

// Files lie beside the description.
SimulationDescription described(const std::string& keys, const test::Scratch& scratch) {
  return read_simulation(scratch.write("net.sim", network(keys)), {}, {});
}

std::string refused(const std::string& keys) {
  return refusal([&] { described(keys); });
}

std::vector<Presentation> shown_until(const SimulationDescription& simulation, Step end) {
  const SpikingStimulus& stimulus = *simulation.stimuli.at(0);
  std::vector<Presentation> list;
  for (PresentationWalk walk(*stimulus.schedule, stimulus.windows); walk.current().begin < end; walk.next())
    list.push_back(walk.current());
  return list;
}

std::vector<std::uint32_t> indices_until(const SimulationDescription& simulation, Step end) {
  std::vector<std::uint32_t> list;
  for (const Presentation& p : shown_until(simulation, end)) list.push_back(p.index);
  return list;
}

using Spikes = std::vector<std::pair<Step, NeuronId>>;

void append(const SpikeHistory& history, Step from, Step to, Spikes& spikes) {
  for (Step step = from; step < to; ++step)
    for (const NeuronId id : history.at(step)) spikes.emplace_back(step, id);
}

Spikes spikes_of(const SimulationDescription& simulation, Step steps) {
  SpikeHistory history(steps + 2 * SpikeMaker::kMostAhead);
  simulation.stimuli.at(0)->make(simulation.dt, simulation.seed)->fill(history, steps);
  Spikes spikes;
  append(history, 0, steps, spikes);
  return spikes;
}

// In pieces, each by another maker that goes on from what is kept.
Spikes spikes_in_pieces(const SimulationDescription& simulation, Step steps, Step piece) {
  Spikes spikes;
  SpikeHistory::Saved saved;
  for (Step from = 0; from < steps; from += piece) {
    SpikeHistory history(piece + 2 * SpikeMaker::kMostAhead);
    if (from > 0) history.load(saved);
    const auto maker = simulation.stimuli.at(0)->make(simulation.dt, simulation.seed);
    maker->seek(from);
    const Step to = std::min(from + piece, steps);
    for (Step until = from + 1; until <= to; until += 7) maker->fill(history, until);
    maker->fill(history, to);
    append(history, from, to, spikes);
    saved = history.save();
  }
  return spikes;
}

constexpr const char* kPatterns = R"(type = "patterns"
size = 100
rate = "100 Hz"
background = "5 Hz"
on = "200 ms"
off = "300 ms"
order = "sequential"
[[stimulus.pattern]]
neurons = "0:20"
[[stimulus.pattern]]
neurons = ["20:30", 99]
intensities = 0.5
[[stimulus.pattern]]
neurons = [1, 0]
intensities = [2, 0]
)";

// Spikes of a trial with probability p: within five deviations.
void expect_rate(double spikes, double trials, double rate, const std::string& what) {
  const double p = rate * kDt;
  EXPECT_NEAR(spikes / trials, p, 5 * std::sqrt(p * (1 - p) / trials)) << what;
}

// How often each neuron spikes while `shown` (or nothing, where it is none) is shown.
std::map<NeuronId, double> counts(const Spikes& spikes, std::optional<std::uint32_t> shown) {
  std::map<NeuronId, double> count;
  for (const auto& [step, neuron] : spikes) {
    const Step phase = step % 15'000;
    const bool on = phase % 5000 >= 3000;
    if (on ? shown == std::optional(static_cast<std::uint32_t>(phase / 5000)) : !shown) ++count[neuron];
  }
  return count;
}

TEST(Patterns, HaveTheirRatesWhileTheyAreShown) {
  const auto spikes = spikes_of(described(kPatterns), 133 * 15'000);
  const double on = 133 * 2000, off = 133 * 9000;
  auto count = counts(spikes, 0);
  for (NeuronId n = 0; n < 100; ++n) expect_rate(count[n], on, n < 20 ? 100 : 0, fmt::format("pattern 0, {}", n));
  count = counts(spikes, 1);
  for (NeuronId n = 0; n < 100; ++n)
    expect_rate(count[n], on, (n >= 20 && n < 30) || n == 99 ? 50 : 0, fmt::format("pattern 1, {}", n));
  count = counts(spikes, 2);
  for (NeuronId n = 0; n < 100; ++n) expect_rate(count[n], on, n == 1 ? 200 : 0, fmt::format("pattern 2, {}", n));
  count = counts(spikes, {});
  for (NeuronId n = 0; n < 100; ++n) expect_rate(count[n], off, 5, fmt::format("background, {}", n));
}

TEST(Patterns, MayStandBeforeTheBackground) {
  const auto spikes =
      spikes_of(described(std::string("background_during_stimulus = true\n") + kPatterns), 133 * 15'000);
  auto count = counts(spikes, 0);
  const double both = (1 - (1 - 100 * kDt) * (1 - 5 * kDt)) / kDt;
  for (NeuronId n = 0; n < 100; ++n) expect_rate(count[n], 133 * 2000, n < 20 ? both : 5, fmt::format("{}", n));
}

TEST(Patterns, AreAscendingWithoutTwinsInAStep) {
  const auto spikes = spikes_of(described("type = \"patterns\"\nsize = 50\nrate = \"5 kHz\"\nbackground = \"3 kHz\"\n"
                                          "background_during_stimulus = true\non = \"3 ms\"\noff = \"1 ms\"\n"
                                          "pattern = [{ neurons = [7, 3, 12] }]"),
                                kSecond);
  EXPECT_EQ(std::adjacent_find(spikes.begin(), spikes.end(), std::greater_equal()), spikes.end());
  double member = 0;
  for (const auto& [step, neuron] : spikes)
    if (neuron == 3 && step % 40 >= 10) ++member;
  expect_rate(member, 7500, (1 - 0.5 * 0.7) / kDt, "a member that hears both");
}

TEST(Patterns, DrawIntensitiesForEachPresentation) {
  // Of an exponential intensity of mean 1 the variance is 1: of counts in 2000 steps at 0.01, 20 + 20^2.
  const auto spikes = spikes_of(described(R"(type = "patterns"
size = 400
rate = "100 Hz"
random_intensities = true
on = "200 ms"
off = "0 s"
pattern = [{ neurons = "all" }])"),
                                10 * kSecond);
  std::map<std::pair<Step, NeuronId>, double> counts;
  for (const auto& [step, neuron] : spikes) ++counts[{step / 2000, neuron}];
  double sum = 0, squares = 0;
  constexpr double n = 50 * 400;
  for (const auto& [key, count] : counts) {
    sum += count;
    squares += count * count;
  }
  const double mean = sum / n, variance = squares / n - mean * mean;
  EXPECT_NEAR(mean, 20, 5 * std::sqrt(420 / n));
  EXPECT_NEAR(variance, 420, 40);
}

TEST(Patterns, CanBeDrawn) {
  const std::string keys =
      "type = \"patterns\"\nsize = 1000\nrate = \"10 kHz\"\non = \"1 ms\"\noff = \"0 s\"\norder = [0, 1]\n";
  const auto members = [&](const std::string& how) {
    const auto spikes = spikes_of(described(keys + "patterns = " + how), 20);
    std::vector<std::vector<NeuronId>> patterns(2);
    for (const auto& [step, neuron] : spikes)
      if (step == 0 || step == 10) patterns[static_cast<std::size_t>(step / 10)].push_back(neuron);
    return patterns;
  };
  const auto sized = members("{ count = 2, size = 200 }");
  EXPECT_EQ(sized[0].size(), 200u);
  EXPECT_EQ(sized[1].size(), 200u);
  EXPECT_NE(sized[0], sized[1]);
  const auto dense = members("{ count = 2, density = 0.3 }");
  for (const auto& pattern : dense) EXPECT_NEAR(static_cast<double>(pattern.size()), 300, 5 * std::sqrt(210.0));
  EXPECT_NE(dense[0], dense[1]);
}

TEST(Presentations, FollowTheOrderAndTheGrid) {
  const std::string keys = R"(type = "patterns"
size = 10
rate = "10 Hz"
on = "200 ms"
off = "300 ms"
patterns = { count = 3, size = 2 }
)";
  const auto shown = shown_until(described(keys + "order = \"sequential\""), 2 * kSecond);
  ASSERT_EQ(shown.size(), 4u);
  for (std::size_t i = 0; i < shown.size(); ++i) {
    EXPECT_EQ(shown[i].begin, static_cast<Step>(i) * 5000 + 3000);
    EXPECT_EQ(shown[i].end, static_cast<Step>(i) * 5000 + 5000);
  }
  EXPECT_THAT(indices_until(described(keys + "order = \"sequential\""), 2 * kSecond), ElementsAre(0, 1, 2, 0));
  EXPECT_THAT(indices_until(described(keys + "order = \"reverse\""), 2 * kSecond), ElementsAre(2, 1, 0, 2));
  EXPECT_THAT(indices_until(described(keys + "order = [1, 1, 0]"), 2 * kSecond), ElementsAre(1, 1, 0, 1));
  EXPECT_THAT(indices_until(described(keys + "order = [2]"), kSecond), ElementsAre(2, 2));
  EXPECT_THAT(refused(keys + "order = [3]"), HasSubstr("net.sim:10:9: stimulus 's': 'order' holds 3"));
}

TEST(Presentations, AreDrawnWithTheirProbabilities) {
  const std::string keys = R"(type = "patterns"
size = 10
rate = "10 Hz"
on = "5 ms"
off = "5 ms"
patterns = { count = 3, size = 2 }
)";
  const auto frequencies = [&](const std::string& more) {
    std::vector<double> frequency(3);
    for (const std::uint32_t index : indices_until(described(keys + more), 200 * kSecond))
      frequency[index] += 1.0 / 20'000;
    return frequency;
  };
  const double deviation = 5 * std::sqrt(0.25 / 20'000);
  for (const double f : frequencies("")) EXPECT_NEAR(f, 1.0 / 3, deviation);
  const auto unequal = frequencies("probabilities = [0.1, 0, 0.9]");
  EXPECT_NEAR(unequal[0], 0.1, deviation);
  EXPECT_EQ(unequal[1], 0);
  EXPECT_THAT(refused(keys + "probabilities = [0.5, 0.5]"), HasSubstr("'probabilities' holds 2, but there are 3"));
  EXPECT_THAT(refused(keys + "probabilities = [0.5, 0.5, 0.5]"), HasSubstr("is 1.5; it must be 1"));
  EXPECT_THAT(refused(keys + "probabilities = [1, 0, 0]\norder = \"reverse\""),
              HasSubstr("key 'probabilities' is not known here"));
}

TEST(Presentations, LastAsLongAsIsDrawn) {
  const auto simulation = described(R"(type = "patterns"
size = 10
rate = "10 Hz"
on = { normal = ["20 ms", "10 ms"], beyond = "clip" }
off = { exponential = "100 ms" }
patterns = { count = 3, size = 2 })");
  const auto shown = shown_until(simulation, 200 * kSecond);
  double on = 0, on_squares = 0, off = 0, off_squares = 0;
  Step before = 0;
  for (const Presentation& p : shown) {
    EXPECT_GE(p.begin, before);
    EXPECT_GT(p.end, p.begin);
    const double on_time = static_cast<double>(p.end - p.begin) * kDt,
                 off_time = static_cast<double>(p.begin - before) * kDt;
    on += on_time;
    on_squares += on_time * on_time;
    off += off_time;
    off_squares += off_time * off_time;
    before = p.end;
  }
  const auto n = static_cast<double>(shown.size());
  EXPECT_NEAR(n, 200 / 0.12, 5 * std::sqrt(200 / 0.12));
  // Of a normal number of deviation 1 and mean 2 that is cut at 0, the mean is 2.0085.
  EXPECT_NEAR(on / n, 20.085e-3, 5 * 10e-3 / std::sqrt(n));
  EXPECT_NEAR(off / n, 0.1, 5 * 0.1 / std::sqrt(n));
  EXPECT_NEAR(std::sqrt(off_squares / n - off * off / n / n), 0.1, 0.01);
  EXPECT_NEAR(std::sqrt(on_squares / n - on * on / n / n), 9.8e-3, 0.5e-3);
}

TEST(Presentations, KeepToTheirPhases) {
  const std::string keys = R"(type = "patterns"
size = 10
rate = "10 Hz"
on = "30 s"
off = "15 s"
order = "sequential"
pattern = [{ neurons = 0 }, { neurons = 1 }]
)";
  const auto spans = [&](const std::string& more) {
    std::vector<std::tuple<double, double, std::uint32_t>> list;
    for (const Presentation& p : shown_until(described(keys + more), 200 * kSecond))
      list.emplace_back(static_cast<double>(p.begin) * kDt, static_cast<double>(p.end) * kDt, p.index);
    return list;
  };
  using Span = std::tuple<double, double, std::uint32_t>;
  EXPECT_THAT(spans("phases = [\"learn\", \"recall\"]"),
              ElementsAre(Span(15, 45, 0), Span(60, 90, 1), Span(165, 195, 0)));
  EXPECT_THAT(spans("phases = [\"rest\"]"), ElementsAre(Span(115, 145, 0)));
  EXPECT_THAT(spans("start = \"10 s\"\nstop = \"80 s\""), ElementsAre(Span(25, 55, 0), Span(70, 80, 1)));
  EXPECT_THAT(refused(keys + "phases = [\"relearn\"]"), HasSubstr("did you mean 'learn'?"));
}

TEST(Presentations, AreReplayedFromAurynsFile) {
  const test::Scratch scratch;
  scratch.write(
      "shown.stim",
      "0.000000 0 0\n1.000000 0 0\n1.000100 1 1\n1.200000 1 1\n1.200100 0 1\n2.5 1 0\n2.6 1 2\n3 0 2\n4 1 1\n");
  const std::string keys =
      "type = \"patterns\"\nsize = 10\nrate = \"10 Hz\"\nreplay = \"shown.stim\"\n"
      "patterns = { count = 3, size = 2 }\n";
  const auto shown = shown_until(described(keys, scratch), 200 * kSecond);
  std::vector<std::tuple<Step, Step, std::uint32_t>> spans;
  for (const Presentation& p : shown) spans.emplace_back(p.begin, p.end, p.index);
  using Span = std::tuple<Step, Step, std::uint32_t>;
  EXPECT_THAT(spans, ElementsAre(Span(10001, 12001, 1), Span(25000, 26000, 0), Span(26000, 30000, 2),
                                 Span(40000, kLongestRun, 1)));
  const auto bad = [&](const std::string& text, const std::string& more = "") {
    scratch.write("shown.stim", text);
    return refusal([&] { described(keys + more, scratch); });
  };
  EXPECT_THAT(bad("0 1 0\n1 0\n"), HasSubstr("shown.stim:2:3: the line has 2 numbers; expected 3"));
  EXPECT_THAT(bad("1 1 0\n0.5 0 0\n"), HasSubstr("shown.stim:2:1: the time 0.5 s follows 1 s"));
  EXPECT_THAT(bad("1 2 0\n"), HasSubstr("shown.stim:1:3: 2 is neither 0 nor 1"));
  EXPECT_THAT(bad("1 1 3\n"), HasSubstr("shown.stim:1:5: pattern 3 does not exist; there are 0 to 2"));
  EXPECT_THAT(bad("1e30 1 0\n"), HasSubstr("shown.stim:1:1: the time 1e+30 s lies after the end"));
  EXPECT_THAT(bad("1 1 0\n", "on = \"1 s\""), HasSubstr("'replay' says what is shown when; leave 'on' out"));
  scratch.write("shown.stim", "0.00005 1 0\n0.1 0 0\n");
  EXPECT_THAT(described(keys, scratch).warnings,
              ElementsAre(HasSubstr("1 of the times to replay lie between the steps")));
}

TEST(Presentations, SaySoWhereNothingIsShown) {
  const auto simulation =
      described("type = \"frozen_noise\"\nsize = 1\nrate = \"1 Hz\"\non = \"1 s\"\noff = \"200 s\"");
  EXPECT_THAT(simulation.warnings, ElementsAre(HasSubstr("shows nothing before the end of the run at 200 s")));
  EXPECT_THAT(refused("type = \"frozen_noise\"\nsize = 1\nrate = \"1 Hz\"\noff = \"1 s\"\non = \"0 s\""),
              HasSubstr("net.sim:8:6: stimulus 's': 'on' is \"0 s\"; nothing would be shown"));
  EXPECT_THAT(
      refused("type = \"frozen_noise\"\nsize = 1\nrate = \"1 Hz\"\noff = \"1 s\"\non = { by_source = [\"1 s\"] }"),
      HasSubstr("'on' is a time; it cannot be by_source"));
}

TEST(PatternFile, IsRead) {
  const test::Scratch scratch;
  const std::string keys =
      "type = \"patterns\"\nsize = 10\nrate = \"5 kHz\"\non = \"1 s\"\noff = \"0 s\"\n"
      "order = \"sequential\"\nfile = \"memories.pat\"\n";
  scratch.write("memories.pat", "# three\n\n3\n1 0.5\n# same\n2 2\n\n\n\n9\n\n0 0\n\n");
  const auto spikes = spikes_of(described(keys, scratch), 3 * kSecond);
  std::map<std::pair<Step, NeuronId>, double> count;
  for (const auto& [step, neuron] : spikes) ++count[{step / kSecond, neuron}];
  ASSERT_EQ(count.size(), 4u);
  expect_rate(count[{0, 3}], kSecond, 5000, "3");
  expect_rate(count[{0, 1}], kSecond, 2500, "1");
  EXPECT_EQ((count[{0, 2}]), kSecond);
  expect_rate(count[{1, 9}], kSecond, 5000, "9");

  const auto bad = [&](const std::string& text) {
    scratch.write("memories.pat", text);
    return refusal([&] { described(keys, scratch); });
  };
  EXPECT_THAT(bad("0\n 10 1\n"),
              HasSubstr("memories.pat:2:2: neuron 10 does not exist; the stimulus has neurons 0 to 9"));
  EXPECT_THAT(bad("0.5\n"), HasSubstr("memories.pat:1:1: neuron 0.5 does not exist"));
  EXPECT_THAT(bad("1\n2\n1\n"),
              HasSubstr("memories.pat:3:1: neuron 1 is in pattern 0 already; a blank line ends a pattern"));
  EXPECT_THAT(bad("1\n\n2 -1\n"), HasSubstr("memories.pat:3:3: the intensity is -1; it must lie from 0 to 2"));
  EXPECT_THAT(bad("1 2.5\n"), HasSubstr("with the rate of \"5 kHz\" an input would spike more than once in a step"));
  EXPECT_THAT(bad("1 1 1\n"), HasSubstr("memories.pat:1:5: the line has 3 numbers; expected 2: neuron and intensity"));
  EXPECT_THAT(bad("one\n"), HasSubstr("memories.pat:1:1: \"one\" is not a number"));
  EXPECT_THAT(bad("\n\n# none\n"), HasSubstr("memories.pat: holds no numbers"));
}

TEST(Patterns, AreRefusedWhereTheyCannotBe) {
  const std::string keys = "type = \"patterns\"\nsize = 10\nrate = \"100 Hz\"\non = \"1 s\"\noff = \"0 s\"\n";
  EXPECT_THAT(refused(keys), HasSubstr("give exactly one of file, patterns and [[stimulus.pattern]]"));
  EXPECT_THAT(refused(keys + "patterns = 4"), HasSubstr("'patterns' says how to draw patterns"));
  EXPECT_THAT(refused(keys + "patterns = { count = 4 }"), HasSubstr("give exactly one of size and density"));
  EXPECT_THAT(refused(keys + "patterns = { count = 4, size = 11 }"), HasSubstr("'size' is 11"));
  EXPECT_THAT(refused(keys + "pattern = [{ neurons = [1, 1] }]"), HasSubstr("'neurons' lists 1 twice"));
  EXPECT_THAT(refused(keys + "pattern = [{ neurons = [1, 2], intensities = [1] }]"),
              HasSubstr("'intensities' holds 1 values, but 'neurons' 2 neurons"));
  EXPECT_THAT(refused(keys + "background = \"20 kHz\"\npattern = [{ neurons = 1 }]"), HasSubstr("above 1/dt"));
  EXPECT_THAT(refused("type = \"patterns\"\nsize = 1000000\nrate = \"1 Hz\"\non = \"1 s\"\noff = \"0 s\"\n"
                      "patterns = { count = 100, density = 0.5 }"),
              HasSubstr("more than 10000000 members"));
}

TEST(FrozenNoise, ComesAgainTheSame) {
  const auto simulation = described(R"(type = "frozen_noise"
size = 20
rate = "50 Hz"
count = 2
on = "130 ms"
off = "270 ms"
order = "sequential")");
  const Step steps = 200 * kSecond;
  std::vector<Spikes> pieces(static_cast<std::size_t>(steps / 4000));  // off, then on
  std::vector<Spikes> between = pieces;
  double all = 0;
  for (const auto& [step, neuron] : spikes_of(simulation, steps)) {
    const auto piece = static_cast<std::size_t>(step / 4000);
    (step % 4000 < 2700 ? between : pieces)[piece].emplace_back(step % 4000, neuron);
    ++all;
  }
  for (std::size_t i = 2; i < pieces.size(); ++i) EXPECT_EQ(pieces[i], pieces[i % 2]) << i;
  EXPECT_NE(pieces[0], pieces[1]);
  EXPECT_NE(between[0], between[1]);
  EXPECT_NE(between[0], between[2]);
  // 130 expected in a pattern.
  for (const std::size_t i : {0u, 1u}) EXPECT_NEAR(static_cast<double>(pieces[i].size()), 130, 5 * std::sqrt(130.0));
  EXPECT_NEAR(all, 20 * 50 * 200.0, 5 * (std::sqrt(2e5) + 250 * std::sqrt(260.0)));
}

TEST(Bump, HasAProfileAroundItsCentreAndAMeanRate) {
  const auto simulation = described(R"(type = "bump"
size = 100
rate = "20 Hz"
width = 10
floor = 0.2
on = "500 ms"
off = "500 ms"
centres = [70, 20]
order = "sequential")");
  EXPECT_THAT(indices_until(simulation, 3 * kSecond), ElementsAre(70, 20, 70));
  std::vector<double> off(100), at70(100);
  for (const auto& [step, neuron] : spikes_of(simulation, 200 * kSecond)) {
    if (step % kSecond < 5000) ++off[neuron];
    if (step % (2 * kSecond) >= 5000 && step % (2 * kSecond) < kSecond) ++at70[neuron];
  }
  std::vector<double> profile(100);
  double mean = 0;
  for (std::size_t i = 0; i < 100; ++i) {
    const double away = (static_cast<double>(i) - 70) / 10;
    profile[i] = 0.2 + 0.8 * std::exp(-away * away / 2);
    mean += profile[i] / 100;
  }
  for (std::size_t i = 0; i < 100; ++i) {
    expect_rate(at70[i], 100 * 5000, 20 * profile[i] / mean, fmt::format("bump, {}", i));
    expect_rate(off[i], 200 * 5000, 20, fmt::format("flat, {}", i));
  }
  EXPECT_THAT(
      refused("type = \"bump\"\nsize = 1000\nrate = \"1 kHz\"\nwidth = 2\nfloor = 0\non = \"1 s\"\noff = \"0 s\""),
      HasSubstr("'rate' is \"1 kHz\", so that a bump around neuron 0 rises to"));
}

TEST(Latencies, SpikeAtTheirTimesFromTheOnset) {
  const auto simulation = described(R"(type = "latencies"
size = 10
on = "20 ms"
off = "30 ms"
order = "sequential"
[[stimulus.pattern]]
neurons = [4, 2]
latencies = ["10 ms", "0 ms"]
[[stimulus.pattern]]
neurons = "0:2"
latencies = "19.9 ms"
)");
  EXPECT_EQ(spikes_of(simulation, 1500), (Spikes{{300, 2}, {400, 4}, {999, 0}, {999, 1}, {1300, 2}, {1400, 4}}));
}

TEST(Latencies, AreReadFromFilesOfMembersOrSpikes) {
  const test::Scratch scratch;
  scratch.write("a.pat", "4 0.010\n2 0\n\n0 0.005\n");
  scratch.write("a.ras", "0.010 4\n0 2\n0.0111 4\n\n0.005 0\n");
  const std::string keys = "type = \"latencies\"\nsize = 5\non = \"20 ms\"\noff = \"30 ms\"\norder = \"sequential\"\n";
  const auto read = [&](const std::string& more) { return described(keys + more, scratch); };
  EXPECT_EQ(spikes_of(read("file = \"a.pat\""), 1500), (Spikes{{300, 2}, {400, 4}, {850, 0}, {1300, 2}, {1400, 4}}));
  EXPECT_EQ(spikes_of(read("spikes = \"a.ras\""), 1000), (Spikes{{300, 2}, {400, 4}, {411, 4}, {850, 0}}));
  const auto bad = [&](const std::string& text, const std::string& key = "spikes") {
    scratch.write("bad.txt", text);
    return refusal([&] { read(key + " = \"bad.txt\""); });
  };
  EXPECT_THAT(bad("0.01 4\n0.02 4\n"),
              HasSubstr("'on' is \"20 ms\"; neuron 4 of pattern 0 would spike later, after 0.02 s"));
  EXPECT_THAT(bad("0.01 5\n"), HasSubstr("bad.txt:1:6: neuron 5 does not exist"));
  EXPECT_THAT(bad("-1 0\n"), HasSubstr("bad.txt:1:1: the time is -1 s"));
  EXPECT_THAT(bad("0.01 4\n\n0 1\n0.00001 1\n"), HasSubstr("neuron 1 spikes twice in a step of pattern 1, at 0 s"));
  EXPECT_THAT(bad("4\n", "file"),
              HasSubstr("bad.txt:1:1: the line has 1 number; expected 2: neuron and latency in seconds"));
  EXPECT_THAT(bad("4 -1\n", "file"), HasSubstr("bad.txt:1:3: the latency in seconds is -1"));
  scratch.write("bad.txt", "0.00105 1\n");
  EXPECT_THAT(read("spikes = \"bad.txt\"").warnings, ElementsAre(HasSubstr("1 latencies lie between the steps")));
}

// Counts of spikes of all groups in each millisecond, by group.
std::vector<std::vector<double>> counts_of_groups(const SimulationDescription& simulation, Step steps, Step bin = 10) {
  const std::vector<Group>& groups = simulation.stimuli.at(0)->groups;
  std::vector<std::vector<double>> counts(groups.size(), std::vector<double>(static_cast<std::size_t>(steps / bin)));
  for (const auto& [step, neuron] : spikes_of(simulation, steps))
    ++counts[neuron / groups.front().size][static_cast<std::size_t>(step / bin)];
  return counts;
}

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

// Of b later than a by `lag` places.
double covariance(const std::vector<double>& a, const std::vector<double>& b, std::size_t lag) {
  const double mean_a = mean_of(a), mean_b = mean_of(b);
  double sum = 0;
  for (std::size_t i = 0; i + lag < a.size(); ++i) sum += (a[i] - mean_a) * (b[i + lag] - mean_b);
  return sum / static_cast<double>(a.size() - lag);
}

TEST(Correlated, FluctuatesTogetherWithinGroups) {
  const auto simulation = described(R"(type = "correlated"
groups = 2
size = 500
rate = "40 Hz"
deviation = "10 Hz"
tau = "20 ms")");
  EXPECT_EQ(simulation.stimuli[0]->size, 1000u);
  const auto counts = counts_of_groups(simulation, 200 * kSecond);
  const double per_rate = 500 * 1e-3;  // counts in 1 ms for 1 Hz
  for (const auto& group : counts) {
    // 10,000 correlation times: the mean rate is known to about 10 Hz / sqrt(5,000).
    EXPECT_NEAR(mean_of(group) / per_rate, 40, 0.7);
    for (const std::size_t lag : {5u, 20u, 40u})
      EXPECT_NEAR(covariance(group, group, lag) / (per_rate * per_rate), 100 * std::exp(-static_cast<double>(lag) / 20),
                  8)
          << lag;
  }
  EXPECT_NEAR(covariance(counts[0], counts[1], 0) / (per_rate * per_rate), 0, 6);
}

TEST(Correlated, MayShareASignalThatReachesGroupsLater) {
  const auto simulation = described(R"(type = "correlated"
groups = 3
size = 500
rate = "40 Hz"
deviation = "10 Hz"
tau = "20 ms"
shared = true
delay = "50 ms")");
  const auto counts = counts_of_groups(simulation, 200 * kSecond);
  const double unit = 500 * 1e-3 * 500 * 1e-3;
  EXPECT_NEAR(covariance(counts[0], counts[1], 50) / unit, 100, 8);
  EXPECT_NEAR(covariance(counts[0], counts[2], 100) / unit, 100, 8);
  EXPECT_NEAR(covariance(counts[0], counts[1], 0) / unit, 100 * std::exp(-2.5), 8);
  EXPECT_NEAR(covariance(counts[1], counts[0], 50) / unit, 100 * std::exp(-5), 8);
}

TEST(Correlated, HasNoRatesBelowItsFloor) {
  const auto simulation = described(R"(type = "correlated"
groups = 1
size = 1000
rate = "0 Hz"
deviation = "30 Hz"
floor = "2 Hz"
tau = "5 ms"
every = "0.5 ms")");
  const auto counts = counts_of_groups(simulation, 100 * kSecond);
  // E max(2, 30 n) of a normal number n; what lies between its values varies less.
  const double z = 2.0 / 30;
  const double expected = 2 * 0.5 * std::erfc(-z / std::sqrt(2)) + 30 * std::exp(-z * z / 2) / std::sqrt(2 * M_PI);
  EXPECT_NEAR(mean_of(counts[0]), expected, 0.04 * expected);
  EXPECT_NEAR(simulation.stimuli[0]->expected_spikes(0, 100 * kSecond, kDt), expected * 1000 * 100, 1);
  std::vector<double> sorted = counts[0];
  std::ranges::sort(sorted);
  EXPECT_NEAR(mean_of({sorted.begin(), sorted.begin() + 20'000}), 0.7, 0.4);  // the quietest: of 2 spikes on average
}

TEST(Correlated, IsRefusedWhereItCannotBe) {
  const std::string keys = "type = \"correlated\"\ngroups = 2\nsize = 5\nrate = \"5 Hz\"\ndeviation = \"5 Hz\"\n";
  EXPECT_THAT(refused(keys + "tau = \"0.5 ms\""), HasSubstr("net.sim:9:7: stimulus 's': 'tau' is \"0.5 ms\""));
  EXPECT_THAT(refused(keys + "tau = \"5 ms\"\ndelay = \"1 ms\""), HasSubstr("'delay' is not known here"));
  EXPECT_THAT(refused(keys + "tau = \"5 ms\"\nshared = true\ndelay = \"1.5 ms\""),
              HasSubstr("'delay' is \"1.5 ms\"; it must be a multiple of 'every', 0.001 s"));
  EXPECT_THAT(refused(keys + "tau = \"5 ms\"\nshared = true\ndelay = \"1e5 s\""), HasSubstr("values of the signal"));
}

// Expected numbers of spikes, by which --check says how large a result will be.
TEST(Presented, ExpectsAsManySpikesAsCome) {
  const test::Scratch scratch;
  for (const std::string& keys :
       {std::string(kPatterns), std::string("background_during_stimulus = true\n") + kPatterns,
        std::string("type = \"frozen_noise\"\nsize = 200\nrate = \"10 Hz\"\non = \"150 ms\"\noff = { exponential = "
                    "\"30 ms\" }\n"
                    "background = \"3 Hz\"\ncount = 500"),
        std::string("type = \"bump\"\nsize = 200\nrate = \"10 Hz\"\nwidth = 20\non = \"150 ms\"\noff = \"20 ms\""),
        std::string("type = \"latencies\"\nsize = 9\non = \"20 ms\"\noff = \"30 ms\"\n"
                    "pattern = [{ neurons = \"0:9\", latencies = \"3 ms\" }]")}) {
    const auto simulation = described(keys);
    double spikes = 0;
    for (const auto& [step, neuron] : spikes_of(simulation, 100 * kSecond)) spikes += step >= 12'345;
    const double expected = simulation.stimuli[0]->expected_spikes(12'345, 100 * kSecond, kDt);
    EXPECT_NEAR(spikes, expected, 6 * std::sqrt(expected)) << keys;
  }
}

// How a run is cut into epochs and resumed does not matter.
TEST(Presented, DoNotDependOnPieces) {
  const std::string times = "on = { normal = [\"20 ms\", \"7 ms\"] }\noff = { exponential = \"15 ms\" }\n";
  for (const std::string& keys :
       {"type = \"patterns\"\nrandom_intensities = true\nbackground = \"10 Hz\"\nbackground_during_stimulus = true\n"
        "size = 50\nrate = \"100 Hz\"\npatterns = { count = 3, density = 0.5 }\n" +
            times,
        std::string(
            "type = \"correlated\"\nsize = 20\ngroups = 3\nrate = \"20 Hz\"\ndeviation = \"20 Hz\"\ntau = \"20 ms\"\n"
            "every = \"1.3 ms\"\nshared = true\ndelay = \"26 ms\"\n"),
        std::string(
            "type = \"correlated\"\nsize = 20\ngroups = 3\nrate = \"20 Hz\"\ndeviation = \"20 Hz\"\ntau = \"20 ms\"\n"),
        "type = \"frozen_noise\"\nsize = 50\nrate = \"50 Hz\"\ncount = 3\n" + times,
        "type = \"bump\"\nsize = 50\nrate = \"50 Hz\"\nwidth = 5\n" + times,
        "type = \"latencies\"\nsize = 3\nbackground = \"50 Hz\"\npattern = [{ neurons = \"all\", latencies = [\"0 s\", "
        "\"1 ms\", "
        "\"22 ms\"] }]\n" +
            times}) {
    const auto simulation = described(keys);
    const Spikes straight = spikes_of(simulation, 2 * kSecond);
    EXPECT_GT(straight.size(), 50u);
    for (const Step piece : {37, 128, 1000, 7777})
      EXPECT_EQ(spikes_in_pieces(simulation, 2 * kSecond, piece), straight) << keys << piece;
  }
}

}  // namespace
}  // namespace lpl::spiking
