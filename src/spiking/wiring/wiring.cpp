#include "spiking/wiring/wiring.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace lpl::spiking {

void WiringPlace::require_positions(const Table& table, std::string_view key) const {
  for (const auto& [positions, name] : {std::pair(pre_positions, from), std::pair(post_positions, to)})
    if (!positions) table.fail(key, fmt::format("a distance needs positions; give '{}' some", name));
  if (pre_positions->dimensions() != post_positions->dimensions() ||
      pre_positions->periodic() != post_positions->periodic() ||
      (pre_positions->periodic() && pre_positions->extent() != post_positions->extent()))
    table.fail(key, fmt::format("'{}' and '{}' lie in different spaces; positions must agree in dimensions and, where "
                                "periodic, in extent",
                                from, to));
}

void Wiring::read_autapses(Table& table, bool autapses) {
  read_repeats(table, autapses, false);
  if (multapses_)
    table.fail("multapses",
               "this wiring connects a pair at most once; in_degree, out_degree, total and poisson may do "
               "so several times");
}

void Wiring::read_repeats(Table& table, bool autapses, bool multapses) {
  autapses_ = table.flag("autapses", autapses);
  multapses_ = table.flag("multapses", multapses);
}

namespace {

void take_out(NeuronId neuron, Heard& heard) {
  const auto [first, last] = std::equal_range(heard.pre.begin(), heard.pre.end(), neuron);
  const auto begin = first - heard.pre.begin(), end = last - heard.pre.begin();
  heard.pre.erase(first, last);
  if (!heard.weight.empty()) heard.weight.erase(heard.weight.begin() + begin, heard.weight.begin() + end);
}

}  // namespace

void WiringByNeuron::each(LocalRange local, const Body& body) const {
  Heard heard;
  for (NeuronId post = local.first; post < local.first + local.count; ++post) {
    heard.clear();
    onto(post, heard);
    if (not_itself()) take_out(post, heard);
    if (!heard.pre.empty()) body(post, heard);
  }
}

void WiringByDegree::check_degree(Table& table, std::string_view key, double degree) const {
  if (degree <= heard_at_most() || (multapses() && heard_at_most() > 0)) return;
  table.fail(key, fmt::format("{}, but a neuron of '{}' has {} sources in '{}'{}", table.stated(key), place().to,
                              heard_at_most(), place().from,
                              heard_at_most() > 0 ? "; lower it or set multapses = true" : " without autapses"));
}

void WiringByDegree::draw_sources(Random random, NeuronId post, std::uint32_t degree, DistinctDraws& distinct,
                                  Heard& heard) const {
  if (multapses())
    for (std::uint32_t i = 0; i < degree; ++i) heard.pre.push_back(random.below(heard_at_most()));
  else
    distinct(random, degree, heard_at_most(), heard.pre);
  if (not_itself())
    for (NeuronId& pre : heard.pre) pre += pre >= post;
  std::ranges::sort(heard.pre);
}

std::shared_ptr<const Wiring> read_wiring(Table& table, const WiringPlace& place) {
  std::vector<std::string> keys;
  for (const WiringEntry& entry : wirings()) keys.emplace_back(entry.key);
  return wirings()[table.only_one(keys)].read(table, place);
}

}  // namespace lpl::spiking
