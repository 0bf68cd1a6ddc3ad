// Intervals that spikes are counted in: they end at the multiples of their width, or early with a window.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

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

// Rates of several columns by bins, from spikes that each rank counts of its own. Once they are gathered rank 0 has
// them, those of the bin that is open, too, and the others begin anew.
class BinnedSeries {
 public:
  // Column c is divided by `sizes[c]` neurons.
  explicit BinnedSeries(std::vector<double> sizes) : sizes_(std::move(sizes)), open_bin_(sizes_.size(), 0) {}

  // Rank 0: where they are written.
  void open(RateSeries series) { series_ = std::make_unique<RateSeries>(std::move(series)); }

  // The counts so far of the bin that is open, by column.
  std::span<std::int64_t> counts() { return open_bin_; }
  // It was of steps [begin, end).
  void close(Step begin, Step end);

  bool is_full() const { return closed_.size() >= kCountsPerGather; }
  // Collective.
  void gather(const RecordPlace& place);
  // After gather(), on rank 0; given back to all ranks.
  std::span<const std::int64_t> state() const { return open_bin_; }
  void restore(const RecordPlace& place, std::span<const std::int64_t> state);

 private:
  static constexpr std::size_t kCountsPerGather = 1 << 16;

  std::vector<double> sizes_;
  std::vector<std::int64_t> open_bin_;
  std::vector<StepRange> bins_;       // that are closed,
  std::vector<std::int64_t> closed_;  // and their counts, [bin][column]
  std::unique_ptr<RateSeries> series_;
};

}  // namespace lpl::spiking
