// Intervals that spikes are counted in: they end at the multiples of their width, or early with a window.
#pragma once

#include <algorithm>

#include "spiking/record/record.hpp"

namespace lpl::spiking {

// Calls take(begin, end) for the parts of steps [from, to) that lie in one bin, and close(begin, end) where a bin ends.
// Epochs never straddle a phase.
template <class Take, class Close>
void for_each_bin(const std::vector<StepRange>& windows, Step every, Step from, Step to, Take&& take, Close&& close) {
  const StepRange* const window = active(windows, to - 1);
  if (!window) return;
  for (Step begin = std::max(from, window->begin); begin < to;) {
    const Step bin_end = std::min((begin / every + 1) * every, window->end);
    const Step end = std::min(bin_end, to);
    take(begin, end);
    begin = end;
    if (end < bin_end) break;
    close(std::max((bin_end - 1) / every * every, window->begin), bin_end);
  }
}

}  // namespace lpl::spiking
