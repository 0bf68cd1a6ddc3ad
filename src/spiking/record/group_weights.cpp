// what = "group_weights".
#include "spiking/record/sampled.hpp"
#include "spiking/record_windows.hpp"

namespace lpl::spiking {
namespace {

struct GroupWeights final : RecordDescription {
  std::unique_ptr<Record> make(const RecordPlace& place) const override;
  void add_size(SizeEstimate& estimate) const override {
    estimate.add_samples(SizeEstimate::rows(windows, every), groups.size(), kWeightRowsAChunk);
  }
  std::size_t connection = 0;
  std::vector<Group> groups;  // of the source
  Step every = 0;
};

class GroupMeans final : public SummedValues {
 public:
  GroupMeans(const RecordPlace& place, const GroupWeights& record)
      : SummedValues(place, record, record.every, record.groups.size(), record.groups.size()),
        record_(record),
        connection_(place.network.connections[record.connection]),
        weight_(place.simulation.receptor_of(*connection_.description).weight),
        fixed_point_(fixed_point_of(weight_)) {}

  // The mean of a group divides by its synapses on all ranks.
  void prepare() override {
    std::vector<std::int64_t> sizes;
    for (const Group& group : record_.groups) {
      const auto [begin, end] = connection_.synapses.of(group.first, group.size);
      sizes.push_back(static_cast<std::int64_t>(end - begin));
    }
    place_.comm.sum(sizes);
    sizes_.assign(sizes.begin(), sizes.end());
  }

  void open(ResultFile& file) override {
    std::vector<std::string> names;
    for (const Group& group : record_.groups) names.push_back(group.name);
    series_ = std::make_unique<SampleSeries>(
        file.create_weight_columns(connection_.description->name, record_.name, unit_of(weight_), {{"groups", names}}));
  }

 private:
  void add(std::vector<ExactSum>& sums) const override {
    for (std::size_t g = 0; g < sums.size(); ++g) {
      const Group& group = record_.groups[g];
      for (auto [s, end] = connection_.synapses.of(group.first, group.size); s < end; ++s)
        sums[g].add(std::llround(connection_.synapses.weight[s] * fixed_point_));
    }
  }
  void finish(const std::vector<long double>& sums, std::vector<float>& row) const override {
    for (std::size_t g = 0; g < sums.size(); ++g)
      row.push_back(static_cast<float>(static_cast<double>(sums[g]) / fixed_point_ / sizes_[g]));
  }
  void append(const std::vector<double>& times, const std::vector<float>& values) override {
    series_->append(times, values);
  }

  const GroupWeights& record_;
  const Connection& connection_;
  Dimension weight_;
  double fixed_point_;
  std::vector<double> sizes_;
  std::unique_ptr<SampleSeries> series_;  // rank 0
};

std::unique_ptr<Record> GroupWeights::make(const RecordPlace& place) const {
  return std::make_unique<GroupMeans>(place, *this);
}

std::shared_ptr<RecordDescription> read(const RecordReading& reading) {
  const auto record = std::make_shared<GroupWeights>();
  record->connection = reading.connection();
  reading.refuse_snapshot_name();
  record->groups = reading.simulation.sources[reading.simulation.connections[record->connection].from].groups;
  record->every = reading.sampled_every();
  return record;
}

}  // namespace

extern const RecordEntry group_weights_record{"group_weights", "mean weights by groups of the source", read};

}  // namespace lpl::spiking
