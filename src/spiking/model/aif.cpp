// Integrate-and-fire with a moving threshold and adaptation (Halvagal & Zenke 2023): models/aif.cell.
#include "core/vector_targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "spiking/model/aif.cpp"
#include <hwy/foreach_target.h>
// The order matters: foreach_target first.
#include "spiking/model/conductances.hpp"

HWY_BEFORE_NAMESPACE();
namespace lpl::spiking::HWY_NAMESPACE {

struct AdaptiveIntegrateAndFire {
  enum State { V, threshold, g_ampa, g_nmda, g_gaba, g_adaptation, kStates };
  enum Receptor { AMPA, NMDA, GABA, kReceptors };
  static constexpr std::size_t kTarget[] = {g_ampa, g_nmda, g_gaba};

  struct Constants {
    float E_leak, E_inh, rest, threshold, threshold_jump, A_ampa, A_nmda, step_membrane, follow_nmda, decay_threshold,
        decay_ampa, decay_gaba, decay_adaptation, adaptation_jump;
  };
  static Constants constants(const Parameters& parameter) {
    const auto at = [&](std::string_view name) { return static_cast<float>(parameter(name)); };
    return {.E_leak = at("E_leak"),
            .E_inh = at("E_inh"),
            .rest = at("E_leak"),
            .threshold = at("threshold"),
            .threshold_jump = at("threshold_jump"),
            .A_ampa = at("A_ampa"),
            .A_nmda = at("A_nmda"),
            .step_membrane = at("step_membrane"),
            .follow_nmda = at("follow_nmda"),
            .decay_threshold = at("decay_threshold"),
            .decay_ampa = at("decay_ampa"),
            .decay_gaba = at("decay_gaba"),
            .decay_adaptation = at("decay_adaptation"),
            .adaptation_jump = at("adaptation_jump")};
  }

  // The conductances decay first; the currents use the decayed values.
  static HWY_INLINE M16 step(const Constants& c, Registers<AdaptiveIntegrateAndFire>& s, const F16& rest) {
    s[g_ampa] = s[g_ampa] * set(c.decay_ampa);
    s[g_gaba] = s[g_gaba] * set(c.decay_gaba);
    s[g_adaptation] = s[g_adaptation] * set(c.decay_adaptation);
    s[g_nmda] = nmda_filtered(c, s[g_nmda], s[g_ampa]);
    const F16 g_inh = s[g_gaba] + s[g_adaptation];
    const F16 g = fma(set(c.A_ampa), s[g_ampa], fma(set(c.A_nmda), s[g_nmda], g_inh));
    s[V] = integrated(c, s[V], g, g_inh, rest);
    s[threshold] = s[threshold] * set(c.decay_threshold);
    const M16 fired = s[V] > set(c.threshold) + s[threshold];
    s[V] = select(fired, set(c.E_leak), s[V]);
    s[threshold] = select(fired, set(c.threshold_jump), s[threshold]);
    s[g_adaptation] = select(fired, s[g_adaptation] + set(c.adaptation_jump), s[g_adaptation]);
    return fired;
  }
};

std::unique_ptr<NeuronModel> MakeAif(const Parameters& parameter) {
  return std::make_unique<Kernel<AdaptiveIntegrateAndFire>>(parameter);
}

}  // namespace lpl::spiking::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lpl::spiking {
namespace {

HWY_EXPORT(MakeAif);

constexpr std::string_view kStates[] = {"V", "theta", "g_ampa", "g_nmda", "g_gaba", "g_adaptation"};
constexpr std::string_view kReceptors[] = {"AMPA", "NMDA", "GABA"};

std::unique_ptr<NeuronModel> make(const Parameters& parameter) { return HWY_DYNAMIC_DISPATCH(MakeAif)(parameter); }

}  // namespace

extern const KernelEntry aif_kernel{"aif", kStates, kReceptors, make};

}  // namespace lpl::spiking
#endif
