// The event-driven engine against the time-driven oracle, on random networks.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/random.hpp"
#include "support/oracle.hpp"
#include "support/spiking_run.hpp"
#include "support/vector_targets.hpp"
#include "support/world.hpp"

namespace lpl::spiking {
namespace {

struct Draws {
  explicit Draws(std::uint32_t seed) : random(seed, Draw::signal, 4711, 0) {}
  Random random;
  int between(int low, int high) {
    return low + static_cast<int>(random.below(static_cast<std::uint32_t>(high - low + 1)));
  }
  template <class T>
  T one_of(std::initializer_list<T> values) {
    return values.begin()[random.below(static_cast<std::uint32_t>(values.size()))];
  }
};

// A random network with LPL and, often, plastic inhibition; all that the property must not depend on is drawn. A
// statement a draw: compilers evaluate arguments in orders of their own.
std::string random_description(std::uint32_t seed) {
  Draws draw(seed);
  const auto microseconds = [&](int low, int high) { return 100 * draw.between(low, high); };
  std::string text;
  const auto add = [&]<class... T>(fmt::format_string<T...> format, T&&... values) {
    text += fmt::format(format, std::forward<T>(values)...);
  };
  const int min_delay = draw.one_of({1, 3, 8, 13});
  add("simulation = {{ seed = {}, min_delay = \"{} us\", ", seed, min_delay * 100);
  add("plasticity_block = {} }}\n", draw.between(1, 400));
  add("[[stimulus]]\nname = \"input\"\ntype = \"poisson\"\nsize = {}\n", draw.between(20, 120));
  add("rate = \"{} Hz\"\n", draw.between(30, 60));
  add("[[population]]\nname = \"exc\"\ncell = \"{}\"\n", draw.one_of<const char*>({"if", "aif"}));
  add("size = {}\ninitial_membrane = {{ mean = \"-60 mV\", deviation = \"10 mV\" }}\n", draw.between(3, 40));
  add("[[population]]\nname = \"inh\"\ncell = \"if\"\nsize = {}\n", draw.between(1, 12));
  add("[[connection]]\nname = \"input_exc\"\nfrom = \"input\"\nto = \"exc\"\nplasticity = \"drawn\"\n");
  add("density = {}\n", 0.1 + 0.9 * draw.random.uniform());
  add("weight = {}\n", 0.05 + 0.3 * draw.random.uniform());
  add("delay = \"{} us\"\n", min_delay * 100 + microseconds(0, 9));
  const bool corrected = draw.random.below(2) == 0;
  add("initial_traces = {{ mean_rate = \"{} Hz\", ", draw.between(1, 20));
  add("variance = {} }}\n", 0.01 * draw.between(1, 100) * (corrected ? 1e-4 : 1.0));
  const bool recurrent = draw.random.below(3) > 0;
  if (recurrent) {
    add("[[connection]]\nname = \"exc_inh\"\nfrom = \"exc\"\nto = \"inh\"\ndensity = 0.7\nweight = 0.6\n"
        "[[connection]]\nname = \"inh_exc\"\nfrom = \"inh\"\nto = \"exc\"\nreceptor = \"GABA\"\ndensity = 0.6\n"
        "weight = 0.4\nplasticity = \"inhibitory\"\n");
    add("delay = \"{} us\"\n", min_delay * 100 + microseconds(0, 5));
    add("[[connection]]\nname = \"exc_exc\"\nfrom = \"exc\"\nto = \"exc\"\nreceptor = \"NMDA\"\ndensity = 0.2\n"
        "weight = 0.1\n");
  }
  add("[rule.drawn]\ntype = \"lpl\"\npredictive = {{ strength = {}, horizon = \"20 ms\" }}\n", draw.between(0, 2));
  add("hebbian = {{ strength = 1.0, tau_mean = \"2 s\", tau_variance = \"1 s\", normalisation = \"{}\" }}\n",
      corrected ? "corrected" : "as_simulated");
  add("transmitter = {{ form = \"{}\", strength = 1e-4 }}\neligibility = {{}}\n",
      draw.random.below(3) == 0 ? "per_spike" : "in_error");
  const int window = draw.one_of({50, 128, 300, 777, 2000});
  const bool augmented = draw.random.below(3) == 0;
  add("update = {{ learning_rate = {}, window = \"{} us\", gradient = \"{}\"{} }}\n",
      (augmented ? 1e-6 : 1e-5) * window, window * 100, augmented ? "augmented" : "plain",
      draw.random.below(3) == 0 ? ", weight_decay_time = \"10 s\"" : "");
  add("[[phase]]\nname = \"prime\"\nduration = \"{} us\"\n", microseconds(1, 2000));
  add("plasticity = {}\n", recurrent ? "[\"inh_exc\"]" : "false");
  add("[[phase]]\nname = \"learn\"\nduration = \"{} us\"\n", microseconds(3000, 7000));
  add("[[record]]\nwhat = \"spikes\"\nof = [\"exc\", \"inh\"]\n");
  add("[[record]]\nname = \"w\"\nwhat = \"weights\"\nof = \"input_exc\"\n");
  if (recurrent) add("[[record]]\nname = \"w_inh\"\nwhat = \"weights\"\nof = \"inh_exc\"\n");
  return text;
}

void expect_same_spikes(const std::vector<oracle::Spike>& expected, const test::RecordedSpikes& found) {
  ASSERT_EQ(expected.size(), found.step.size());
  for (std::size_t i = 0; i < expected.size(); ++i)
    ASSERT_EQ(expected[i], (oracle::Spike{found.step[i], found.id[i]})) << "spike " << i;
}

// Within what rounding to float32 explains, and within 1e-4 of the largest change that learning made to any (weights
// are stored in float32 after each of up to 140 windows, which costs up to 3e-6 of their size).
void expect_same_weights(const std::vector<double>& expected, const std::vector<double>& tolerance,
                         const std::vector<float>& found, const std::vector<float>& initial) {
  ASSERT_EQ(expected.size(), found.size());
  double largest_change = 0;
  for (std::size_t i = 0; i < expected.size(); ++i)
    largest_change = std::max(largest_change, std::abs(expected[i] - initial[i]));
  ASSERT_GT(largest_change, 1e-5) << "nothing was learnt, so equality shows nothing";
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double size = std::max<double>(expected[i], initial[i]);
    ASSERT_NEAR(expected[i], found[i], tolerance[i]) << "synapse " << i;
    ASSERT_NEAR(expected[i], found[i], 1e-4 * largest_change + 3e-6 * size) << "synapse " << i;
  }
}

class EventDrivenEqualsTimeDriven : public testing::TestWithParam<std::uint32_t> {};

TEST_P(EventDrivenEqualsTimeDriven, OnRandomNetwork) {
  const test::Scratch scratch;
  const std::string text = random_description(GetParam());
  SCOPED_TRACE(text);
  const SimulationDescription simulation = read_simulation_text(text, scratch.path("random.sim"));
  const oracle::Outcome expected = oracle::run(simulation);
  const std::string path = scratch.path("result.h5");
  const auto comm = make_serial_communicator();
  test::run_to_file(simulation, *comm, path);
  expect_same_spikes(expected.spikes[0], test::read_recorded_spikes(path, "exc", simulation.dt));
  expect_same_spikes(expected.spikes[1], test::read_recorded_spikes(path, "inh", simulation.dt));
  ASSERT_GT(expected.spikes[0].size(), 0u) << "the drawn network is silent and shows nothing";
  for (std::size_t i = 0; i < simulation.connections.size(); ++i) {
    const ConnectionDescription& c = simulation.connections[i];
    // Inhibition learns by spikes of inhibitory neurons, which may be silent.
    if (!c.rule || (c.name == "inh_exc" && expected.spikes[1].empty())) continue;
    expect_same_weights(expected.weights[i], expected.tolerance[i], test::read_recorded_weights(path, c.name, "learn"),
                        test::read_recorded_weights(path, c.name, "initial"));
  }
}

// A random network whose synapses have delays and weights of their own; wirings that connect pairs several times.
std::string description_with_delays(std::uint32_t seed) {
  Draws draw(seed + 1000);
  const auto delay = [&] {
    const int least = draw.between(1, 6);
    return draw.one_of<std::string>(
        {fmt::format("delay = {{ uniform = [\"{} us\", \"{} us\"] }}", least * 100,
                     least * 100 + draw.between(0, 6000)),
         fmt::format("delay = {{ normal = [\"{} us\", \"{} us\"], low = \"{} us\" }}", draw.between(500, 2000),
                     draw.between(200, 1500), least * 100),
         fmt::format("delay = {{ lognormal = [\"1.5 ms\", \"0.6\"], low = \"{} us\", high = \"9 ms\", beyond = "
                     "\"clip\" }}",
                     least * 100),
         fmt::format("delay = \"{} us\"", draw.between(1, 90) * 100)});
  };
  const auto wiring = [&](int pre) {
    return draw.one_of<std::string>({"density = 0.3", "poisson = 0.4", fmt::format("total = {}", 12 * pre),
                                     "out_degree = 9", fmt::format("in_degree = {}", 1 + pre / 3)});
  };
  const int exc = draw.between(20, 60), inh = draw.between(5, 20);
  return fmt::format(
      "simulation = {{ seed = {} }}\n"
      "[[stimulus]]\nname = \"input\"\ntype = \"poisson\"\nsize = 50\nrate = \"100 Hz\"\n"
      "[[population]]\nname = \"exc\"\ncell = \"if\"\nsize = {}\n[[population]]\nname = \"inh\"\ncell = \"aif\"\nsize "
      "= {}\n"
      "[[connection]]\nname = \"input_exc\"\nfrom = \"input\"\nto = \"exc\"\n{}\n{}\nweight = {{ normal = [0.4, 0.1] "
      "}}\n"
      "[[connection]]\nname = \"exc_inh\"\nfrom = \"exc\"\nto = \"inh\"\n{}\n{}\nweight = {{ exponential = 0.5 }}\n"
      "[[connection]]\nname = \"inh_exc\"\nfrom = \"inh\"\nto = \"exc\"\nreceptor = \"GABA\"\n{}\n{}\nweight = 0.2\n"
      "[[connection]]\nname = \"exc_exc\"\nfrom = \"exc\"\nto = \"exc\"\nreceptor = \"NMDA\"\n{}\n{}\nweight = {{ "
      "uniform = "
      "[0, 0.1] }}\n"
      "[[phase]]\nname = \"run\"\nduration = \"400 ms\"\n[[record]]\nwhat = \"spikes\"\nof = [\"exc\", \"inh\"]\n",
      seed, exc, inh, wiring(50), delay(), wiring(exc), delay(), wiring(inh), delay(), wiring(exc), delay());
}

class DrawnDelays : public testing::TestWithParam<std::uint32_t> {};

TEST_P(DrawnDelays, ArriveInTheirStepsWhereverEpochsEnd) {
  const test::Scratch scratch;
  const std::string text = description_with_delays(GetParam());
  SCOPED_TRACE(text);
  const auto comm = make_serial_communicator();
  const SimulationDescription simulation = read_simulation_text(text, scratch.path("delays.sim"));
  const oracle::Outcome expected = oracle::run(simulation);
  ASSERT_GT(expected.spikes[0].size(), 20u);
  // Samples end epochs.
  const std::string samples =
      "[[record]]\nwhat = \"state\"\nof = \"exc\"\nvariable = \"V\"\nneurons = \"all\"\nevery = \"{} us\"\n";
  for (const std::string& more :
       {std::string(), fmt::format(fmt::runtime(samples), 100), fmt::format(fmt::runtime(samples), 700)}) {
    const std::string path = scratch.path("result.h5");
    const SimulationDescription sampled = read_simulation_text(text + more, scratch.path("delays.sim"));
    test::run_to_file(sampled, *comm, path);
    expect_same_spikes(expected.spikes[0], test::read_recorded_spikes(path, "exc", simulation.dt));
    expect_same_spikes(expected.spikes[1], test::read_recorded_spikes(path, "inh", simulation.dt));
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, DrawnDelays, testing::Range(1u, 31u));

// Ways and numbers that no byte holds: 900 steps between two synapses of a row, 600 synapses that a spike reaches at
// once.
TEST(DelaysByRun, OfLongWaysAndOfManySynapsesAtOnce) {
  const test::Scratch scratch;
  const std::string text =
      "simulation = { seed = 5 }\n"
      "[[stimulus]]\nname = \"input\"\ntype = \"poisson\"\nsize = 3\nrate = \"100 Hz\"\n"
      "[[population]]\nname = \"exc\"\ncell = \"if\"\nsize = 600\n[[population]]\nname = \"inh\"\ncell = \"if\"\nsize "
      "= 5\n"
      "[[connection]]\nname = \"input_exc\"\nfrom = \"input\"\nto = \"exc\"\nall_to_all = true\nweight = 2.0\n"
      "delay = { by_source = [\"1 ms\", \"27 ms\", \"1.3 ms\"] }\n"
      "[[connection]]\nname = \"exc_inh\"\nfrom = \"exc\"\nto = \"inh\"\ndensity = 0.3\nweight = 0.1\n"
      "delay = { uniform = [\"1 ms\", \"95 ms\"] }\n"
      "[[phase]]\nname = \"run\"\nduration = \"400 ms\"\n[[record]]\nwhat = \"spikes\"\nof = [\"exc\", \"inh\"]\n";
  const SimulationDescription simulation = read_simulation_text(text, scratch.path("delays.sim"));
  const oracle::Outcome expected = oracle::run(simulation);
  ASSERT_GT(expected.spikes[1].size(), 20u);
  const std::string path = scratch.path("result.h5");
  const auto comm = make_serial_communicator();
  test::run_to_file(simulation, *comm, path);
  expect_same_spikes(expected.spikes[0], test::read_recorded_spikes(path, "exc", simulation.dt));
  expect_same_spikes(expected.spikes[1], test::read_recorded_spikes(path, "inh", simulation.dt));
}

// Gives the connections of a description forms and parameters of short-term plasticity.
std::string with_short_term(std::string text, std::uint32_t seed) {
  Draws draw(seed + 2000);
  const std::string head = "[[connection]]\n";
  for (std::size_t at = text.find(head); at != std::string::npos; at = text.find(head, at + 1)) {
    const auto model = draw.one_of<const char*>({"markram", "tsodyks", "tsodyks2"});
    const double U = 0.3 + 0.1 * draw.between(0, 6), u = 0.1 * draw.between(3, 10);
    const int recovery = draw.between(5, 200), facilitation = draw.between(1, 200);
    text.insert(
        at + head.size(),
        fmt::format("short_term = {{ model = \"{}\", U = {}, tau_rec = \"{} ms\", tau_fac = \"{} ms\", u = {} }}\n",
                    model, U, recovery, facilitation, u));
  }
  return text;
}

class ShortTermDelivery : public testing::TestWithParam<std::uint32_t> {
 protected:
  // That it spikes, as the oracle does, and otherwise than without short-term plasticity.
  static void expect_as_oracle(const std::string& text, const std::string& without, const test::Scratch& scratch,
                               const oracle::Outcome& expected) {
    const std::string path = scratch.path("result.h5");
    const auto comm = make_serial_communicator();
    const SimulationDescription simulation = read_simulation_text(text, scratch.path("short_term.sim"));
    test::run_to_file(simulation, *comm, path);
    expect_same_spikes(expected.spikes[0], test::read_recorded_spikes(path, "exc", simulation.dt));
    expect_same_spikes(expected.spikes[1], test::read_recorded_spikes(path, "inh", simulation.dt));
    ASSERT_GT(expected.spikes[0].size(), 0u) << "the drawn network is silent and shows nothing";
    test::run_to_file(read_simulation_text(without, scratch.path("without.sim")), *comm, scratch.path("without.h5"));
    EXPECT_NE(test::read_recorded_spikes(path, "exc", simulation.dt).step,
              test::read_recorded_spikes(scratch.path("without.h5"), "exc", simulation.dt).step);
  }
};

TEST_P(ShortTermDelivery, OfPlasticSynapses) {
  const test::Scratch scratch;
  std::string without = random_description(GetParam());
  const std::string rate = "rate = \"";
  without.insert(without.find(rate) + rate.size(), "1");  // what is used up and lifted takes more input: 130 to 160 Hz
  const std::string text = with_short_term(without, GetParam());
  SCOPED_TRACE(text);
  const SimulationDescription simulation = read_simulation_text(text, scratch.path("short_term.sim"));
  const oracle::Outcome expected = oracle::run(simulation);
  expect_as_oracle(text, without, scratch, expected);
  for (std::size_t i = 0; i < simulation.connections.size(); ++i) {
    const ConnectionDescription& c = simulation.connections[i];
    if (!c.rule || (c.name == "inh_exc" && expected.spikes[1].empty())) continue;
    // The tolerance for rounding is of neurons that spike all the time: without spikes weight decay rounds to one side.
    const std::vector<double> any(expected.weights[i].size(), 1.0);
    expect_same_weights(expected.weights[i], any,
                        test::read_recorded_weights(scratch.path("result.h5"), c.name, "learn"),
                        test::read_recorded_weights(scratch.path("result.h5"), c.name, "initial"));
  }
}

TEST_P(ShortTermDelivery, WithDelaysBySynapse) {
  const test::Scratch scratch;
  const std::string without = description_with_delays(GetParam()), text = with_short_term(without, GetParam());
  SCOPED_TRACE(text);
  expect_as_oracle(text, without, scratch, oracle::run(read_simulation_text(text, scratch.path("short_term.sim"))));
}

INSTANTIATE_TEST_SUITE_P(Seeds, ShortTermDelivery, testing::Range(1u, 13u));

TEST(Engine, GivesTheSameBitsWithEveryInstructionSet) {
  const test::Scratch scratch;
  const SimulationDescription simulation = read_simulation_text(random_description(3), scratch.path("random.sim"));
  const auto comm = make_serial_communicator();
  std::vector<std::vector<float>> weights;
  test::with_every_target([&] {
    test::run_to_file(simulation, *comm, scratch.path("result.h5"));
    weights.push_back(test::read_recorded_weights(scratch.path("result.h5"), "input_exc", "learn"));
    EXPECT_EQ(weights.back(), weights.front());
    EXPECT_NE(weights.back(), test::read_recorded_weights(scratch.path("result.h5"), "input_exc", "initial"));
  });
}

INSTANTIATE_TEST_SUITE_P(Seeds, EventDrivenEqualsTimeDriven, testing::Range(1u, 41u));

}  // namespace
}  // namespace lpl::spiking
