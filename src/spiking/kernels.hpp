// Vector kernels over blocks of 16 neurons (Google Highway, run-time dispatch): neurons outside, time inside, a
// block's state in registers for a whole epoch. All arithmetic is float32 and lane-wise; nothing is reduced over
// lanes, so results depend on neither lane nor rank. The scalar twins are in tests/support.
#pragma once

#include <cstdint>
#include <vector>

#include "core/types.hpp"
#include "spiking/block_hook.hpp"
#include "spiking/description.hpp"
#include "spiking/model/model.hpp"

namespace lpl::spiking {

// One population's epoch. Arrays of state hold 16 floats per block; buffers are [block][slot][16].
struct NeuronEpoch {
  std::size_t blocks = 0;
  std::uint32_t steps = 0;
  std::size_t slots = 0;
  std::uint16_t* lanes = nullptr;  // per block, lanes that hold a neuron
  // State. Conductances in leak units, potentials in V.
  float* V = nullptr;
  float* threshold = nullptr;  // offset of the moving threshold; if, aif
  float* g_ampa = nullptr;
  float* g_nmda = nullptr;  // if, aif
  float* g_gaba = nullptr;
  float* g_adaptation = nullptr;  // aif
  float* refractory = nullptr;    // steps left; lif
  // Input of the epoch; consumed (zeroed) by the kernel.
  float* in_ampa = nullptr;
  float* in_gaba = nullptr;
  float* in_nmda = nullptr;  // nullptr: no NMDA synapses
  // Devices; both or neither. A clamp of NaN leaves the neuron free.
  const float* clamp = nullptr;
  const float* current = nullptr;
  // Output.
  float* V_integrated = nullptr;               // V after integration and reset, before clamps; may be nullptr
  std::vector<BlockSpikes>* spikes = nullptr;  // appended
  BlockHook* hook = nullptr;
  std::uint32_t* event_steps = nullptr;  // per block, bit s: the hook is due at step s; cleared
};

// Constants of a cell, derived from its parameters and dt.
struct NeuronConstants {
  CellModel model;
  float E_leak, E_inh, threshold, threshold_jump, A_ampa, A_nmda, adaptation_jump, drive, refractory_steps;
  float step_membrane;  // dt / tau_membrane
  float follow_nmda;    // m of the NMDA filter
  float decay_threshold, decay_ampa, decay_gaba, decay_adaptation;
};
NeuronConstants neuron_constants(const Cell& cell, double dt);

// Advances a population over an epoch. docs/numerics.md gives the equations and their order.
void advance_neurons(const NeuronConstants& constants, const NeuronEpoch& epoch);

// The instruction set in use, such as "AVX3".
const char* vector_target();

}  // namespace lpl::spiking
