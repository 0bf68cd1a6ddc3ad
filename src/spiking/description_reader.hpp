// Reads a description document into a SimulationDescription. One instance reads one document; the parts of the language
// are in read_neurons.cpp, read_stimuli.cpp, read_connections.cpp and read_records.cpp.
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

namespace lpl::spiking {

class DescriptionReader {
 public:
  static constexpr NeuronId kLargestSize = 1u << 30;

  explicit DescriptionReader(Document document) : document_(std::move(document)) {}

  // Throws ConfigError at the first mistake.
  SimulationDescription read();

 private:
  std::string read_name(Table& table, const std::string& kind, std::optional<std::string> fallback = {});
  void read_simulation_table(Table& root);
  // A cell or rule: the table [section.name] that a description holds or that was embedded from models/.
  Table section_entry(Table& user, std::string_view key, Table& root, const std::string& section,
                      const std::string& name);
  // Entries of [cell] and [rule] that nothing refers to are mistakes.
  void finish_section(Table table, const std::string& section);
  // The text of a model that cells name: a table [model.NAME] that the description holds or that was embedded.
  std::shared_ptr<const ModelText> read_text(Table& cell, Table& root, const std::string& model);
  Cell read_cell(Table& table, Table& root, const std::string& name, const Population& population);
  void check_cell(Table& table, const Population& population) const;
  using Refuse = std::function<void(const std::string& parameter, const std::string& message)>;  // throws
  void check_refractory(const Cell& cell, const ParameterValues& values, const Refuse& fail) const;
  void check_float(const Cell& cell, const ParameterValues& values, const Refuse& fail) const;
  void read_initial_membrane(Table& table, Population& population);
  void read_membrane_file(Table& table, InitialMembrane& start, NeuronId size, double high);
  void read_initial(Table& table, Population& population);
  void read_population(Table& table, Table& root);
  RateProfile read_rate_file(Table& table);
  RateProfile read_rate(Table& table, const std::vector<PoissonGroup>& earlier, std::uint32_t object);
  // Fig. 5: sum over i of alpha^-i a_i sin(2 pi i (t + b_i) / period), a and b uniform in [0,1), standardised over
  // the repeats, floored. Sampled at `interval`.
  RateProfile slow_signal(Table& table, std::uint32_t object);
  // Evenly spaced samples in random order; of others, the intervals between them, each with its length and rates.
  // Either keeps the mean.
  RateProfile shuffled(const RateProfile& original, std::uint32_t object, Table& table);
  void read_stimulus(Table& table);
  // The protocol of Fig. 6: `pairings` times at `rate`, input n fires dt_n after the pairing's time, dt_n equally
  // spaced on [-interval, +interval].
  void read_pairing(Table& table, const std::string& name);
  Step period_of(Table& table, double rate) const;
  void read_poisson(Table& table, const std::string& name);
  void list_sources();
  void read_device(Table& table);
  void read_series(Table& table, Device& device);
  void read_connection(Table& table, Table& root);
  double read_weight(Table& table, const ConnectionDescription& c) const;
  void read_pattern(Table& table, ConnectionDescription& c);
  void read_plasticity(Table& table, Table& root, ConnectionDescription& c);
  // Weights that a rule moves start within its bounds, or above them by what the rule itself may do.
  void check_initial_weights(Table& table, const ConnectionDescription& c) const;
  void read_phase(Table& table);
  RecordWindow read_window(Table& table);
  std::vector<NeuronId> read_neurons(Table& table, NeuronId size, std::optional<std::string> fallback = {});
  void read_record(Table& table);
  // Fails where a sampled record has no sample.
  void check_samples(Table& table, const RecordDescription& record);
  void read_source_record(Table& table, RecordDescription& record, const std::string& kind);
  void read_state_record(Table& table, RecordDescription& record);
  void read_weight_record(Table& table, RecordDescription& record, const std::string& kind);
  void claim(Table& table, const std::string& kind, const std::string& name);
  void read_variable(Table& table, RecordDescription& record);
  // What is allowed, but hardly meant.
  void warn();
  void warn_of_spikes(const SpikingStimulus& stimulus);
  void warn_of_devices();
  void warn_of_parrots();
  void warn_of_slow_membranes();

  // The index of the element named by `key`; `what` says what it must be.
  template <class List>
  std::size_t named(Table& table, std::string_view key, const std::string& name, const List& list,
                    std::string_view what) {
    std::vector<std::string> known;
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (list[i].name == name) return i;
      known.push_back(list[i].name);
    }
    const std::string close = nearest(name, known);
    table.fail(key, fmt::format("'{}' is \"{}\", but no {} has that name; {}", key, name, what,
                                !close.empty()  ? fmt::format("did you mean '{}'?", close)
                                : known.empty() ? fmt::format("none is described")
                                                : "there is " + join_or(known)));
  }

  // Reads the file that `key` names; the importer's error gets the position of the key.
  template <class Read>
  static auto imported(Table& table, std::string_view key, Read&& read) {
    const std::string path = table.file(key);
    try {
      return read(path);
    } catch (const ConfigError& error) {
      table.fail(key, error.what());
    }
  }

  Document document_;
  SimulationDescription result_;
  Grid grid_;
  std::vector<Table> device_tables_;                       // read after the populations that they act on are known
  std::map<std::string, std::vector<std::string>> names_;  // taken, by kind
  std::map<std::string, std::vector<std::string>> used_;   // cells, models and rules that something refers to
  std::map<std::string, std::shared_ptr<const ModelText>> texts_;  // of models that cells name
  std::set<std::pair<std::string, std::string>> recorded_;         // kind of record and what it is of
};

}  // namespace lpl::spiking
