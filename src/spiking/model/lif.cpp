// The kernel of models/lif.cell.
#include "core/vector_targets.hpp"
#include "spiking/model/kernel.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "spiking/model/lif.cpp"
#include <hwy/foreach_target.h>
// The order matters: foreach_target first.
#include "spiking/model/block_loop.hpp"
#include "spiking/model/conductances.hpp"

HWY_BEFORE_NAMESPACE();
namespace lpl::spiking::HWY_NAMESPACE {

struct Lif {
  enum State : std::size_t { V, g_ampa, g_gaba, left, kStates };
  static constexpr std::size_t kReceiving[] = {g_ampa, g_gaba};
  struct Constants {
    float E_leak, E_inh, threshold, drive, step_membrane, decay_ampa, decay_gaba, refractory_steps;
  };

  static HWY_INLINE F16 rest(const Constants& c) { return set(c.E_leak + c.drive); }

  static HWY_INLINE M16 step(const Constants& c, Registers<kStates>& s, const F16& inflow) {
    const F16 moved = integrated(c, s[V], s[g_ampa] + s[g_gaba], s[g_gaba], inflow);
    s[g_ampa] = s[g_ampa] * set(c.decay_ampa);
    s[g_gaba] = s[g_gaba] * set(c.decay_gaba);
    s[V] = select(s[left] > set(0.0f), set(c.E_leak), moved);
    s[left] = max(s[left] - set(1.0f), set(0.0f));
    const M16 fired = s[V] > set(c.threshold);
    s[V] = select(fired, set(c.E_leak), s[V]);
    s[left] = select(fired, set(c.refractory_steps), s[left]);
    return fired;
  }
};

void AdvanceLif(const float* constants, const PopulationEpoch& epoch) { advance<Lif>(constants, epoch); }

}  // namespace lpl::spiking::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lpl::spiking {

HWY_EXPORT(AdvanceLif);

extern const KernelEntry lif_kernel;
namespace {
constexpr std::string_view kStates[] = {"V", "g_ampa", "g_gaba", "refractory.left"};
constexpr std::string_view kReceptors[] = {"AMPA", "GABA"};
constexpr std::string_view kConstants[] = {"E_leak",        "E_inh",      "threshold",  "drive",
                                           "step_membrane", "decay_ampa", "decay_gaba", "refractory_steps"};
}  // namespace
const KernelEntry lif_kernel{"lif", kStates, kReceptors, kConstants,
                             [](const float* constants, const PopulationEpoch& epoch) {
                               HWY_DYNAMIC_DISPATCH(AdvanceLif)(constants, epoch);
                             }};

}  // namespace lpl::spiking
#endif
