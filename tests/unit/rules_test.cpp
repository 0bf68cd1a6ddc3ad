// Plasticity rules as text: each of models/ against a plain form, every synapse in every step, in float64; texts that
// are refused.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>

#include "config/models.hpp"
#include "core/whole_file.hpp"
#include "spiking/network.hpp"
#include "spiking/plasticity/text_rule.hpp"
#include "spiking/plasticity/traces.hpp"
#include "io/hdf5.hpp"
#include "support/delays.hpp"
#include "support/spiking_run.hpp"
#include "support/world.hpp"

namespace lpl::spiking {
namespace {

std::vector<std::string> rules_of_traces() {
  std::vector<std::string> names;
  for (const std::string& name : installed_models("rule"))
    if (Document::from_file(installed_model("rule", name)).says("type", "traces")) names.push_back(name);
  return names;
}

// Spikes by step and neuron.
using Train = std::vector<std::vector<unsigned>>;

// The plain form of one connection, with the spikes and states that the engine recorded.
class Plain {
 public:
  Plain(const SimulationDescription& simulation, std::size_t connection, std::vector<Train> spikes,
        std::map<std::string, std::vector<float>> states)
      : sim_(simulation),
        c_(simulation.connections[connection]),
        rule_(dynamic_cast<const TextRule&>(*c_.rule)),
        text_(rule_.text),
        steady_(rule_.steady()),
        spikes_(std::move(spikes)),
        states_(std::move(states)) {
    const Network network(simulation, 0, 1);
    const Synapses& built = network.connections[connection].synapses;
    built.by_target([&](NeuronId pre, std::uint64_t s) {
      Synapse synapse{pre, network.layout.neuron_of(built.target[s]), delay_of(built, s), {}, {}, {}};
      synapse.state["w"] = built.weight[s];
      for (std::size_t i = 1; i < text_.states.size(); ++i)
        synapse.state[text_.states[i].name] = value(text_.states[i].initial, synapse);
      for (const TraceText& trace : text_.traces) synapse.trace[trace.name] = steady_.of(trace.initial);
      synapses_.push_back(std::move(synapse));
    });
    for (auto& [name, values] : states_) {
      const auto start = std::get<std::span<float>>(network.variables.find(By::neuron, c_.to, name)->data);
      values.insert(values.begin(), start.begin(), start.begin() + sim_.populations[c_.to].size);
    }
  }

  std::vector<double> weights() {
    for (const Phase& phase : sim_.phases)
      for (Step k = phase.begin; k < phase.end; ++k) {
        for (Synapse& s : synapses_) step(s, k, phase.learns.back());
        for (const auto* values : {&synapses_[0].trace, &synapses_[0].state})
          for (const auto& [name, value] : *values) course_[name].push_back(value);
      }
    std::vector<double> weights;
    for (const Synapse& s : synapses_) weights.push_back(s.state.at("w"));
    return weights;
  }

  // Of the first synapse: its ends, and a trace or state after each step.
  std::pair<NeuronId, NeuronId> first() const { return {synapses_[0].pre, synapses_[0].post}; }
  const std::vector<double>& course(const std::string& name) const { return course_.at(name); }

 private:
  struct Synapse {
    NeuronId pre, post;
    Step delay;
    std::map<std::string, double> state, trace;
    std::map<std::string, Step> since;  // of traces with a window, from the first spike on
  };

  unsigned spikes(std::size_t source, Step k, NeuronId n) const {
    return k < 0 ? 0 : spikes_[source][static_cast<std::size_t>(k)][n];
  }
  double all_spikes(std::size_t source, Step k) const {
    double sum = 0;
    for (NeuronId n = 0; n < sim_.sources[source].size; ++n) sum += spikes(source, k, n);
    return sum;
  }
  double value(const Expression& tree, const Synapse& s) const {
    return *evaluate(tree, [&](const std::string& name) -> std::optional<double> {
      for (const auto* values : {&s.state, &s.trace})
        if (const auto found = values->find(name); found != values->end()) return found->second;
      return steady_.find(name);
    });
  }
  void change(Synapse& s, const ChangeText& change) const {
    std::map<std::string, double> now = s.state;
    for (const auto& [index, tree] : change) {
      const SynapticStateText& state = text_.states[index];
      double& x = now[state.name];
      x = value(tree, s);
      if (state.low) x = std::max(x, steady_.of(state.low));
      if (state.high) x = std::min(x, steady_.of(state.high));
    }
    s.state = now;
  }

  // Of a spike, which sees the arrivals of its step in traces `at_once`.
  void change_with_arrivals(Synapse& s, unsigned arrivals) const {
    const auto traces = s.trace;
    for (const TraceText& trace : text_.traces) {
      if (!trace.at_once || arrivals == 0) continue;
      const double jump = steady_.of(trace.jump);
      s.trace[trace.name] = !trace.window.empty() ? jump * tabulated(text_.window(trace), 0)
                            : trace.nearest       ? jump
                                                  : traces.at(trace.name) + jump * arrivals;
    }
    change(s, text_.on_spike);
    s.trace = traces;
  }

  // Step k of the soma. Dendritic, what meets at the synapse then lies that part of the delay back.
  void step(Synapse& s, Step k, bool learns) {
    const Step there = k - rule_.behind;
    const unsigned arrivals = spikes(c_.from, k - s.delay, s.pre);
    const unsigned own = spikes(c_.to, k - 2 * rule_.behind, s.post);
    if (learns && rule_.closes_window(k)) change(s, text_.each);
    follow(s, k);
    if (there < 0) return;
    const auto on_arrivals = [&] {
      for (unsigned n = 0; n < arrivals; ++n) change(s, text_.on_arrival);
    };
    if (learns) {
      if (!text_.dendritic) on_arrivals();
      if (text_.dendritic && own > 0) change(s, text_.on_spike);
      if (text_.condition && value(text_.condition, s) != 0) change(s, text_.during);
      if (!text_.dendritic && own > 0) change_with_arrivals(s, arrivals);
      if (text_.dendritic) on_arrivals();
    }
    advance(s, k, arrivals, own);
  }
  void advance(Synapse& s, Step k, unsigned arrivals, unsigned own) const {
    std::size_t source = 0;
    for (const TraceText& trace : text_.traces) {
      double& x = s.trace[trace.name];
      if (trace.of == TraceText::Of::state) continue;
      if (trace.of == TraceText::Of::source) {
        const SourceTrace& of = rule_.source_traces[source++];
        const double count = all_spikes(of.source, k - of.delay);
        x = of.nearest && count > 0 ? of.jump * of.decay : (x + of.jump * count) * of.decay;
        continue;
      }
      const unsigned count = trace.of == TraceText::Of::pre ? arrivals : own;
      const double jump = steady_.of(trace.jump);
      if (!trace.window.empty()) {
        if (count > 0) s.since[trace.name] = 0;
        if (const auto since = s.since.find(trace.name); since != s.since.end())
          x = jump * tabulated(text_.window(trace), static_cast<double>(++since->second) * sim_.dt);
        continue;
      }
      const double decay = std::exp(-sim_.dt / steady_.of(trace.tau));
      if (trace.nearest && count > 0)
        x = jump * decay;
      else
        x = (x + jump * count) * decay;
    }
  }
  static double tabulated(const Window& window, double time) {
    for (std::size_t i = 0; i + 1 < window.values.size(); ++i) {
      const double part = time / window.step - static_cast<double>(i);
      if (part >= 0 && part <= 1) return (1 - part) * window.values[i] + part * window.values[i + 1];
    }
    return 0;
  }
  // By the state at the beginning of the step, or, dendritic, at the end of the soma's; seen `delay` steps later.
  void follow(Synapse& s, Step k) {
    std::size_t t = 0;
    for (const TraceText& trace : text_.traces) {
      if (trace.of != TraceText::Of::state) continue;
      auto& past = past_[{t, s.post}];
      if (static_cast<Step>(past.size()) == k) {
        const double before = past.empty() ? steady_.of(trace.initial) : past.back();
        const double state =
            states_.at(trace.source)[static_cast<std::size_t>(k) * sim_.populations[c_.to].size + s.post];
        past.push_back(trace.tau ? before + sim_.dt / steady_.of(trace.tau) * (state - before) : state);
      }
      const Step seen = k - rule_.state_delays[t++] - (text_.dendritic ? 2 * rule_.behind - 1 : 0);
      s.trace[trace.name] = seen < 0 ? steady_.of(trace.initial) : past[static_cast<std::size_t>(seen)];
    }
  }

  const SimulationDescription& sim_;
  const ConnectionDescription& c_;
  const TextRule& rule_;
  const RuleText& text_;
  SteadyValues steady_;
  std::vector<Train> spikes_;                         // by source
  std::map<std::string, std::vector<float>> states_;  // [step][neuron], at the beginning of steps
  std::vector<Synapse> synapses_;
  std::map<std::string, std::vector<double>> course_;
  std::map<std::pair<std::size_t, NeuronId>, std::vector<double>> past_;
};

// With the filtered potentials that clopath_nest follows.
const char* const kFiltered = R"(
[cell.filtered]
model = "equations"
method = "euler"
[cell.filtered.states]
V = "-70 mV"
u_bar_minus = "-70 mV"
u_bar_plus = "-70 mV"
[cell.filtered.receptors]
AMPA = { exponential = "g", tau = "5 ms", unit = "1" }
GABA = { exponential = "g_inh", tau = "10 ms", unit = "1" }
[cell.filtered.dynamics]
V = "(-70 mV - V - g * V - g_inh * (V + 80 mV)) / 20 ms"
u_bar_minus = "(V - u_bar_minus) / 10 ms"
u_bar_plus = "(V - u_bar_plus) / 7 ms"
[cell.filtered.spike]
when = "V > -50 mV"
then = { V = "-60 mV" }
)";

const char* const kFilteredRecords = R"(
[[record]]
name = "u_bar_minus"
what = "state"
of = "out"
variable = "u_bar_minus"
neurons = "all"
every = "0.1 ms"
[[record]]
name = "u_bar_plus"
what = "state"
of = "out"
variable = "u_bar_plus"
neurons = "all"
every = "0.1 ms"
)";

std::string network_of(const std::string& rule, const std::string& values, const std::string& delay) {
  const bool filtered = rule == "clopath_nest";
  return fmt::format(R"(
simulation = {{ seed = 3 }}
{}
[[population]]
name = "out"
cell = "{}"
size = 5
[[stimulus]]
name = "in"
type = "poisson"
size = 25
rate = "40 Hz"
[[stimulus]]
name = "drive"
type = "poisson"
size = 30
rate = "40 Hz"
[rule.used]
type = "{}"
{}
[[connection]]
name = "drives"
from = "drive"
to = "out"
density = 0.7
weight = 0.6
[[connection]]
name = "feedback"
from = "out"
to = "out"
receptor = "GABA"
all_to_all = true
weight = 0.1
delay = "1 ms"
[[connection]]
name = "synapses"
from = "in"
to = "out"
density = 0.2
weight = {{ uniform = [0.1, 0.3] }}
delay = {}
plasticity = "used"
[[phase]]
name = "prime"
duration = "0.2 s"
plasticity = false
[[phase]]
name = "learn"
duration = "1.3 s"
[[record]]
what = "spikes"
of = ["out", "in", "drive"]
[[record]]
what = "weights"
of = "synapses"
[[record]]
name = "V"
what = "state"
of = "out"
variable = "V"
neurons = "all"
every = "0.1 ms"
)",
                     filtered ? kFiltered : "", filtered ? "filtered" : "if", rule, values, delay) +
         (filtered ? kFilteredRecords : "");
}

Train train_of(const std::string& path, const SimulationDescription& simulation, const Source& source) {
  Train train(static_cast<std::size_t>(simulation.end()), std::vector<unsigned>(source.size, 0));
  const auto spikes = test::read_recorded_spikes(path, source.name, simulation.dt);
  for (std::size_t i = 0; i < spikes.id.size(); ++i) ++train[static_cast<std::size_t>(spikes.step[i])][spikes.id[i]];
  return train;
}

void expect_plain_weights(const std::string& text) {
  SCOPED_TRACE(text);
  const test::Scratch scratch;
  const SimulationDescription simulation = read_simulation_text(text, scratch.path("rules.sim"));
  const auto comm = make_serial_communicator();
  const std::string path = scratch.path("result.h5");
  test::run_to_file(simulation, *comm, path);
  std::vector<Train> spikes;
  for (const Source& source : simulation.sources) spikes.push_back(train_of(path, simulation, source));
  std::map<std::string, std::vector<float>> states;
  for (const char* const name : {"V", "u_bar_minus", "u_bar_plus"})
    if (const std::string report = fmt::format("/report/out{}/data", *name == 'V' ? "" : fmt::format(".{}", name));
        h5::File::open_read_only(path).exists(report))
      states[name] = h5::File::open_read_only(path).read<float>(report);
  const std::vector<double> expected = Plain(simulation, 2, spikes, states).weights();
  ASSERT_LT(Network(simulation, 0, 1).connections[2].synapses.heard.size(), simulation.sources[1].size)
      << "all sources are heard, so rows are sources";
  const auto found = test::read_recorded_weights(path, "synapses", "learn"),
             initial = test::read_recorded_weights(path, "synapses", "initial");
  ASSERT_EQ(expected.size(), found.size());
  double largest_change = 0;
  for (std::size_t i = 0; i < expected.size(); ++i)
    largest_change = std::max(largest_change, std::abs(expected[i] - initial[i]));
  ASSERT_GT(largest_change, 1e-5) << "nothing was learnt, so equality shows nothing";
  for (std::size_t i = 0; i < expected.size(); ++i)
    ASSERT_NEAR(expected[i], found[i], 1e-4 * largest_change + 3e-6 * std::max<double>(found[i], initial[i]))
        << "synapse " << i << ", which began as " << initial[i];
}

class RuleOfTheCatalogue : public testing::TestWithParam<std::string> {
 protected:
  static bool is_dendritic() {
    return Document::from_file(installed_model("rule", GetParam())).says("delay", "dendritic");
  }
  // Values without which a rule does nothing here.
  static std::string values() {
    const std::map<std::string, std::string> of = {
        {"reward_stdp", "reward = \"drive\"\ngain = \"0.1 Hz\""},
        {"abs", "eta = 300\ntheta_1 = \"-72 mV\"\ntheta_2 = \"-66 mV\"\ntheta_3 = \"-62 mV\""},
        {"triplet_scaling", "tau_hom = \"1 s\"\nkappa = \"30 Hz\""},
        {"rate_modulated", "size = 5"},
        {"global_rate", "size = 5"},
        {"pair_interaction",
         "W_pre = { values = [-0.08, -0.01, -0.06, 0.02, 0], step = \"4.7 ms\" }\n"
         "W_post = { values = [0.07, 0.05, 0.06, 0, -0.01, 0], step = \"3.1 ms\" }"},
        {"spnet", "A_plus = 0.01\nA_minus = 0.01"},
        {"clopath", "A_LTP = \"2e-4 1/mV^2\""},
        {"clopath_nest", "theta_plus = \"-60 mV\""}};
    const auto found = of.find(GetParam());
    return found == of.end() ? "" : found->second;
  }
};

TEST_P(RuleOfTheCatalogue, MovesWeightsAsThePlainFormDoes) {
  expect_plain_weights(network_of(GetParam(), values(), "\"1.3 ms\""));
}
TEST_P(RuleOfTheCatalogue, MovesWeightsOfDrawnDelays) {
  if (is_dendritic()) GTEST_SKIP() << "a dendritic delay is one of all synapses";
  expect_plain_weights(network_of(GetParam(), values(), "{ uniform = [\"0.4 ms\", \"5 ms\"] }"));
}
TEST_P(RuleOfTheCatalogue, MovesWeightsOfSynapsesBetweenAxonAndDendrite) {
  if (whole_file(installed_model("rule", GetParam())).find("at_once") != std::string::npos)
    GTEST_SKIP() << "arrivals of a step need an axonal delay";
  for (const std::string part : {"0.1 ms", "0.9 ms"})
    expect_plain_weights(
        network_of(GetParam(), values() + "\ndelay = \"dendritic\"\ndendritic_delay = \"" + part + "\"", "\"1.3 ms\""));
}

INSTANTIATE_TEST_SUITE_P(Rules, RuleOfTheCatalogue, testing::ValuesIn(rules_of_traces()),
                         [](const auto& rule) { return rule.param; });

TEST(RuleText, EventsReadTracesOfBothSidesAndStates) {
  for (const char* const delay : {"\"1.3 ms\"", "{ uniform = [\"0.4 ms\", \"5 ms\"] }"})
    expect_plain_weights(network_of("traces", R"(
[rule.used.traces]
x = { of = "pre", tau = "20 ms" }
y = { of = "post", tau = "30 ms" }
[rule.used.states]
z = "0.1 * w"
[rule.used.on_arrival]
z = "z + 1e-3 * x - 1e-3 * y"
[rule.used.on_spike]
w = "w + 1e-3 * x"
[rule.used.each]
every = "7 ms"
w = "w + 1e-2 * x * y - 1e-3 * z"
z = "0.9 * z")",
                                    delay));
}

TEST(RuleText, TracesBeginWhereTheTextSaysAndMayTakeTheNearestOrTheStep) {
  expect_plain_weights(network_of("traces", R"(
[rule.used.traces]
x = { of = "pre", tau = "50 ms", initial = 0.7 }
now = { of = "pre", tau = "20 ms", at_once = true }
y = { of = "post", tau = "30 ms", initial = 0.3 }
all = { of = "targets", tau = "10 ms", nearest = true }
[rule.used.on_arrival]
w = "w + 1e-3 * (x - y) + 1e-4 * all"
[rule.used.on_spike]
w = "w + 1e-3 * now - 1e-3 * x + 1e-4 * all")",
                                  "\"1.3 ms\""));
}

TEST(RuleText, WindowsAreOfNumbersOrOfAFile) {
  const test::Scratch scratch;
  scratch.write("window.txt", "# by 2 ms\n0.5\n0.25 % comment\n-0.25\n0\n");
  const std::string text = network_of("traces",
                                      fmt::format(R"(
[rule.used.windows]
back = {{ file = "{}", step = "2 ms" }}
ahead = {{ values = [1, 0.5, 0.25, 0], step = "0.1 ms" }}
[rule.used.traces]
x = {{ of = "pre", window = "back" }}
now = {{ of = "pre", window = "ahead", at_once = true, jump = 2 }}
y = {{ of = "post", window = "back", jump = -1 }}
z = {{ of = "post", tau = "20 ms" }}
[rule.used.on_arrival]
w = "w + 1e-3 * y + 1e-4 * z"
[rule.used.on_spike]
w = "w + 1e-3 * x + 1e-3 * now - 1e-4 * z")",
                                                  scratch.path("window.txt")),
                                      "\"1.3 ms\"");
  expect_plain_weights(text);
  EXPECT_EQ(read_simulation_text(text, scratch.path("net.sim")).files.data,
            std::vector<std::string>{scratch.path("window.txt")})
      << "it belongs to the inputs of the run";
}

// A pair at every distance: the tables' values, and 0 behind their ends and before the first spike.
TEST(RuleText, APairChangesByItsWindow) {
  const Window window{.step = 2e-4, .values = {3, 1, -1}};
  EXPECT_EQ(window.by_steps(1e-4), (std::vector<float>{3, 2, 1, 0, -1}));
  EXPECT_EQ(window.by_steps(2e-4), (std::vector<float>{3, 1, -1}));
  EXPECT_THAT(window.by_steps(3e-4), testing::Pointwise(testing::FloatNear(1e-6f), {3.0f, 0.0f}));
  EXPECT_EQ((Window{.step = 1, .values = {7}}.by_steps(1e-4)), std::vector<float>{7});
  const Trace trace{.rate = 0, .jump = 1, .initial = 0, .nearest = true, .window = window.by_steps(1e-4)};
  EXPECT_EQ(trace.window_at(4), -1);
  EXPECT_EQ(trace.window_at(5), 0);
}

TEST(RuleText, StatesReachADendriticSynapseADelayLater) {
  for (const auto& [delay, part] : {std::pair{"\"0.1 ms\"", ""},
                                    {"\"1.3 ms\"", ""},
                                    {"\"4 ms\"", ""},
                                    {"\"4 ms\"", "dendritic_delay = \"0.1 ms\""},
                                    {"\"4 ms\"", "dendritic_delay = \"0.7 ms\""}})
    expect_plain_weights(network_of("traces", std::string("delay = \"dendritic\"\n") + part + R"(
[rule.used.traces]
x = { of = "pre", tau = "20 ms" }
y = { of = "post", tau = "20 ms" }
u = { follows = "V", initial = "-70 mV" }
mean = { follows = "V", tau = "10 ms", delay = "2 ms", initial = "-70 mV" }
[rule.used.on_arrival]
w = "w + 1e-3 * y - 1e-4 * (mean + 65 mV) / 1 mV"
[rule.used.on_spike]
w = "w + 1e-3 * x - 1e-4 * (u + 65 mV) / 1 mV"
[rule.used.during]
condition = "u > -60 mV"
w = "w + 1e-5 * x * (u - mean) / 1 mV")",
                                    delay));
}

// Traces are recorded as they have decayed, at the synapse; states, too.
TEST(RuleText, TracesAndStatesAreRecorded) {
  for (const char* const delay : {"axonal\"", "dendritic\"", "dendritic\"\ndendritic_delay = \"0.3 ms\""}) {
    SCOPED_TRACE(delay);
    const std::string network = network_of("traces",
                                           fmt::format(R"(
delay = "{}
[rule.used.windows]
back = {{ values = [0.5, 0.25, -0.25, 0], step = "2 ms" }}
[rule.used.traces]
x = {{ of = "pre", tau = "20 ms" }}
back_x = {{ of = "pre", window = "back" }}
y = {{ of = "post", tau = "30 ms", initial = 0.3 }}
back_y = {{ of = "post", window = "back" }}
u = {{ follows = "V", tau = "10 ms", initial = "-70 mV", delay = "1 ms" }}
[rule.used.states]
z = "0.1 * w"
[rule.used.on_arrival]
z = "z + 1e-3 * x - 1e-3 * y"
[rule.used.on_spike]
w = "w + 1e-3 * x")",
                                                       delay),
                                           "\"1.3 ms\"");
    const test::Scratch scratch;
    const auto plain_of = [&](const std::string& text, const std::string& path) {
      const SimulationDescription simulation = read_simulation_text(text, scratch.path("net.sim"));
      const auto comm = make_serial_communicator();
      test::run_to_file(simulation, *comm, path);
      std::vector<Train> spikes;
      for (const Source& source : simulation.sources) spikes.push_back(train_of(path, simulation, source));
      Plain plain(simulation, 2, spikes, {{"V", h5::File::open_read_only(path).read<float>("/report/out/data")}});
      plain.weights();
      return plain;
    };
    const auto [pre, post] = plain_of(network, scratch.path("first.h5")).first();
    std::string records;
    for (const std::string name : {"y", "back_y", "u"})
      records += fmt::format(
          "[[record]]\nname = \"{0}\"\nwhat = \"state\"\nof = \"out\"\nvariable = \"synapses.{0}\"\nneurons = [{1}]\n"
          "every = \"0.1 ms\"\n",
          name, post);
    for (const std::string name : {"x", "back_x", "z"})
      records += fmt::format(
          "[[record]]\nname = \"{0}\"\nwhat = \"synapses\"\nof = \"synapses\"\nvariable = \"{0}\"\npre = [{1}]\n"
          "post = [{2}]\nevery = \"0.1 ms\"\n",
          name, pre, post);
    const Plain plain = plain_of(network + records, scratch.path("second.h5"));
    const auto file = h5::File::open_read_only(scratch.path("second.h5"));
    const auto expect_course = [&](const std::string& name, const std::string& dataset) {
      SCOPED_TRACE(name);
      const std::vector<float> found = file.read<float>(dataset);
      const std::vector<double>& expected = plain.course(name);
      ASSERT_EQ(found.size(), expected.size());
      EXPECT_NE(*std::ranges::max_element(expected), *std::ranges::min_element(expected));
      for (std::size_t k = 0; k < found.size(); ++k)
        ASSERT_NEAR(found[k], expected[k], 1e-5 * std::max(1e-2, std::abs(expected[k]))) << "step " << k;
    };
    for (const std::string name : {"y", "back_y", "u"}) expect_course(name, "/report/out." + name + "/data");
    for (const std::string name : {"x", "back_x", "z"}) expect_course(name, "/weights/synapses/" + name + "/value");
  }
}

// A source's spike of step 0 is no arrival before its delay is over, however epochs lie.
TEST(RuleText, WhatIsUnderWayIsNoArrivalAtOnce) {
  const test::Scratch scratch;
  scratch.write("in.ras", "0 0\n");
  scratch.write("kick.ras", "0 0\n");
  const std::string text = R"(
simulation = {}
[[population]]
name = "out"
cell = "iaf_delta"
size = 1
[[stimulus]]
name = "in"
type = "spikes"
size = 1
file = "in.ras"
[[stimulus]]
name = "kick"
type = "spikes"
size = 1
file = "kick.ras"
[[connection]]
from = "kick"
to = "out"
all_to_all = true
weight = "100 mV"
delay = "0.1 ms"
[rule.r]
type = "traces"
[rule.r.traces]
x = { of = "pre", tau = "20 ms", at_once = true }
[rule.r.on_spike]
w = "w + 0.1 mV * x"
[[connection]]
name = "synapses"
from = "in"
to = "out"
all_to_all = true
weight = "0 mV"
delay = "0.6 ms"
plasticity = "r"
[[phase]]
name = "learn"
duration = "5 ms"
[[record]]
what = "weights"
of = "synapses"
)";
  const SimulationDescription simulation = read_simulation_text(text, scratch.path("net.sim"));
  const auto comm = make_serial_communicator();
  test::run_to_file(simulation, *comm, scratch.path("r.h5"));
  EXPECT_EQ(test::read_recorded_weights(scratch.path("r.h5"), "synapses", "learn"), std::vector<float>{0});
}

// --- Texts ---------------------------------------------------------------------------------------------------------

std::string described(const std::string& rule, const std::string& connection = "delay = \"1 ms\"") {
  return "simulation = {}\n[[stimulus]]\nname = \"in\"\ntype = \"poisson\"\nsize = 2\nrate = \"1 Hz\"\n"
         "[[population]]\nname = \"out\"\ncell = \"iaf_psc_exp\"\nsize = 1\n" +
         rule +
         "\n[[connection]]\nfrom = \"in\"\nto = \"out\"\nall_to_all = true\nweight = \"10 pA\"\n"
         "plasticity = \"r\"\n" +
         connection + "\n[[phase]]\nname = \"run\"\nduration = \"1 s\"\n";
}
std::string error_of(const std::string& rule, const std::string& connection = "delay = \"1 ms\"") {
  try {
    read_simulation_text(described(rule, connection), "net.sim");
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}
std::string own(const std::string& body) {
  return "[rule.r]\ntype = \"traces\"\n[rule.r.parameters]\neta = \"1 pA\"\n[rule.r.traces]\n"
         "x = { of = \"pre\", tau = \"20 ms\" }\n" +
         body;
}

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(RuleText, IsReadInTheUnitOfWeights) {
  EXPECT_THAT(error_of(own("[rule.r.on_spike]\nw = \"w + eta * x\"\n")), IsEmpty());
  EXPECT_THAT(error_of(own("[rule.r.on_spike]\nw = \"w + x\"\n")),
              AllOf(HasSubstr("net.sim:"), HasSubstr("rule 'r' [on_spike]"), HasSubstr("'w'")));
}
TEST(RuleText, DefaultsOfWeightsMustBeGivenWhereTheyHaveAUnit) {
  EXPECT_THAT(error_of("[rule.r]\ntype = \"pair_stdp\"\n"),
              AllOf(HasSubstr("'A_plus' must be given"), HasSubstr("are in A")));
  EXPECT_THAT(error_of("[rule.r]\ntype = \"pair_stdp\"\nA_plus = \"1 pA\"\nA_minus = \"1 pA\"\nw_max = \"100 pA\"\n"),
              IsEmpty());
}
TEST(RuleText, InitialWeightsLieInItsRange) {
  EXPECT_THAT(error_of("[rule.r]\ntype = \"pair_stdp\"\nA_plus = \"1 pA\"\nA_minus = \"1 pA\"\nw_max = \"5 pA\"\n"),
              AllOf(HasSubstr("'weight' is \"10 pA\""), HasSubstr("above w_max")));
}
TEST(RuleText, WarnsOfTracesThatNeverDecay) {
  const auto warnings = [](const std::string& of, const std::string& tau) {
    const std::string rule =
        "[rule.r]\ntype = \"traces\"\n[rule.r.parameters]\neta = \"1 pA\"\n[rule.r.traces]\nx = { of = \"" + of +
        "\", tau = \"" + tau + "\" }\n[rule.r.on_spike]\nw = \"w + eta * x\"\n";
    return read_simulation_text(described(rule, "delay = \"1 ms\""), "net.sim").warnings;
  };
  for (const char* of : {"pre", "post"}) {
    EXPECT_THAT(warnings(of, "1 h"), IsEmpty());
    EXPECT_THAT(warnings(of, "33000 s"), IsEmpty());
    EXPECT_THAT(
        warnings(of, "1e9 s"),
        testing::ElementsAre(AllOf(HasSubstr("connection 'in_out': trace 'x': 'tau' is 1000000000 s"),
                                   HasSubstr("no decay between spikes that come within 29.8 s of each other"))));
  }
}
TEST(RuleText, NamesWhatItDoesNotKnow) {
  EXPECT_THAT(error_of(own("[rule.r.on_spike]\nv = \"w\"\n")), HasSubstr("there is no state \"v\" of synapses"));
  EXPECT_THAT(error_of(own("[rule.r.on_spike]\nw = \"w + eta * y\"\n")), HasSubstr("there is no 'y' here"));
  EXPECT_THAT(error_of(own("[rule.r.on_spikes]\nw = \"w\"\n")), HasSubstr("on_spikes"));
  EXPECT_THAT(error_of(own("w = { of = \"post\", tau = \"20 ms\" }\n")),
              HasSubstr("the name 'w' is taken (a word of rules); choose another"));
  EXPECT_THAT(error_of(own("eta = { of = \"post\", tau = \"20 ms\" }\n")),
              AllOf(HasSubstr("the name 'eta' is taken (net.sim:"), HasSubstr("rule 'r' [parameters])")));
  EXPECT_THAT(error_of("[rule.r]\ntype = \"pair_stpd\"\n"),
              AllOf(HasSubstr("'type' is \"pair_stpd\""), HasSubstr("symmetric_stdp")));
  EXPECT_THAT(error_of(own("y = { of = \"nobody\", tau = \"1 s\" }\n[rule.r.on_spike]\nw = \"w + eta * y\"\n")),
              HasSubstr("trace 'y' is of \"nobody\""));
  EXPECT_THAT(error_of(own("y = { follows = \"U\", initial = \"0 mV\" }\n[rule.r.on_spike]\nw = \"w + eta * x\"\n")),
              HasSubstr("U"));
}
TEST(RuleText, BoundsOfParametersAreInTheUnitOfWeights) {
  const auto pairs = [](const std::string& w_max) {
    return error_of("[rule.r]\ntype = \"pair_stdp\"\nA_plus = \"1 pA\"\nA_minus = \"1 pA\"\nw_max = \"" + w_max +
                    "\"\n");
  };
  EXPECT_THAT(pairs("-20 pA"), HasSubstr("'w_max' is \"-20 pA\"; it must be a finite number above 0 A"));
  EXPECT_THAT(pairs("0 pA"), HasSubstr("above 0 A"));
  const auto with = [](const std::string& bounds) {
    return error_of("[rule.r]\ntype = \"traces\"\n[rule.r.parameters]\neta = { default = \"-1 pA\", " + bounds +
                    " }\n[rule.r.on_spike]\nw = \"w + eta\"\n");
  };
  EXPECT_THAT(with("low = \"-1e-12 * weight\""), IsEmpty());
  EXPECT_THAT(with("low = \"-0.5e-12 * weight\""), HasSubstr("it must be a finite number not below -5e-13 A"));
  EXPECT_THAT(with("high = \"-2e-12 * weight\""), HasSubstr("not above -2e-12 A"));
  EXPECT_THAT(with("low = 0"), HasSubstr("it must be a current"));
}
TEST(RuleText, WeightsStayOnTheSideOfTheirReceptor) {
  const std::string text =
      network_of("traces", "[rule.used.states]\nw = { low = -1 }\n[rule.used.on_spike]\nw = \"w\"\n", "\"1 ms\"");
  try {
    read_simulation_text(text, "net.sim");
    FAIL() << "it was accepted";
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), HasSubstr("the receptor 'AMPA' takes them on one side of 0 only"));
  }
}
TEST(RuleText, NumbersAreFinite) {
  EXPECT_THAT(
      error_of(own("y = { of = \"post\", tau = \"1 s\", jump = \"1e39\" }\n[rule.r.on_spike]\nw = \"w + eta * y\"\n")),
      HasSubstr("range of float32"));
  EXPECT_THAT(
      error_of(own("y = { follows = \"V\", tau = \"0.05 ms\", initial = \"0 mV\" }\n[rule.r.on_spike]\nw = \"w\"\n")),
      HasSubstr("at least the step"));
  EXPECT_THAT(error_of(own("[rule.r.states]\nz = { initial = 0, low = 1, high = 0 }\n[rule.r.on_spike]\nw = \"w\"\n")),
              HasSubstr("where nothing is"));
}
TEST(RuleText, AClockSeesNoArrivalsOfAStep) {
  EXPECT_THAT(error_of(own("y = { of = \"pre\", tau = \"1 s\", at_once = true }\n[rule.r.each]\nevery = \"1 ms\"\nw = "
                           "\"w + eta * y\"\n")),
              HasSubstr("which [each] cannot read"));
}
TEST(RuleText, WindowsAreWhole) {
  const auto with = [](const std::string& windows, const std::string& trace) {
    return error_of("[rule.r]\ntype = \"traces\"\n[rule.r.windows]\n" + windows + "[rule.r.traces]\ny = { " + trace +
                    " }\n[rule.r.on_spike]\nw = \"w + 1 pA * y\"\n");
  };
  const std::string good = "k = { values = [1, 0], step = \"1 ms\" }\n", of_post = "of = \"post\", window = \"k\"";
  EXPECT_THAT(with(good, of_post), IsEmpty());
  EXPECT_THAT(with(good, of_post + ", nearest = false"), HasSubstr("'nearest' cannot be false"));
  EXPECT_THAT(with(good, "of = \"targets\", window = \"k\""), HasSubstr("presynaptic or postsynaptic spikes"));
  EXPECT_THAT(with(good, of_post + ", tau = \"1 ms\""), HasSubstr("both 'tau' and 'window' are given"));
  EXPECT_THAT(with(good, "of = \"post\", window = \"kk\""), HasSubstr("there is no window \"kk\"; it must be k"));
  EXPECT_THAT(with("k = { values = [], step = \"1 ms\" }\n", of_post), HasSubstr("'values' is empty"));
  EXPECT_THAT(with("k = { values = [1], step = \"0 ms\" }\n", of_post), HasSubstr("'step' is \"0 ms\""));
  EXPECT_THAT(with("k = { values = [1] }\n", of_post), HasSubstr("'step'"));
  EXPECT_THAT(with("k = { values = [1, 2], step = \"1e5 s\" }\n", of_post), HasSubstr("it may last 10000000"));
  EXPECT_THAT(with("k = { file = \"none.txt\", step = \"1 ms\" }\n", of_post), HasSubstr("there is no file"));
  EXPECT_THAT(with("k = \"of pairs\"\n", of_post), HasSubstr("the window 'k' must be given, as k = {"));
  const std::string values =
      "[rule.r]\ntype = \"pair_interaction\"\neta = \"1 pA\"\nw_max = \"100 pA\"\n"
      "W_pre = { values = [1], step = \"1 ms\" }\n";
  EXPECT_THAT(error_of(values), AllOf(HasSubstr("net.sim:11:1"), HasSubstr("the window 'W_post' must be given")));
  EXPECT_THAT(error_of(values + "W_post = { values = [1], step = \"1 ms\" }\n"), IsEmpty());
}
TEST(RuleText, WindowsOfFilesAreNumbers) {
  const test::Scratch scratch;
  const auto with = [&](const std::string& text) {
    scratch.write("w.txt", text);
    return error_of("[rule.r]\ntype = \"traces\"\n[rule.r.windows]\nk = { file = \"" + scratch.path("w.txt") +
                    "\", step = \"1 ms\" }\n[rule.r.traces]\ny = { of = \"post\", window = \"k\" }\n"
                    "[rule.r.on_spike]\nw = \"w + 1 pA * y\"\n");
  };
  EXPECT_THAT(with("1\n0.5\n"), IsEmpty());
  EXPECT_THAT(with("1\n0.5 3\n"), AllOf(HasSubstr("w.txt:2"), HasSubstr("the window's value")));
  EXPECT_THAT(with("1\n1e40\n"), AllOf(HasSubstr("w.txt:2"), HasSubstr("range of float32")));
  EXPECT_THAT(with("1\nx\n"), HasSubstr("w.txt:2"));
}
TEST(RuleText, ChangesSomething) { EXPECT_THAT(error_of(own("")), HasSubstr("changes nothing")); }
TEST(RuleText, DendriticDelaysAreAlike) {
  EXPECT_THAT(error_of(own("[rule.r.on_spike]\nw = \"w + eta * x\"\n") + "[rule.r2]\n", ""), HasSubstr("r2"));
  const std::string drawn = "delay = { uniform = [\"1 ms\", \"2 ms\"] }";
  EXPECT_THAT(error_of("[rule.r]\ntype = \"traces\"\ndelay = \"dendritic\"\n[rule.r.on_spike]\nw = \"w\"\n", drawn),
              HasSubstr("must have one delay"));
}
TEST(RuleText, ADendriticDelayIsPartOfTheDelay) {
  const auto with = [](const std::string& keys) {
    return error_of("[rule.r]\ntype = \"traces\"\n" + keys + "\n[rule.r.on_spike]\nw = \"w\"\n", "delay = \"1.5 ms\"");
  };
  EXPECT_THAT(with("delay = \"dendritic\"\ndendritic_delay = \"1.5 ms\""), IsEmpty());
  EXPECT_THAT(with("delay = \"dendritic\"\ndendritic_delay = \"1.6 ms\""),
              HasSubstr("'dendritic_delay' is 0.0016 s; it must be from 0.0001 to 0.0015 s"));
  EXPECT_THAT(with("delay = \"dendritic\"\ndendritic_delay = \"0.25 ms\""), HasSubstr("no multiple of the step"));
  EXPECT_THAT(with("delay = \"dendritic\"\ndendritic_delay = \"1 mV\""), HasSubstr("dendritic_delay"));
  EXPECT_THAT(with("dendritic_delay = \"1 ms\""), HasSubstr("this rule's delay is axonal"));
  const std::string values = "A_plus = \"1 pA\"\nA_minus = \"1 pA\"\nw_max = \"100 pA\"\n";
  EXPECT_THAT(error_of("[rule.r]\ntype = \"pair_stdp\"\ndendritic_delay = \"1 ms\"\n" + values),
              HasSubstr("this rule's delay is axonal"));
}
TEST(RuleText, ArrivalsOfAStepNeedAnAxonalDelay) {
  const std::string dendritic = "[rule.r]\ntype = \"traces\"\ndelay = \"dendritic\"\n[rule.r.traces]\n";
  EXPECT_THAT(
      error_of(dendritic + "x = { of = \"pre\", tau = \"20 ms\", at_once = true }\n[rule.r.on_spike]\nw = \"w\"\n"),
      HasSubstr("at_once"));
}
// Words of traces are names of populations, too.
TEST(RuleText, SourcesMayHaveAnyName) {
  for (const std::string name : {"pre", "post", "targets", "m"}) {
    const std::string rule =
        "[[population]]\nname = \"" + name +
        "\"\ncell = \"iaf_psc_exp\"\nsize = 1\n[rule.text]\ntype = \"traces\"\n[rule.text.modulators]\n"
        "m = \"somebody\"\n[rule.text.traces]\ny = { KEY = \"" +
        name +
        "\", tau = \"20 ms\" }\nz = { of = \"m\", tau = \"20 ms\" }\n[rule.text.on_spike]\nw = \"w + 1 pA * y\"\n"
        "[rule.r]\ntype = \"text\"\nm = \"in\"\n";
    const auto listens_to = [&](std::string key) -> std::string {
      const std::string text = described(std::string(rule).replace(rule.find("KEY"), 3, key));
      const SimulationDescription simulation = read_simulation_text(text, "net.sim");
      const auto& traces = dynamic_cast<const TextRule&>(*simulation.connections[0].rule).source_traces;
      return traces.size() < 2 ? "its own" : simulation.sources[traces[0].source].name;
    };
    EXPECT_EQ(listens_to("source"), name);
    EXPECT_EQ(listens_to("of"), name == "targets" ? "out" : name == "m" ? "in" : "its own");
  }
  EXPECT_THAT(error_of(own("y = { source = \"inn\", tau = \"1 s\" }\n[rule.r.on_spike]\nw = \"w + eta * y\"\n")),
              HasSubstr("did you mean 'in'?"));
  EXPECT_THAT(error_of(own("y = { source = \"in\", of = \"pre\", tau = \"1 s\" }\n[rule.r.on_spike]\nw = \"w\"\n")),
              HasSubstr("both 'of' and 'source' are given"));
}
TEST(RuleText, WantsItsModulator) {
  const std::string values = "A_plus = \"1 pA\"\nA_minus = \"1 pA\"\nw_max = \"100 pA\"\n";
  EXPECT_THAT(error_of("[rule.r]\ntype = \"reward_stdp\"\n" + values), HasSubstr("'reward'"));
  EXPECT_THAT(error_of("[rule.r]\ntype = \"reward_stdp\"\nreward = \"inn\"\n" + values),
              HasSubstr("did you mean 'in'?"));
  EXPECT_THAT(error_of("[rule.r]\ntype = \"reward_stdp\"\nreward = \"in\"\n" + values), IsEmpty());
}
TEST(RuleText, TimesLieOnTheGrid) {
  EXPECT_THAT(error_of(own("[rule.r.each]\nevery = \"0.25 ms\"\nw = \"w\"\n")), HasSubstr("no multiple of the step"));
  EXPECT_THAT(error_of(own("y = { of = \"post\", tau = \"0 ms\" }\n[rule.r.on_spike]\nw = \"w + eta * x\"\n")),
              HasSubstr("trace 'y': 'tau' is 0 s"));
  EXPECT_THAT(error_of(own("y = { follows = \"V\", initial = \"0 mV\", tau = \"3400 s\" }\n[rule.r.on_spike]\nw = "
                           "\"w + eta * x\"\n")),
              HasSubstr("trace 'y': 'tau' is 3400 s; at this dt the longest time constant that float32 can follow is "
                        "3355.44 s"));
}

}  // namespace
}  // namespace lpl::spiking
