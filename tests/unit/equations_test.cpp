#include "spiking/model/equations.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "support/reference_cell.hpp"

namespace lpl::spiking {
namespace {

std::string catalogue_text(const std::string& name) {
  std::ifstream in(std::filesystem::path(LPL_CATALOGUE) / (name + ".cell"));
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

TEST(Equations, TheCatalogueCompiles) {
  int texts = 0;
  for (const auto& entry : std::filesystem::directory_iterator(LPL_CATALOGUE)) {
    if (entry.path().extension() != ".cell") continue;
    const std::string text = catalogue_text(entry.path().stem().string());
    if (text.find("model = \"equations\"") == std::string::npos) continue;
    SCOPED_TRACE(entry.path().stem().string());
    ReferenceCell cell(text, {}, 1e-4);
    for (int step = 0; step < 1000; ++step) cell.step();
    for (const StateText& state : cell.model.states) EXPECT_TRUE(std::isfinite(cell[state.name])) << state.name;
    ++texts;
  }
  EXPECT_GE(texts, 25);
}

// The two interpreters know nothing of each other.
TEST(Equations, TheScalarRunAgreesWithTheReference) {
  for (const char* name :
       {"iaf_psc_alpha", "adex", "hh", "mat2", "aif2", "izhikevich", "aeif_cond_alpha", "hh_psc_alpha"}) {
    ReferenceCell cell(catalogue_text(name), {}, 1e-4);
    const Program& program = cell.compiled.program;
    std::vector<double> registers(program.registers()), inputs(cell.input.size(), 0), arrivals(cell.arriving.size());
    for (std::uint16_t i = 0; i < program.states; ++i) registers[i] = cell[cell.model.states[i].name];
    for (int step = 0; step < 300; ++step) {
      const double weight = cell.model.receptors[0].weight == Dimension::none ? 0.5 : 1e-10;
      arrivals[0] = cell.arriving[0] = step % 20 == 3 ? weight : 0;
      NeuronStep<double> neuron;
      neuron.step = static_cast<Step>(step);
      neuron.dt = 1e-4;
      neuron.inputs = inputs;
      neuron.arrivals = arrivals;
      run<double>(program, registers, neuron);
      ASSERT_EQ(cell.step() > 0, neuron.fired) << name << " " << step;
      for (std::uint16_t i = 0; i < program.states; ++i) {
        const std::string& state = cell.model.states[i].name;
        ASSERT_NEAR(registers[i], cell[state], 1e-10 * std::abs(cell[state])) << name << " " << state << " " << step;
      }
    }
  }
}

// --- NEST's tables: label k h is the state after k steps ------------------------------------------------------------

TEST(Equations, AlphaNeuronMeetsTheTableOfAConstantCurrent) {
  ReferenceCell cell(catalogue_text("iaf_psc_alpha"), {{"I_e", 1000e-12}}, 1e-4);
  const std::map<int, double> table = {{1, -69.602},   {2, -69.2079},  {3, -68.8178},  {4, -68.4316},
                                       {5, -68.0492},  {43, -56.0204}, {44, -55.7615}, {45, -55.5051},
                                       {46, -55.2513}, {47, -55.0001}, {48, -70},      {49, -70}};
  std::vector<int> spikes;
  for (int k = 1; k <= 1000; ++k) {
    if (cell.step()) spikes.push_back(k);
    if (const auto row = table.find(k); row != table.end()) {
      EXPECT_NEAR(1e3 * cell["V"], row->second, 7e-5) << k;
    }
  }
  for (std::size_t n = 0; n < spikes.size(); ++n) EXPECT_EQ(spikes[n], 48 + 68 * static_cast<int>(n));
  EXPECT_EQ(spikes.size(), 15u);
}

TEST(Equations, AlphaNeuronSpikesAlikeOnAllGrids) {
  for (const int tenths : {1, 2, 5, 10}) {
    ReferenceCell cell(catalogue_text("iaf_psc_alpha"), {{"I_e", 1450e-12}}, tenths * 1e-4);
    int first = 0;
    for (int k = 1; first == 0; ++k)
      if (cell.step()) first = k * tenths;
    EXPECT_EQ(first, 30);
  }
}

TEST(Equations, AlphaNeuronMeetsTheTableOfAnEvent) {
  const std::map<int, double> table = {{30, -70},      {31, -69.9974}, {32, -69.9899}, {33, -69.9781}, {40, -69.8108},
                                       {45, -69.6435}, {50, -69.4681}, {55, -69.3008}, {57, -69.2383}};
  for (const int fineness : {1, 10}) {
    ReferenceCell cell(catalogue_text("iaf_psc_alpha"), {}, 1e-4 / fineness);
    for (int k = 1; k <= 57 * fineness; ++k) {
      if (k == 30 * fineness) cell.arriving[0] = 100e-12;
      cell.step();
      if (k % fineness) continue;
      if (const auto row = table.find(k / fineness); row != table.end()) {
        EXPECT_NEAR(1e3 * cell["V"], row->second, 7e-5) << k;
      }
    }
  }
}

// --- Closed forms ---------------------------------------------------------------------------------------------------

// V of a leaky membrane after a kernel's event, by its closed form; where the time constants meet, the limit.
double psp(double w, double tau_s, double tau_m, double C, double t, bool alpha) {
  const double a = 1 / tau_s - 1 / tau_m, e = std::exp(-t / tau_m);
  if (!alpha) return w / C * e * (a == 0 ? t : -std::expm1(-a * t) / a);
  const double series = std::abs(a * t) < 1e-3 ? t * t * (0.5 - a * t / 3 + a * a * t * t / 8)
                                               : (-std::expm1(-a * t) - a * t * std::exp(-a * t)) / (a * a);
  return w * std::exp(1.0) / tau_s / C * e * series;
}

TEST(Equations, ExactStepsMeetClosedFormsAlsoWhereTimeConstantsMeet) {
  for (const bool alpha : {false, true})
    for (const double tau_s : {2e-3, 10e-3, 10.0000001e-3, 9.99e-3, 0.1e-3}) {
      ReferenceCell cell(catalogue_text(alpha ? "iaf_psc_alpha" : "iaf_psc_exp"), {{"tau_exc", tau_s}}, 1e-4);
      cell.arriving[0] = 100e-12;
      cell.step();
      for (int k = 1; k <= 500; ++k) {
        cell.step();
        const double expected = psp(100e-12, tau_s, 10e-3, 250e-12, k * 1e-4, alpha);
        ASSERT_NEAR(cell["V"] + 70e-3, expected, 1e-13 + 1e-10 * expected) << alpha << " " << tau_s << " " << k;
      }
    }
}

TEST(Equations, DeltaNeuronLosesWhatArrivesInRefractoriness) {
  ReferenceCell cell(catalogue_text("iaf_psc_delta"), {{"refractory", 0.5e-3}}, 1e-4);
  cell.arriving[0] = 5e-3;
  cell.step();
  EXPECT_NEAR(cell["V"], -65e-3, 1e-15);
  cell.step();
  EXPECT_NEAR(cell["V"], -70e-3 + 5e-3 * std::exp(-0.01), 1e-15);
  cell.arriving[0] = 15e-3;
  EXPECT_EQ(cell.step(), 1);  // in the step of arrival
  for (int k = 0; k < 5; ++k) {
    cell.arriving[0] = 3e-3;
    EXPECT_EQ(cell.step(), 0);
    EXPECT_EQ(cell["V"], -70e-3);
  }
  cell.arriving[0] = 3e-3;
  cell.step();
  EXPECT_NEAR(cell["V"], -67e-3, 1e-15);
}

// --- Refractoriness in the orders of a step -------------------------------------------------------------------------

std::string driven(const std::string& spike) {
  return R"cell(
model = "equations"
[parameters]
threshold = "10 mV"
[states]
V = "0 mV"
x = 0
[receptors]
SYN = "V"
COUNT = "x"
[dynamics]
V = "1 mV / 1 ms"
x = "V / 1 mV / 1 ms"
[spike]
when = "V >= threshold"
then = { V = "0 mV" }
refractory = "2 ms"
)cell" + spike;
}

// What V is at the end of steps of 1 ms, when 20 mV arrive in step 2 and 5 mV in step 4.
std::vector<int> course(const std::string& spike, std::vector<int>* spikes = nullptr) {
  ReferenceCell cell(driven(spike), {}, 1e-3);
  std::vector<int> V;
  for (int k = 0; k < 7; ++k) {
    cell.arriving[0] = k == 2 ? 20e-3 : k == 4 ? 5e-3 : 0;
    if (cell.step() && spikes) spikes->push_back(k);
    V.push_back(static_cast<int>(std::lround(cell["V"] * 1e3)));
  }
  return V;
}

TEST(Equations, RefractorinessFollowsTheOrderOfTheStep) {
  using testing::ElementsAre;
  std::vector<int> spikes;
  // Felt in the step after; steps 4 and 5 are refractory, and what arrives in 4 is overwritten in 5.
  EXPECT_THAT(course("", &spikes), ElementsAre(1, 2, 23, 0, 5, 0, 1));
  EXPECT_THAT(spikes, ElementsAre(3));
  spikes.clear();
  EXPECT_THAT(course("arrivals = \"before_threshold\"", &spikes), ElementsAre(1, 2, 0, 0, 0, 1, 2));
  EXPECT_THAT(spikes, ElementsAre(2));
  spikes.clear();
  EXPECT_THAT(course("arrivals = \"first\"", &spikes), ElementsAre(1, 2, 0, 0, 0, 1, 2));
  EXPECT_THAT(spikes, ElementsAre(2));
  spikes.clear();
  EXPECT_THAT(course("test_first = true", &spikes), ElementsAre(1, 2, 23, 0, 5, 0, 1));
  EXPECT_THAT(spikes, ElementsAre(3));
  // Nothing is held: V goes on, the threshold is not tested.
  spikes.clear();
  EXPECT_THAT(course("hold = {}", &spikes), ElementsAre(1, 2, 23, 0, 6, 7, 8));
  EXPECT_THAT(spikes, ElementsAre(3));
}

TEST(Equations, OthersSeeThatHeldStatesStandStill) {
  ReferenceCell cell(driven("hold = { V = \"V\" }"), {}, 1e-3);
  cell["V"] = 9.5e-3;
  EXPECT_EQ(cell.step(), 1);
  const double after = cell["x"];
  cell["V"] = 4e-3;  // as arrivals would set it
  cell.step();
  EXPECT_DOUBLE_EQ(cell["x"], after + 4);  // by V's course it would be 4.5
  EXPECT_DOUBLE_EQ(cell["V"], 4e-3);
  cell.step();
  cell.step();
  EXPECT_DOUBLE_EQ(cell["V"], 5e-3);
}

TEST(Equations, RungeKuttaSeesThatHeldStatesStandStill) {
  ReferenceCell cell("method = \"rk4\"\n" + driven("hold = { V = \"V\" }"), {}, 1e-3);
  cell["V"] = 9.5e-3;
  EXPECT_EQ(cell.step(), 1);
  const double after = cell["x"];
  cell["V"] = 4e-3;
  cell.step();
  EXPECT_DOUBLE_EQ(cell["x"], after + 4);
  EXPECT_DOUBLE_EQ(cell["V"], 4e-3);
}

// --- Spikes within a step
// ---------------------------------------------------------------------------------------------

// V = 1 mV/ms in tenths of a step of 1 ms.
std::string rising(const std::string& threshold, const std::string& more) {
  return "model = \"equations\"\nsubsteps = 10\n[states]\nV = \"0 mV\"\n[dynamics]\nV = \"1 mV/ms\"\n"
         "[spike]\nwhen = \"V > " +
         threshold + "\"\nthen = { V = \"0 mV\" }\nevery_substep = true\n" + more;
}

std::vector<double> millivolts(ReferenceCell& cell, std::vector<int>& spikes, int steps) {
  std::vector<double> V;
  for (int step = 0; step < steps; ++step) {
    spikes.push_back(cell.step());
    V.push_back(1e3 * cell["V"]);
  }
  return V;
}

TEST(Equations, NeuronsSpikeWithinTheStep) {
  using testing::DoubleNear;
  using testing::ElementsAre;
  const auto near = [](double value) { return DoubleNear(value, 1e-9); };
  std::vector<int> spikes;
  ReferenceCell once(rising("2.45 mV", ""), {}, 1e-3);
  EXPECT_THAT(millivolts(once, spikes, 4), ElementsAre(near(1), near(2), near(0.5), near(1.5)));
  EXPECT_THAT(spikes, ElementsAre(0, 0, 1, 0));
  spikes.clear();
  ReferenceCell often(rising("0.25 mV", ""), {}, 1e-3);
  EXPECT_THAT(millivolts(often, spikes, 2), ElementsAre(near(0.1), near(0.2)));
  EXPECT_THAT(spikes, ElementsAre(3, 3));
  // The rest of the step, and two whole ones.
  spikes.clear();
  ReferenceCell resting(rising("2.45 mV", "refractory = \"2 ms\"\n"), {}, 1e-3);
  EXPECT_THAT(millivolts(resting, spikes, 6), ElementsAre(near(1), near(2), near(0), near(0), near(0), near(1)));
  EXPECT_THAT(spikes, ElementsAre(0, 0, 1, 0, 0, 0));
}

// --- Orders of the methods: errors of the first and the seventh spike [ms] ------------------------------------------

std::string adex(const std::string& method) {
  return "method = \"" + method + R"cell("
model = "equations"
[parameters]
C = "200 pF"
[states]
V = "-70 mV"
w = "5 pA"
[aliases]
U = "min(V, 0 mV)"
[dynamics]
V = "(11 nS * (-70 mV - U) + 22 pA * exp((U + 50 mV) / 2 mV) - w + 420 pA) / C"
w = "(3 nS * (U + 70 mV) - w) / 300 ms"
[spike]
when = "V >= 0 mV"
then = { V = "-58 mV" }
)cell";
}

// The neuron of the table, which resets within the step: its course does not depend on the step.
TEST(Equations, AdaptiveStepsMeetTheReference) {
  const std::vector<double> reference = {18.716048, 30.561900, 42.497086, 54.520117, 66.629454, 78.823515, 91.100673};
  std::string text = adex("rkf45");
  text = text.substr(text.find('\n')) +
         "every_substep = true\n[method]\nV = { rkf45 = \"1e-8 mV\" }\nw = { rkf45 = \"1e-8 pA\" }\n";
  std::vector<std::pair<double, double>> ends;  // V [mV] and w [pA]
  for (const double dt : {1e-3, 0.1e-3, 0.01e-3}) {
    ReferenceCell cell(text, {}, dt);
    const int steps = static_cast<int>(std::lround(0.1 / dt));
    std::vector<double> times;
    for (int step = 1; step <= steps; ++step)
      if (cell.step()) times.push_back(1e3 * dt * step);
    ASSERT_EQ(times.size(), reference.size()) << dt;
    for (std::size_t n = 0; n < times.size(); ++n) {
      EXPECT_GE(times[n], reference[n]) << dt;
      EXPECT_LT(times[n], reference[n] + 1e3 * dt) << dt;
    }
    ends.push_back({1e3 * cell["V"], 1e12 * cell["w"]});
    EXPECT_NEAR(ends.back().first, ends.front().first, 1e-5) << dt;
    EXPECT_NEAR(ends.back().second, ends.front().second, 1e-5) << dt;
  }
}

// Without the bound stages overshoot to where nothing is a number: the sub-step is tried again, and the neuron goes on.
TEST(Equations, AdaptiveStepsSurviveAStageWithoutANumber) {
  std::string text = adex("rkf45");
  text = text.substr(text.find('\n')) +
         "every_substep = true\n[method]\nV = { rkf45 = \"1e-6 mV\" }\nw = { rkf45 = \"1 pA\" }\n";
  const std::string bound = "min(V, 0 mV)";
  text.replace(text.find(bound), bound.size(), "V");
  ReferenceCell cell(text, {}, 1e-3);
  int spikes = 0;
  for (int step = 0; step < 200; ++step) spikes += cell.step();
  EXPECT_TRUE(std::isfinite(cell["V"]));
  EXPECT_EQ(spikes, 15);
}

// A derivative that is a polynomial of the time is met exactly, in a single sub-step.
TEST(Equations, AdaptiveStepsKnowTheTime) {
  ReferenceCell cell(
      "model = \"equations\"\n[states]\nx = 0\n[dynamics]\nx = \"4 * t^3 / 1 s^4\"\n[method]\nx = { rkf45 = \"1e-9\" "
      "}\n",
      {}, 0.25);
  for (int step = 0; step < 8; ++step) cell.step();
  EXPECT_NEAR(cell["x"], 16, 1e-12);
}

std::string hodgkin_huxley(const std::string& method) {
  return "method = \"" + method + R"cell("
model = "equations"
[parameters]
C = "1 uF"
[states]
V = "-65 mV"
m = 0
h = 1
n = 0
[aliases]
v = "(V + 63 mV) / 1 mV"
alpha_m = "1.28 kHz / exprel((13 - v) / 4)"
beta_m = "1.4 kHz / exprel((v - 40) / 5)"
alpha_h = "0.128 kHz * exp((17 - v) / 18)"
beta_h = "4 kHz / (1 + exp((40 - v) / 5))"
alpha_n = "0.16 kHz / exprel((15 - v) / 5)"
beta_n = "0.5 kHz * exp((10 - v) / 40)"
[dynamics]
V = "(100 mS * m^3 * h * (50 mV - V) + 30 mS * n^4 * (-90 mV - V) + 0.05 mS * (-60 mV - V) + 2 uA) / C"
m = "alpha_m * (1 - m) - beta_m * m"
h = "alpha_h * (1 - h) - beta_h * h"
n = "alpha_n * (1 - n) - beta_n * n"
)cell";
}

TEST(Equations, AdExMeetsTheTableOfErrors) {
  struct Row {
    const char* method;
    double h, first, seventh;
  };
  for (const Row& row :
       {Row{"euler", 0.1, 0.2840, 2.5993}, Row{"euler", 0.0125, 0.0590, 0.4118}, Row{"heun", 0.1, 0.0840, 0.8993},
        Row{"heun", 0.025, 0.0340, 0.2243}, Row{"rk4", 0.1, 0.0840, 0.5993}, Row{"rk4", 0.0125, 0.0090, 0.0743},
        Row{"automatic", 0.1, 0.0840, 0.5993}}) {
    ReferenceCell cell(adex(row.method), {}, row.h * 1e-3);
    std::vector<double> spikes;
    for (int k = 1; spikes.size() < 7 && k < 10000; ++k)
      if (cell.step()) spikes.push_back(k * row.h);
    ASSERT_EQ(spikes.size(), 7u);
    EXPECT_NEAR(spikes[0] - 18.716048, row.first, 1e-4) << row.method << row.h;
    EXPECT_NEAR(spikes[6] - 91.100673, row.seventh, 1e-4) << row.method << row.h;
  }
}

// Spikes where V crosses -20 mV, interpolated.
std::vector<double> crossings(ReferenceCell& cell, double h, double duration) {
  std::vector<double> times;
  for (int k = 0; k * h < duration; ++k) {
    const double before = cell["V"];
    cell.step();
    if (before < -20e-3 && cell["V"] >= -20e-3) times.push_back((k + (-20e-3 - before) / (cell["V"] - before)) * h);
  }
  return times;
}

TEST(Equations, HodgkinHuxleyMeetsTheTableOfErrors) {
  struct Row {
    const char* method;
    double h, first, seventh, tolerance;
  };
  // The seventh reference spike is the third plus four periods.
  constexpr double kFirst = 5.050920, kSeventh = 33.121167 + 4 * (33.121167 - 19.086238);
  for (const Row& row : {Row{"automatic", 0.1, 0.0566, 0.8652, 2e-3}, Row{"automatic", 0.05, 0.0122, 0.2369, 2e-3},
                         Row{"automatic", 0.025, 0.0035, 0.0621, 1e-3}, Row{"automatic", 0.0125, 0.0009, 0.0155, 1e-3},
                         Row{"rk4", 0.05, -0.0003, -0.0057, 1e-3}, Row{"rk4", 0.0125, -0.0001, -0.0002, 1e-3},
                         Row{"euler", 0.025, 0.0638, 1.8324, 2e-3}}) {
    ReferenceCell cell(hodgkin_huxley(row.method), {}, row.h * 1e-3);
    const auto spikes = crossings(cell, row.h, 110);
    ASSERT_GE(spikes.size(), 7u) << row.method << row.h;
    EXPECT_NEAR(spikes[0] - kFirst, row.first, row.tolerance) << row.method << row.h;
    EXPECT_NEAR(spikes[6] - kSeventh, row.seventh, row.tolerance) << row.method << row.h;
  }
}

// --- Noise ----------------------------------------------------------------------------------------------------------

std::string ornstein_uhlenbeck(const std::string& rest) {
  return R"cell(
model = "equations"
[parameters]
tau = "5 ms"
sigma = "2 mV"
[states]
V = "1 mV"
[dynamics]
V = "(3 mV - V) / tau + sigma * sqrt(2 / tau) * noise()"
)cell" + rest;
}

TEST(Equations, OrnsteinUhlenbeckHasItsMoments) {
  struct Row {
    const char* rest;
    double dt, variance;  // variance of the discrete process, in mV^2
  };
  const double a = 0.1;  // dt / tau of the second
  for (const Row& row : {Row{"", 2e-3, 4}, Row{"[method]\nV = \"euler\"", 0.5e-3, 4 * 2 * a / (1 - (1 - a) * (1 - a))},
                         Row{"[method]\nV = \"exponential_euler\"", 2e-3, 4}, Row{"substeps = 4", 2e-3, 4}}) {
    const std::string rest = row.rest;
    const bool top = rest.starts_with("substeps");
    ReferenceCell cell(top ? rest + ornstein_uhlenbeck("") : ornstein_uhlenbeck(rest), {}, row.dt);
    double sum = 0, squares = 0, lagged = 0, before = cell["V"] * 1e3;
    constexpr int kSteps = 1'000'000;
    for (int k = 0; k < kSteps; ++k) {
      cell.step();
      const double V = cell["V"] * 1e3;
      sum += V;
      squares += (V - 3) * (V - 3);
      lagged += (V - 3) * (before - 3);
      before = V;
    }
    EXPECT_NEAR(sum / kSteps, 3, 0.03) << rest;
    EXPECT_NEAR(squares / kSteps, row.variance, 0.05) << rest;
    const double decay = rest.find("\"euler") != std::string::npos ? 1 - a : std::exp(-row.dt / 5e-3);
    EXPECT_NEAR(lagged / squares, decay, 0.01) << rest;
  }
}

// --- Parameters that differ by neuron -------------------------------------------------------------------------------

TEST(Equations, ParametersByNeuronGiveTheSameCourse) {
  const std::map<std::string, double> given = {
      {"tau_exc", 3e-3}, {"C", 300e-12}, {"I_e", 700e-12}, {"threshold", -58e-3}};
  for (const char* name : {"iaf_psc_alpha", "iaf_psc_exp", "hh", "adex", "glif3"}) {
    const std::string text = catalogue_text(name);
    std::map<std::string, double> own;
    ReferenceCell probe(text, {}, 1e-4);
    for (const auto& [parameter, value] : given)
      if (probe.model.parameter(parameter)) own[parameter] = value;
    std::set<std::string> varying;
    for (const auto& [parameter, value] : own) varying.insert(parameter);
    ReferenceCell same(text, own, 1e-4), differing(text, own, 1e-4, varying);
    EXPECT_GT(differing.compiled.program.by_neuron, 0) << name;
    for (int k = 0; k < 1000; ++k) {
      if (k % 50 == 7) same.arriving[0] = differing.arriving[0] = 1e-10;
      ASSERT_EQ(same.step(), differing.step()) << name << " " << k;
      ASSERT_EQ(same["V"], differing["V"]) << name << " " << k;
    }
  }
}

// --- What is refused, and where -------------------------------------------------------------------------------------

constexpr const char* kSmall = R"cell(model = "equations"
[parameters]
tau = "20 ms"
E = { default = "-70 mV", low = "-1 V", high = "0 V" }
[constants]
decay = "exp(-dt / tau)"
[states]
V = "E"
g = 0
[inputs]
I = "mV"
[receptors]
SYN = "g"
[dynamics]
V = "(E - V + g * 1 mV + I) / tau"
g = "-g / tau"
[spike]
when = "V > -50 mV"
then = { V = "E" }
refractory = "2 ms"
)cell";

std::string refusal(const std::string& from, const std::string& to) {
  std::string text = kSmall;
  const auto at = text.find(from);
  if (at == std::string::npos) return "not in the text: " + from;
  text.replace(at, from.size(), to);
  try {
    ReferenceCell cell(text, {}, 1e-4);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST(Equations, RefusalsSayWhere) {
  EXPECT_EQ(refusal("x", "x"), "");
  const auto expect = [](const char* from, const char* to, const char* message) {
    EXPECT_THAT(refusal(from, to), testing::HasSubstr(message)) << to;
  };
  expect("-g / tau", "-gg / tau",
         "test.cell:16:7: cell 'test' [dynamics]: 'g': there is no 'gg' here; did you mean 'g'?");
  expect(
      "E - V + g * 1 mV", "E - V + g * 1 pA",
      "test.cell:15:15: cell 'test' [dynamics]: 'V': 'g * 1 pA' is a current, but 'E - V' is a voltage; the two cannot "
      "be added");
  expect("-g / tau", "-g", "test.cell:16:6: cell 'test' [dynamics]: 'g': '-g' is a number; it must be a frequency");
  expect("V > -50 mV", "V > -50",
         "test.cell:18:13: cell 'test' [spike]: 'when': '-50' is a number, but 'V' is a voltage");
  expect("V > -50 mV", "V", "18:9: cell 'test' [spike]: 'when': 'V' is a voltage, not a condition");
  expect("{ V = \"E\" }", "{ V = \"tau\" }",
         "19:15: cell 'test' [spike] then: 'V': 'tau' is a time; it must be a voltage");
  expect("{ V = \"E\" }", "{ W = \"E\" }", "[spike] then: there is no state \"W\"; did you mean 'V'?");
  expect("exp(-dt / tau)", "exb(-dt / tau)",
         "6:10: cell 'test' [constants]: 'decay': there is no function 'exb'; did you mean 'exp'?");
  expect("exp(-dt / tau)", "exp(-V / tau)", "6:15: cell 'test' [constants]: 'decay': there is no 'V' here");
  expect("\"20 ms\"", "\"20 mss\"", "3:11: cell 'test' [parameters]: 'tau': 'mss' is no unit");
  expect("low = \"-1 V\"", "low = \"-1 A\"", "'low': '-1 A' is a current; it must be a voltage");
  expect("SYN = \"g\"", "SYN = \"gg\"", "cell 'test' [receptors]: there is no state \"gg\"; did you mean 'g'?");
  expect("SYN = \"g\"", "SYN = { alpha = \"q\", tau = \"tau\" }", "key 'unit' is missing");
  expect(
      "SYN = \"g\"", "SYN = { alpha = \"g\", tau = \"tau\", unit = \"nS\" }",
      "test.cell:13:17: cell 'test' SYN: the name 'g' is taken (test.cell:9:5: cell 'test' [states]); choose another");
  expect("SYN = \"g\"", "SYN = { alpha = \"q\", tau = \"E\", unit = \"nS\" }",
         "'tau': 'E' is a voltage; it must be a time");
  expect("SYN = \"g\"", "SYN = { alpha = \"q\", state = \"g\" }",
         "a receptor has one of state, exponential, alpha or biexponential, not two");
  expect("SYN = \"g\"", "SYN = {}", "not none");
  expect("SYN = \"g\"", "SYN = { alpha = \"q\", tau = \"tau\", unit = \"nX\" }", "\"nX\", which is no unit");
  expect("I = \"mV\"", "I = \"mVV\"", "11:6: cell 'test' [inputs]: 'I' is \"mVV\", which is no unit");
  expect("g = 0", "exp = 0", "'exp' is a word of the language");
  expect("g = 0", "dt = 0", "'dt' is the step");
  expect("g = 0", "tau = 0", "the name 'tau' is taken (test.cell:3:7: cell 'test' [parameters])");
  expect("g = 0", "\"g.h\" = 0", "\"g.h\" is no name");
  expect("g = \"-g / tau\"", "h = \"-g / tau\"", "[dynamics]: there is no state \"h\"");
  expect("[dynamics]", "[method]\nV = \"rk5\"\n[dynamics]",
         "'V' is \"rk5\"; it must be automatic, exact, exponential_euler, rk4, rkf45, heun or euler");
  expect("[dynamics]", "[dynamic]", "key 'dynamic' is not known here; did you mean 'dynamics'?");
  expect("refractory = \"2 ms\"", "refractory = \"2 mV\"",
         "20:15: cell 'test' [spike]: 'refractory': '2 mV' is a voltage; it must be a time");
  expect("refractory = \"2 ms\"", "hold = { V = \"E\" }", "'hold' says what stands still in the refractory period");
  expect("refractory = \"2 ms\"", "[[require]]\nthat = \"E < V\"\notherwise = \"x\"", "'that': there is no 'V' here");
  expect("model = \"equations\"", "model = \"equations\"\nmembrane = \"g\"",
         "the membrane 'g' is a number; it must be a voltage");
  expect("model = \"equations\"", "model = \"equations\"\nstep = [\"V = V\"]", "'step' stands beside [dynamics]");
  expect("V > -50 mV", "normal() > noise()", "noise() can only stand in [dynamics]");
  expect("-g / tau", "-g / tau + (V - E) * noise() * noise() / 1 mV * 1 ms / tau",
         "the state 'g' has noise() in a form");
}

TEST(Equations, ListsOfAssignmentsAreRefusedByLine) {
  const auto refused = [](const std::string& lines) -> std::string {
    try {
      ReferenceCell cell("model = \"equations\"\nstep = [\n" + lines + "]\n[states]\nV = \"1 mV\"\nx = 0\n", {}, 1e-4);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(refused("\"let a = 2 * x\",\n\"V = V * a\",\n"), "");
  EXPECT_THAT(refused("\"x = 1\",\n  \"V = V + x\","),
              testing::HasSubstr("4:12: cell 'test': 'step': 'x' is a number, but 'V' is a voltage"));
  EXPECT_THAT(refused("\"V + 1\","), testing::HasSubstr("\"V + 1\" is no assignment"));
  EXPECT_THAT(refused("\"V == V\","), testing::HasSubstr("is no assignment"));
  EXPECT_THAT(refused("\"a = 2\","), testing::HasSubstr("3:2: cell 'test': 'step': there is no state \"a\""));
  EXPECT_THAT(refused("\"let V = 2\","),
              testing::HasSubstr("the name 'V' is taken (test.cell:5:5: cell 'test' [states])"));
  EXPECT_THAT(refused("\"let t = 2\","), testing::HasSubstr("the name 't' is taken (a word of the language)"));
  EXPECT_THAT(refused("\"x = V\","), testing::HasSubstr("'x' is a number, but its value is a voltage"));
  EXPECT_THAT(refused("\"let exp = 2\","), testing::HasSubstr("cannot be the name of a temporary"));
}

TEST(Equations, MethodsThatDoNotFitAreRefused) {
  EXPECT_THAT(
      refusal("[dynamics]\nV = \"(E - V + g * 1 mV + I) / tau\"",
              "[method]\nV = \"exact\"\n[dynamics]\nV = \"(E - V) * (V - E) / 1 mV / tau\""),
      testing::HasSubstr(
          "the state 'V' cannot be stepped by the method 'exact': it is not linear with coefficients of parameters"));
  EXPECT_THAT(refusal("[dynamics]\nV = \"(E - V + g * 1 mV + I) / tau\"",
                      "[method]\nV = \"exponential_euler\"\n[dynamics]\nV = \"(E - V) * (V - E) / 1 mV / tau\""),
              testing::HasSubstr("it is not linear in itself"));
  EXPECT_THAT(refusal("[dynamics]", "[method]\nV = \"rkf45\"\n[dynamics]"),
              testing::HasSubstr("'rkf45' chooses its sub-steps by an error that one state at least must have"));
  EXPECT_THAT(refusal("[dynamics]", "[method]\nV = { rkf45 = \"1 pA\" }\n[dynamics]"),
              testing::HasSubstr("cell 'test' V: 'rkf45': '1 pA' is a current; it must be a voltage"));
  EXPECT_THAT(
      refusal("model = \"equations\"", "model = \"equations\"\nsubsteps = 2\nmethod = { V = { rkf45 = \"1 mV\" } }"),
      testing::HasSubstr("'rkf45' chooses its sub-steps itself; leave 'substeps' out"));
  EXPECT_THAT(
      refusal("refractory = \"2 ms\"", "every_substep = true\n[method]\nV = { rkf45 = \"1 mV\" }\ng = \"exact\""),
      testing::HasSubstr("the state 'g' moves once a step, so that no sub-step of 'rkf45' ends with it"));
  EXPECT_THAT(refusal("refractory = \"2 ms\"", "every_substep = true\ncount = 2"),
              testing::HasSubstr("'count' is of a step; it has no meaning beside 'every_substep'"));
  EXPECT_THAT(
      refusal("-g / tau", "-g / tau + sqrt(1 / tau) * noise()\"\n[method]\ng = { rkf45 = \"1\" }\n[aliases]\nq=\"1"),
      testing::HasSubstr("the state 'g' has noise(), which takes the method"));
  EXPECT_THAT(refusal("\"20 ms\"", "\"0 ms\""),
              testing::HasSubstr("the exact step of the linear states is no finite number"));
}

TEST(Equations, ValuesAreCheckedAgainstBoundsAndRequirements) {
  Document document = Document::from_text(
      std::string(kSmall) + "[[require]]\nof = \"tau\"\nthat = \"tau > 3 * dt\"\notherwise = \"too short\"\n", "x");
  Table table = document.root();
  const ModelText model = read_model_text(table);
  const auto fault = [&](double tau, double E) {
    const auto found = fault_in(
        model, [&](const std::string& name) { return name == "tau" ? tau : E; }, 1e-4);
    return found ? found->parameter + found->message : "";
  };
  EXPECT_EQ(fault(20e-3, -0.07), "");
  EXPECT_EQ(fault(20e-3, 0.07), "E; it must be a finite number not below -1 V and not above 0 V");
  EXPECT_EQ(fault(1e-4, -0.07), "tau: too short");
}

// --- Single rules ---------------------------------------------------------------------------------------------------

TEST(Equations, KernelsPeakAtTheWeight) {
  for (const char* kernel :
       {"alpha = \"I\", tau = \"3 ms\"", "biexponential = \"I\", tau_rise = \"1 ms\", tau_decay = \"7 ms\"",
        "biexponential = \"I\", tau_rise = \"3 ms\", tau_decay = \"3 ms\"",
        "biexponential = \"I\", tau_rise = \"7 ms\", tau_decay = \"1 ms\""}) {
    ReferenceCell cell("model = \"equations\"\n[receptors]\nSYN = { " + std::string(kernel) + ", unit = \"pA\" }\n", {},
                       1e-6);
    cell.arriving[0] = 5e-12;
    double peak = 0;
    for (int k = 0; k < 20000; ++k) {
      cell.step();
      peak = std::max(peak, cell["I"]);
    }
    EXPECT_NEAR(peak, 5e-12, 5e-18) << kernel;
  }
}

TEST(Equations, ParrotsCount) {
  ReferenceCell cell(R"cell(
model = "equations"
step = ["n = 0"]
[states]
n = 0
[receptors]
SYN = "n"
[spike]
when = "n > 0"
count = "n"
arrivals = "before_threshold"
)cell",
                     {}, 1e-4);
  cell.arriving[0] = 3;
  EXPECT_EQ(cell.step(), 3);
  EXPECT_EQ(cell.step(), 0);
}

TEST(Equations, SpikesAssignAtOnce) {
  ReferenceCell cell(R"cell(
model = "equations"
[states]
x = 1
y = 2
[spike]
when = "x < 100"
then = { x = "y", y = "x" }
)cell",
                     {}, 1e-4);
  EXPECT_EQ(cell.step(), 1);
  EXPECT_EQ(cell["x"], 2);
  EXPECT_EQ(cell["y"], 1);
}

TEST(Equations, InitialValuesKnowTheNeuron) {
  Document document = Document::from_text(
      "model = \"equations\"\n[parameters]\na = 3\n[constants]\nc = \"2 * a\"\n[states]\nx = \"c + i / N\"\ny = "
      "\"normal()\"\n",
      "x");
  Table table = document.root();
  const ModelText model = read_model_text(table);
  const auto values = initial_values(
      model, [](const std::string&) { return 3.0; }, 1e-4, 2, 8, [](Op, std::uint16_t, double) { return 0.5; });
  EXPECT_THAT(values, testing::ElementsAre(6.25, 0.5));
}

}  // namespace
}  // namespace lpl::spiking
