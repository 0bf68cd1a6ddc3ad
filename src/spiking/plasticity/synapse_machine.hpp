// Runs the program of an event over synapses, on vector lanes. The same bits as the scalar run (core/program.hpp) on
// every target.
#pragma once

#include <vector>

#include "core/aligned.hpp"
#include "core/program.hpp"
#include "spiking/text/lane_code.hpp"

namespace lpl::spiking {

class SynapseMachine {
 public:
  static constexpr std::size_t kMost = 256;  // synapses at a time

  explicit SynapseMachine(const Program& program);

  // Registers of states and inputs, by synapse.
  float* column(std::size_t index) { return columns_.data() + index * kStride; }
  // Of the first `count` synapses.
  void run(std::size_t count);

 private:
  // One block more than there may be: columns at distances of a power of two would get into each other's way in the
  // cache.
  static constexpr std::size_t kStride = kMost + kBlock;

  std::vector<LaneInstruction> code_;
  std::vector<float> constants_;
  AlignedVector<float> columns_;
};

}  // namespace lpl::spiking
