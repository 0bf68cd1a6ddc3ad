#include "spiking/description.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "config/models.hpp"
#include "spiking/catalogue.hpp"
#include "spiking/description_reader.hpp"
#include "spiking/model/equations.hpp"
#include "spiking/record_windows.hpp"
#include "spiking/slow_membrane.hpp"
#include "spiking/stimulus/stimulus.hpp"

namespace lpl::spiking {

SimulationDescription DescriptionReader::read() {
  Table root = document_.root();
  if (!root.has("phase") && root.has("network"))
    root.fail("network", "[network] is of a training, which lpl_rate runs; lpl_sim takes networks with [[phase]]s");
  read_simulation_table(root);
  for (Table& table : root.tables("population")) {
    read_population(table, root);
    refuse_slow_membrane(table, root, result_.populations.back());
  }
  for (Table& table : root.tables("stimulus")) read_stimulus(table);
  list_sources();
  for (Table& table : root.tables("connection")) read_connection(table, root);
  for (Table& table : root.pairs("connections", "connection")) read_connection(table, root);
  find_min_delay();
  for (Table& table : root.tables("phase")) read_phase(table);
  if (result_.phases.empty()) root.fail("phase", "no [[phase]] is given; a run needs at least one with a duration");
  read_windows_of_stimuli();
  for (Table& table : root.tables("record")) read_record(table);
  for (Table& table : root.tables("limit")) read_limit(table);
  for (const char* section : {"cell", "model", "rule"})
    if (root.has(section)) finish_section(root.table(section), section);
  root.finish();
  warn();
  result_.canonical_text = document_.canonical_text();
  result_.fixed_text = document_.canonical_text_without("phase", {"duration"});
  result_.files = document_.files();
  return std::move(result_);
}

void DescriptionReader::read_simulation_table(Table& root) {
  Table table = root.table("simulation", "may be empty, for a seed of 1 and steps of 0.1 ms");
  table.rename("simulation");
  result_.dt = table.quantity("dt", Dimension::time, {1e-6, 1e-2}, "0.1 ms");
  grid_.dt = result_.dt;
  grid_.stated = table.written("dt");
  if (table.has("min_delay")) grid_.min_delay = grid_.read_delay(table, "min_delay");
  result_.plasticity_block = table.integer("plasticity_block", 1, 1 << 20, 256);
  const auto seed = table.integer("seed", 0, std::numeric_limits<std::int64_t>::max(), 1);
  result_.seed = static_cast<std::uint64_t>(seed);
  table.finish();
}

Table DescriptionReader::section_entry(Table& user, std::string_view key, Table& root, const std::string& section,
                                       const std::string& name) {
  if (!root.is_table(section)) user.fail(key, no_such_model(section, section, name));
  Table outer = root.table(section);
  if (!outer.is_table(name)) user.fail(key, no_such_model(section, section, name));
  used_[section].push_back(name);
  Table entry = outer.table(name);
  entry.rename(fmt::format("{} '{}'", section, name));
  return entry;
}

// With the values of neuron 0; where they differ, those of the others are checked where they live.
void DescriptionReader::refuse_slow_membrane(Table& user, Table& root, const Population& population) const {
  const Cell& cell = population.cell;
  const std::string fault = fault_of_slow_membrane(cell, values_of(population, 0, result_.seed), result_.dt);
  if (fault.empty()) return;
  Table table = root.table("cell").table(user.text("cell"));
  table.rename(fmt::format("cell '{}' of population '{}'", user.text("cell"), population.name));
  constexpr const char* kKey = "tau_membrane";
  table.fail(kKey, fmt::format("'{}' is {}{}", kKey,
                               table.has(kKey) ? table.written(kKey) : cell.text->parameter(kKey)->written, fault));
}

void DescriptionReader::finish_section(Table table, const std::string& section) {
  table.rename(section);
  for (const std::string& name : used_[section]) table.has(name);
  table.finish_models(section);
}

void DescriptionReader::list_sources() {
  for (std::size_t i = 0; i < result_.populations.size(); ++i) {
    const Population& p = result_.populations[i];
    result_.sources.push_back({p.name, p.size, true, i, {{p.name, 0, p.size}}, p.positions});
  }
  for (std::size_t i = 0; i < result_.stimuli.size(); ++i) {
    const SpikingStimulus& s = *result_.stimuli[i];
    result_.sources.push_back({s.name, s.size, false, i, s.groups, s.positions});
  }
}

void DescriptionReader::read_stimulus(Table& table) {
  const std::string name = names_.read(table, "stimulus");
  const StimulusEntry& entry = stimuli()[table.choice("type", types_of(stimuli()))];
  Stimulus stimulus = entry.read({table, names_, grid_, result_.seed, result_.populations, result_.stimuli});
  if (stimulus.spikes) stimulus.spikes->positions = read_positions(table, stimulus.spikes->size, name);
  if (stimulus.device || stimulus.spikes->schedule) table.has("phases");  // read when they are known
  table.finish();
  StimulusDescription& description =
      stimulus.spikes ? static_cast<StimulusDescription&>(*stimulus.spikes) : *stimulus.device;
  description.name = name;
  description.type = entry.type;
  if (stimulus.spikes) {
    if (stimulus.spikes->groups.empty()) stimulus.spikes->groups = {{name, 0, stimulus.spikes->size}};
    stimuli_.emplace_back(table, stimulus.spikes);
    result_.stimuli.push_back(std::move(stimulus.spikes));
  } else {
    stimuli_.emplace_back(table, stimulus.device);
    result_.devices.push_back(std::move(stimulus.device));
  }
}

// What is made ahead of a run's end is what a longer last phase would have.
void DescriptionReader::read_windows_of_stimuli() {
  for (auto& [table, stimulus] : stimuli_) {
    if (table.has("phases")) {
      stimulus->windows =
          windows_of({.phases = read_phases(table, "act in all"), .last = std::nullopt}, result_.phases);
      if (stimulus->windows.back().end == result_.end()) stimulus->windows.back().end = kLongestRun;
    }
    stimulus->windows = within(stimulus->span, stimulus->windows);
  }
}

std::shared_ptr<const Positions> DescriptionReader::read_positions(Table& table, NeuronId size,
                                                                   const std::string& name) const {
  if (!table.has("positions")) return nullptr;
  return Positions::read(table.table("positions"), size, result_.seed, hash_name(name));
}

namespace {

SimulationDescription read(Document document, std::vector<std::string> overrides, std::optional<std::uint64_t> seed) {
  if (seed) overrides.push_back(fmt::format("simulation.seed={}", *seed));
  resolve(document, overrides,
          {{"population", "cell", "cell", "cell", "model"},
           {"cell", "model", "model", "cell", ""},
           {"connection", "plasticity", "rule", "rule", ""},
           {"connections", "plasticity", "rule", "rule", ""},
           {"rule", "type", "rule", "rule", "", "traces"}});
  return DescriptionReader(std::move(document)).read();
}

}  // namespace

SimulationDescription read_simulation(const std::string& path, const std::vector<std::string>& overrides,
                                      std::optional<std::uint64_t> seed) {
  return read(Document::from_file(path), overrides, seed);
}

SimulationDescription read_simulation_text(const std::string& text, const std::string& name,
                                           const std::vector<std::string>& overrides) {
  return read(Document::from_text(text, name), overrides, std::nullopt);
}

bool Cell::has_membrane() const { return text->membrane.has_value(); }

}  // namespace lpl::spiking
