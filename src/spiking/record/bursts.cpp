// what = "bursts".
#include <bit>
#include <cmath>
#include <numbers>

#include "spiking/record/binned.hpp"
#include "spiking/record/packing.hpp"

namespace lpl::spiking {
namespace {

struct Bursts final : RecordDescription {
  std::unique_ptr<Record> make(const RecordPlace& place) const override;
  void add_size(SizeEstimate& estimate) const override { estimate.add_bins(every, windows, 2 * sizeof(float)); }
  bool is_cut_short(Step now) const override { return now % every != 0; }
  std::size_t source = 0;
  double tau = 0;  // [s]
  Step every = 0;
};

// A spike belongs to a burst where the neuron's trace, of which it is a part, is above 1 + 1/e: with one spike before
// it, that is less than tau ago. Events are bursts and the spikes that follow no other.
class BurstRates final : public BinnedRates {
 public:
  BurstRates(const RecordPlace& place, const Bursts& record)
      : BinnedRates(place, record, record.source, record.every,
                    std::vector<double>(kKinds.size(), place.simulation.sources[record.source].size)),
        record_(record),
        own_(place.own(record.source)),
        neurons_(own_.count) {}

  void open(ResultFile& file) override {
    open_series(file.create_rate_columns("/bursts/" + place_.simulation.sources[record_.source].name, {"kinds", kKinds},
                                         place_.simulation.seconds(record_.every)));
  }

  std::vector<std::int64_t> state() const override {
    std::vector<std::int64_t> own;
    for (const Neuron& neuron : neurons_) {
      own.push_back(std::bit_cast<std::int64_t>(neuron.trace));
      own.push_back(neuron.last);
    }
    std::vector<std::int64_t> state = BinnedRates::state();
    for (const std::string& part : place_.comm.gather(bytes_of(own)))  // ranks hold ascending ranges of neurons
      append_values(part, state);
    return state;
  }
  std::size_t state_size() const override {
    return kKinds.size() + 2 * std::size_t{place_.simulation.sources[record_.source].size};
  }
  void restore(std::span<const std::int64_t> state) override {
    BinnedRates::restore(state);
    for (std::size_t i = 0; i < neurons_.size(); ++i) {
      const auto own = state.subspan(kKinds.size() + 2 * (own_.first + i));
      neurons_[i] = {std::bit_cast<double>(own[0]), own[1]};
    }
  }

 private:
  inline static const std::vector<std::string> kKinds = {"events", "bursts"};
  static constexpr double kThreshold = 1 + 1 / std::numbers::e;
  struct Neuron {
    double trace = 0;  // just after its last spike,
    Step last = 0;     // in this step
  };

  void count(Step from, Step to, const SpikeHistory& spikes, std::span<std::int64_t> counts) override {
    for (Step step = from; step < to; ++step) {
      std::int64_t* const own = counts.data() + static_cast<std::size_t>(step - from) * kKinds.size();
      for (const NeuronId id : spikes.at(step)) {
        Neuron& neuron = neurons_[id - own_.first];
        const double before = neuron.trace;
        neuron.trace = before * std::exp(place_.simulation.seconds(neuron.last - step) / record_.tau) + 1;
        neuron.last = step;
        if (neuron.trace <= kThreshold)
          ++own[0];
        else if (before <= kThreshold)
          ++own[1];
      }
    }
  }

  const Bursts& record_;
  LocalRange own_;
  std::vector<Neuron> neurons_;  // own ones
};

std::unique_ptr<Record> Bursts::make(const RecordPlace& place) const {
  return std::make_unique<BurstRates>(place, *this);
}

std::shared_ptr<RecordDescription> read(const RecordReading& reading) {
  const auto record = std::make_shared<Bursts>();
  record->source = reading.source();
  reading.claim_only(reading.simulation.sources[record->source].name);
  record->every = reading.grid.read_interval(reading.table, "every");
  record->tau = reading.table.quantity("tau", Dimension::time, kPositive, "16 ms");
  return record;
}

}  // namespace

extern const RecordEntry bursts_record{"bursts", "rates of bursts and of events, by bins", read};

}  // namespace lpl::spiking
