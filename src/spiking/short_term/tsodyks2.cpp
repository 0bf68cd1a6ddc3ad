// Short-term plasticity as NEST's tsodyks2_synapse has it (Tsodyks & Markram 1997; Maass & Markram 2002). Between
// spikes that are D apart
//   x' = 1 + (x - x u - 1) exp(-D/tau_rec),  u' = U + u (1 - U) exp(-D/tau_fac)
// and a spike transmits w x u. The first one finds the initial values, whenever it comes.
#include "spiking/short_term/form.hpp"

namespace lpl::spiking {
namespace {

struct Tsodyks2 {
  static constexpr std::array<std::string_view, 2> kValues = {"x", "u"};
  std::array<double, 2> initial{};
  double U = 0;
  Decay recovery, facilitation;

  double spike(std::array<double, 2>& values, SinceSpike since) const {
    auto& [x, u] = values;
    if (!since.first) {
      const auto steps = static_cast<double>(since.steps);
      x = 1 + (x - x * u - 1) * recovery.after(steps);
      u = U + u * (1 - U) * facilitation.after(steps);
    }
    return x * u;
  }
};

std::shared_ptr<ShortTermDescription> read(Table& table, const Grid& grid) {
  Tsodyks2 form;
  form.U = table.number("U", kProbability, 0.5);
  form.recovery = {table.quantity("tau_rec", Dimension::time, kPositive, "800 ms"), grid.dt};
  form.facilitation = {table.quantity("tau_fac", Dimension::time, kNonNegative, "0 ms"), grid.dt};
  form.initial = {table.number("x", kProbability, 1.0), table.number("u", kProbability, form.U)};
  return std::make_shared<ShortTermDescriptionOf<Tsodyks2>>(form);
}

}  // namespace

extern const ShortTermEntry tsodyks2_short_term{"tsodyks2", "depression and facilitation, exact between spikes", read};

}  // namespace lpl::spiking
