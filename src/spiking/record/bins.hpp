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

// Rates of bins that are over, on rank 0; elsewhere never opened.
class BinnedSeries {
 public:
  void open(RateSeries series) { series_ = std::make_unique<RateSeries>(std::move(series)); }
  bool is_open() const { return series_ != nullptr; }
  // A bin of steps [begin, end): by column, spikes of so many neurons.
  void add(const SimulationDescription& simulation, Step begin, Step end, std::span<const std::int64_t> counts,
           std::span<const double> sizes) {
    const double seconds = simulation.seconds(end - begin);
    begins_.push_back(simulation.seconds(begin));
    ends_.push_back(simulation.seconds(end));
    for (std::size_t c = 0; c < counts.size(); ++c)
      rates_.push_back(static_cast<float>(static_cast<double>(counts[c]) / (seconds * sizes[c])));
  }
  void write() {
    series_->append(begins_, ends_, rates_);
    begins_.clear();
    ends_.clear();
    rates_.clear();
  }

 private:
  std::unique_ptr<RateSeries> series_;
  std::vector<double> begins_, ends_;
  std::vector<float> rates_;
};

}  // namespace lpl::spiking
