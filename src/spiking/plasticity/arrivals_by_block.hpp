// The arrivals of an epoch at synapses of rules that deliver within it: by block of targets, in the order of steps.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "spiking/plasticity/plasticity.hpp"

namespace lpl::spiking {

// An Arrival has `step`, of the epoch.
template <class Arrival>
class ArrivalsByBlock {
 public:
  explicit ArrivalsByBlock(std::size_t blocks) : arrivals_(blocks), next_(blocks, 0) {}

  void clear() {
    for (auto& arrivals : arrivals_) arrivals.clear();
    next_.assign(next_.size(), 0);
  }
  void add(std::size_t block, const Arrival& arrival, const PlasticEpoch& epoch) {
    arrivals_[block].push_back(arrival);
    epoch.event_steps[block] |= 1u << arrival.step;
  }
  // Where they were not added in the order of steps.
  void sort() {
    for (auto& arrivals : arrivals_) std::ranges::stable_sort(arrivals, {}, &Arrival::step);
  }
  // Those of a step. Steps of a block follow each other.
  std::span<const Arrival> take(std::size_t block, std::uint32_t step) {
    const std::vector<Arrival>& arrivals = arrivals_[block];
    std::size_t& next = next_[block];
    const std::size_t begin = next;
    while (next < arrivals.size() && arrivals[next].step == step) ++next;
    return std::span(arrivals).subspan(begin, next - begin);
  }
  // Those that were not taken.
  std::span<const Arrival> rest(std::size_t block) const { return std::span(arrivals_[block]).subspan(next_[block]); }
  // The place of one of a block among them.
  std::size_t number(std::size_t block, const Arrival& arrival) const {
    return static_cast<std::size_t>(&arrival - arrivals_[block].data());
  }

 private:
  std::vector<std::vector<Arrival>> arrivals_;
  std::vector<std::size_t> next_;  // by block, the first that was not taken
};

}  // namespace lpl::spiking
