// What the backend gets of cuDNN itself on an A100 and on an H100, asked without one: for every convolution of the
// networks of this project there is a deterministic engine, in float32 one without TF32, that it can plan, in a
// workspace within bounds.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <iterator>
#include <string>

#include "rate/cuda/convolution_plans.hpp"

namespace lpl::rate::cuda {
namespace {

struct Card {
  const char* name;
  int generation, multiprocessors;
  std::int64_t memory, shared_memory, cache, clock, memory_clock;
};
constexpr Card kCards[] = {{"NVIDIA A100-SXM4-80GB", 800, 108, 85095874560, 166912, 41943040, 1410000, 1593000},
                           {"NVIDIA H100 80GB HBM3", 900, 132, 85017755648, 232448, 52428800, 1980000, 2619000}};

PlanTarget target(const Card& card) {
  return described_target(fmt::format(
      R"({{"cudnnVersion":{},"schemaVersion":1,"maxGridSize":[2147483647,65535,65535],"maxBlockSize":[1024,1024,64],)"
      R"("regsPerBlock":65536,"multiProcessorCount":{},"warpSize":32,"maxSharedMemoryPerBlock":49152,)"
      R"("maxSharedMemoryPerBlockOptin":{},"reservedSharedMemoryPerBlock":1024,"maxRegistersPerSM":65536,)"
      R"("maxCtasPerSM":32,"maxThreadsPerBlock":1024,"maxThreadsPerSM":2048,"pciDeviceId":0,"isTccDriver":0,)"
      R"("supportCoopLaunch":1,"totalGlobalMem":{},"smClockRateKHz":{},"memClockRateKHz":{},"l2CacheSize":{},)"
      R"("cudaDeviceId":0,"deviceVer":{},"driverVer":13000,"deviceName":"{}"}})",
      cudnnGetVersion(), card.multiprocessors, card.shared_memory, card.memory, card.clock, card.memory_clock,
      card.cache, card.generation, card.name));
}

// samples, in, out, rows, columns, side, stride, padding; first those of networks
constexpr std::size_t kOfNetworks = 11;
constexpr std::int64_t kShapes[][8] = {
    // VGG-11 on 32 x 32 maps, both views of 1024
    {2048, 3, 64, 32, 32, 3, 1, 1},
    {2048, 64, 128, 16, 16, 3, 1, 1},
    {2048, 128, 256, 8, 8, 3, 1, 1},
    {2048, 256, 256, 8, 8, 3, 1, 1},
    {2048, 256, 512, 4, 4, 3, 1, 1},
    {2048, 512, 512, 4, 4, 3, 1, 1},
    {2048, 512, 512, 2, 2, 3, 1, 1},
    // the first on 96 x 96, and a residual network's on 224 x 224
    {2048, 3, 64, 96, 96, 3, 1, 1},
    {512, 3, 64, 224, 224, 7, 2, 3},
    {512, 64, 64, 56, 56, 1, 1, 0},
    {512, 256, 512, 56, 56, 1, 2, 0},
    // odd ones of backend_test.cpp
    {6, 16, 24, 9, 8, 3, 1, 1},
    {2, 3, 8, 35, 35, 11, 4, 2},
    {3, 8, 8, 9, 9, 5, 1, 2},
    {5, 8, 16, 4, 4, 4, 1, 0},
    {3, 8, 12, 4, 5, 1, 1, 0}};

// As the backend chooses it, but for trying it.
ChosenPlan chosen(const ConvolutionProblem& problem, Operation operation, const PlanTarget& there,
                  std::int64_t most_workspace) {
  return choose_plan(problem, operation, there, most_workspace, [](const ConvolutionPlan&) { return ""; });
}

class Plans : public testing::Test {
 protected:
  void SetUp() override {
    if (cudnnGetVersion() < 90800) GTEST_SKIP() << "cuDNN before 9.8 knows no devices that are only described";
  }
};

// In bfloat16 it computes a network's by tensor cores.
TEST_F(Plans, EveryConvolutionHasADeterministicOne) {
  for (const Card& card : kCards) {
    const PlanTarget there = target(card);
    for (const cudnnDataType_t type : {CUDNN_DATA_BFLOAT16, CUDNN_DATA_FLOAT})
      for (std::size_t i = 0; i < std::size(kShapes); ++i)
        for (const Operation operation : {Operation::forward, Operation::filter_gradient, Operation::input_gradient}) {
          const auto& s = kShapes[i];
          const ConvolutionProblem problem{type, s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]};
          const std::string what =
              fmt::format("{}: operation {} of {}x{} from {} to {} channels of {} {}x{} maps in {}", card.name,
                          static_cast<int>(operation), s[5], s[5], s[1], s[2], s[0], s[3], s[4],
                          type == CUDNN_DATA_FLOAT ? "float32" : "bfloat16");
          SCOPED_TRACE(what);
          const Engine engine = chosen(problem, operation, there, card.memory / 8).engine;
          if (i < kOfNetworks) {
            EXPECT_EQ(engine.uses_tensor_cores(), type == CUDNN_DATA_BFLOAT16);
          }
        }
  }
}

// A lack would be seen.
TEST_F(Plans, ThereIsNoneWithinNoWorkspace) {
  const ConvolutionProblem problem{CUDNN_DATA_BFLOAT16, 8, 16, 16, 8, 8, 3, 1, 1};
  EXPECT_THROW(chosen(problem, Operation::forward, target(kCards[1]), -1), NoPlan);
}

}  // namespace
}  // namespace lpl::rate::cuda
