// what = "rates".
#include "spiking/record/bins.hpp"

namespace lpl::spiking {
namespace {

struct Rates final : RecordDescription {
  std::unique_ptr<Record> make(const RecordPlace& place) const override;
  void add_size(SizeEstimate& estimate) const override {
    for (std::size_t i = 0; i < sources.size(); ++i) estimate.add_bins(every, windows, sizeof(float));
  }
  bool is_cut_short(Step now) const override { return now % every != 0; }
  std::vector<std::size_t> sources;
  Step every = 0;
};

class RateRecord final : public Record {
 public:
  RateRecord(const RecordPlace& place, const Rates& description) : place_(place), description_(description) {
    for (const std::size_t source : description.sources)
      counters_.push_back({source, BinnedSeries({static_cast<double>(place.simulation.sources[source].size)})});
  }

  void open(ResultFile& file) override {
    for (Counter& counter : counters_)
      counter.series.open(file.create_rates(place_.simulation.sources[counter.source].name,
                                            place_.simulation.seconds(description_.every)));
  }

  void observe(Step from, Step to, OwnSpikes spikes) override {
    for (Counter& counter : counters_)
      for_each_bin(
          description_.windows, description_.every, from, to,
          [&](Step begin, Step end) {
            const auto count = spikes[counter.source]->between(begin, end).size();
            counter.series.counts().front() += static_cast<std::int64_t>(count);
          },
          [&](Step begin, Step end) { counter.series.close(begin, end); });
  }

  bool is_full() const override {
    return std::ranges::any_of(counters_, [](const Counter& counter) { return counter.series.is_full(); });
  }
  void gather(Step /*now*/) override {
    for (Counter& counter : counters_) counter.series.gather(place_);
  }

  std::vector<std::int64_t> state() const override {
    std::vector<std::int64_t> counts;
    for (const Counter& counter : counters_) counts.push_back(counter.series.state().front());
    return counts;
  }
  std::size_t state_size() const override { return counters_.size(); }
  void restore(std::span<const std::int64_t> state) override {
    for (std::size_t i = 0; i < counters_.size(); ++i) counters_[i].series.restore(place_, state.subspan(i, 1));
  }

 private:
  struct Counter {
    std::size_t source;
    BinnedSeries series;
  };

  const RecordPlace place_;
  const Rates& description_;
  std::vector<Counter> counters_;
};

std::unique_ptr<Record> Rates::make(const RecordPlace& place) const {
  return std::make_unique<RateRecord>(place, *this);
}

std::shared_ptr<RecordDescription> read(const RecordReading& reading) {
  const auto record = std::make_shared<Rates>();
  record->sources = reading.sources();
  for (const std::size_t source : record->sources) reading.claim_only(reading.simulation.sources[source].name);
  record->every = reading.grid.read_interval(reading.table, "every");
  return record;
}

}  // namespace

extern const RecordEntry rates_record{"rates", "the rates of populations and stimuli, by bins", read};

}  // namespace lpl::spiking
