// Short-term plasticity as NEST's tsodyks_synapse has it (Tsodyks, Uziel & Markram 2000): of the resources of a source
// x are ready, y active and z = 1 - x - y inactive,
//   dy/dt = -y/tau_psc,  dz/dt = y/tau_psc - z/tau_rec,  du/dt = -u/tau_fac
// exactly between spikes. A spike makes u += U (1 - u), transmits w u x, and moves u x from x to y.
#include <fmt/format.h>

#include <cmath>

#include "spiking/short_term/form.hpp"

namespace lpl::spiking {
namespace {

struct Tsodyks {
  static constexpr std::array<std::string_view, 3> kValues = {"x", "y", "u"};
  std::array<double, 3> initial{};
  double U = 0;
  Decay recovery, inactivation, facilitation;

  double spike(std::array<double, 3>& values, SinceSpike since) const {
    auto& [x, y, u] = values;
    const auto steps = static_cast<double>(since.steps);
    u *= facilitation.after(steps);
    const double active_left = inactivation.after(steps), inactive_left = recovery.after(steps);
    const double active = y * active_left;
    const double inactive = (1 - x - y) * inactive_left + y * inactivated(steps, active_left, inactive_left);
    x = 1 - active - inactive;
    u += U * (1 - u);
    const double used = u * x;
    x -= used;
    y = active + used;
    return used;
  }

  // Of what was active, what is inactive now: (exp(-D/tau_rec) - exp(-D/tau_psc)) tau_rec / (tau_rec - tau_psc), also
  // where the two are nearly or quite the same.
  double inactivated(double steps, double active_left, double inactive_left) const {
    const double apart = steps * std::abs(recovery.rate() - inactivation.rate());
    const double mean = apart > 1 ? std::abs(inactive_left - active_left) / apart
                                  : std::max(inactive_left, active_left) * elementary::exprel(-apart);
    return steps * -inactivation.rate() * mean;
  }
};

std::shared_ptr<ShortTermDescription> read(Table& table, const Grid& grid) {
  Tsodyks form;
  form.U = table.number("U", kProbability, 0.5);
  form.recovery = {table.quantity("tau_rec", Dimension::time, kPositive, "800 ms"), grid.dt};
  form.inactivation = {table.quantity("tau_psc", Dimension::time, kPositive, "3 ms"), grid.dt};
  form.facilitation = {table.quantity("tau_fac", Dimension::time, kNonNegative, "0 ms"), grid.dt};
  const double x = table.number("x", kProbability, 1.0), y = table.number("y", kProbability, 0.0);
  if (x + y > 1)
    table.fail("y", fmt::format("{} and {}: x + y is {}, above the whole, 1; lower one of them", table.stated("x"),
                                table.stated("y"), x + y));
  form.initial = {x, y, table.number("u", kProbability, 0.0)};
  return std::make_shared<ShortTermDescriptionOf<Tsodyks>>(form);
}

}  // namespace

extern const ShortTermEntry tsodyks_short_term{
    "tsodyks", "depression and facilitation of active, inactive and ready resources", read};

}  // namespace lpl::spiking
