// what = "pattern_rates".
#include "spiking/record/binned.hpp"
#include "spiking/record/patterns.hpp"

namespace lpl::spiking {
namespace {

struct PatternRates final : RecordDescription {
  std::unique_ptr<Record> make(const RecordPlace& place) const override;
  void add_size(SizeEstimate& estimate) const override {
    estimate.add_bins(every, windows, patterns.size() * sizeof(float));
  }
  bool is_cut_short(Step now) const override { return now % every != 0; }
  std::vector<double> sizes() const {
    std::vector<double> result;
    for (const auto& neurons : patterns.neurons) result.push_back(static_cast<double>(neurons.size()));
    return result;
  }
  std::size_t source = 0;
  NeuronLists patterns;
  Step every = 0;
};

class MemberRates final : public BinnedRates {
 public:
  MemberRates(const RecordPlace& place, const PatternRates& record)
      : BinnedRates(place, record, record.source, record.every, record.sizes()),
        record_(record),
        own_(place.own(record.source)),
        patterns_(record.patterns.by_neuron(own_)) {}

  void open(ResultFile& file) override {
    const std::string& source = place_.simulation.sources[record_.source].name;
    open_series(file.create_rate_columns("/pattern_rates/" + source + "/" + record_.name,
                                         {"patterns", record_.patterns.names},
                                         place_.simulation.seconds(record_.every)));
  }

 private:
  void count(Step from, Step to, const SpikeHistory& spikes, std::span<std::int64_t> counts) override {
    for (Step step = from; step < to; ++step)
      for (const NeuronId id : spikes.at(step))
        for (const std::uint32_t pattern : patterns_[id - own_.first])
          ++counts[static_cast<std::size_t>(step - from) * record_.patterns.size() + pattern];
  }

  const PatternRates& record_;
  LocalRange own_;
  std::vector<std::vector<std::uint32_t>> patterns_;  // by own neuron
};

std::unique_ptr<Record> PatternRates::make(const RecordPlace& place) const {
  return std::make_unique<MemberRates>(place, *this);
}

std::shared_ptr<RecordDescription> read(const RecordReading& reading) {
  const auto record = std::make_shared<PatternRates>();
  record->source = reading.source();
  const Source& source = reading.simulation.sources[record->source];
  record->patterns = read_lists(reading.table, "patterns", source.name, source.size, source.groups);
  record->every = reading.grid.read_interval(reading.table, "every");
  return record;
}

}  // namespace

extern const RecordEntry pattern_rates_record{"pattern_rates", "mean rates of the members of patterns, by bins", read};

}  // namespace lpl::spiking
