#include "spiking/description.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "config/models.hpp"
#include "spiking/description_reader.hpp"

namespace lpl::spiking {

SimulationDescription DescriptionReader::read() {
  Table root = document_.root();
  read_simulation_table(root);
  for (Table& table : root.tables("population")) read_population(table, root);
  for (Table& table : root.tables("stimulus")) read_stimulus(table);
  list_sources();
  for (std::size_t i = 0; i < device_tables_.size(); ++i) read_device(device_tables_[i]);
  for (Table& table : root.tables("connection")) read_connection(table, root);
  for (Table& table : root.tables("phase")) read_phase(table);
  if (result_.phases.empty()) root.fail("phase", "no [[phase]] is given; a run needs at least one with a duration");
  for (Table& table : root.tables("record")) read_record(table);
  for (const char* section : {"cell", "rule"})
    if (root.has(section)) finish_section(root.table(section), section);
  root.finish();
  warn();
  result_.canonical_text = document_.canonical_text();
  result_.fixed_text = document_.canonical_text_without("phase", {"duration"});
  result_.files = document_.files();
  return std::move(result_);
}

std::string DescriptionReader::read_name(Table& table, const std::string& kind, std::optional<std::string> fallback) {
  std::string name = table.text("name", std::move(fallback));
  if (name.empty() || name.find_first_of("/. ") != std::string::npos || name.size() > 100 || printable(name) != name)
    table.fail(
        "name",
        fmt::format("the name is {}; it must be 1 to 100 characters without blanks, control or invisible characters, "
                    "'.' and '/'",
                    in_quotes(name)));
  table.rename(fmt::format("{} '{}'", kind, name));
  auto& taken = names_[kind == "population" || kind == "stimulus" ? "source" : kind];
  if (std::find(taken.begin(), taken.end(), name) != taken.end())
    table.fail("name", fmt::format("the name '{}' is taken; give another 'name'", name));
  taken.push_back(name);
  return name;
}

void DescriptionReader::read_simulation_table(Table& root) {
  Table table = root.table("simulation");
  table.rename("simulation");
  result_.dt = table.quantity("dt", Dimension::time, {1e-6, 1e-2}, "0.1 ms");
  grid_.dt = result_.dt;
  grid_.stated = table.written("dt");
  result_.min_delay = grid_.read_steps(table, "min_delay", kPositive, "0.8 ms");
  if (result_.min_delay < 1 || result_.min_delay > kLongestDelay)
    table.fail("min_delay", fmt::format("{}, which is {} steps; it must be from 1 to {}", table.stated("min_delay"),
                                        result_.min_delay, kLongestDelay));
  grid_.min_delay = result_.min_delay;
  result_.plasticity_block = table.integer("plasticity_block", 1, 1 << 20, 256);
  const auto seed = table.integer("seed", 0, std::numeric_limits<std::int64_t>::max(), 1);
  result_.seed = static_cast<std::uint64_t>(seed);
  table.finish();
}

Table DescriptionReader::section_entry(Table& user, std::string_view key, Table& root, const std::string& section,
                                       const std::string& name) {
  if (!root.is_table(section)) user.fail(key, no_such_model(section, name));
  Table outer = root.table(section);
  if (!outer.is_table(name)) user.fail(key, no_such_model(section, name));
  used_[section].push_back(name);
  Table entry = outer.table(name);
  entry.rename(fmt::format("{} '{}'", section, name));
  return entry;
}

void DescriptionReader::finish_section(Table table, const std::string& section) {
  table.rename(section);
  for (const std::string& name : used_[section]) table.has(name);
  table.finish_models(section);
}

void DescriptionReader::list_sources() {
  for (std::size_t i = 0; i < result_.populations.size(); ++i) {
    const Population& p = result_.populations[i];
    result_.sources.push_back({p.name, p.size, true, i, {{p.name, 0, p.size}}});
  }
  for (std::size_t i = 0; i < result_.stimuli.size(); ++i) {
    const SpikingStimulus& s = result_.stimuli[i];
    Source source{s.name, s.size, false, i, {}};
    if (const auto* groups = std::get_if<std::vector<PoissonGroup>>(&s.spikes))
      source.groups.assign(groups->begin(), groups->end());
    else
      source.groups = {{s.name, 0, s.size}};
    result_.sources.push_back(std::move(source));
  }
}

namespace {

SimulationDescription read(Document document, std::vector<std::string> overrides, std::optional<std::uint64_t> seed) {
  if (seed) overrides.push_back(fmt::format("simulation.seed={}", *seed));
  resolve(document, overrides, {{"population", "cell", "cell"}, {"connection", "plasticity", "rule"}});
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

std::vector<std::string> state_variables(CellModel model) {
  switch (model) {
    case CellModel::integrate_and_fire:
      return {"V", "threshold", "g_ampa", "g_nmda", "g_gaba"};
    case CellModel::adaptive_integrate_and_fire:
      return {"V", "threshold", "g_ampa", "g_nmda", "g_gaba", "g_adaptation"};
    case CellModel::leaky_integrate_and_fire:
      return {"V", "g_ampa", "g_gaba"};
    case CellModel::parrot:
      return {};
  }
  return {};
}

}  // namespace lpl::spiking
