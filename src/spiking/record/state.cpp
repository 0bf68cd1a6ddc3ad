#include "spiking/record/state.hpp"

#include <fmt/format.h>

#include "core/text.hpp"
#include "spiking/plasticity/plasticity.hpp"
#include "spiking/reading.hpp"
#include "spiking/record/sampled.hpp"
#include "spiking/record_windows.hpp"

namespace lpl::spiking {
namespace {

// Each stretch of samples without a gap is a report.
class StateSamples final : public ChosenValues {
 public:
  StateSamples(const RecordPlace& place, const StateRecord& record)
      : ChosenValues(place, record, record.every,
                     *place.network.variables.find(By::neuron, record.population, record.variable),
                     record.neurons.size()),
        record_(record) {
    const NeuronId size = place.simulation.populations[record.population].size;
    for (int rank = 0; rank < place.comm.size(); ++rank) {
      const LocalRange range = local_range(size, rank, place.comm.size());
      for (std::size_t i = 0; i < record.neurons.size(); ++i)
        if (range.holds(record.neurons[i])) add(i, rank, record.neurons[i] - range.first);
    }
  }

  // SONATA names a report by its population, and has one report a file, with one regular time axis: the first report of
  // a population bears its name, others also that of their record, and further stretches of a record their number.
  void open(ResultFile& file) override {
    const std::string& population = place_.simulation.populations[record_.population].name;
    ReportDescription report{.group = record_.group,
                             .population = population,
                             .record = record_.name,
                             .variable = record_.variable,
                             .units = variable_.unit,
                             .neurons = record_.neurons,
                             .step = place_.simulation.seconds(record_.every)};
    for (const StepRange& stretch : sampled_stretches(record_.windows, record_.every)) {
      if (!reports_.empty()) report.group = fmt::format("{}.{}.{}", population, record_.name, reports_.size() + 1);
      report.start = place_.simulation.seconds(stretch.begin);
      reports_.push_back({stretch.end, file.create_report(report)});
    }
  }

 private:
  struct Report {
    Step end;
    ReportSeries series;
  };

  void append(const std::vector<double>& times, const std::vector<float>& values) override {
    std::size_t row = 0;
    for (Report& report : reports_) {
      const std::size_t first = row;
      while (row < steps_.size() && steps_[row] < report.end) ++row;
      const auto value = [&](std::size_t at) { return values.begin() + static_cast<std::ptrdiff_t>(at * width_); };
      const auto time = [&](std::size_t at) { return times.begin() + static_cast<std::ptrdiff_t>(at); };
      if (row > first) report.series.append({time(first), time(row)}, {value(first), value(row)});
    }
  }

  const StateRecord& record_;
  std::vector<Report> reports_;  // rank 0
};

std::string read_variable(const RecordReading& reading, std::size_t population) {
  const SimulationDescription& simulation = reading.simulation;
  const std::string variable = reading.table.text("variable");
  std::vector<std::string> known;
  for (const StateText& state : simulation.populations[population].cell.text->states) known.push_back(state.name);
  for (const ConnectionDescription& connection : simulation.connections)
    if (connection.to == population && connection.rule)
      for (const std::string& trace : connection.rule->recordable) known.push_back(connection.name + "." + trace);
  if (std::ranges::find(known, variable) == known.end())
    reading.table.fail("variable", fmt::format("'variable' is \"{}\"; it must be {}", variable, join_or(known)));
  return variable;
}

std::shared_ptr<RecordDescription> read(const RecordReading& reading) {
  const auto record = std::make_shared<StateRecord>();
  record->population = reading.population();
  record->variable = read_variable(reading, record->population);
  const Population& population = reading.simulation.populations[record->population];
  record->neurons = read_neurons(reading.table, population.size);
  record->every = reading.sampled_every();
  const bool first = reading.claim("report", population.name);
  record->group = first ? population.name : population.name + "." + reading.record.name;
  return record;
}

}  // namespace

std::unique_ptr<Record> StateRecord::make(const RecordPlace& place) const {
  return std::make_unique<StateSamples>(place, *this);
}

void StateRecord::add_size(SizeEstimate& estimate) const {
  for (const StepRange& stretch : sampled_stretches(windows, every)) {
    estimate.add_samples(SizeEstimate::rows(stretch, every), neurons.size(), report_rows_a_chunk(neurons.size()));
    estimate.datasets(5);
  }
}

extern const RecordEntry state_record{"state", "a state of neurons, or a trace of plasticity", read};

}  // namespace lpl::spiking
