// what = "pattern_weights".
#include <fmt/format.h>

#include "spiking/record/patterns.hpp"
#include "spiking/record/sampled.hpp"
#include "spiking/record_windows.hpp"

namespace lpl::spiking {
namespace {

constexpr std::size_t kMostPairs = 1'000'000;

struct PatternWeights final : RecordDescription {
  std::unique_ptr<Record> make(const RecordPlace& place) const override;
  void add_size(SizeEstimate& estimate) const override {
    estimate.add_samples(SizeEstimate::rows(windows, every), pairs(), kWeightRowsAChunk);
  }
  std::size_t pairs() const { return pre.size() * post.size(); }
  std::size_t connection = 0;
  NeuronLists pre, post;
  Step every = 0;
};

// Means over the synapses between the members of each two patterns.
class PatternMeans final : public SummedValues {
 public:
  PatternMeans(const RecordPlace& place, const PatternWeights& record)
      : SummedValues(place, record, record.every, record.pairs(), record.pairs()),
        record_(record),
        connection_(place.network.connections[record.connection]),
        weight_(place.simulation.receptor_of(*connection_.description).weight),
        fixed_point_(fixed_point_of(weight_)),
        post_(record.post.by_neuron(place.network.populations[connection_.description->to]->range())) {}

  void prepare() override {
    std::vector<std::int64_t> sizes(record_.pairs(), 0);
    for_each([&](std::size_t pair, std::uint64_t) { ++sizes[pair]; });
    place_.comm.sum(sizes);
    sizes_.assign(sizes.begin(), sizes.end());
  }

  void open(ResultFile& file) override {
    series_ = std::make_unique<SampleSeries>(
        file.create_weight_columns(connection_.description->name, record_.name, unit_of(weight_),
                                   {{"pre_patterns", record_.pre.names}, {"post_patterns", record_.post.names}}));
  }

 private:
  // Calls visit(pair, synapse) for those of this rank.
  template <class Visit>
  void for_each(Visit&& visit) const {
    const Synapses& synapses = connection_.synapses;
    for (std::size_t p = 0; p < record_.pre.size(); ++p)
      for (const NeuronId pre : record_.pre.neurons[p])
        for (auto [s, end] = synapses.of(pre); s < end; ++s)
          for (const std::uint32_t q : post_[place_.network.layout.neuron_of(synapses.target[s])])
            visit(p * record_.post.size() + q, s);
  }
  void add(std::vector<ExactSum>& sums) const override {
    for_each([&](std::size_t pair, std::uint64_t s) {
      sums[pair].add(std::llround(static_cast<double>(connection_.synapses.weight[s]) * fixed_point_));
    });
  }
  // NaN without synapses.
  void finish(const std::vector<long double>& sums, std::vector<float>& row) const override {
    for (std::size_t pair = 0; pair < sums.size(); ++pair)
      row.push_back(static_cast<float>(static_cast<double>(sums[pair]) / fixed_point_ / sizes_[pair]));
  }
  void append(const std::vector<double>& times, const std::vector<float>& values) override {
    series_->append(times, values);
  }

  const PatternWeights& record_;
  const Connection& connection_;
  Dimension weight_;
  double fixed_point_;
  std::vector<std::vector<std::uint32_t>> post_;  // patterns of local neurons
  std::vector<double> sizes_;                     // synapses on all ranks
  std::unique_ptr<SampleSeries> series_;          // rank 0
};

std::unique_ptr<Record> PatternWeights::make(const RecordPlace& place) const {
  return std::make_unique<PatternMeans>(place, *this);
}

std::shared_ptr<RecordDescription> read(const RecordReading& reading) {
  const auto record = std::make_shared<PatternWeights>();
  record->connection = reading.connection();
  reading.refuse_snapshot_name();
  const ConnectionDescription& connection = reading.simulation.connections[record->connection];
  const Source& source = reading.simulation.sources[connection.from];
  const Source& target = reading.simulation.sources[connection.to];  // populations come first
  record->pre = read_lists(reading.table, "pre_patterns", source.name, source.size, source.groups);
  record->post = read_lists(reading.table, "post_patterns", target.name, target.size, target.groups);
  if (record->pairs() > kMostPairs)
    reading.table.fail("pre_patterns", fmt::format("there are {} x {} patterns; at most {} pairs can be recorded",
                                                   record->pre.size(), record->post.size(), kMostPairs));
  record->every = reading.sampled_every();
  return record;
}

}  // namespace

extern const RecordEntry pattern_weights_record{"pattern_weights", "mean weights between each two patterns", read};

}  // namespace lpl::spiking
