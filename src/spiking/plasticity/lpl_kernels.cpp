#include "spiking/plasticity/lpl_kernels.hpp"

#include "core/vector_targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "spiking/plasticity/lpl_kernels.cpp"
#include <hwy/foreach_target.h>
// The order matters: foreach_target first.
#include "spiking/model/lanes.hpp"

HWY_BEFORE_NAMESPACE();
namespace lpl::spiking::HWY_NAMESPACE {

// Whether any neuron of a block spiked in `steps` steps from a slot of the ring on.
bool any_spike(const LplTraceEpoch& e, const std::uint16_t* spikes, std::size_t slot) {
  std::uint32_t any = 0;
  for (std::uint32_t step = 0; step < e.steps; ++step) {
    any |= spikes[slot * e.blocks];
    if (++slot == e.ring) slot = 0;
  }
  return any != 0;
}

// One block. Where none of the spikes that are looked at is there, as in most epochs, their terms are left out, which
// makes the same bits.
template <bool kSpikes>
void advance_block(const LplConstants& constants, const LplTraceEpoch& epoch, std::size_t block) {
  const LplConstants c = constants;
  const LplTraceEpoch e = epoch;
  const std::size_t at = block * kBlock;
  F16 mean = load(e.mean + at);
  F16 variance = load(e.variance + at);
  F16 rise = load(e.error_rise + at);
  F16 error = load(e.error + at);
  const std::uint16_t* const spikes = e.spike_lanes + block;
  float* const errors = e.error_history + at * e.history;
  float* const derivatives = e.derivative_history + at * e.history;
  const float* const V = e.V_integrated + at * e.slots;
  std::size_t now = e.now, late = e.late, past = e.past, slot = e.history_position;
  for (std::uint32_t step = 0; step < e.steps; ++step) {
    F16 spiked_late = set(0.0f);
    if constexpr (kSpikes) spiked_late = ones_at(spikes[late * e.blocks]);
    const F16 deviation = fnma(set(c.mean_to_rate), mean, spiked_late);
    const F16 spread = variance + set(c.epsilon);
    const F16 voltage = load(V + step * kBlock);
    const F16 side = fma(set(c.steepness), abs(voltage - set(c.surrogate_threshold)), set(1.0f));
    const F16 side2 = side * side;
    // One division serves both quotients: x / spread and steepness / side^2.
    const F16 inverse = set(1.0f) / (spread * side2);
    const F16 push = set(c.hebbian) * deviation * (side2 * inverse);
    const F16 slope = set(c.steepness) * (spread * inverse);
    F16 drive = push + set(c.transmitter);
    variance = fma(deviation * deviation, set(c.gain_variance), variance) * set(c.decay_variance);
    if constexpr (kSpikes) {
      drive = drive + set(c.predictive) * (ones_at(spikes[past * e.blocks]) - spiked_late);
      mean = mean + ones_at(spikes[now * e.blocks]);
      if (++now == e.ring) now = 0;
      if (++late == e.ring) late = 0;
      if (++past == e.ring) past = 0;
    }
    mean = mean * set(c.decay_mean);
    rise = fma(set(c.follow_rise), drive - rise, rise);
    error = fma(set(c.follow_fall), rise - error, error);

    store(select(voltage < set(c.surrogate_floor), set(0.0f), slope), derivatives + slot * kBlock);
    if (++slot == e.history) slot = 0;
    store(error, errors + slot * kBlock);
  }
  store(mean, e.mean + at);
  store(variance, e.variance + at);
  store(rise, e.error_rise + at);
  store(error, e.error + at);
}

// Stages 4 and 5 of the LPL rule, postsynaptic side (docs/numerics.md section 3).
void AdvanceLplTraces(const LplConstants& c, const LplTraceEpoch& e) {
  for (std::size_t block = 0; block < e.blocks; ++block) {
    const std::uint16_t* const spikes = e.spike_lanes + block;
    if (any_spike(e, spikes, e.now) || any_spike(e, spikes, e.late) || any_spike(e, spikes, e.past))
      advance_block<true>(c, e, block);
    else
      advance_block<false>(c, e, block);
  }
}

// Blocks first .. first + kBlocks-1, each a chain of operations that wait for each other.
template <bool kWithError, std::size_t kBlocks>
void filter_blocks(const LplConstants& c, const LplFilterChunk& chunk, std::size_t first) {
  const LplFilterChunk k = chunk;
  const F16 a = set(c.eligibility_decay), m = set(c.eligibility_follow), n = set(c.membrane_follow),
            b = set(c.synapse_decay), m1 = set(1.0f - c.eligibility_follow), n1 = set(1.0f - c.membrane_follow);
  const std::size_t of_block = k.history * kBlock, group = k.blocks * k.slots * kBlock, slots = k.slots * kBlock;
  float* const adjoint = k.adjoint + first * 4 * kBlock;
  const float* const errors = k.error_history + first * of_block;
  const float* const derivatives = k.derivative_history + first * of_block;
  F16 fall[kBlocks], rise[kBlocks], potential[kBlocks], current[kBlocks];
  for (std::size_t i = 0; i < kBlocks; ++i) {
    const float* const from = adjoint + i * 4 * kBlock;
    fall[i] = load(from);
    rise[i] = load(from + kBlock);
    potential[i] = load(from + 2 * kBlock);
    current[i] = load(from + 3 * kBlock);
  }
  std::size_t error_at = k.error_position, derivative_at = k.derivative_position;
  float* sensitivity = k.sensitivity + first * slots;
  const float* group_end = sensitivity + slots;
  for (std::size_t t = 0; t < k.steps; ++t) {
    for (std::size_t i = 0; i < kBlocks; ++i) {
      if constexpr (kWithError) fall[i] = fall[i] + load(errors + i * of_block + error_at * kBlock);
      const F16 eligibility = fma(a, rise[i], m * fall[i]);
      fall[i] = m1 * fall[i];
      rise[i] = eligibility;
      const F16 arrival = b * current[i];
      store(arrival, sensitivity + i * slots);
      current[i] = fma(n, potential[i], arrival);
      potential[i] = fma(eligibility, load(derivatives + i * of_block + derivative_at * kBlock), n1 * potential[i]);
    }
    if constexpr (kWithError) error_at = (error_at == 0 ? k.history : error_at) - 1;
    derivative_at = (derivative_at == 0 ? k.history : derivative_at) - 1;
    sensitivity += kBlock;
    if (sensitivity == group_end) {
      sensitivity += group - slots;
      group_end += group;
    }
  }
  for (std::size_t i = 0; i < kBlocks; ++i) {
    float* const to = adjoint + i * 4 * kBlock;
    store(fall[i], to);
    store(rise[i], to + kBlock);
    store(potential[i], to + 2 * kBlock);
    store(current[i], to + 3 * kBlock);
  }
}

template <bool kWithError>
void filter_all(const LplConstants& c, const LplFilterChunk& k) {
  some_at_a_time(k.blocks, [&](auto blocks, std::size_t first) { filter_blocks<kWithError, blocks()>(c, k, first); });
}

void FilterLplBackwards(const LplConstants& c, const LplFilterChunk& k) {
  if (k.with_error)
    filter_all<true>(c, k);
  else
    filter_all<false>(c, k);
}

}  // namespace lpl::spiking::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <cmath>

namespace lpl::spiking {

HWY_EXPORT(AdvanceLplTraces);
HWY_EXPORT(FilterLplBackwards);

void advance_lpl_traces(const LplConstants& constants, const LplTraceEpoch& epoch) {
  HWY_DYNAMIC_DISPATCH(AdvanceLplTraces)(constants, epoch);
}
void filter_lpl_backwards(const LplConstants& constants, const LplFilterChunk& chunk) {
  HWY_DYNAMIC_DISPATCH(FilterLplBackwards)(constants, chunk);
}

LplConstants lpl_constants(const LplRule& rule, double dt, Step lateness) {
  const auto decay = [dt](double tau) { return static_cast<float>(std::exp(-dt / tau)); };
  const auto follow = [dt](double tau) { return static_cast<float>(dt / tau); };
  const bool corrected = rule.normalisation == Normalisation::corrected;
  LplConstants c{};
  c.hebbian = static_cast<float>(rule.hebbian_strength * (corrected ? dt : 1.0));
  c.predictive = static_cast<float>(rule.predictive_strength);
  c.transmitter =
      rule.transmitter_form == TransmitterForm::in_error ? static_cast<float>(rule.transmitter_strength) : 0.0f;
  c.epsilon = static_cast<float>(rule.epsilon);
  c.mean_to_rate = follow(rule.tau_mean);
  c.gain_variance = static_cast<float>((corrected ? dt : 1.0) / rule.tau_variance);
  c.decay_variance = decay(rule.tau_variance);
  c.decay_mean = decay(rule.tau_mean);
  c.follow_rise = follow(rule.tau_rise);
  c.follow_fall = follow(rule.tau_fall);
  c.steepness = static_cast<float>(rule.surrogate_steepness);
  c.surrogate_threshold = static_cast<float>(rule.surrogate_threshold);
  c.surrogate_floor = static_cast<float>(rule.surrogate_floor);
  c.eligibility_decay = decay(rule.tau_rise);
  c.eligibility_follow = follow(rule.tau_fall);
  c.membrane_follow = follow(rule.tau_membrane);
  c.synapse_decay = decay(rule.tau_synapse);
  c.horizon = std::llround(rule.horizon / dt);
  c.lateness = lateness;
  return c;
}

}  // namespace lpl::spiking
#endif
