// What the models with conductances in leak units share. For files of vector kernels, once a target of Highway.
#if defined(LPL_SPIKING_MODEL_CONDUCTANCES) == defined(HWY_TARGET_TOGGLE)
#ifdef LPL_SPIKING_MODEL_CONDUCTANCES
#undef LPL_SPIKING_MODEL_CONDUCTANCES
#else
#define LPL_SPIKING_MODEL_CONDUCTANCES
#endif

#include "spiking/model/block_loop.hpp"

HWY_BEFORE_NAMESPACE();
namespace lpl::spiking::HWY_NAMESPACE {

// V' = V + step (I_exc - I_inh - (V - E_leak) + drive) with rest = E_leak + drive and g the sum of all conductances.
// In this form what rounding does to the current is scaled down by `step`; folding V's factor into 1 - step (1 + g)
// saves an instruction, but rounds the leak itself.
template <class Constants>
HWY_INLINE F16 integrated(const Constants& c, const F16& V, const F16& g, const F16& g_inh, const F16& rest) {
  const F16 current = fnma(g + set(1.0f), V, fma(g_inh, set(c.E_inh), rest));
  return max(min(fma(set(c.step_membrane), current, V), set(0.0f)), set(c.E_inh));
}

template <class Constants>
HWY_INLINE F16 nmda_filtered(const Constants& c, const F16& g_nmda, const F16& g_ampa) {
  const F16 m = set(c.follow_nmda);
  return fma(m, g_ampa, g_nmda) * (set(1.0f) - m);
}

}  // namespace lpl::spiking::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
