#include "spiking/wiring/total.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

namespace lpl::spiking {
namespace {

constexpr std::uint32_t kSplits = 0, kSources = 1;  // parts of random numbers
constexpr double kMostSynapses = 0x1p50;

class Given final : public Total {
 public:
  Given(Table& table, const WiringPlace& place) : Total(place) {
    read_repeats(table, true, true);
    set_total(table, "total", static_cast<double>(table.integer("total", 1, static_cast<std::int64_t>(kMostSynapses))));
  }
};

}  // namespace

void Total::set_total(Table& table, std::string_view key, double total) {
  if (total > kMostSynapses || (multapses() ? pairs() == 0 : total > pairs()))
    table.fail(key, fmt::format("{}, but there are {:.0f} pairs{}", table.stated(key), pairs(),
                                pairs() > 0 ? "; lower it or set multapses = true" : " without autapses"));
  total_ = static_cast<std::uint64_t>(total);
}

void Total::each(LocalRange local, const Body& body) const {
  Walk walk{local, body, {}, {}};
  visit(walk, 1, 0, std::bit_ceil(place().post_size), total_);
}

// Pairs that end in neurons first .. first + width - 1.
std::uint64_t Total::capacity(NeuronId first, NeuronId width) const {
  const NeuronId size = place().post_size;
  return first >= size ? 0 : std::uint64_t{std::min(width, size - first)} * heard_at_most();
}

void Total::visit(Walk& walk, std::uint32_t node, NeuronId first, NeuronId width, std::uint64_t synapses) const {
  if (synapses == 0 || first >= walk.local.first + walk.local.count || first + width <= walk.local.first) return;
  if (width == 1) {
    walk.heard.clear();
    draw_sources(random(first, kSources), first, static_cast<std::uint32_t>(synapses), walk.distinct, walk.heard);
    walk.body(first, walk.heard);
    return;
  }
  const NeuronId half = width / 2;
  Random draws = random(node, kSplits);
  const auto split = multapses() ? draw_binomial : draw_hypergeometric;
  const std::uint64_t left = split(draws, synapses, capacity(first, half), capacity(first + half, half));
  visit(walk, 2 * node, first, half, left);
  visit(walk, 2 * node + 1, first + half, half, synapses - left);
}

extern const WiringEntry total_wiring{"total", "so many synapses in all, between any pairs", make_wiring<Given>};

}  // namespace lpl::spiking
