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
  if (!series_) return;
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
      [&](Step begin, Step end) { close(begin, end); });
}

void BinnedRates::close(Step begin, Step end) {
  const double seconds = place_.simulation.seconds(end - begin);
  begins_.push_back(place_.simulation.seconds(begin));
  ends_.push_back(place_.simulation.seconds(end));
  for (std::size_t c = 0; c < counts_.size(); ++c) {
    rates_.push_back(static_cast<float>(static_cast<double>(counts_[c]) / (seconds * sizes_[c])));
    counts_[c] = 0;
  }
}

void BinnedRates::write() {
  series_->append(begins_, ends_, rates_);
  begins_.clear();
  ends_.clear();
  rates_.clear();
}

void BinnedRates::restore(std::span<const std::int64_t> state) {
  std::ranges::copy(state.first(counts_.size()), counts_.begin());
}

}  // namespace lpl::spiking
