// The vector kernels against closed forms, a fine-step solution and, for every model, their scalar twin (the oracle).
#include "spiking/neurons.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "spiking/synapses.hpp"
#include "support/oracle.hpp"
#include "support/spiking_run.hpp"
#include "support/vector_targets.hpp"
#include "support/world.hpp"

namespace lpl::spiking {
namespace {

constexpr double kDt = 1e-4;

Population population(const std::string& cell, NeuronId size, const std::string& parameters = "") {
  const auto s = read_simulation_text(
      "simulation = {}\n[[population]]\nname = \"p\"\ncell = \"c\"\nsize = " + std::to_string(size) +
          "\n[cell.c]\nmodel = \"" + cell + "\"\n" + parameters + "\n[[phase]]\nname = \"r\"\nduration = \"1 s\"\n",
      "cell.sim");
  return s.populations[0];
}

struct Rig {
  Rig(Population p, bool devices = false)
      : layout(8),
        neurons(p, {0, p.size}, layout, kDt, 1,
                {.receptors = {true, true, true}, .devices = devices, .spike_lanes_kept = 0}) {
    neurons.list(variables, 0);
  }
  void advance(std::uint32_t steps) {
    neurons.advance(step, steps, nullptr, nullptr, spikes);
    step += steps;
  }
  float state(std::string_view name, std::size_t n = 0) const {
    return std::get<std::span<float>>(variables.find(By::neuron, 0, name)->data)[n];
  }
  float V(std::size_t n = 0) const { return state("V", n); }
  EpochLayout layout;
  Neurons neurons;
  Variables variables;
  EpochSpikes spikes;
  Step step = 0;
};

TEST(Neurons, RelaxExponentiallyToRest) {
  Population p = population("if", 3);
  p.initial_membrane = InitialMembrane{.mean = -0.06, .values = {}};
  Rig rig(p);
  for (int epoch = 0; epoch < 100; ++epoch) {
    rig.advance(8);
    const double t = static_cast<double>(rig.step) * kDt;
    EXPECT_NEAR(rig.V(2), -0.07 + 0.01 * std::exp(-t / 0.02), 4e-5 * 0.7) << "after " << t << " s";
  }
}

// dV/dt with AMPA and NMDA conductances, solved with steps a hundred times finer.
double fine_epsp_peak(double w, double* time_of_peak) {
  const double dt = kDt / 100;
  double V = -0.07, ampa = w, nmda = 0, peak = V;
  for (int k = 0; k < 100 * 2000; ++k) {
    const double current = -(0.5 * ampa + 0.5 * nmda) * V - (V + 0.07);
    nmda += dt / 0.1 * (ampa - nmda);
    ampa -= dt / 0.005 * ampa;
    V += dt / 0.02 * current;
    if (V > peak) {
      peak = V;
      *time_of_peak = k * dt;
    }
  }
  return peak;
}

TEST(Neurons, EpspHasTheShapeOfAFineStepSolution) {
  Rig rig(population("if", 1));
  const double w = 0.15;
  rig.neurons.input(0)[rig.layout.target_of(0)] = static_cast<float>(w);
  float peak = -0.07f;
  Step at = 0;
  for (int k = 0; k < 2000; ++k) {
    rig.advance(1);
    if (rig.V() > peak) {
      peak = rig.V();
      at = rig.step;
    }
  }
  double fine_time = 0;
  const double fine_peak = fine_epsp_peak(w, &fine_time);
  EXPECT_NEAR(peak + 0.07, fine_peak + 0.07, 0.02 * (fine_peak + 0.07));
  EXPECT_NEAR(static_cast<double>(at) * kDt, fine_time, 3 * kDt);
  EXPECT_GT(peak, -0.07 + 0.5e-3);
}

TEST(Neurons, InhibitionStopsAtItsReversalPotential) {
  Rig rig(population("if", 1));
  rig.neurons.input(2)[rig.layout.target_of(0)] = 300.0f;  // strong enough to overshoot in one step
  for (int k = 0; k < 100; ++k) {
    rig.advance(1);
    EXPECT_GE(rig.V(), -0.08f);
    EXPECT_LE(rig.V(), 0.0f);
  }
  EXPECT_NEAR(rig.V(), -0.08, 1e-4);
}

TEST(Neurons, SpikeResetsAndRaisesTheThreshold) {
  Population p = population("if", 2);
  p.initial_membrane = InitialMembrane{.values = {-0.045, -0.055}};
  Rig rig(p);
  rig.advance(1);
  EXPECT_EQ(rig.spikes.ids, std::vector<NeuronId>{0});
  EXPECT_EQ(rig.V(0), -0.07f);
  EXPECT_EQ(rig.state("theta"), 0.1f);
}

TEST(Neurons, LifFiresRegularlyWithDriveAndRefractoryPeriod) {
  Rig rig(population("lif", 1, "drive = \"20 mV\"\nrefractory = \"5 ms\""));
  std::vector<Step> times;
  for (int epoch = 0; epoch < 5000; ++epoch) {
    rig.advance(8);
    for (std::size_t s = 0, i = 0; s < 8; ++s)
      for (std::uint32_t n = 0; n < rig.spikes.count[s]; ++n, ++i) times.push_back(rig.step - 8 + static_cast<Step>(s));
  }
  ASSERT_GT(times.size(), 20u);
  // From -60 mV towards -40 mV: the threshold of -50 mV is reached after tau ln 2, and then 5 ms of rest.
  const double interval = static_cast<double>(times.back() - times[1]) * kDt / static_cast<double>(times.size() - 2);
  EXPECT_NEAR(interval, 0.02 * std::log(2.0) + 0.005, 2 * kDt);
}

TEST(Neurons, ClampHoldsAndLetsGo) {
  Rig rig(population("if", 1), true);
  rig.neurons.clamp()[rig.layout.target_of(0)] = -0.055f;
  rig.advance(1);
  EXPECT_EQ(rig.V(), -0.055f);
  rig.neurons.clamp()[rig.layout.target_of(0)] = std::numeric_limits<float>::quiet_NaN();
  rig.advance(1);
  EXPECT_NEAR(rig.V(), -0.055 - 0.015 * kDt / 0.02, 1e-7);
}

TEST(Neurons, CurrentAddsItsVoltageAtRest) {
  Rig rig(population("if", 1), true);
  for (int k = 0; k < 4000; ++k) {
    rig.neurons.current(0)[rig.layout.target_of(0)] = 0.01f;
    rig.advance(1);
  }
  EXPECT_NEAR(rig.V(), -0.06, 1e-5);
}

// Every model with every instruction set, static network, all receptors: spikes equal to the scalar twin's.
class KernelTwin : public testing::TestWithParam<const char*> {};

TEST_P(KernelTwin, GivesTheSameSpikes) {
  const std::string cell = GetParam();
  const bool nmda = cell == "if" || cell == "aif";
  const std::string text =
      "simulation = { seed = 5 }\n"
      "[[stimulus]]\nname = \"input\"\ntype = \"poisson\"\nsize = 80\nrate = \"40 Hz\"\n"
      "[[stimulus]]\nname = \"calm\"\ntype = \"poisson\"\nsize = 40\nrate = \"20 Hz\"\n"
      "[[population]]\nname = \"p\"\ncell = \"c\"\nsize = 37\n"
      "[cell.c]\nmodel = \"" +
      cell +
      "\"\n"
      "[[connection]]\nname = \"a\"\nfrom = \"input\"\nto = \"p\"\ndensity = 0.3\nweight = 0.3\n"
      "[[connection]]\nname = \"g\"\nfrom = \"calm\"\nto = \"p\"\nreceptor = \"GABA\"\ndensity = 0.2\nweight = "
      "0.3\ndelay = \"1.7 ms\"\n" +
      (nmda ? "[[connection]]\nname = \"n\"\nfrom = \"p\"\nto = \"p\"\nreceptor = \"NMDA\"\ndensity = 0.2\nweight = "
              "0.05\ndelay = \"3 ms\"\n"
            : "") +
      "[[phase]]\nname = \"r\"\nduration = \"2 s\"\n[[record]]\nwhat = \"spikes\"\nof = \"p\"\n";
  const test::Scratch scratch;
  const auto simulation = read_simulation_text(text, "twin.sim");
  const auto expected = oracle::run(simulation);
  const auto comm = make_serial_communicator();
  test::with_every_target([&] {
    test::run_to_file(simulation, *comm, scratch.path("r.h5"));
    const auto found = test::read_recorded_spikes(scratch.path("r.h5"), "p", kDt);
    ASSERT_GT(found.step.size(), 100u);
    ASSERT_EQ(found.step.size(), expected.spikes[0].size());
    for (std::size_t i = 0; i < found.step.size(); ++i)
      ASSERT_EQ((oracle::Spike{found.step[i], found.id[i]}), expected.spikes[0][i]) << i;
  });
}

INSTANTIATE_TEST_SUITE_P(Models, KernelTwin, testing::Values("if", "aif", "lif", "parrot"));

}  // namespace
}  // namespace lpl::spiking
