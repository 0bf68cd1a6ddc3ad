// what = "synapses".
#include <fmt/format.h>

#include "core/errors.hpp"
#include "spiking/record/sampled.hpp"
#include "spiking/record_windows.hpp"

namespace lpl::spiking {
namespace {

struct ChosenSynapses final : RecordDescription {
  std::unique_ptr<Record> make(const RecordPlace& place) const override;
  void add_size(SizeEstimate& estimate) const override {
    estimate.add_samples(SizeEstimate::rows(windows, every), pre.size(), kWeightRowsAChunk);
  }
  std::size_t connection = 0;
  std::string variable;
  std::vector<NeuronId> pre, post;
  Step every = 0;
};

class SynapseSamples final : public ChosenValues {
 public:
  SynapseSamples(const RecordPlace& place, const ChosenSynapses& record)
      : ChosenValues(place, record, record.every, record.pre.size()),
        record_(record),
        variable_(*place.network.variables.find(
            By::synapse, record.connection,
            place.simulation.connections[record.connection].name + "." + record.variable)) {
    const NeuronId size = place.simulation.populations[place.simulation.connections[record.connection].to].size;
    for (int rank = 0; rank < place.comm.size(); ++rank) {
      const LocalRange range = local_range(size, rank, place.comm.size());
      for (std::size_t i = 0; i < record.post.size(); ++i)
        if (range.holds(record.post[i]))
          add(i, rank, rank == place.comm.rank() ? synapse(i, record.post[i] - range.first) : 0);
    }
  }

  void open(ResultFile& file) override {
    series_ =
        std::make_unique<SampleSeries>(file.create_synapses(place_.simulation.connections[record_.connection].name,
                                                            record_.name, variable_.unit, record_.pre, record_.post));
  }

 private:
  std::size_t synapse(std::size_t i, std::size_t local) const {
    const Synapses& synapses = place_.network.connections[record_.connection].synapses;
    const Synapses::Row row = synapses.of(record_.pre[i]);
    const auto end = synapses.target.begin() + static_cast<std::ptrdiff_t>(row.end);
    const auto found = std::find(synapses.target.begin() + static_cast<std::ptrdiff_t>(row.begin), end,
                                 place_.network.layout.target_of(local));
    if (found == end)
      throw ConfigError(fmt::format("record '{}': connection '{}' has no synapse from {} to {}", record_.name,
                                    place_.simulation.connections[record_.connection].name, record_.pre[i],
                                    record_.post[i]));
    return static_cast<std::size_t>(found - synapses.target.begin());
  }
  void append(const std::vector<double>& times, const std::vector<float>& values) override {
    series_->append(times, values);
  }

  float value(std::size_t element, Step /*step*/) const override { return value_of(variable_, element); }

  const ChosenSynapses& record_;
  const Variable& variable_;
  std::unique_ptr<SampleSeries> series_;  // rank 0
};

std::unique_ptr<Record> ChosenSynapses::make(const RecordPlace& place) const {
  return std::make_unique<SynapseSamples>(place, *this);
}

std::shared_ptr<RecordDescription> read(const RecordReading& reading) {
  const auto record = std::make_shared<ChosenSynapses>();
  record->connection = reading.connection();
  reading.refuse_snapshot_name();
  const ConnectionDescription& connection = reading.simulation.connections[record->connection];
  Table& table = reading.table;
  record->pre = table.indices("pre", reading.simulation.sources[connection.from].size);
  record->post = table.indices("post", reading.simulation.populations[connection.to].size);
  if (record->pre.empty() || record->pre.size() != record->post.size())
    table.fail("post", fmt::format("'pre' lists {} and 'post' {} neurons; they must name the same number of synapses",
                                   record->pre.size(), record->post.size()));
  std::vector<std::string> known{"weight"};
  if (connection.rule)
    known.insert(known.end(), connection.rule->recordable_by_synapse.begin(),
                 connection.rule->recordable_by_synapse.end());
  record->variable = table.has("variable") ? known[table.choice("variable", known)] : "weight";
  record->every = reading.sampled_every();
  return record;
}

}  // namespace

extern const RecordEntry synapses_record{"synapses", "the weights of chosen synapses, or what a rule keeps of them",
                                         read};

}  // namespace lpl::spiking
