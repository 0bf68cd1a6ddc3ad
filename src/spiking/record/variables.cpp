// what = "variables".
#include <fmt/format.h>

#include <cstring>

#include "core/text.hpp"
#include "spiking/record/packing.hpp"
#include "spiking/record/record.hpp"
#include "spiking/state.hpp"

namespace lpl::spiking {
namespace {

struct LastingVariables final : RecordDescription {
  std::unique_ptr<Record> make(const RecordPlace& place) const override;
  void add_size(SizeEstimate& estimate) const override {
    for (const std::size_t population : populations) estimate.add_states(population, windows.size());
    for (const std::size_t connection : connections)
      estimate.add_weights(connection, static_cast<double>(windows.size()));
  }
  std::vector<std::size_t> populations, connections;
};

// What another run can begin with, at the ends of phases.
class VariableRecord final : public Record {
 public:
  VariableRecord(const RecordPlace& place, const LastingVariables& record) : place_(place), record_(record) {}

  void open(ResultFile& file) override { file_ = &file.file(); }

  void end_phase(const std::string& name, Step now) override {
    if (now == 0 || !active(record_.windows, now - 1)) return;
    for (const std::size_t p : record_.populations)
      write_variables(fmt::format("/variables/{}/{}", name, place_.simulation.populations[p].name), now,
                      lasting_variables(place_.network, p, place_.simulation));
    for (const std::size_t c : record_.connections) {
      const Connection& connection = place_.network.connections[c];
      const std::string group = fmt::format("/variables/{}/{}", name, connection.description->name);
      write_variables(group, now, lasting_variables(place_.network, connection));
      const SavedWiring wiring = wiring_of(place_.network, connection, place_.comm);
      place_.on_root([&] { file_->attribute(group, "wiring", wiring.text()); });
    }
  }

 private:
  void write_variables(const std::string& group, Step now, const std::vector<OwnVariable>& variables) {
    place_.on_root([&] {
      file_->create_group(group);
      file_->attribute(group, "step", static_cast<double>(now));
      file_->attribute(group, "time", place_.simulation.seconds(now));
    });
    for (const OwnVariable& own : variables) {
      const Variable* const variable = own.variable;
      const std::string values = gather_values(place_.network, *variable, place_.comm);
      place_.on_root([&] {
        const std::string dataset = fmt::format("{}/{}", group, own.name);
        if (std::holds_alternative<std::span<float>>(variable->data))
          file_->write(dataset, values_from<float>(values));
        else if (std::holds_alternative<std::span<double>>(variable->data))
          file_->write(dataset, values_from<double>(values));
        else
          file_->write(dataset, values_from<Step>(values));
        file_->attribute(dataset, "units", variable->unit);
        file_->attribute(dataset, "by", std::string(kByNames[static_cast<std::size_t>(variable->by)]));
      });
    }
  }

  const RecordPlace place_;
  const LastingVariables& record_;
  h5::File* file_ = nullptr;  // rank 0
};

std::unique_ptr<Record> LastingVariables::make(const RecordPlace& place) const {
  return std::make_unique<VariableRecord>(place, *this);
}

std::shared_ptr<RecordDescription> read(const RecordReading& reading) {
  const auto record = std::make_shared<LastingVariables>();
  const SimulationDescription& simulation = reading.simulation;
  std::vector<std::string> known;
  for (const Population& population : simulation.populations) known.push_back(population.name);
  for (const ConnectionDescription& connection : simulation.connections) known.push_back(connection.name);
  for (const std::string& name : reading.table.texts("of")) {
    const auto at = static_cast<std::size_t>(std::ranges::find(known, name) - known.begin());
    if (at == known.size())
      reading.table.fail("of", fmt::format("'of' is \"{}\", but no population or connection has that name; there is {}",
                                           name, join_or(known)));
    reading.claim_only(name);
    const std::size_t populations = simulation.populations.size();
    if (at < populations)
      record->populations.push_back(at);
    else
      record->connections.push_back(at - populations);
  }
  return record;
}

}  // namespace

extern const RecordEntry variables_record{"variables", "all that another run can begin with, at the ends of phases",
                                          read};

}  // namespace lpl::spiking
