#include "spiking/record/binned.hpp"

namespace lpl::spiking {

BinnedRates::BinnedRates(const RecordPlace& place, const RecordDescription& description, std::size_t source, Step every,
                         std::vector<double> sizes)
    : place_(place),
      description_(description),
      source_(source),
      every_(every),
      sizes_(std::move(sizes)),
      counts_(sizes_.size(), 0) {}

void BinnedRates::observe(Step from, Step to, const std::vector<SpikeHistory>& spikes) {
  if (!series_.is_open()) return;
  const std::size_t columns = sizes_.size();
  std::vector<std::int64_t> counted(static_cast<std::size_t>(to - from) * columns, 0);
  count(from, to, spikes[source_], counted);
  for_each_bin(
      description_.windows, every_, from, to,
      [&](Step begin, Step end) {
        const auto first = static_cast<std::size_t>(begin - from) * columns;
        const auto last = static_cast<std::size_t>(end - from) * columns;
        for (std::size_t i = first; i < last; ++i) counts_[i % columns] += counted[i];
      },
      [&](Step begin, Step end) {
        series_.add(place_.simulation, begin, end, counts_, sizes_);
        std::ranges::fill(counts_, 0);
      });
}

void BinnedRates::restore(std::span<const std::int64_t> state) {
  std::ranges::copy(state.first(counts_.size()), counts_.begin());
}

}  // namespace lpl::spiking
