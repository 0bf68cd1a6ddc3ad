#include "spiking/synapses.hpp"

#include <cmath>
#include <limits>
#include <span>

#include "core/random.hpp"
#include "core/text.hpp"
#include "spiking/grid.hpp"

namespace lpl::spiking {
namespace {

// Steps of a drawn delay: the nearest, at least one.
std::uint16_t delay_steps(double seconds, double dt) {
  return static_cast<std::uint16_t>(std::clamp<Step>(std::llround(seconds / dt), 1, kLongestDrawnDelay));
}

template <class T>
void permute(std::span<T> values, const std::vector<std::uint64_t>& order, std::vector<T>& scratch) {
  scratch.assign(values.begin(), values.end());
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = scratch[static_cast<std::uint32_t>(order[i])];
}

}  // namespace

void Synapses::close(NeuronId pre_size, bool delays_by_synapse) {
  std::vector<std::uint64_t> rows{0};
  for (NeuronId pre = 0; pre < pre_size; ++pre)
    if (row[pre + 1] > row[pre]) {
      heard.push_back(pre);
      rows.push_back(row[pre + 1]);
    }
  rows.shrink_to_fit();
  heard.shrink_to_fit();
  row = std::move(rows);
  if (heard.size() < pre_size) {
    heard_bits_.assign(pre_size / 64 + 1, 0);
    for (const NeuronId pre : heard) heard_bits_[pre / 64] |= std::uint64_t{1} << pre % 64;
    std::uint32_t before = 0;
    for (const std::uint64_t bits : heard_bits_) {
      rows_before_.push_back(before);
      before += static_cast<std::uint32_t>(std::popcount(bits));
    }
  }
  if (delay.empty()) return;
  sort_by_delay();
  if (!delays_by_synapse) make_runs();
}

// Targets of a row ascend, and stay so among those of the same delay.
void Synapses::sort_by_delay() {
  std::vector<std::uint64_t> order;
  std::vector<std::uint32_t> targets;
  std::vector<float> weights;
  for (std::size_t r = 0; r + 1 < row.size(); ++r) {
    const std::uint64_t begin = row[r], count = row[r + 1] - begin;
    order.resize(count);
    for (std::uint64_t i = 0; i < count; ++i) order[i] = std::uint64_t{delay[begin + i]} << 32 | i;
    std::ranges::sort(order);
    permute(std::span(target).subspan(begin, count), order, targets);
    permute(std::span(weight).subspan(begin, count), order, weights);
    for (std::uint64_t i = 0; i < count; ++i) delay[begin + i] = static_cast<std::uint16_t>(order[i] >> 32);
  }
  const auto [least, most] = std::ranges::minmax_element(delay);
  shortest = *least;
  longest = *most;
}

void Synapses::make_runs() {
  constexpr int kMost = std::numeric_limits<std::uint8_t>::max();
  first_run.push_back(0);
  for (std::size_t r = 0; r + 1 < row.size(); ++r) {
    int reached = 0;  // steps after emission
    for (std::uint64_t s = row[r]; s < row[r + 1];) {
      int later = delay[s] - reached;
      for (; later > kMost; later -= kMost) run.push_back({.later = kMost, .count = 0});
      reached = delay[s];
      std::uint8_t count = 0;
      for (; s < row[r + 1] && delay[s] == reached && count < kMost; ++s) ++count;
      run.push_back({.later = static_cast<std::uint8_t>(later), .count = count});
    }
    first_run.push_back(run.size());
  }
  run.shrink_to_fit();
  first_run.shrink_to_fit();
  delay = {};
}

Synapses build_synapses(const SimulationDescription& simulation, const ConnectionDescription& connection,
                        LocalRange local, EpochLayout layout) {
  Synapses synapses;
  synapses.shortest = synapses.longest = connection.delay;
  const NeuronId pre_size = simulation.sources[connection.from].size;
  const std::uint32_t object = hash_name(connection.name);
  const Wiring& wiring = *connection.wiring;
  const WiringPlace& positions = wiring.place();
  const bool measured =
      connection.weight.needs_distance() || (connection.delays && connection.delays->needs_distance());
  // Count, then fill: no list of all synapses beside them. Targets of a row come in ascending order.
  synapses.row.assign(pre_size + 1, 0);
  wiring.each(local, [&](NeuronId, Heard& heard) {
    for (const NeuronId pre : heard.pre) ++synapses.row[pre + 1];
  });
  for (std::size_t pre = 0; pre < pre_size; ++pre) synapses.row[pre + 1] += synapses.row[pre];
  synapses.target.resize(synapses.row.back());
  synapses.weight.resize(synapses.row.back());
  if (connection.delays) synapses.delay.resize(synapses.row.back());
  std::vector<std::uint64_t> next(synapses.row.begin(), synapses.row.end() - 1);
  wiring.each(local, [&](NeuronId post, Heard& heard) {
    const std::uint32_t target = layout.target_of(post - local.first);
    const Positions::Point here = measured ? positions.post_positions->at(post) : Positions::Point{};
    Random weights(simulation.seed, Draw::weight, object, post), delays(simulation.seed, Draw::delay, object, post);
    for (std::size_t i = 0; i < heard.pre.size(); ++i) {
      const NeuronId pre = heard.pre[i];
      const SynapsePlace place{
          pre, post, measured ? positions.pre_positions->distance(positions.pre_positions->at(pre), here) : 0};
      const std::uint64_t at = next[pre]++;
      synapses.target[at] = target;
      synapses.weight[at] =
          heard.weight.empty() ? static_cast<float>(connection.weight.draw(weights, place)) : heard.weight[i];
      if (connection.delays) synapses.delay[at] = delay_steps(connection.delays->draw(delays, place), simulation.dt);
    }
  });
  synapses.close(pre_size, connection.rule != nullptr);
  return synapses;
}

}  // namespace lpl::spiking
