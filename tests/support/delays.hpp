// The delay of a synapse, however delays are kept.
#pragma once

#include <algorithm>

#include "spiking/synapses.hpp"

namespace lpl::spiking {

inline Step delay_of(const Synapses& synapses, std::uint64_t synapse) {
  if (!synapses.delay.empty()) return synapses.delay[synapse];
  if (synapses.run.empty()) return synapses.shortest;
  const auto row = static_cast<std::size_t>(std::ranges::upper_bound(synapses.row, synapse) - synapses.row.begin() - 1);
  std::uint64_t run = synapses.first_run[row], end = synapses.row[row] + synapses.run[run].count;
  Step delay = synapses.run[run].later;
  while (synapse >= end) {
    ++run;
    delay += synapses.run[run].later;
    end += synapses.run[run].count;
  }
  return delay;
}

}  // namespace lpl::spiking
