// What Poisson drives add to inputs: the fast form against its scalar twin, and its statistics.
#include "spiking/stimulus/poisson_drive.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/text.hpp"
#include "spiking/network.hpp"
#include "support/vector_targets.hpp"

namespace lpl::spiking {
namespace {

constexpr double kDt = 1e-4;

SimulationDescription driven(const std::string& drive, NeuronId size = 100) {
  return read_simulation_text(
      "simulation = { seed = 5 }\n[[population]]\nname = \"p\"\nsize = " + std::to_string(size) +
          "\ncell = \"c\"\n[cell.c]\nmodel = \"iaf_psc_exp\"\n[[stimulus]]\nname = \"d\"\ntype = \"poisson_drive\"\n"
          "to = \"p\"\n" +
          drive + "\n[[phase]]\nname = \"run\"\nduration = \"1 s\"\n",
      "net.sim");
}

const PoissonDrive& drive_of(const SimulationDescription& s) {
  return dynamic_cast<const PoissonDrive&>(*s.devices[0]);
}

// The sum of probabilities up to `events`, by the textbook.
double poisson_up_to(std::uint32_t events, double mean) {
  double sum = 0;
  for (std::uint32_t n = 0; n <= events; ++n) sum += std::exp(n * std::log(mean) - mean - std::lgamma(n + 1.0));
  return sum;
}

TEST(PoissonTable, HasThePoissonDistribution) {
  for (const double mean : {1e-4, 0.03, 1.28, 2.0, 9.5, 64.0}) {
    const std::vector<std::uint32_t> thresholds = PoissonTable(mean).thresholds();
    ASSERT_TRUE(std::ranges::is_sorted(thresholds)) << mean;
    for (std::uint32_t n = 0; n < thresholds.size(); ++n)
      EXPECT_NEAR(thresholds[n], poisson_up_to(n, mean) * 0x1p32, 2.0) << mean;
    EXPECT_GE(poisson_up_to(static_cast<std::uint32_t>(thresholds.size()), mean), 1 - 0x1p-31) << mean;
  }
  EXPECT_TRUE(PoissonTable(0).thresholds().empty());
}

TEST(PoissonDrive, AddsTheBitsOfItsScalarTwin) {
  const auto s = driven(
      "receptor = \"INH\"\nweight = \"-3 pA\"\nrate = \"12 kHz\"\nneurons = [0, \"3:60\", 77, 99]\n"
      "start = \"0.5 ms\"\nstop = \"2.9 ms\"");
  const PoissonDrive& drive = drive_of(s);
  const std::vector<std::uint32_t> thresholds = PoissonTable(drive.mean).thresholds();
  const Noise noise{.seed = 5, .object = hash_name("d")};
  for (const int ranks : {1, 3})
    for (int rank = 0; rank < ranks; ++rank)
      for (const Step longest : {1, 3, 8}) {
        Network network(s, rank, ranks);
        Neurons& neurons = *network.populations[0];
        const auto actor = drive.make(kDt, 5, neurons);
        for (Step from = 0; from < 40; from += longest) {
          float* const input = neurons.input(1);
          std::fill_n(input, network.layout.size(neurons.blocks()), 0.0f);
          actor->act(from, from + longest);
          for (Step step = from; step < from + longest; ++step)
            for (NeuronId n = 0; n < neurons.range().count; ++n) {
              const NeuronId id = neurons.range().first + n;
              const bool acts = step >= 5 && step < 29 && std::ranges::binary_search(drive.neurons, id);
              const auto events =
                  std::ranges::upper_bound(thresholds, drive_bits(noise, id, step)) - thresholds.begin();
              EXPECT_EQ(input[network.layout.target_of(n) + static_cast<std::size_t>(step - from) * kBlock],
                        acts ? static_cast<float>(events) * -3e-12f : 0.0f)
                  << id << " at " << step;
            }
        }
      }
}

TEST(PoissonDrive, IsIndependentInNeuronsAndSteps) {
  constexpr NeuronId kSize = 1000;
  constexpr Step kSteps = 400;
  const auto s = driven("weight = \"1 pA\"\nrate = \"15 kHz\"", kSize);
  Network network(s, 0, 1);
  Neurons& neurons = *network.populations[0];
  const auto actor = drive_of(s).make(kDt, 5, neurons);
  std::vector<std::vector<double>> events;  // by step, deviations from the mean
  for (Step step = 0; step < kSteps; ++step) {
    std::fill_n(neurons.input(0), network.layout.size(neurons.blocks()), 0.0f);
    actor->act(step, step + 1);
    for (NeuronId n = 0; n < kSize; ++n) {
      if (n == 0) events.emplace_back();
      events.back().push_back(neurons.input(0)[network.layout.target_of(n)] / 1e-12 - 1.5);
    }
  }
  double mean = 0, variance = 0, next_neuron = 0, next_step = 0, fourth_step = 0;
  for (std::size_t k = 0; k + 4 < kSteps; ++k)
    for (std::size_t n = 0; n + 1 < kSize; ++n) {
      mean += events[k][n];
      variance += events[k][n] * events[k][n];
      next_neuron += events[k][n] * events[k][n + 1];
      next_step += events[k][n] * events[k + 1][n];
      fourth_step += events[k][n] * events[k + 4][n];
    }
  const double draws = (kSteps - 4.0) * (kSize - 1.0);
  EXPECT_NEAR(mean / draws, 0, 5 * std::sqrt(1.5 / draws));
  EXPECT_NEAR(variance / draws, 1.5, 5 * std::sqrt((1.5 + 2 * 1.5 * 1.5) / draws));
  for (const double products : {next_neuron, next_step, fourth_step})
    EXPECT_NEAR(products / draws, 0, 5 * 1.5 / std::sqrt(draws));
}

TEST(PoissonDrive, ActsInThePhasesThatItNames) {
  const auto s = driven(
      "weight = \"1 pA\"\nrate = \"600 kHz\"\nphases = [\"pulse\"]\n[[phase]]\nname = \"before\"\n"
      "duration = \"1 ms\"\n[[phase]]\nname = \"pulse\"\nduration = \"0.5 ms\"");
  Network network(s, 0, 1);
  Neurons& neurons = *network.populations[0];
  for (Step step = 0; step < 30; ++step) {
    std::fill_n(neurons.input(0), network.layout.size(neurons.blocks()), 0.0f);
    network.actors[0]->act(step, step + 1);
    EXPECT_EQ(neurons.input(0)[7] > 0, step >= 10 && step < 15) << step;
  }
}

TEST(PoissonDrive, WarnsWhereItNeverActs) {
  const auto warnings = [](const std::string& keys) {
    return driven("weight = \"1 pA\"\nrate = \"1 kHz\"\n" + keys).warnings;
  };
  EXPECT_THAT(warnings("start = \"0.9 s\""), testing::IsEmpty());
  EXPECT_THAT(warnings("start = \"2 s\""),
              testing::ElementsAre("stimulus 'd': begins at 2 s, after the end of the run at 1 s"));
  EXPECT_THAT(warnings("stop = \"0.5 s\"\nphases = [\"later\"]\n[[phase]]\nname = \"earlier\"\nduration = \"1 s\"\n"
                       "[[phase]]\nname = \"later\"\nduration = \"1 s\""),
              testing::ElementsAre("stimulus 'd': never acts: its phases lie outside of 0 s to 0.5 s"));
}

}  // namespace
}  // namespace lpl::spiking
