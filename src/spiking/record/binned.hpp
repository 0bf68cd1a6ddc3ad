// Records of several rates by bins.
#pragma once

#include "spiking/record/bins.hpp"

namespace lpl::spiking {

class BinnedRates : public Record {
 public:
  void observe(Step from, Step to, OwnSpikes spikes) final;
  bool is_full() const final { return series_.is_full(); }
  void gather(Step /*now*/) final { series_.gather(place_); }
  std::vector<std::int64_t> state() const override { return {series_.state().begin(), series_.state().end()}; }
  std::size_t state_size() const override { return columns_; }
  void restore(std::span<const std::int64_t> state) override;

 protected:
  // Of a source; column c is divided by `sizes[c]` neurons.
  BinnedRates(const RecordPlace& place, const RecordDescription& description, std::size_t source, Step every,
              std::vector<double> sizes);
  void open_series(RateSeries series) { series_.open(std::move(series)); }
  // Adds what this rank counts in steps [from, to), by step and column.
  virtual void count(Step from, Step to, const SpikeHistory& spikes, std::span<std::int64_t> counts) = 0;

  const RecordPlace place_;

 private:
  const RecordDescription& description_;
  std::size_t source_;
  Step every_;
  std::size_t columns_;
  BinnedSeries series_;
};

}  // namespace lpl::spiking
