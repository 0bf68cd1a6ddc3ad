#include "spiking/record/binned.hpp"

namespace lpl::spiking {

BinnedRates::BinnedRates(const RecordPlace& place, const RecordDescription& description, std::size_t source, Step every,
                         std::vector<double> sizes)
    : place_(place),
      description_(description),
      source_(source),
      every_(every),
      columns_(sizes.size()),
      series_(std::move(sizes)) {}

void BinnedRates::observe(Step from, Step to, OwnSpikes spikes) {
  std::vector<std::int64_t> counted(static_cast<std::size_t>(to - from) * columns_, 0);
  count(from, to, *spikes[source_], counted);
  for_each_bin(
      description_.windows, every_, from, to,
      [&](Step begin, Step end) {
        const auto first = static_cast<std::size_t>(begin - from) * columns_;
        const auto last = static_cast<std::size_t>(end - from) * columns_;
        for (std::size_t i = first; i < last; ++i) series_.counts()[i % columns_] += counted[i];
      },
      [&](Step begin, Step end) { series_.close(begin, end); });
}

void BinnedRates::restore(std::span<const std::int64_t> state) { series_.restore(place_, state.first(columns_)); }

}  // namespace lpl::spiking
