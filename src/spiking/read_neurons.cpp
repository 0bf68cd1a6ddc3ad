// [[population]], cells and the models that they name.
#include <algorithm>
#include <cmath>

#include "config/models.hpp"
#include "core/float_decay.hpp"
#include "spiking/description_reader.hpp"
#include "spiking/model/catalogue.hpp"
#include "spiking/text/steady_values.hpp"

namespace lpl::spiking {
namespace {

constexpr Step kLongestRefractory = Step{1} << 24;  // counted in float32

bool is_implausible(Dimension dimension, double value) {
  return dimension == Dimension::voltage && std::abs(value) > kLargestVoltage;
}

}  // namespace

std::shared_ptr<const ModelText> DescriptionReader::read_text(Table& cell, Table& root, const std::string& model) {
  auto& text = texts_[model];
  if (text) return text;
  if (!root.is_table("model")) cell.fail("model", no_such_model("model", "cell", model));
  Table outer = root.table("model");
  if (!outer.is_table(model)) cell.fail("model", no_such_model("model", "cell", model));
  used_["model"].push_back(model);
  Table table = outer.table(model);
  table.rename(fmt::format("model '{}'", model));
  if (const std::string kind = table.text("model"); kind != "equations")
    cell.fail("model", fmt::format("{}, whose own 'model' is \"{}\"; name a model whose text has model = \"equations\"",
                                   cell.stated("model"), kind));
  text = std::make_shared<const ModelText>(read_model_text(table));
  return text;
}

Cell DescriptionReader::read_cell(Table& table, Table& root, const std::string& name, const Population& population) {
  Cell cell;
  const std::string model = table.text("model");
  const bool own = model == "equations";
  cell.model = own ? name : model;
  cell.text = own ? std::make_shared<const ModelText>(read_model_text(table)) : read_text(table, root, model);
  for (const ParameterText& parameter : cell.text->parameters) {
    const bool given = !own && table.has(parameter.name);
    cell.parameters[parameter.name] =
        given ? NeuronValues::read(table, parameter.name, parameter.dimension, population.size, population.positions)
              : NeuronValues(parameter.fallback);
  }
  if (!own) table.finish();
  return cell;
}

// With the values of neuron 0; where they differ, those of the others are checked where they live.
void DescriptionReader::check_cell(Table& table, const Population& population) {
  const Cell& cell = population.cell;
  const ModelText& text = *cell.text;
  const ParameterValues values = values_of(population, 0, result_.seed);
  const Refuse fail = [&](const std::string& parameter, const std::string& message) {
    const ParameterText* const known = text.parameter(parameter);
    if (!known) table.fail("model", fmt::format("the values of model '{}' do not fit{}", cell.model, message));
    table.fail(parameter, fmt::format("'{}' is {}{}", parameter,
                                      table.has(parameter) ? table.written(parameter) : known->written, message));
  };
  for (const ParameterText& parameter : text.parameters)
    if (!parameter.high && is_implausible(parameter.dimension, values(parameter.name)))
      fail(parameter.name, fmt::format(", more than {} V; did you mean mV?", kLargestVoltage));
  if (const auto fault = fault_in(text, values, result_.dt)) {
    const ParameterText* const about = text.parameter(fault->parameter);
    const bool milli = about && is_implausible(about->dimension, values(about->name));
    fail(fault->parameter, fault->message + (milli ? "; did you mean mV?" : ""));
  }
  check_refractory(cell, values, fail);
  check_float(cell, values, fail);
  try {
    const CompiledModel model = compile(text, values, varying_parameters(cell), result_.dt);
    if (!cell.is_double) warn_of_frozen(population, model);
  } catch (const ConfigError& error) {
    table.fail("model", error.what());
  }
}

void DescriptionReader::check_refractory(const Cell& cell, const ParameterValues& values, const Refuse& fail) const {
  const ModelText& text = *cell.text;
  if (!text.refractory) return;
  const SteadyValues steady(text.parameters, text.constants, values, result_.dt);
  const double time = steady.of(text.refractory);
  const double count = time / result_.dt, whole = std::round(count);
  const std::string about = text.parameter(text_of(text.refractory)) ? text_of(text.refractory) : "";
  const std::string stated = about.empty() ? fmt::format(": the refractory period is {:.12g} ms", time * 1e3) : "";
  if (!(time >= 0)) fail(about, stated + "; a refractory period cannot be below 0");
  if (whole > static_cast<double>(kLongestRefractory))
    fail(about, fmt::format("{}, which is more than {} steps", stated, kLongestRefractory));
  if (std::abs(count - whole) > Grid::on_grid(count))
    fail(about, fmt::format("{}, which is no multiple of the step dt = {}; write a multiple, such as \"{:.12g} ms\"",
                            stated, grid_.stated, std::max(1.0, whole) * result_.dt * 1e3));
}

void DescriptionReader::warn_of_frozen(const Population& population, const CompiledModel& model) {
  for (const FrozenState& state : model.frozen)
    result_.warnings.push_back(
        fmt::format("population '{}': '{}' decays with a time constant of {:.6g} s, but in steps of dt = {} float32 "
                    "follows none above "
                    "{:.6g} s: it never decays; precision = \"float64\" of the population follows it",
                    population.name, state.name, state.tau, grid_.stated, model.substep * kLongestFloatDecay));
}

// A factor of a step that float32 rounds to 1 moves nothing.
void DescriptionReader::check_float(const Cell& cell, const ParameterValues& values, const Refuse& fail) const {
  if (cell.is_double) return;
  const SteadyValues steady(cell.text->parameters, cell.text->constants, values, result_.dt);
  for (const NamedExpression& constant : cell.text->constants) {
    const double value = *steady.find(constant.name);
    const bool moves = std::ranges::any_of(cell.text->step, [&](const AssignmentText& line) {
      return any_name(line.value, [&](const std::string& name) { return name == constant.name; });
    });
    if (!moves || value == 1 || static_cast<float>(value) != 1.0f) continue;
    std::string about;
    for_each_name(constant.value, [&](const std::string& name) {
      if (cell.text->parameter(name)) about = name;
    });
    fail(about, fmt::format("; at this dt the longest time constant that float32 can follow is {:.6g} s; the "
                            "population's precision = \"float64\" follows longer ones",
                            result_.dt * kLongestFloatDecay));
  }
}

void DescriptionReader::read_initial_membrane(Table& table, Population& population) {
  if (!table.has("initial_membrane")) return;
  const ModelText& text = *population.cell.text;
  if (!text.membrane)
    table.fail("initial_membrane", fmt::format("the model '{}' has no membrane", population.cell.model));
  const StateText& membrane = text.states[*text.membrane];
  const auto [low, high] = range_of(membrane, population, 0, result_.seed, result_.dt);
  InitialMembrane start;
  const auto read_mean = [&, low = low, high = high](Table& from, std::string_view key) {
    start.mean = read_voltage(from, key, kMembrane);
    if (start.mean < low || start.mean > high)
      from.fail(key, fmt::format("{}, but {} is held in a range, from {} V to {} V", from.stated(key), membrane.name,
                                 low, high));
  };
  if (!table.is_table("initial_membrane")) {
    read_mean(table, "initial_membrane");
  } else {
    Table initial = table.table("initial_membrane");
    if (initial.has("file")) {
      read_membrane_file(initial, start, population.size, std::min(high, kLargestVoltage));
    } else {
      read_mean(initial, "mean");
      start.deviation = read_voltage(initial, "deviation", kDeviation);
    }
    initial.finish();
  }
  population.initial_membrane = std::move(start);
}

void DescriptionReader::read_membrane_file(Table& table, InitialMembrane& start, NeuronId size, double high) {
  imported(table, "file", [&](const auto& path) {
    for_each_row(path, [&](const TextRow& row) {
      row.expect(1, "the voltage in V of one neuron");
      if (row[0] < -kLargestVoltage || row[0] > high)
        row.fail(0, fmt::format("{} V lies outside the plausible range of {} V to {} V; did you mean mV?", row[0],
                                -kLargestVoltage, high));
      start.values.push_back(row[0]);
    });
  });
  if (start.values.size() != size)
    table.fail("file", fmt::format("holds {} values for {} neurons", start.values.size(), size));
}

void DescriptionReader::read_initial(Table& table, Population& population) {
  if (!table.has("initial")) return;
  const ModelText& text = *population.cell.text;
  Table initial = table.table("initial");
  initial.rename(fmt::format("{} initial", table.who()));
  if (initial.has("from")) {
    population.start = read_start_of_variables(initial, population.name);
    for (const std::string& name : population.start->variables)
      if (std::ranges::find(text.states, name, &StateText::name) == text.states.end())
        initial.fail("variables", fmt::format("the model '{}' has no state '{}'", population.cell.model, name));
  }
  for (std::size_t s = 0; s < text.states.size(); ++s) {
    const StateText& state = text.states[s];
    if (!initial.has(state.name)) continue;
    if (population.initial_membrane && text.membrane == s)
      initial.fail(state.name,
                   fmt::format("'{}' begins as 'initial_membrane' says; leave one of them out", state.name));
    const NeuronValues& values = population.initial[state.name] =
        NeuronValues::read(initial, state.name, state.dimension, population.size, population.positions);
    if (values.same_for_all() &&
        is_implausible(state.dimension, values.of(0, population.size, Random(0, Draw::toy, 0, 0))))
      initial.fail(state.name,
                   fmt::format("{}, more than {} V; did you mean mV?", initial.stated(state.name), kLargestVoltage));
  }
  initial.finish();
}

void DescriptionReader::read_population(Table& table, Table& root) {
  Population population;
  population.name = names_.read(table, "population");
  population.size = static_cast<NeuronId>(table.integer("size", 1, kLargestSize));
  population.positions = read_positions(table, population.size, population.name);
  const std::string cell = table.text("cell");
  Table cell_table = section_entry(table, "cell", root, "cell", cell);
  population.cell = read_cell(cell_table, root, cell, population);
  population.cell.is_double = table.choice("precision", {"float32", "float64"}, "float32") == 1;
  population.cell.kernel = kernel_of(population.cell);
  check_cell(cell_table, population);
  read_initial_membrane(table, population);
  read_initial(table, population);
  table.finish();
  result_.populations.push_back(std::move(population));
}

}  // namespace lpl::spiking
