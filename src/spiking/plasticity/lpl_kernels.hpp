// Vector kernels of the LPL rule, over blocks of 16 postsynaptic neurons.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/types.hpp"
#include "rule/rule.hpp"

namespace lpl::spiking {

// Constants of the LPL rule, derived from its parameters and dt.
struct LplConstants {
  float hebbian;       // lambda, in the units of the normalisation
  float predictive;    // phi
  float transmitter;   // delta of the error
  float epsilon;       // xi
  float mean_to_rate;  // dt / tau_mean
  float gain_variance, decay_variance, decay_mean, follow_rise, follow_fall;
  float steepness, surrogate_threshold, surrogate_floor;
  float eligibility_decay, eligibility_follow, membrane_follow, synapse_decay;  // a, m, n, b of the filter
  Step horizon, lateness;
};
LplConstants lpl_constants(const LplRule& rule, double dt, Step lateness);

// Postsynaptic traces of the LPL rule over an epoch: from spikes and membrane potentials to the filtered error and
// the surrogate derivative, stored per step. Histories are [block][history][16].
struct LplTraceEpoch {
  std::size_t blocks = 0;
  std::uint32_t steps = 0;
  std::size_t slots = 0;
  const float* V_integrated = nullptr;         // [block][slots][16]
  const std::uint16_t* spike_lanes = nullptr;  // [ring][block]
  std::size_t ring = 0;
  std::size_t now = 0, late = 0, past = 0;  // ring slots of the steps k, k - lateness, k - horizon
  float* mean = nullptr;
  float* variance = nullptr;
  float* error_rise = nullptr;
  float* error = nullptr;
  std::size_t history = 0;
  std::size_t history_position = 0;  // slot of the epoch's first step
  float* error_history = nullptr;    // slot of step k: the error that stage 4 of step k uses
  float* derivative_history = nullptr;
};
void advance_lpl_traces(const LplConstants& constants, const LplTraceEpoch& epoch);

// The backward filter (docs/numerics.md section 6) over presynaptic steps, latest first. Slot h[t] gets the change of
// the gradient by one arrival in that step.
struct LplFilterChunk {
  std::size_t blocks = 0;
  std::size_t steps = 0;  // of this chunk
  std::size_t history = 0;
  std::size_t derivative_position = 0;  // slot of the chunk's latest step
  std::size_t error_position = 0;       // slot of the latest step + lateness
  bool with_error = false;              // false before the window: only the tail of the kernels is left
  const float* error_history = nullptr;
  const float* derivative_history = nullptr;
  float* adjoint = nullptr;  // [block][4][16]: eligibility fall, eligibility rise, potential, current
  // Latest step first, in groups of `slots` steps, each laid out like an input buffer: [group][block][slot][16].
  float* sensitivity = nullptr;
  std::size_t slots = 0;
};
void filter_lpl_backwards(const LplConstants& constants, const LplFilterChunk& chunk);

}  // namespace lpl::spiking
