#include "spiking/result_size.hpp"

#include <algorithm>
#include <cmath>

#include "io/result_file.hpp"
#include "spiking/model/equations.hpp"
#include "spiking/record/record.hpp"
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

}  // namespace

SizeEstimate::SizeEstimate(const SimulationDescription& simulation, const std::vector<double>& synapses, double rate)
    : simulation_(simulation), synapses_(synapses), rate_(rate) {
  size_.rest = 16384 + static_cast<double>(simulation.canonical_text.size());
  datasets(2 * simulation.sources.size());
}

double SizeEstimate::rows(StepRange stretch, Step every) {
  const Step count = (stretch.end - stretch.begin) / every;
  return static_cast<double>(count);
}

double SizeEstimate::rows(const std::vector<StepRange>& windows, Step every) {
  double sum = 0;
  for (const StepRange& stretch : sampled_stretches(windows, every)) sum += rows(stretch, every);
  return sum;
}

double SizeEstimate::expected_spikes(const Source& source, StepRange window) const {
  if (source.is_population) return source.size * rate_ * simulation_.seconds(window.end - window.begin);
  return simulation_.stimuli[source.index]->expected_spikes(window.begin, window.end, simulation_.dt);
}

void SizeEstimate::datasets(std::size_t count) { size_.rest += kHeader * static_cast<double>(count); }

void SizeEstimate::add_spikes(std::size_t source, const std::vector<StepRange>& windows) {
  double spikes = 0;
  for (const StepRange& window : windows) spikes += expected_spikes(simulation_.sources[source], window);
  size_.spikes += chunks(spikes, kSpikesAChunk, sizeof(double) + sizeof(std::uint64_t));
  datasets(2);
}

void SizeEstimate::add_bins(Step every, const std::vector<StepRange>& windows, std::size_t bytes) {
  Step bins = 0;
  for (const StepRange& window : windows) bins += (window.end + every - 1) / every - window.begin / every;
  size_.samples += chunks(static_cast<double>(bins), kSamplesAChunk, static_cast<double>(2 * sizeof(double) + bytes));
  datasets(3);
}

void SizeEstimate::add_presentations(const StimulusDescription& stimulus) {
  double count = 0;
  const double factor = sample_presentations(*stimulus.schedule, stimulus.windows, 0, simulation_.end(),
                                             [&](const Presentation&) { ++count; });
  size_.samples += chunks(count * factor, kSamplesAChunk, 2 * sizeof(double) + sizeof(std::uint32_t));
  datasets(3);
}

void SizeEstimate::add_patterns(const StimulusDescription& stimulus) {
  if (stimulus.drawn.empty()) return;
  std::size_t members = 0;
  for (const auto& pattern : stimulus.drawn) members += pattern.size();
  size_.rest += static_cast<double>((members + stimulus.drawn.size()) * sizeof(NeuronId));
  datasets(2);
}

void SizeEstimate::add_samples(double count, std::size_t width, std::size_t rows_a_chunk) {
  size_.samples += chunks(count, rows_a_chunk, static_cast<double>(width * sizeof(float))) +
                   chunks(count, kSamplesAChunk, sizeof(double));
  datasets(2);
}

void SizeEstimate::add_states(std::size_t population, std::size_t times) {
  const Population& of = simulation_.populations[population];
  const std::size_t states = times * of.cell.text->states.size();
  size_.samples += static_cast<double>(states) * of.size * (of.cell.is_double ? sizeof(double) : sizeof(float));
  datasets(states);
}

void SizeEstimate::add_weights(std::size_t connection, double snapshots) {
  size_.weights += synapses_[connection] * (sizeof(float) * snapshots + 2 * sizeof(NeuronId));
  datasets(static_cast<std::size_t>(snapshots) + 2);
}

ResultSize result_size(const SimulationDescription& simulation, const std::vector<double>& synapses, double rate) {
  SizeEstimate estimate(simulation, synapses, rate);
  for_each_schedule(simulation, [&](const StimulusDescription& stimulus) { estimate.add_presentations(stimulus); });
  for_each_stimulus(simulation, [&](const StimulusDescription& stimulus) { estimate.add_patterns(stimulus); });
  for (const auto& record : simulation.records) record->add_size(estimate);
  return estimate.size();
}

}  // namespace lpl::spiking
