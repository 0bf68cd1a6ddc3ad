#include "spiking/kernels.hpp"

#include <bit>

#include "core/vector_targets.hpp"
#include "spiking/layout.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "spiking/kernels.cpp"
#include <hwy/foreach_target.h>
// The order matters: foreach_target first.
#include "spiking/model/lanes.hpp"

HWY_BEFORE_NAMESPACE();
namespace lpl::spiking::HWY_NAMESPACE {
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
// current being part of the integration (2); the hook delivers and learns, then the input of step k is added (3);
// V_integrated is what stage 4 sees; clamps overwrite V last (6). Only steps at which arrivals are due interrupt a
// block: the hook hears of earlier spikes just before, in order.
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
          const auto at_block = static_cast<std::uint32_t>(block);
          if (due >> k & 1u) e.hook->arrive(at_block, k);
          if (!fired[k]) continue;
          e.spikes->push_back({at_block, static_cast<std::uint16_t>(k), fired[k]});
          if (e.hook) e.hook->spiked(at_block, k, fired[k]);
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

}  // namespace lpl::spiking::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <cmath>

namespace lpl::spiking {

HWY_EXPORT(AdvanceNeurons);

void advance_neurons(const NeuronConstants& constants, const NeuronEpoch& epoch) {
  HWY_DYNAMIC_DISPATCH(AdvanceNeurons)(constants, epoch);
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

const char* vector_target() {
  const std::int64_t usable = hwy::SupportedTargets() & HWY_TARGETS;
  return hwy::TargetName(usable & -usable);  // better targets have lower bits
}

}  // namespace lpl::spiking
#endif
