#include "spiking/limits.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "spiking/exact_sum.hpp"

namespace lpl::spiking {
namespace {

using What = LimitDescription::What;

bool leaves(const LimitDescription& limit, double value) { return !(limit.low <= value && value <= limit.high); }

}  // namespace

Limits::Limits(const SimulationDescription& simulation, const Network& network, Communicator& comm)
    : simulation_(simulation), network_(network), comm_(comm) {
  std::vector<std::int64_t> synapses;
  for (const LimitDescription& limit : simulation.limits) {
    states_.push_back({.count = 0, .average = limit.tau ? (limit.low + limit.high) / 2 : 0});
    const bool weight = limit.what == What::weight;
    synapses.push_back(weight ? static_cast<std::int64_t>(network.connections[limit.target].synapses.size()) : 0);
  }
  comm.sum(synapses);
  synapses_.assign(synapses.begin(), synapses.end());
}

Step Limits::next_end(Step now) const {
  Step next = std::numeric_limits<Step>::max();
  for (const LimitDescription& limit : simulation_.limits) next = std::min(next, limit.next(now).value_or(next));
  return next;
}

void Limits::observe(Step from, Step to, OwnSpikes spikes) {
  for (std::size_t i = 0; i < states_.size(); ++i) {
    const LimitDescription& limit = simulation_.limits[i];
    if (limit.what != What::rate) continue;
    const Step multiple = (to - 1) / limit.every * limit.every;
    if (multiple >= from) states_[i].count = 0;
    states_[i].count += static_cast<std::int64_t>(spikes[limit.target]->between(std::max(from, multiple), to).size());
  }
}

bool Limits::due(Step now) const { return next_end(now - 1) == now; }

std::string Limits::judge(Step now) {
  std::string reason;
  const std::vector<LimitState> all = gather_states();
  for (std::size_t i = 0; i < states_.size(); ++i) {
    const LimitDescription& limit = simulation_.limits[i];
    if (limit.next(now - 1) != now) continue;
    const std::string found = limit.what == What::rate ? judge_rate(limit, states_[i], all[i].count, now)
                                                       : judge_weight(limit, synapses_[i], now);
    if (reason.empty() && !found.empty())
      reason = fmt::format("limit '{}': {}; it must {}", limit.name, found, limit.range);
  }
  return reason;
}

std::vector<LimitState> Limits::gather_states() const {
  std::vector<std::int64_t> counts;
  for (const LimitState& state : states_) counts.push_back(state.count);
  comm_.sum(counts);
  std::vector<LimitState> all = states_;
  for (std::size_t i = 0; i < all.size(); ++i) all[i].count = counts[i];
  return all;
}

void Limits::load(const std::vector<LimitState>& states) {
  states_ = states;
  if (comm_.rank() == 0) return;
  for (LimitState& state : states_) state.count = 0;
}

std::string Limits::judge_rate(const LimitDescription& limit, LimitState& state, std::int64_t count, Step now) const {
  const Source& source = simulation_.sources[limit.target];
  const double seconds = simulation_.seconds(limit.every);
  double rate = static_cast<double>(count) / (seconds * source.size);
  if (limit.tau) rate = state.average += (rate - state.average) * -std::expm1(-seconds / *limit.tau);
  if (!leaves(limit, rate)) return {};
  const std::string when =
      limit.tau ? fmt::format("averaged over {} s, was {:.6g} Hz at {} s", *limit.tau, rate, simulation_.seconds(now))
                : fmt::format("was {:.6g} Hz from {} s to {} s", rate, simulation_.seconds(now - limit.every),
                              simulation_.seconds(now));
  return fmt::format("the rate of '{}'{} {}", source.name, limit.tau ? "," : "", when);
}

std::string Limits::judge_weight(const LimitDescription& limit, double synapses, Step now) {
  const ConnectionDescription& connection = simulation_.connections[limit.target];
  const Dimension dimension = simulation_.receptor_of(connection).weight;
  const double fixed_point = fixed_point_of(dimension);
  ExactSum sum;
  for (const float weight : network_.connections[limit.target].synapses.weight)
    sum.add(std::llround(static_cast<double>(weight) * fixed_point));
  std::vector<std::int64_t> parts;
  sum.append_parts(parts);
  comm_.sum(parts);
  if (synapses == 0) return {};
  const double mean = static_cast<double>(ExactSum::of(std::span<const std::int64_t, ExactSum::kParts>(parts))) /
                      fixed_point / synapses;
  if (!leaves(limit, mean)) return {};
  const std::string unit = dimension == Dimension::none ? "" : " " + unit_of(dimension);
  return fmt::format("the mean weight of '{}' was {:.6g}{} at {} s", connection.name, mean, unit,
                     simulation_.seconds(now));
}

}  // namespace lpl::spiking
