// The synapses of each postsynaptic neuron, beside their rows.
#pragma once

#include <fmt/format.h>

#include <span>
#include <vector>

#include "core/errors.hpp"
#include "spiking/neurons.hpp"
#include "spiking/plasticity/plasticity.hpp"
#include "spiking/synapses.hpp"

namespace lpl::spiking {

class SynapseColumns {
 public:
  explicit SynapseColumns(const RulePlace& place) {
    constexpr std::uint64_t kPlaces = std::uint64_t{1} << 32;
    const Synapses& synapses = place.synapses;
    if (synapses.size() >= kPlaces)
      throw ConfigError(fmt::format("connection '{}': {} plastic synapses on one rank are too many; take more ranks",
                                    place.connection.name, synapses.size()));
    column_.assign(place.post.blocks() * kBlock + 1, 0);
    for (const std::uint32_t target : synapses.target) ++column_[place.layout.neuron_of(target) + 1];
    for (std::size_t n = 1; n < column_.size(); ++n) column_[n] += column_[n - 1];
    member_.resize(synapses.size());
    std::vector<std::uint32_t> next(column_.begin(), column_.end() - 1);
    synapses.each([&](std::uint32_t row, std::uint64_t s) {
      member_[next[place.layout.neuron_of(synapses.target[s])]++] = {static_cast<std::uint32_t>(s), row};
    });
  }

  struct Member {
    std::uint32_t synapse, row;
  };
  // The synapses of a neuron.
  std::span<const Member> of(std::uint32_t neuron) const {
    return {member_.data() + column_[neuron], member_.data() + column_[neuron + 1]};
  }

  std::size_t bytes() const { return column_.size() * sizeof column_[0] + member_.size() * sizeof member_[0]; }

 private:
  std::vector<std::uint32_t> column_;  // by neuron, into the members
  std::vector<Member> member_;
};

}  // namespace lpl::spiking
