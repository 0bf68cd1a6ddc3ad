// what = "weight_statistics".
#include <algorithm>
#include <cmath>

#include "spiking/record/sampled.hpp"
#include "spiking/record_windows.hpp"

namespace lpl::spiking {
namespace {

const std::vector<std::string> kStatistics = {"mean", "deviation", "sum"};

struct WeightStatistics final : RecordDescription {
  std::unique_ptr<Record> make(const RecordPlace& place) const override;
  void add_size(SizeEstimate& estimate) const override {
    estimate.add_samples(SizeEstimate::rows(windows, every), kStatistics.size(), kWeightRowsAChunk);
  }
  std::size_t connection = 0;
  Step every = 0;
};

class Statistics final : public SummedValues {
 public:
  Statistics(const RecordPlace& place, const WeightStatistics& record)
      : SummedValues(place, record, record.every, kStatistics.size(), 2),
        record_(record),
        connection_(place.network.connections[record.connection]),
        weight_(place.simulation.receptor_of(*connection_.description).weight),
        fixed_point_(fixed_point_of(weight_)) {}

  void prepare() override {
    std::vector<std::int64_t> synapses = {static_cast<std::int64_t>(connection_.synapses.size())};
    place_.comm.sum(synapses);
    synapses_ = synapses.front();
  }

  void open(ResultFile& file) override {
    series_ = std::make_unique<SampleSeries>(file.create_weight_columns(
        connection_.description->name, record_.name, unit_of(weight_), {{"statistics", kStatistics}}));
  }

 private:
  void add(std::vector<ExactSum>& sums) const override {
    for (const float weight : connection_.synapses.weight) {
      const ExactSum::Wide whole = std::llround(static_cast<double>(weight) * fixed_point_);
      sums[0].add(whole);
      sums[1].add(whole * whole);
    }
  }
  // NaN without synapses.
  void finish(const std::vector<long double>& sums, std::vector<float>& row) const override {
    const auto n = static_cast<long double>(synapses_);
    const long double mean = sums[0] / n, variance = std::max(0.0L, sums[1] / n - mean * mean);
    for (const long double value : {mean, std::sqrt(variance), sums[0]})
      row.push_back(static_cast<float>(value / fixed_point_));
  }
  void append(const std::vector<double>& times, const std::vector<float>& values) override {
    series_->append(times, values);
  }

  const WeightStatistics& record_;
  const Connection& connection_;
  Dimension weight_;
  double fixed_point_;
  std::int64_t synapses_ = 0;             // on all ranks
  std::unique_ptr<SampleSeries> series_;  // rank 0
};

std::unique_ptr<Record> WeightStatistics::make(const RecordPlace& place) const {
  return std::make_unique<Statistics>(place, *this);
}

std::shared_ptr<RecordDescription> read(const RecordReading& reading) {
  const auto record = std::make_shared<WeightStatistics>();
  record->connection = reading.connection();
  reading.refuse_snapshot_name();
  record->every = reading.sampled_every();
  return record;
}

}  // namespace

extern const RecordEntry weight_statistics_record{"weight_statistics", "mean, deviation and sum of weights", read};

}  // namespace lpl::spiking
