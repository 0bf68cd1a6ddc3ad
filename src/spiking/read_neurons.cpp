// [[population]] and cells.
#include "spiking/description_reader.hpp"

namespace lpl::spiking {

Cell DescriptionReader::read_cell(Table table) {
  Cell cell;
  cell.model = static_cast<CellModel>(table.choice("model", {"if", "aif", "lif", "parrot"}));
  if (cell.model != CellModel::parrot) {
    const bool lif = cell.model == CellModel::leaky_integrate_and_fire;
    cell.E_leak = table.quantity("E_leak", Dimension::voltage, kAny, lif ? "-60 mV" : "-70 mV");
    cell.E_inh = table.quantity("E_inh", Dimension::voltage, {-1, 0}, "-80 mV");
    cell.threshold = table.quantity("threshold", Dimension::voltage, kAny, "-50 mV");
    cell.tau_membrane = table.quantity("tau_membrane", Dimension::time, {result_.dt, 1e3}, "20 ms");
    cell.tau_ampa = table.quantity("tau_ampa", Dimension::time, kPositive, "5 ms");
    cell.tau_gaba = table.quantity("tau_gaba", Dimension::time, kPositive, "10 ms");
    if (lif) {
      cell.refractory = table.quantity("refractory", Dimension::time, kNonNegative, "5 ms");
      cell.drive = table.quantity("drive", Dimension::voltage, kAny, "0 mV");
    } else {
      cell.threshold_jump = table.quantity("threshold_jump", Dimension::voltage, kNonNegative, "100 mV");
      cell.tau_threshold = table.quantity("tau_threshold", Dimension::time, kPositive, "5 ms");
      cell.tau_nmda = table.quantity("tau_nmda", Dimension::time, kPositive, "100 ms");
      cell.ampa_nmda_ratio = table.number("ampa_nmda_ratio", kPositive, 1.0);
    }
    if (cell.model == CellModel::adaptive_integrate_and_fire) {
      cell.tau_adaptation = table.quantity("tau_adaptation", Dimension::time, kPositive, "100 ms");
      cell.adaptation_jump = table.number("adaptation_jump", kNonNegative, 1.0);
    }
    if (cell.E_inh > cell.E_leak) table.fail("E_inh", "'E_inh' lies above 'E_leak'; V is held in [E_inh, 0]");
  }
  table.finish();
  return cell;
}

void DescriptionReader::read_population(Table& table, Table& root) {
  Population population;
  population.name = read_name(table, "population");
  population.size = static_cast<NeuronId>(table.integer("size", 1, kLargestSize));
  const std::string cell = table.text("cell");
  population.cell = read_cell(section_entry(table, "cell", root, "cell", cell));
  population.initial_membrane.mean = population.cell.E_leak;
  if (table.is_table("initial_membrane")) {
    Table initial = table.table("initial_membrane");
    if (initial.has("file")) {
      for (const auto& row : imported(initial, "file", [](const auto& path) { return read_columns(path, 1); }))
        population.initial_membrane.values.push_back(row[0]);
      if (population.initial_membrane.values.size() != population.size)
        initial.fail("file", fmt::format("holds {} values for {} neurons", population.initial_membrane.values.size(),
                                         population.size));
    } else {
      population.initial_membrane.mean = initial.quantity("mean", Dimension::voltage, kAny);
      population.initial_membrane.deviation = initial.quantity("deviation", Dimension::voltage, kNonNegative);
    }
    initial.finish();
  } else if (table.has("initial_membrane")) {
    population.initial_membrane.mean = table.quantity("initial_membrane", Dimension::voltage, kAny);
  }
  table.finish();
  result_.populations.push_back(std::move(population));
}

}  // namespace lpl::spiking
