#include "spiking/plasticity/lpl_kernels.hpp"

#include "core/vector_targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "spiking/plasticity/lpl_kernels.cpp"
#include <hwy/foreach_target.h>
// The order matters: foreach_target first.
#include "spiking/model/lanes.hpp"

HWY_BEFORE_NAMESPACE();
namespace lpl::spiking::HWY_NAMESPACE {

// Stages 4 and 5 of the LPL rule, postsynaptic side (docs/numerics.md section 3).
void AdvanceLplTraces(const LplConstants& constants, const LplTraceEpoch& epoch) {
  const LplConstants c = constants;
  const LplTraceEpoch e = epoch;
  for (std::size_t block = 0; block < e.blocks; ++block) {
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
      const F16 spiked_late = ones_at(spikes[late * e.blocks]);
      const F16 deviation = fnma(set(c.mean_to_rate), mean, spiked_late);
      const F16 spread = variance + set(c.epsilon);
      const F16 voltage = load(V + step * kBlock);
      const F16 side = fma(set(c.steepness), abs(voltage - set(c.surrogate_threshold)), set(1.0f));
      const F16 side2 = side * side;
      // One division serves both quotients: x / spread and steepness / side^2.
      const F16 inverse = set(1.0f) / (spread * side2);
      const F16 push = set(c.hebbian) * deviation * (side2 * inverse);
      const F16 slope = set(c.steepness) * (spread * inverse);
      const F16 pull = set(c.predictive) * (ones_at(spikes[past * e.blocks]) - spiked_late);
      variance = fma(deviation * deviation, set(c.gain_variance), variance) * set(c.decay_variance);
      mean = (mean + ones_at(spikes[now * e.blocks])) * set(c.decay_mean);
      rise = fma(set(c.follow_rise), push + set(c.transmitter) + pull - rise, rise);
      error = fma(set(c.follow_fall), rise - error, error);

      store(select(voltage < set(c.surrogate_floor), set(0.0f), slope), derivatives + slot * kBlock);
      if (++slot == e.history) slot = 0;
      store(error, errors + slot * kBlock);
      if (++now == e.ring) now = 0;
      if (++late == e.ring) late = 0;
      if (++past == e.ring) past = 0;
    }
    store(mean, e.mean + at);
    store(variance, e.variance + at);
    store(rise, e.error_rise + at);
    store(error, e.error + at);
  }
}

template <bool kWithError>
void filter_blocks(const LplConstants& c, const LplFilterChunk& chunk) {
  const LplFilterChunk k = chunk;
  const F16 a = set(c.eligibility_decay), m = set(c.eligibility_follow), n = set(c.membrane_follow),
            b = set(c.synapse_decay), m1 = set(1.0f - c.eligibility_follow), n1 = set(1.0f - c.membrane_follow);
  for (std::size_t block = 0; block < k.blocks; ++block) {
    float* const adjoint = k.adjoint + block * 4 * kBlock;
    F16 fall = load(adjoint), rise = load(adjoint + kBlock), potential = load(adjoint + 2 * kBlock),
        current = load(adjoint + 3 * kBlock);
    const float* const errors = k.error_history + block * k.history * kBlock;
    const float* const derivatives = k.derivative_history + block * k.history * kBlock;
    std::size_t error_at = k.error_position, derivative_at = k.derivative_position;
    const std::size_t group = k.blocks * k.slots * kBlock, slots = k.slots * kBlock;
    float* sensitivity = k.sensitivity + block * slots;
    const float* group_end = sensitivity + slots;
    for (std::size_t t = 0; t < k.steps; ++t) {
      if constexpr (kWithError) {
        fall = fall + load(errors + error_at * kBlock);
        error_at = (error_at == 0 ? k.history : error_at) - 1;
      }
      const F16 eligibility = fma(a, rise, m * fall);
      fall = m1 * fall;
      rise = eligibility;
      const F16 arrival = b * current;
      store(arrival, sensitivity);
      sensitivity += kBlock;
      if (sensitivity == group_end) {
        sensitivity += group - slots;
        group_end += group;
      }
      current = fma(n, potential, arrival);
      potential = fma(eligibility, load(derivatives + derivative_at * kBlock), n1 * potential);
      derivative_at = (derivative_at == 0 ? k.history : derivative_at) - 1;
    }
    store(fall, adjoint);
    store(rise, adjoint + kBlock);
    store(potential, adjoint + 2 * kBlock);
    store(current, adjoint + 3 * kBlock);
  }
}

void FilterLplBackwards(const LplConstants& c, const LplFilterChunk& k) {
  if (k.with_error)
    filter_blocks<true>(c, k);
  else
    filter_blocks<false>(c, k);
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
