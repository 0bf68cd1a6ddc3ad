#include "spiking/result_size.hpp"

#include <algorithm>
#include <cmath>

#include "io/result_file.hpp"
#include "spiking/record_windows.hpp"
#include "spiking/stimulus/presentation.hpp"
#include "spiking/stimulus/stimulus.hpp"

namespace lpl::spiking {
namespace {

constexpr double kHeader = 2048;  // bytes of a dataset's own, about

double chunks(double rows, std::size_t rows_a_chunk, double bytes_a_row) {
  const auto chunk = static_cast<double>(rows_a_chunk);
  return std::ceil(rows / chunk) * chunk * bytes_a_row;
}

// Spikes of a source in a window.
double expected_spikes(const SimulationDescription& simulation, const Source& source, StepRange window, double rate) {
  if (source.is_population) return source.size * rate * simulation.seconds(window.end - window.begin);
  return simulation.stimuli[source.index]->expected_spikes(window.begin, window.end, simulation.dt);
}

class Estimate {
 public:
  Estimate(const SimulationDescription& simulation, const std::vector<double>& synapses, double rate)
      : simulation_(simulation), synapses_(synapses), rate_(rate) {
    size_.rest = 16384 + static_cast<double>(simulation.canonical_text.size());
    datasets(2 * simulation.sources.size());
    for_each_schedule(simulation, [&](const StimulusDescription& stimulus) { add_presentations(stimulus); });
  }

  void add(const RecordDescription& record) {
    const auto windows = windows_of(record.window, simulation_.phases);
    switch (record.what) {
      case RecordDescription::What::spikes:
        for (const std::size_t source : record.sources) add_spikes(simulation_.sources[source], windows);
        return;
      case RecordDescription::What::rates:
        for (std::size_t i = 0; i < record.sources.size(); ++i) add_rates(*record.every, windows);
        return;
      case RecordDescription::What::state:
        for (const StepRange& stretch : sampled_stretches(windows, *record.every)) {
          const std::size_t n = record.neurons.size();
          add_samples(rows(stretch, *record.every), n, report_rows_a_chunk(n));
          datasets(5);
        }
        return;
      case RecordDescription::What::weights:
        add_snapshots(record, windows);
        return;
      case RecordDescription::What::synapses:
        add_samples(all_rows(windows, *record.every), record.pre.size(), kWeightRowsAChunk);
        return;
      case RecordDescription::What::group_weights:
        add_samples(all_rows(windows, *record.every), groups_before(record), kWeightRowsAChunk);
        return;
    }
  }

  const ResultSize& size() const { return size_; }

 private:
  static double rows(StepRange stretch, Step every) {
    const Step count = (stretch.end - stretch.begin) / every;
    return static_cast<double>(count);
  }
  static double all_rows(const std::vector<StepRange>& windows, Step every) {
    double sum = 0;
    for (const StepRange& stretch : sampled_stretches(windows, every)) sum += rows(stretch, every);
    return sum;
  }
  std::size_t groups_before(const RecordDescription& record) const {
    return simulation_.sources[simulation_.connections[record.target].from].groups.size();
  }
  void datasets(std::size_t count) { size_.rest += kHeader * static_cast<double>(count); }

  void add_spikes(const Source& source, const std::vector<StepRange>& windows) {
    double spikes = 0;
    for (const StepRange& window : windows) spikes += expected_spikes(simulation_, source, window, rate_);
    size_.spikes += chunks(spikes, kSpikesAChunk, sizeof(double) + sizeof(std::uint64_t));
    datasets(2);
  }

  void add_rates(Step every, const std::vector<StepRange>& windows) {
    Step bins = 0;
    for (const StepRange& window : windows) bins += (window.end + every - 1) / every - window.begin / every;
    size_.samples += chunks(static_cast<double>(bins), kSamplesAChunk, 2 * sizeof(double) + sizeof(float));
    datasets(3);
  }

  void add_presentations(const StimulusDescription& stimulus) {
    double count = 0;
    const double factor = sample_presentations(*stimulus.schedule, stimulus.windows, 0, simulation_.end(),
                                               [&](const Presentation&) { ++count; });
    size_.samples += chunks(count * factor, kSamplesAChunk, 2 * sizeof(double) + sizeof(std::uint32_t));
    datasets(3);
  }

  void add_samples(double count, std::size_t width, std::size_t rows_a_chunk) {
    size_.samples += chunks(count, rows_a_chunk, static_cast<double>(width * sizeof(float))) +
                     chunks(count, kSamplesAChunk, sizeof(double));
    datasets(2);
  }

  // One at the begin, one at the end of each phase, periodic ones; who is connected is there once.
  void add_snapshots(const RecordDescription& record, const std::vector<StepRange>& windows) {
    double count = 1 + static_cast<double>(windows.size());
    if (record.every) {
      count += all_rows(windows, *record.every);
      if (!windows.empty() && windows.front().begin == 0) count -= 1;
    }
    size_.weights += synapses_[record.target] * (sizeof(float) * count + 2 * sizeof(NeuronId));
    datasets(static_cast<std::size_t>(count) + 2);
  }

  const SimulationDescription& simulation_;
  const std::vector<double>& synapses_;
  double rate_;
  ResultSize size_;
};

}  // namespace

ResultSize result_size(const SimulationDescription& simulation, const std::vector<double>& synapses, double rate) {
  Estimate estimate(simulation, synapses, rate);
  for (const RecordDescription& record : simulation.records) estimate.add(record);
  return estimate.size();
}

}  // namespace lpl::spiking
