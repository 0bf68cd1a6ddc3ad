#include "spiking/record/bins.hpp"

namespace lpl::spiking {

void BinnedSeries::close(Step begin, Step end) {
  bins_.push_back({begin, end});
  closed_.insert(closed_.end(), open_bin_.begin(), open_bin_.end());
  std::ranges::fill(open_bin_, 0);
}

void BinnedSeries::gather(const RecordPlace& place) {
  std::vector<std::int64_t> counts = std::exchange(closed_, {});
  counts.insert(counts.end(), open_bin_.begin(), open_bin_.end());
  place.comm.sum(counts);
  restore(place, std::span(counts).last(open_bin_.size()));
  place.on_root([&] {
    std::vector<double> begins, ends;
    std::vector<float> rates;
    auto count = counts.cbegin();
    for (const StepRange& bin : bins_) {
      begins.push_back(place.simulation.seconds(bin.begin));
      ends.push_back(place.simulation.seconds(bin.end));
      const double seconds = place.simulation.seconds(bin.end - bin.begin);
      for (const double size : sizes_)
        rates.push_back(static_cast<float>(static_cast<double>(*count++) / (seconds * size)));
    }
    series_->append(begins, ends, rates);
  });
  bins_.clear();
}

void BinnedSeries::restore(const RecordPlace& place, std::span<const std::int64_t> state) {
  if (place.comm.rank() == 0)
    std::ranges::copy(state, open_bin_.begin());
  else
    std::ranges::fill(open_bin_, 0);
}

}  // namespace lpl::spiking
