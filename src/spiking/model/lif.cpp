// Leaky integrate-and-fire with conductances and a refractory period (Vogels & Abbott 2005): models/lif.cell.
#include "core/vector_targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "spiking/model/lif.cpp"
#include <hwy/foreach_target.h>
// The order matters: foreach_target first.
#include "spiking/model/conductances.hpp"

HWY_BEFORE_NAMESPACE();
namespace lpl::spiking::HWY_NAMESPACE {

struct LeakyIntegrateAndFire {
  enum State { V, g_ampa, g_gaba, refractory, kStates };
  enum Receptor { AMPA, GABA, kReceptors };
  static constexpr std::size_t kTarget[] = {g_ampa, g_gaba};

  struct Constants {
    float E_leak, E_inh, rest, threshold, refractory_steps, step_membrane, decay_ampa, decay_gaba;
  };
  static Constants constants(const Parameters& parameter) {
    const auto at = [&](std::string_view name) { return static_cast<float>(parameter(name)); };
    return {.E_leak = at("E_leak"),
            .E_inh = at("E_inh"),
            .rest = at("E_leak") + at("drive"),
            .threshold = at("threshold"),
            .refractory_steps = static_cast<float>(std::round(parameter("refractory") / parameter("dt"))),
            .step_membrane = at("step_membrane"),
            .decay_ampa = at("decay_ampa"),
            .decay_gaba = at("decay_gaba")};
  }

  static HWY_INLINE M16 step(const Constants& c, Registers<LeakyIntegrateAndFire>& s, const F16& rest) {
    const F16 moved = integrated(c, s[V], s[g_ampa] + s[g_gaba], s[g_gaba], rest);
    s[g_ampa] = s[g_ampa] * set(c.decay_ampa);
    s[g_gaba] = s[g_gaba] * set(c.decay_gaba);
    const M16 resting = s[refractory] > set(0.0f);
    s[V] = select(resting, set(c.E_leak), moved);
    s[refractory] = max(s[refractory] - set(1.0f), set(0.0f));
    const M16 fired = s[V] > set(c.threshold);
    s[V] = select(fired, set(c.E_leak), s[V]);
    s[refractory] = select(fired, set(c.refractory_steps), s[refractory]);
    return fired;
  }
};

std::unique_ptr<NeuronModel> MakeLif(const Parameters& parameter) {
  return std::make_unique<Kernel<LeakyIntegrateAndFire>>(parameter);
}

}  // namespace lpl::spiking::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lpl::spiking {
namespace {

HWY_EXPORT(MakeLif);

constexpr std::string_view kStates[] = {"V", "g_ampa", "g_gaba", "refractory"};
constexpr std::string_view kReceptors[] = {"AMPA", "GABA"};

std::unique_ptr<NeuronModel> make(const Parameters& parameter) { return HWY_DYNAMIC_DISPATCH(MakeLif)(parameter); }

}  // namespace

extern const KernelEntry lif_kernel{"lif", kStates, kReceptors, make};

}  // namespace lpl::spiking
#endif
