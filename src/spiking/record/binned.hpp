// Records of several rates by bins, from whole numbers that are counted on rank 0, which knows all spikes.
#pragma once

#include "spiking/record/bins.hpp"

namespace lpl::spiking {

class BinnedRates : public Record {
 public:
  void observe(Step from, Step to, const std::vector<SpikeHistory>& spikes) final;
  void write() final { series_.write(); }
  std::vector<std::int64_t> state() const override { return counts_; }
  void restore(std::span<const std::int64_t> state) override;

 protected:
  // Of a source; column c is divided by `sizes[c]` neurons.
  BinnedRates(const RecordPlace& place, const RecordDescription& description, std::size_t source, Step every,
              std::vector<double> sizes);
  void open_series(RateSeries series) { series_.open(std::move(series)); }
  // Adds what is counted in steps [from, to), by step and column.
  virtual void count(Step from, Step to, const SpikeHistory& spikes, std::span<std::int64_t> counts) = 0;

  const RecordPlace place_;

 private:
  const RecordDescription& description_;
  std::size_t source_;
  Step every_;
  std::vector<double> sizes_;
  std::vector<std::int64_t> counts_;  // of the bin that is open
  BinnedSeries series_;
};

}  // namespace lpl::spiking
