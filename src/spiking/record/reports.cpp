#include "spiking/record/reports.hpp"

#include <fmt/format.h>

#include "spiking/reading.hpp"
#include "spiking/record_windows.hpp"

namespace lpl::spiking {

ReportedNeurons ReportedNeurons::read(const RecordReading& reading, std::string variable) {
  ReportedNeurons of;
  of.population = reading.population();
  of.variable = std::move(variable);
  const Population& population = reading.simulation.populations[of.population];
  of.neurons = read_neurons(reading.table, population.size);
  of.every = reading.sampled_every();
  const bool first = reading.claim("report", population.name);
  of.group = first ? population.name : population.name + "." + reading.record.name;
  return of;
}

void ReportedNeurons::add_size(SizeEstimate& estimate, const std::vector<StepRange>& windows) const {
  for (const StepRange& stretch : sampled_stretches(windows, every)) {
    estimate.add_samples(SizeEstimate::rows(stretch, every), neurons.size(), report_rows_a_chunk(neurons.size()));
    estimate.datasets(5);
  }
}

// SONATA names a report by its population, and has one report a file, with one regular time axis: the first report of a
// population bears its name, others also that of their record, and further stretches of a record their number.
void Reports::open(ResultFile& file, const SimulationDescription& simulation, const RecordHead& record,
                   const ReportedNeurons& of, const std::string& units) {
  const std::string& population = simulation.populations[of.population].name;
  ReportDescription report{.group = of.group,
                           .population = population,
                           .record = record.name,
                           .variable = of.variable,
                           .units = units,
                           .neurons = of.neurons,
                           .step = simulation.seconds(of.every)};
  for (const StepRange& stretch : sampled_stretches(record.windows, of.every)) {
    if (!reports_.empty()) report.group = fmt::format("{}.{}.{}", population, record.name, reports_.size() + 1);
    report.start = simulation.seconds(stretch.begin);
    reports_.push_back({stretch.end, file.create_report(report)});
  }
}

void Reports::append(const std::vector<Step>& steps, const std::vector<double>& times,
                     const std::vector<float>& values) {
  const std::size_t width = values.size() / steps.size();
  std::size_t row = 0;
  for (Report& report : reports_) {
    const std::size_t first = row;
    while (row < steps.size() && steps[row] < report.end) ++row;
    const auto value = [&](std::size_t at) { return values.begin() + static_cast<std::ptrdiff_t>(at * width); };
    const auto time = [&](std::size_t at) { return times.begin() + static_cast<std::ptrdiff_t>(at); };
    if (row > first) report.series.append({time(first), time(row)}, {value(first), value(row)});
  }
}

}  // namespace lpl::spiking
