// [[population]] and cells.
#include "spiking/catalogue.hpp"
#include "spiking/description_reader.hpp"
#include "spiking/model/kernel.hpp"

namespace lpl::spiking {

Cell DescriptionReader::read_cell(Table table) {
  Cell cell;
  cell.kernel = &kernels()[table.choice("model", types_of(kernels()))];
  if (cell.has_membrane()) {
    const std::string_view model = cell.kernel->type;
    auto& value = cell.parameters;
    read_potentials(table, cell);
    value["tau_membrane"] = table.quantity("tau_membrane", Dimension::time, {result_.dt, 1e3}, "20 ms");
    value["tau_ampa"] = grid_.read_decay(table, "tau_ampa", 0, "5 ms");
    value["tau_gaba"] = grid_.read_decay(table, "tau_gaba", 0, "10 ms");
    if (model == "lif") {
      constexpr Step kLongestRefractory = Step{1} << 24;  // counted in float32
      value["refractory"] = table.quantity("refractory", Dimension::time, kNonNegative, "5 ms");
      if (grid_.steps(table, "refractory", value["refractory"]) > kLongestRefractory)
        table.fail("refractory",
                   fmt::format("{}, which is more than {} steps", table.stated("refractory"), kLongestRefractory));
      value["drive"] = read_voltage(table, "drive", {-kLargestCurrent, kLargestCurrent}, "0 mV");
    } else {
      value["threshold_jump"] = read_voltage(table, "threshold_jump", kDeviation, "100 mV");
      value["tau_threshold"] = grid_.read_decay(table, "tau_threshold", 0, "5 ms");
      // The adapting model follows by dt / tau, which must not pass 1.
      value["tau_nmda"] = grid_.read_decay(table, "tau_nmda", model == "aif" ? result_.dt : 0, "100 ms");
      value["ampa_nmda_ratio"] = table.number("ampa_nmda_ratio", kPositive, 1.0);
    }
    if (model == "aif") {
      value["tau_adaptation"] = grid_.read_decay(table, "tau_adaptation", 0, "100 ms");
      value["adaptation_jump"] = table.number("adaptation_jump", {0, kLargestWeight}, 1.0);
    }
  }
  table.finish();
  return cell;
}

// All models hold V in [E_inh, 0]: what lies outside of it is never rested at, nor reached.
void DescriptionReader::read_potentials(Table& table, Cell& cell) {
  const bool lif = cell.kernel->type == "lif";
  const double E_leak = read_voltage(table, "E_leak", kMembrane, lif ? "-60 mV" : "-70 mV");
  const double E_inh = read_voltage(table, "E_inh", {-kLargestVoltage, 0}, "-80 mV");
  const double threshold = read_voltage(table, "threshold", kMembrane, "-50 mV");
  if (E_inh > E_leak)
    table.fail("E_inh", fmt::format("{} and above 'E_leak'; V is held in [E_inh, 0]", table.stated("E_inh")));
  if (E_leak > 0)
    table.fail("E_leak",
               fmt::format("{}, but V is held in [E_inh, 0]; shift all potentials down", table.stated("E_leak")));
  if (threshold >= 0)
    table.fail("threshold",
               fmt::format("{} and never reached, as V is held in [E_inh, 0] and must exceed it; shift all "
                           "potentials down, such that the threshold lies below 0",
                           table.stated("threshold")));
  if (threshold < E_inh)
    table.fail("threshold", fmt::format("{} and always exceeded, as V is held in [E_inh, 0] and E_inh is {} V",
                                        table.stated("threshold"), E_inh));
  cell.parameters = {{"E_leak", E_leak}, {"E_inh", E_inh}, {"threshold", threshold}};
}

void DescriptionReader::read_initial_membrane(Table& table, Population& population) {
  if (!population.cell.has_membrane()) {
    if (table.has("initial_membrane")) table.fail("initial_membrane", "a parrot has no membrane");
    return;
  }
  InitialMembrane& start = population.initial_membrane;
  const double lowest = population.cell.parameter("E_inh");
  start.mean = population.cell.parameter("E_leak");
  const auto read_mean = [&](Table& from, std::string_view key) {
    start.mean = read_voltage(from, key, kMembrane);
    if (start.mean < lowest || start.mean > 0)
      from.fail(key, fmt::format("{}, but V is held in [E_inh, 0], from {} V", from.stated(key), lowest));
  };
  if (!table.has("initial_membrane")) return;
  if (!table.is_table("initial_membrane")) return read_mean(table, "initial_membrane");
  Table initial = table.table("initial_membrane");
  if (initial.has("file")) {
    imported(initial, "file", [&](const auto& path) {
      for_each_row(path, [&](const TextRow& row) {
        row.expect(1, "the voltage in V of one neuron");
        if (row[0] < -kLargestVoltage || row[0] > 0)
          row.fail(0, fmt::format("{} V lies outside the plausible range of {} V to 0 V; did you mean mV?", row[0],
                                  -kLargestVoltage));
        start.values.push_back(row[0]);
      });
    });
    if (start.values.size() != population.size)
      initial.fail("file", fmt::format("holds {} values for {} neurons", start.values.size(), population.size));
  } else {
    read_mean(initial, "mean");
    start.deviation = read_voltage(initial, "deviation", kDeviation);
  }
  initial.finish();
}

void DescriptionReader::read_population(Table& table, Table& root) {
  Population population;
  population.name = names_.read(table, "population");
  population.size = static_cast<NeuronId>(table.integer("size", 1, kLargestSize));
  const std::string cell = table.text("cell");
  population.cell = read_cell(section_entry(table, "cell", root, "cell", cell));
  read_initial_membrane(table, population);
  table.finish();
  result_.populations.push_back(std::move(population));
}

}  // namespace lpl::spiking
