// what = "spikes".
#include "spiking/record/packing.hpp"
#include "spiking/record/record.hpp"

namespace lpl::spiking {
namespace {

constexpr std::size_t kSpikesPerGather = 1 << 16;

struct Spikes final : RecordDescription {
  std::unique_ptr<Record> make(const RecordPlace& place) const override;
  void add_size(SizeEstimate& estimate) const override {
    for (const std::size_t source : sources) estimate.add_spikes(source, windows);
  }
  std::vector<std::size_t> sources;
};

class SpikeRecord final : public Record {
 public:
  SpikeRecord(const RecordPlace& place, const Spikes& description)
      : place_(place), description_(description), trains_(description.sources.size()) {}

  void open(ResultFile& file) override {
    std::vector<double> recorded;
    for (const StepRange& window : description_.windows)
      recorded.insert(recorded.end(), {place_.simulation.seconds(window.begin), place_.simulation.seconds(window.end)});
    for (const std::size_t source : description_.sources)
      series_.push_back(file.create_spikes(place_.simulation.sources[source].name, recorded));
  }

  void observe(Step from, Step to, OwnSpikes spikes) override {
    // Epochs never straddle a phase, but a window may begin inside one.
    const StepRange* const window = active(description_.windows, to - 1);
    if (!window) return;
    for (std::size_t i = 0; i < trains_.size(); ++i)
      for (Step step = std::max(from, window->begin); step < to; ++step)
        for (const NeuronId id : spikes[description_.sources[i]]->at(step)) trains_[i].push_back({step, id});
  }

  bool is_full() const override {
    return std::ranges::any_of(trains_, [](const auto& train) { return train.size() >= kSpikesPerGather; });
  }

  void gather(Step /*now*/) override {
    for (std::size_t i = 0; i < trains_.size(); ++i) {
      const std::vector<std::string> parts = place_.comm.gather(bytes_of(trains_[i]));
      trains_[i].clear();
      place_.on_root([&] { write(series_[i], parts); });
    }
  }

 private:
  struct Spike {
    Step step;
    std::uint64_t id;
  };

  // By step, then id: ranks hold ascending ranges of neurons.
  void write(SpikeSeries& series, const std::vector<std::string>& parts) const {
    std::vector<Spike> spikes;
    for (const std::string& part : parts) append_values(part, spikes);
    if (parts.size() > 1) std::ranges::stable_sort(spikes, {}, &Spike::step);
    std::vector<double> times;
    std::vector<std::uint64_t> ids;
    times.reserve(spikes.size());
    ids.reserve(spikes.size());
    for (const Spike& spike : spikes) {
      times.push_back(place_.simulation.seconds(spike.step) * 1e3);
      ids.push_back(spike.id);
    }
    series.append(times, ids);
  }

  const RecordPlace place_;
  const Spikes& description_;
  std::vector<std::vector<Spike>> trains_;  // by source, this rank's
  std::vector<SpikeSeries> series_;         // rank 0
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
