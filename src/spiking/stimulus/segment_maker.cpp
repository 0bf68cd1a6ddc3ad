#include "spiking/stimulus/segment_maker.hpp"

#include <algorithm>
#include <numeric>

namespace lpl::spiking {

void SegmentMaker::fill(SpikeHistory& history, Step until) {
  while (history.end() < until) {
    spikes_.clear();
    make_segment(history.end() / kSegment);
    // Counting sort by step.
    count_.assign(static_cast<std::size_t>(kSegment), 0);
    for (const Candidate& spike : spikes_) ++count_[spike.step];
    next_.resize(count_.size());
    std::exclusive_scan(count_.begin(), count_.end(), next_.begin(), 0u);
    sorted_.resize(spikes_.size());
    for (const Candidate& spike : spikes_) sorted_[next_[spike.step]++] = spike.neuron;
    unite();
    history.append(sorted_, count_);
  }
}

// Makes the neurons of each step ascend.
void SegmentMaker::unite() {
  if (std::ranges::adjacent_find(sorted_, std::ranges::greater_equal()) == sorted_.end()) return;
  auto from = sorted_.begin(), to = from;
  for (std::uint32_t& count : count_) {
    const auto end = from + static_cast<std::ptrdiff_t>(count);
    if (std::adjacent_find(from, end, std::ranges::greater_equal()) != end) std::sort(from, end);
    const auto kept = std::unique_copy(from, end, to);
    count = static_cast<std::uint32_t>(kept - to);
    from = end;
    to = kept;
  }
  sorted_.erase(to, sorted_.end());
}

}  // namespace lpl::spiking
