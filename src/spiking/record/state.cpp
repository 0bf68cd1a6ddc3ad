#include "spiking/record/state.hpp"

#include <fmt/format.h>

#include "core/text.hpp"
#include "spiking/plasticity/plasticity.hpp"
#include "spiking/record/sampled.hpp"

namespace lpl::spiking {
namespace {

class StateSamples final : public ChosenValues {
 public:
  StateSamples(const RecordPlace& place, const StateRecord& record)
      : ChosenValues(place, record, record.of.every, record.of.neurons.size()),
        record_(record),
        variable_(*place.network.variables.find(By::neuron, record.of.population, record.of.variable)) {
    record.of.place(place, [&](std::size_t i, int rank, std::size_t local) { add(i, rank, local); });
  }

  void open(ResultFile& file) override { reports_.open(file, place_.simulation, record_, record_.of, variable_.unit); }

 private:
  float value(std::size_t neuron, Step /*step*/) const override { return value_of(variable_, neuron); }
  void append(const std::vector<double>& times, const std::vector<float>& values) override {
    reports_.append(steps_, times, values);
  }

  const StateRecord& record_;
  const Variable& variable_;
  Reports reports_;  // rank 0
};

void check_variable(const RecordReading& reading, const ReportedNeurons& of) {
  const SimulationDescription& simulation = reading.simulation;
  std::vector<std::string> known;
  for (const StateText& state : simulation.populations[of.population].cell.text->states) known.push_back(state.name);
  for (const ConnectionDescription& connection : simulation.connections)
    if (connection.to == of.population && connection.rule)
      for (const std::string& trace : connection.rule->recordable) known.push_back(connection.name + "." + trace);
  if (std::ranges::find(known, of.variable) == known.end())
    reading.table.fail("variable", fmt::format("'variable' is \"{}\"; it must be {}", of.variable, join_or(known)));
}

std::shared_ptr<RecordDescription> read(const RecordReading& reading) {
  const auto record = std::make_shared<StateRecord>();
  record->of = ReportedNeurons::read(reading, reading.table.text("variable"));
  check_variable(reading, record->of);
  return record;
}

}  // namespace

std::unique_ptr<Record> StateRecord::make(const RecordPlace& place) const {
  return std::make_unique<StateSamples>(place, *this);
}

extern const RecordEntry state_record{"state", "a state of neurons, or a trace of plasticity", read};

}  // namespace lpl::spiking
