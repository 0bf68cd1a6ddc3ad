// What cuDNN would do on an A100 and on an H100, asked without one: for every convolution of the networks of this
// project there is a deterministic engine, in float32 one without TF32, that it can plan, in a workspace within bounds.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tools/convolution_engines.hpp"

namespace lpl::tools {
namespace {

struct Card {
  const char* name;
  int generation, multiprocessors;
  std::int64_t memory, shared_memory, cache, clock, memory_clock;
};
constexpr Card kCards[] = {{"NVIDIA A100-SXM4-80GB", 800, 108, 85095874560, 166912, 41943040, 1410000, 1593000},
                           {"NVIDIA H100 80GB HBM3", 900, 132, 85017755648, 232448, 52428800, 1980000, 2619000}};

Descriptor device(const Card& card) {
  return described_device(fmt::format(
      R"({{"cudnnVersion":{},"schemaVersion":1,"maxGridSize":[2147483647,65535,65535],"maxBlockSize":[1024,1024,64],)"
      R"("regsPerBlock":65536,"multiProcessorCount":{},"warpSize":32,"maxSharedMemoryPerBlock":49152,)"
      R"("maxSharedMemoryPerBlockOptin":{},"reservedSharedMemoryPerBlock":1024,"maxRegistersPerSM":65536,)"
      R"("maxCtasPerSM":32,"maxThreadsPerBlock":1024,"maxThreadsPerSM":2048,"pciDeviceId":0,"isTccDriver":0,)"
      R"("supportCoopLaunch":1,"totalGlobalMem":{},"smClockRateKHz":{},"memClockRateKHz":{},"l2CacheSize":{},)"
      R"("cudaDeviceId":0,"deviceVer":{},"driverVer":13000,"deviceName":"{}"}})",
      cudnnGetVersion(), card.multiprocessors, card.shared_memory, card.memory, card.clock, card.memory_clock,
      card.cache, card.generation, card.name));
}

// samples, in, out, rows, columns, side, stride, padding
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

bool planned(const Problem& problem, Operation operation, const Descriptor& device, std::int64_t most_workspace) {
  const Descriptor graph = operation_graph(problem, operation, nullptr);
  for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK})
    for (const Engine& engine : engines(graph, mode, device)) {
      if (!engine.deterministic() || (problem.type == CUDNN_DATA_FLOAT && !engine.exact())) continue;
      const Plan plan = plan_of(engine, nullptr, device);
      if (plan.descriptor && plan.workspace <= most_workspace) return true;
    }
  return false;
}

TEST(Plans, EveryConvolutionHasADeterministicOne) {
  for (const Card& card : kCards) {
    const Descriptor there = device(card);
    for (const cudnnDataType_t type : {CUDNN_DATA_BFLOAT16, CUDNN_DATA_FLOAT})
      for (const auto& s : kShapes)
        for (const Operation operation : kOperations) {
          const Problem problem{type, s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]};
          EXPECT_TRUE(planned(problem, operation, there, card.memory / 8)) << fmt::format(
              "{}: {} of {}x{} from {} to {} channels of {} {}x{} maps in {}", card.name, name_of(operation), s[5],
              s[5], s[1], s[2], s[0], s[3], s[4], type == CUDNN_DATA_FLOAT ? "float32" : "bfloat16");
        }
  }
}

// A lack would be seen.
TEST(Plans, ThereIsNoneWithinNoWorkspace) {
  const Problem problem{CUDNN_DATA_BFLOAT16, 8, 16, 16, 8, 8, 3, 1, 1};
  EXPECT_FALSE(planned(problem, Operation::forward, device(kCards[1]), -1));
}

}  // namespace
}  // namespace lpl::tools
