// Reads a description document into a SimulationDescription. One instance reads one document; the parts of the language
// are in read_neurons.cpp, read_connections.cpp and read_records.cpp, rules, stimuli and records in their folders.
#pragma once

#include <fmt/format.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "config/table.hpp"
#include "core/errors.hpp"
#include "core/text.hpp"
#include "spiking/description.hpp"
#include "spiking/grid.hpp"
#include "spiking/model/equations.hpp"
#include "spiking/reading.hpp"

namespace lpl::spiking {

struct RuleReading;

class DescriptionReader {
 public:
  explicit DescriptionReader(Document document) : document_(std::move(document)) {}

  // Throws ConfigError at the first mistake.
  SimulationDescription read();

 private:
  void read_simulation_table(Table& root);
  // A cell or rule: the table [section.name] that a description holds or that was embedded from models/.
  Table section_entry(Table& user, std::string_view key, Table& root, const std::string& section,
                      const std::string& name);
  // Entries of [cell] and [rule] that nothing refers to are mistakes.
  void finish_section(Table table, const std::string& section);
  // The text of a model that cells name: a table [model.NAME] that the description holds or that was embedded.
  std::shared_ptr<const ModelText> read_text(Table& cell, Table& root, const std::string& model);
  Cell read_cell(Table& table, Table& root, const std::string& name, const Population& population);
  void check_cell(Table& table, const Population& population);
  void warn_of_frozen(const Population& population, const CompiledModel& model);
  using Refuse = std::function<void(const std::string& parameter, const std::string& message)>;  // throws
  void check_refractory(const Cell& cell, const ParameterValues& values, const Refuse& fail) const;
  void check_float(const Cell& cell, const ParameterValues& values, const Refuse& fail) const;
  void refuse_slow_membrane(Table& user, Table& root, const Population& population) const;
  void read_initial_membrane(Table& table, Population& population);
  void read_membrane_file(Table& table, InitialMembrane& start, NeuronId size, double high);
  void read_initial(Table& table, Population& population);
  // A table with `from`: the end of a run of before, of what is called `name` here.
  StartFrom read_start_of_variables(Table& table, const std::string& name) const;
  void read_starts(Table& table, ConnectionDescription& c) const;
  void read_population(Table& table, Table& root);
  void read_stimulus(Table& table);
  void read_windows_of_stimuli();
  std::shared_ptr<const Positions> read_positions(Table& table, NeuronId size, const std::string& name) const;
  void list_sources();
  void read_connection(Table& table, Table& root);
  Distribution read_weight(Table& table, const WiringPlace& place, const ConnectionDescription& c) const;
  void check_signs(Table& table, const ConnectionDescription& c) const;
  WiringPlace place_of(const ConnectionDescription& c) const;
  void read_delay(Table& table, const WiringPlace& place, ConnectionDescription& c) const;
  void find_min_delay();
  void read_plasticity(Table& table, Table& root, ConnectionDescription& c);
  std::shared_ptr<const RuleDescription> read_rule(const RuleReading& reading, Table& root);
  // Weights that a rule moves start within its bounds, or above them by what the rule itself may do.
  void check_initial_weights(Table& table, const ConnectionDescription& c) const;
  void read_phase(Table& table);
  // The phases that the key `phases` lists; `otherwise` says what leaving it out means.
  std::vector<std::size_t> read_phases(Table& table, std::string_view otherwise) const;
  RecordWindow read_window(Table& table);
  void read_record(Table& table);
  void read_limit(Table& table);
  void read_range(Table& table, LimitDescription& limit, Dimension dimension, Bounds bounds) const;
  // What is allowed, but hardly meant.
  void warn();
  void warn_of_parrots();

  Document document_;
  SimulationDescription result_;
  Grid grid_;
  Names names_;
  std::map<std::string, std::vector<std::string>> used_;           // cells, models and rules that something refers to
  std::map<std::string, std::shared_ptr<const ModelText>> texts_;  // of models that cells name
  std::set<std::pair<std::string, std::string>> recorded_;         // kind of record and what it is of
  std::vector<std::pair<Table, std::shared_ptr<StimulusDescription>>> stimuli_;
};

}  // namespace lpl::spiking
