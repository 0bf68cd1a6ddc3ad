// what = "spikes".
#include "spiking/record/record.hpp"

namespace lpl::spiking {
namespace {

constexpr std::size_t kSpikesPerWrite = 1 << 16;

struct Spikes final : RecordDescription {
  std::unique_ptr<Record> make(const RecordPlace& place) const override;
  void add_size(SizeEstimate& estimate) const override {
    for (const std::size_t source : sources) estimate.add_spikes(source, windows);
  }
  std::vector<std::size_t> sources;
};

class SpikeRecord final : public Record {
 public:
  SpikeRecord(const RecordPlace& place, const Spikes& description) : place_(place), description_(description) {}

  void open(ResultFile& file) override {
    std::vector<double> recorded;
    for (const StepRange& window : description_.windows)
      recorded.insert(recorded.end(), {place_.simulation.seconds(window.begin), place_.simulation.seconds(window.end)});
    for (const std::size_t source : description_.sources)
      trains_.push_back({source, file.create_spikes(place_.simulation.sources[source].name, recorded), {}, {}});
  }

  void observe(Step from, Step to, const std::vector<SpikeHistory>& spikes) override {
    // Epochs never straddle a phase, but a window may begin inside one.
    const StepRange* const window = active(description_.windows, to - 1);
    if (!window) return;
    for (Train& train : trains_)
      for (Step step = std::max(from, window->begin); step < to; ++step)
        for (const NeuronId id : spikes[train.source].at(step)) {
          train.times.push_back(place_.simulation.seconds(step) * 1e3);
          train.ids.push_back(id);
        }
  }

  bool is_full() const override {
    return std::ranges::any_of(trains_, [](const Train& train) { return train.ids.size() >= kSpikesPerWrite; });
  }

  void write() override {
    for (Train& train : trains_) {
      train.series.append(train.times, train.ids);
      train.times.clear();
      train.ids.clear();
    }
  }

 private:
  struct Train {
    std::size_t source;
    SpikeSeries series;
    std::vector<double> times;
    std::vector<std::uint64_t> ids;
  };
  const RecordPlace place_;
  const Spikes& description_;
  std::vector<Train> trains_;  // rank 0
};

std::unique_ptr<Record> Spikes::make(const RecordPlace& place) const {
  return std::make_unique<SpikeRecord>(place, *this);
}

std::shared_ptr<RecordDescription> read(const RecordReading& reading) {
  const auto record = std::make_shared<Spikes>();
  record->sources = reading.sources();
  for (const std::size_t source : record->sources) reading.claim_only(reading.simulation.sources[source].name);
  return record;
}

}  // namespace

extern const RecordEntry spikes_record{"spikes", "the spikes of populations and stimuli", read};

}  // namespace lpl::spiking
