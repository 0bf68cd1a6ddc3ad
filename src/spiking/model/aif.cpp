// The kernel of models/aif.cell.
#include "core/vector_targets.hpp"
#include "spiking/model/kernel.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "spiking/model/aif.cpp"
#include <hwy/foreach_target.h>
// The order matters: foreach_target first.
#include "spiking/model/block_loop.hpp"
#include "spiking/model/conductances.hpp"

HWY_BEFORE_NAMESPACE();
namespace lpl::spiking::HWY_NAMESPACE {

struct Aif {
  enum State : std::size_t { V, theta, g_ampa, g_nmda, g_gaba, g_adaptation, kStates };
  static constexpr std::size_t kReceiving[] = {g_ampa, g_nmda, g_gaba};
  struct Constants {
    float E_leak, E_inh, threshold, threshold_jump, step_membrane, follow_nmda, A_ampa, A_nmda, decay_threshold,
        decay_ampa, decay_gaba, decay_adaptation, adaptation_jump;
  };

  static HWY_INLINE F16 rest(const Constants& c) { return set(c.E_leak); }

  // The conductances decay first; the currents use the decayed values.
  static HWY_INLINE M16 step(const Constants& c, Registers<kStates>& s, const F16& inflow) {
    s[g_ampa] = s[g_ampa] * set(c.decay_ampa);
    s[g_gaba] = s[g_gaba] * set(c.decay_gaba);
    s[g_adaptation] = s[g_adaptation] * set(c.decay_adaptation);
    s[g_nmda] = nmda_filtered(c, s[g_nmda], s[g_ampa]);
    const F16 g_inh = s[g_gaba] + s[g_adaptation];
    const F16 g = fma(set(c.A_ampa), s[g_ampa], fma(set(c.A_nmda), s[g_nmda], g_inh));
    s[V] = integrated(c, s[V], g, g_inh, inflow);
    s[theta] = s[theta] * set(c.decay_threshold);
    const M16 fired = s[V] > set(c.threshold) + s[theta];
    s[V] = select(fired, set(c.E_leak), s[V]);
    s[theta] = select(fired, set(c.threshold_jump), s[theta]);
    s[g_adaptation] = select(fired, s[g_adaptation] + set(c.adaptation_jump), s[g_adaptation]);
    return fired;
  }
};

void AdvanceAif(const float* constants, const PopulationEpoch& epoch) { advance<Aif>(constants, epoch); }

}  // namespace lpl::spiking::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lpl::spiking {

HWY_EXPORT(AdvanceAif);

extern const KernelEntry aif_kernel;
namespace {
constexpr std::string_view kStates[] = {"V", "theta", "g_ampa", "g_nmda", "g_gaba", "g_adaptation"};
constexpr std::string_view kReceptors[] = {"AMPA", "NMDA", "GABA"};
constexpr std::string_view kConstants[] = {
    "E_leak", "E_inh",           "threshold",  "threshold_jump", "step_membrane",    "follow_nmda",    "A_ampa",
    "A_nmda", "decay_threshold", "decay_ampa", "decay_gaba",     "decay_adaptation", "adaptation_jump"};
}  // namespace
const KernelEntry aif_kernel{"aif", kStates, kReceptors, kConstants,
                             [](const float* constants, const PopulationEpoch& epoch) {
                               HWY_DYNAMIC_DISPATCH(AdvanceAif)(constants, epoch);
                             }};

}  // namespace lpl::spiking
#endif
