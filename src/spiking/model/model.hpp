// A neuron model as the engine sees it: it moves blocks of neurons. The register machine runs what its text says; a
// hand-written kernel is the fast form of one text. Nobody else knows a model's states.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/types.hpp"

namespace lpl::spiking {

class BlockHook;

// Spikes of one block in one step; bit l is lane l. Where neurons spike several times in the step, a block has an entry
// for each spike, by lane.
struct BlockSpikes {
  std::uint32_t block;
  std::uint16_t step;  // of the epoch
  std::uint16_t lanes;
};

// What of a neuron ends a run: rkf45 needs more sub-steps than it may take, the number of spikes is none, or a state is
// no finite number.
enum class Fault : std::uint8_t { substeps, spikes, state };
// Neurons of one block that could not do a step.
struct FailedStep {
  std::uint32_t block;
  std::uint16_t step, lanes;
  Fault why;
};
inline constexpr std::uint32_t kMostSpikes = 65535;  // of a neuron in a step

// One population's epoch. Arrays of states and of values by neuron hold 16 numbers a block; buffers are
// [block][slot][16].
struct PopulationEpoch {
  std::size_t blocks = 0;
  std::uint32_t steps = 0;
  std::size_t slots = 0;
  Step first = 0;                        // the epoch's first step; time and random numbers follow from it
  NeuronId first_neuron = 0;             // of the population: the one in block 0, lane 0
  const std::uint16_t* lanes = nullptr;  // by block, the lanes that hold a neuron
  // By state, float or double as the model's numbers are (NeuronModel::is_double).
  void* const* state = nullptr;
  // By receptor, added to the states that it names and zeroed; nullptr where nothing arrives.
  float* const* input = nullptr;
  // Devices. By input of the model, nullptr where none adds to it; a clamp of NaN leaves the neuron free.
  const float* const* added = nullptr;
  const float* clamp = nullptr;
  // Lanes whose neurons spike in a step, whatever their state, [block][slot]; nullptr where there are none.
  const std::uint16_t* injected = nullptr;
  // Output where clamps act: the membrane just before; may be nullptr.
  float* unclamped = nullptr;
  // Output: the membrane after integration and reset, before clamps; may be nullptr.
  float* V_integrated = nullptr;
  // By state of the text, as it is when a step begins; nullptr where nobody asks, or for none.
  float* const* kept = nullptr;
  std::vector<BlockSpikes>* spikes = nullptr;  // appended
  std::vector<FailedStep>* failed = nullptr;   // appended
  BlockHook* hook = nullptr;
  std::uint32_t* event_steps = nullptr;  // by block, bit s: the hook is due at step s; cleared
};

class NeuronModel {
 public:
  virtual ~NeuronModel() = default;
  virtual bool is_double() const { return false; }
  virtual void advance(const PopulationEpoch& epoch) const = 0;
};

}  // namespace lpl::spiking
