#include "spiking/kernels.hpp"

#include <bit>
#include <cstring>

#include "core/vector_targets.hpp"
#include "spiking/layout.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "spiking/kernels.cpp"
#include <hwy/foreach_target.h>
// The order matters: foreach_target first.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace lpl::spiking::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::CappedTag<float, 16>;
using Vector = hn::Vec<Tag>;
inline constexpr std::size_t kLanes = hn::MaxLanes(Tag());
inline constexpr std::size_t kVectors = kBlock / kLanes;

// Sixteen floats: one AVX-512 register, two AVX2 registers, four of the baseline.
struct F16 {
  Vector part[kVectors];
};
struct M16 {
  hn::Mask<Tag> part[kVectors];
};

#define LPL_PARTWISE(expression)                                            \
  F16 result;                                                               \
  for (std::size_t v = 0; v < kVectors; ++v) result.part[v] = (expression); \
  return result

HWY_INLINE F16 set(float value) { LPL_PARTWISE(hn::Set(Tag(), value)); }
HWY_INLINE F16 load(const float* from) { LPL_PARTWISE(hn::Load(Tag(), from + v * kLanes)); }
HWY_INLINE void store(const F16& a, float* to) {
  for (std::size_t v = 0; v < kVectors; ++v) hn::Store(a.part[v], Tag(), to + v * kLanes);
}
HWY_INLINE F16 operator+(const F16& a, const F16& b) { LPL_PARTWISE(hn::Add(a.part[v], b.part[v])); }
HWY_INLINE F16 operator-(const F16& a, const F16& b) { LPL_PARTWISE(hn::Sub(a.part[v], b.part[v])); }
HWY_INLINE F16 operator*(const F16& a, const F16& b) { LPL_PARTWISE(hn::Mul(a.part[v], b.part[v])); }
HWY_INLINE F16 operator/(const F16& a, const F16& b) { LPL_PARTWISE(hn::Div(a.part[v], b.part[v])); }
// a * b + c and c - a * b, rounded once where the target has it.
HWY_INLINE F16 fma(const F16& a, const F16& b, const F16& c) {
  LPL_PARTWISE(hn::MulAdd(a.part[v], b.part[v], c.part[v]));
}
HWY_INLINE F16 fnma(const F16& a, const F16& b, const F16& c) {
  LPL_PARTWISE(hn::NegMulAdd(a.part[v], b.part[v], c.part[v]));
}
HWY_INLINE F16 min(const F16& a, const F16& b) { LPL_PARTWISE(hn::Min(a.part[v], b.part[v])); }
HWY_INLINE F16 max(const F16& a, const F16& b) { LPL_PARTWISE(hn::Max(a.part[v], b.part[v])); }
HWY_INLINE F16 abs(const F16& a) { LPL_PARTWISE(hn::Abs(a.part[v])); }
HWY_INLINE F16 select(const M16& m, const F16& yes, const F16& no) {
  LPL_PARTWISE(hn::IfThenElse(m.part[v], yes.part[v], no.part[v]));
}
#undef LPL_PARTWISE

#define LPL_PARTWISE_MASK(expression)                                       \
  M16 result;                                                               \
  for (std::size_t v = 0; v < kVectors; ++v) result.part[v] = (expression); \
  return result
HWY_INLINE M16 operator>(const F16& a, const F16& b) { LPL_PARTWISE_MASK(hn::Gt(a.part[v], b.part[v])); }
HWY_INLINE M16 operator<(const F16& a, const F16& b) { LPL_PARTWISE_MASK(hn::Lt(a.part[v], b.part[v])); }
HWY_INLINE M16 equal(const F16& a, const F16& b) { LPL_PARTWISE_MASK(hn::Eq(a.part[v], b.part[v])); }
HWY_INLINE M16 both(const M16& a, const M16& b) { LPL_PARTWISE_MASK(hn::And(a.part[v], b.part[v])); }
#undef LPL_PARTWISE_MASK

// Bit l of the result is lane l.
HWY_INLINE std::uint32_t bits_of(const M16& m) {
  std::uint32_t bits = 0;
  for (std::size_t v = 0; v < kVectors; ++v) {
    std::uint8_t bytes[8] = {};
    hn::StoreMaskBits(Tag(), m.part[v], bytes);
    std::uint16_t lanes;  // little-endian, as all x86 and Arm targets are
    std::memcpy(&lanes, bytes, sizeof lanes);
    bits |= std::uint32_t{lanes} << (v * kLanes);
  }
  return bits;
}

// 1 in the lanes whose bit is set, else 0.
HWY_INLINE F16 ones_at(std::uint32_t bits) {
  const hn::RebindToUnsigned<Tag> du;
  F16 result;
  for (std::size_t v = 0; v < kVectors; ++v) {
    const auto lane_bit = hn::Shl(hn::Set(du, 1u), hn::Iota(du, static_cast<std::uint32_t>(v * kLanes)));
    const auto hit = hn::Ne(hn::And(hn::Set(du, bits), lane_bit), hn::Zero(du));
    result.part[v] = hn::IfThenElseZero(hn::RebindMask(Tag(), hit), hn::Set(Tag(), 1.0f));
  }
  return result;
}

// Adds the input of one step and marks it as consumed.
HWY_INLINE F16 with_input(const F16& g, float* input) {
  const F16 sum = g + load(input);
  store(set(0.0f), input);
  return sum;
}

// --- Neuron models: registers of one block, and stage 1 of one step --------------------------------------------

struct ConductanceState {
  F16 V, threshold, g_ampa, g_nmda, g_gaba, g_adaptation, refractory;
};

// V' = V + step (I_exc - I_inh - (V - E_leak) + drive) with rest = E_leak + drive and g the sum of all conductances.
// In this form what rounding does to the current is scaled down by `step`; folding V's factor into 1 - step (1 + g)
// saves an instruction, but rounds the leak itself.
HWY_INLINE F16 integrated(const NeuronConstants& c, const F16& V, const F16& g, const F16& g_inh, const F16& rest) {
  const F16 current = fnma(g + set(1.0f), V, fma(g_inh, set(c.E_inh), rest));
  return max(min(fma(set(c.step_membrane), current, V), set(0.0f)), set(c.E_inh));
}

HWY_INLINE F16 nmda_filtered(const NeuronConstants& c, const F16& g_nmda, const F16& g_ampa) {
  const F16 m = set(c.follow_nmda);
  return fma(m, g_ampa, g_nmda) * (set(1.0f) - m);
}

template <bool kAdaptation>
HWY_INLINE std::uint32_t reset_moving_threshold(const NeuronConstants& c, ConductanceState& s, std::uint32_t lanes) {
  const M16 fired = s.V > set(c.threshold) + s.threshold;
  const std::uint32_t bits = bits_of(fired) & lanes;
  s.V = select(fired, set(c.E_leak), s.V);
  s.threshold = select(fired, set(c.threshold_jump), s.threshold);
  if constexpr (kAdaptation) s.g_adaptation = select(fired, s.g_adaptation + set(c.adaptation_jump), s.g_adaptation);
  return bits;
}

struct IntegrateAndFire {
  static constexpr bool kNmda = true, kThreshold = true, kAdaptation = false, kRefractory = false;
  // Every right-hand side uses the old V and the old conductances.
  static HWY_INLINE std::uint32_t step(const NeuronConstants& c, ConductanceState& s, const F16& rest,
                                       std::uint32_t lanes) {
    const F16 g = fma(set(c.A_ampa), s.g_ampa, fma(set(c.A_nmda), s.g_nmda, s.g_gaba));
    s.V = integrated(c, s.V, g, s.g_gaba, rest);
    s.g_nmda = nmda_filtered(c, s.g_nmda, s.g_ampa);
    s.g_ampa = s.g_ampa * set(c.decay_ampa);
    s.g_gaba = s.g_gaba * set(c.decay_gaba);
    s.threshold = s.threshold * set(c.decay_threshold);
    return reset_moving_threshold<kAdaptation>(c, s, lanes);
  }
};

struct AdaptiveIntegrateAndFire {
  static constexpr bool kNmda = true, kThreshold = true, kAdaptation = true, kRefractory = false;
  // The conductances decay first; the currents use the decayed values.
  static HWY_INLINE std::uint32_t step(const NeuronConstants& c, ConductanceState& s, const F16& rest,
                                       std::uint32_t lanes) {
    s.g_ampa = s.g_ampa * set(c.decay_ampa);
    s.g_gaba = s.g_gaba * set(c.decay_gaba);
    s.g_adaptation = s.g_adaptation * set(c.decay_adaptation);
    s.g_nmda = nmda_filtered(c, s.g_nmda, s.g_ampa);
    const F16 g_inh = s.g_gaba + s.g_adaptation;
    const F16 g = fma(set(c.A_ampa), s.g_ampa, fma(set(c.A_nmda), s.g_nmda, g_inh));
    s.V = integrated(c, s.V, g, g_inh, rest);
    s.threshold = s.threshold * set(c.decay_threshold);
    return reset_moving_threshold<kAdaptation>(c, s, lanes);
  }
};

struct LeakyIntegrateAndFire {
  static constexpr bool kNmda = false, kThreshold = false, kAdaptation = false, kRefractory = true;
  static HWY_INLINE std::uint32_t step(const NeuronConstants& c, ConductanceState& s, const F16& rest,
                                       std::uint32_t lanes) {
    const F16 V = integrated(c, s.V, s.g_ampa + s.g_gaba, s.g_gaba, rest);
    s.g_ampa = s.g_ampa * set(c.decay_ampa);
    s.g_gaba = s.g_gaba * set(c.decay_gaba);
    const M16 resting = s.refractory > set(0.0f);
    s.V = select(resting, set(c.E_leak), V);
    s.refractory = max(s.refractory - set(1.0f), set(0.0f));
    const M16 fired = s.V > set(c.threshold);
    s.V = select(fired, set(c.E_leak), s.V);
    s.refractory = select(fired, set(c.refractory_steps), s.refractory);
    return bits_of(fired) & lanes;
  }
};

// The buffers of one block.
struct BlockBuffers {
  BlockBuffers(const NeuronEpoch& e, std::size_t offset)
      : in_ampa(e.in_ampa + offset),
        in_gaba(e.in_gaba + offset),
        in_nmda(e.in_nmda ? e.in_nmda + offset : nullptr),
        clamp(e.clamp ? e.clamp + offset : nullptr),
        current(e.current ? e.current + offset : nullptr),
        V_integrated(e.V_integrated ? e.V_integrated + offset : nullptr) {}
  float *in_ampa, *in_gaba, *in_nmda;
  const float *clamp, *current;
  float* V_integrated;
};

// Adds the input of one step and lets clamps act: what closes a step. `cell` is its offset in the block's buffers.
template <class Model, bool kExtras>
HWY_INLINE void finish_step(const BlockBuffers& buffers, std::size_t cell, ConductanceState& s) {
  s.g_ampa = with_input(s.g_ampa, buffers.in_ampa + cell);
  s.g_gaba = with_input(s.g_gaba, buffers.in_gaba + cell);
  if constexpr (kExtras) {
    if constexpr (Model::kNmda)
      if (buffers.in_nmda) s.g_nmda = with_input(s.g_nmda, buffers.in_nmda + cell);
    if (buffers.clamp) {
      const F16 clamp = load(buffers.clamp + cell);
      s.V = select(equal(clamp, clamp), clamp, s.V);
    }
  }
}

// Integrates steps from .. to-1 of one block and finishes all of them but the last. Nothing is called in here, so the
// state stays in registers. fired[k] gets the lanes that spiked in step k; returns whether any did.
template <class Model, bool kExtras>
HWY_INLINE std::uint32_t integrate_steps(const NeuronConstants& constants, const BlockBuffers& block_buffers,
                                         std::uint32_t lanes, std::uint32_t from, std::uint32_t to,
                                         ConductanceState& state, std::uint16_t* fired) {
  // Local copies: stores through float pointers cannot change them, so they stay in registers.
  const NeuronConstants c = constants;
  const BlockBuffers buffers = block_buffers;
  ConductanceState s = state;
  std::uint32_t any = 0;
  const auto integrate = [&](std::uint32_t k) HWY_ATTR {
    const std::size_t cell = k * kBlock;
    F16 rest = set(c.E_leak + c.drive);
    if constexpr (kExtras)
      if (buffers.current) rest = rest + load(buffers.current + cell);
    const std::uint32_t spiked = Model::step(c, s, rest, lanes);
    fired[k] = static_cast<std::uint16_t>(spiked);
    any |= spiked;
    if (buffers.V_integrated) store(s.V, buffers.V_integrated + cell);
  };
  integrate(from);
  for (std::uint32_t k = from + 1; k < to; ++k) {
    finish_step<Model, kExtras>(buffers, (k - 1) * kBlock, s);
    integrate(k);
  }
  state = s;
  return any;
}

// Time contract of one step k (docs/numerics.md section 1): neurons integrate with what step k-1 left (1), injected
// current being part of the integration (2); the listener delivers and learns, then the input of step k is added (3);
// V_integrated is what stage 4 sees; clamps overwrite V last (6). Only steps at which arrivals are due interrupt a
// block: the listener hears of earlier spikes just before, in order.
template <class Model, bool kExtras>
void advance_blocks(const NeuronConstants& c, const NeuronEpoch& e) {
  std::uint16_t fired[kLongestEpoch];
  for (std::size_t block = 0; block < e.blocks; ++block) {
    const std::size_t at = block * kBlock;
    const BlockBuffers buffers(e, at * e.slots);
    ConductanceState s;
    s.V = load(e.V + at);
    s.g_ampa = load(e.g_ampa + at);
    s.g_gaba = load(e.g_gaba + at);
    if constexpr (Model::kNmda) s.g_nmda = load(e.g_nmda + at);
    if constexpr (Model::kThreshold) s.threshold = load(e.threshold + at);
    if constexpr (Model::kAdaptation) s.g_adaptation = load(e.g_adaptation + at);
    if constexpr (Model::kRefractory) s.refractory = load(e.refractory + at);
    const std::uint32_t due = e.event_steps ? e.event_steps[block] : 0;
    for (std::uint32_t from = 0; from < e.steps;) {
      const std::uint32_t left = due >> from;
      const std::uint32_t last = left ? from + static_cast<std::uint32_t>(std::countr_zero(left)) : e.steps - 1;
      const std::uint32_t any = integrate_steps<Model, kExtras>(c, buffers, e.lanes[block], from, last + 1, s, fired);
      if (HWY_UNLIKELY(any | left)) {
        for (std::uint32_t k = from; k <= last; ++k) {
          if (fired[k])
            e.spikes->push_back({static_cast<std::uint32_t>(block), static_cast<std::uint16_t>(k), fired[k]});
          if (e.listener && (fired[k] || (due >> k & 1u)))
            e.listener->at(static_cast<std::uint32_t>(block), k, fired[k]);
        }
      }
      finish_step<Model, kExtras>(buffers, last * kBlock, s);
      from = last + 1;
    }
    if (e.event_steps) e.event_steps[block] = 0;
    store(s.V, e.V + at);
    store(s.g_ampa, e.g_ampa + at);
    store(s.g_gaba, e.g_gaba + at);
    if constexpr (Model::kNmda) store(s.g_nmda, e.g_nmda + at);
    if constexpr (Model::kThreshold) store(s.threshold, e.threshold + at);
    if constexpr (Model::kAdaptation) store(s.g_adaptation, e.g_adaptation + at);
    if constexpr (Model::kRefractory) store(s.refractory, e.refractory + at);
  }
}

// A parrot spikes in the step in which a spike reaches it.
void advance_parrots(const NeuronEpoch& e) {
  for (std::size_t block = 0; block < e.blocks; ++block)
    for (std::uint32_t step = 0; step < e.steps; ++step) {
      const std::size_t cell = (block * e.slots + step) * kBlock;
      const F16 zero = set(0.0f);
      const std::uint32_t spiked = bits_of(load(e.in_ampa + cell) + load(e.in_gaba + cell) > zero) & e.lanes[block];
      store(zero, e.in_ampa + cell);
      store(zero, e.in_gaba + cell);
      if (spiked)
        e.spikes->push_back(
            {static_cast<std::uint32_t>(block), static_cast<std::uint16_t>(step), static_cast<std::uint16_t>(spiked)});
    }
}

template <class Model>
void advance_model(const NeuronConstants& c, const NeuronEpoch& e) {
  if (e.clamp || e.current || e.in_nmda)
    advance_blocks<Model, true>(c, e);
  else
    advance_blocks<Model, false>(c, e);
}

void AdvanceNeurons(const NeuronConstants& c, const NeuronEpoch& e) {
  switch (c.model) {
    case CellModel::integrate_and_fire:
      return advance_model<IntegrateAndFire>(c, e);
    case CellModel::adaptive_integrate_and_fire:
      return advance_model<AdaptiveIntegrateAndFire>(c, e);
    case CellModel::leaky_integrate_and_fire:
      return advance_model<LeakyIntegrateAndFire>(c, e);
    case CellModel::parrot:
      return advance_parrots(e);
  }
}

// --- Latent predictive learning ---------------------------------------------------------------------------------

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

HWY_EXPORT(AdvanceNeurons);
HWY_EXPORT(AdvanceLplTraces);
HWY_EXPORT(FilterLplBackwards);

void advance_neurons(const NeuronConstants& constants, const NeuronEpoch& epoch) {
  HWY_DYNAMIC_DISPATCH(AdvanceNeurons)(constants, epoch);
}
void advance_lpl_traces(const LplConstants& constants, const LplTraceEpoch& epoch) {
  HWY_DYNAMIC_DISPATCH(AdvanceLplTraces)(constants, epoch);
}
void filter_lpl_backwards(const LplConstants& constants, const LplFilterChunk& chunk) {
  HWY_DYNAMIC_DISPATCH(FilterLplBackwards)(constants, chunk);
}

NeuronConstants neuron_constants(const Cell& cell, double dt) {
  const auto decay = [dt](double tau) { return tau > 0 ? static_cast<float>(std::exp(-dt / tau)) : 0.0f; };
  NeuronConstants c{};
  c.model = cell.model;
  c.E_leak = static_cast<float>(cell.E_leak);
  c.E_inh = static_cast<float>(cell.E_inh);
  c.threshold = static_cast<float>(cell.threshold);
  c.threshold_jump = static_cast<float>(cell.threshold_jump);
  c.A_ampa = static_cast<float>(cell.ampa_nmda_ratio / (cell.ampa_nmda_ratio + 1));
  c.A_nmda = static_cast<float>(1 / (cell.ampa_nmda_ratio + 1));
  c.adaptation_jump = static_cast<float>(cell.adaptation_jump);
  c.drive = static_cast<float>(cell.drive);
  c.refractory_steps = static_cast<float>(std::round(cell.refractory / dt));
  c.step_membrane = static_cast<float>(dt / cell.tau_membrane);
  c.follow_nmda = static_cast<float>(
      cell.model == CellModel::adaptive_integrate_and_fire ? dt / cell.tau_nmda : 1 - std::exp(-dt / cell.tau_nmda));
  c.decay_threshold = decay(cell.tau_threshold);
  c.decay_ampa = decay(cell.tau_ampa);
  c.decay_gaba = decay(cell.tau_gaba);
  c.decay_adaptation = decay(cell.tau_adaptation);
  return c;
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

const char* vector_target() {
  const std::int64_t usable = hwy::SupportedTargets() & HWY_TARGETS;
  return hwy::TargetName(usable & -usable);  // better targets have lower bits
}

}  // namespace lpl::spiking
#endif
