// The kernel of models/if.cell.
#include "core/vector_targets.hpp"
#include "spiking/model/kernel.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "spiking/model/if.cpp"
#include <hwy/foreach_target.h>
// The order matters: foreach_target first.
#include "spiking/model/block_loop.hpp"
#include "spiking/model/conductances.hpp"

HWY_BEFORE_NAMESPACE();
namespace lpl::spiking::HWY_NAMESPACE {

struct If {
  enum State : std::size_t { V, theta, g_ampa, g_nmda, g_gaba, kStates };
  static constexpr std::size_t kReceiving[] = {g_ampa, g_nmda, g_gaba};
  struct Constants {
    float E_leak, E_inh, threshold, threshold_jump, step_membrane, follow_nmda, A_ampa, A_nmda, decay_threshold,
        decay_ampa, decay_gaba;
  };

  static HWY_INLINE F16 rest(const Constants& c) { return set(c.E_leak); }

  // Every right-hand side uses the old V and the old conductances.
  static HWY_INLINE M16 step(const Constants& c, Registers<kStates>& s, const F16& inflow) {
    const F16 g = fma(set(c.A_ampa), s[g_ampa], fma(set(c.A_nmda), s[g_nmda], s[g_gaba]));
    s[V] = integrated(c, s[V], g, s[g_gaba], inflow);
    s[g_nmda] = nmda_filtered(c, s[g_nmda], s[g_ampa]);
    s[g_ampa] = s[g_ampa] * set(c.decay_ampa);
    s[g_gaba] = s[g_gaba] * set(c.decay_gaba);
    s[theta] = s[theta] * set(c.decay_threshold);
    const M16 fired = s[V] > set(c.threshold) + s[theta];
    s[V] = select(fired, set(c.E_leak), s[V]);
    s[theta] = select(fired, set(c.threshold_jump), s[theta]);
    return fired;
  }
};

void AdvanceIf(const float* constants, const PopulationEpoch& epoch) { advance<If>(constants, epoch); }

}  // namespace lpl::spiking::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lpl::spiking {

HWY_EXPORT(AdvanceIf);

extern const KernelEntry if_kernel;
namespace {
constexpr std::string_view kStates[] = {"V", "theta", "g_ampa", "g_nmda", "g_gaba"};
constexpr std::string_view kReceptors[] = {"AMPA", "NMDA", "GABA"};
constexpr std::string_view kConstants[] = {"E_leak",          "E_inh",       "threshold", "threshold_jump",
                                           "step_membrane",   "follow_nmda", "A_ampa",    "A_nmda",
                                           "decay_threshold", "decay_ampa",  "decay_gaba"};
}  // namespace
const KernelEntry if_kernel{"if", kStates, kReceptors, kConstants,
                            [](const float* constants, const PopulationEpoch& epoch) {
                              HWY_DYNAMIC_DISPATCH(AdvanceIf)(constants, epoch);
                            }};

}  // namespace lpl::spiking
#endif
