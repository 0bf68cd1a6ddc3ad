// Short-term plasticity as Auryn's STPConnection has it (Markram, Wang & Tsodyks 1998; Mongillo, Barak & Tsodyks 2008):
//   a spike        transmits w u x, then x -= u x, u += U (1 - u), both from the old u
//   every step     x += dt/tau_rec (1 - x), u += dt/tau_fac (U - u)
// n steps without a spike are one: x' = 1 - (1 - x)(1 - dt/tau_rec)^n, and so with u.
#include <fmt/format.h>

#include <cmath>

#include "spiking/short_term/form.hpp"

namespace lpl::spiking {
namespace {

struct Markram {
  static constexpr std::array<std::string_view, 2> kValues = {"x", "u"};
  std::array<double, 2> initial{};
  double U = 0, recovery = 0, facilitation = 0;  // log(1 - dt/tau)

  double spike(std::array<double, 2>& values, SinceSpike since) const {
    auto& [x, u] = values;
    if (since.steps > 0) {
      const auto steps = static_cast<double>(since.steps);
      x = 1 + (x - 1) * elementary::exp(steps * recovery);
      u = U + (u - U) * elementary::exp(steps * facilitation);
    }
    const double used = u * x;
    x -= used;
    u += U * (1 - u);
    return used;
  }
};

// Steps of a longer time than a time constant would overshoot.
double logarithm_of_step(Table& table, std::string_view key, const Grid& grid, const char* fallback) {
  const double tau = table.quantity(key, Dimension::time, kPositive, fallback);
  if (tau < grid.dt)
    table.fail(key, fmt::format("{}, below dt = {}, the step in which this form recovers; raise it, or take model = "
                                "\"tsodyks2\", which recovers exactly",
                                table.stated(key), grid.stated));
  return std::log1p(-grid.dt / tau);
}

std::shared_ptr<ShortTermDescription> read(Table& table, const Grid& grid) {
  Markram form;
  form.U = table.number("U", kProbability, 0.01);
  form.recovery = logarithm_of_step(table, "tau_rec", grid, "200 ms");
  form.facilitation = logarithm_of_step(table, "tau_fac", grid, "1 s");
  form.initial = {table.number("x", kProbability, 1.0), table.number("u", kProbability, form.U)};
  return std::make_shared<ShortTermDescriptionOf<Markram>>(form);
}

}  // namespace

extern const ShortTermEntry markram_short_term{"markram", "depression and facilitation, in steps of dt", read};

}  // namespace lpl::spiking
