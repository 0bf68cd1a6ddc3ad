#include "spiking/model/catalogue.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>

#include "core/random.hpp"
#include "core/text.hpp"
#include "spiking/text/steady_values.hpp"

namespace lpl::spiking {
namespace {

std::string shown(const Expression& tree) { return tree ? text_of(tree) : "-"; }

}  // namespace

ParameterValues values_of(const Population& population, NeuronId id, std::uint64_t seed) {
  return [&population, id, seed](const std::string& name) {
    const Random random(seed, Draw::membrane, hash_name(population.name + "." + name), id);
    return population.cell.parameters.find(name)->second.of(id, population.size, random);
  };
}

std::set<std::string> varying_parameters(const Cell& cell) {
  std::set<std::string> varying;
  for (const auto& [name, values] : cell.parameters)
    if (!values.same_for_all()) varying.insert(name);
  return varying;
}

std::pair<double, double> range_of(const StateText& state, const Population& population, NeuronId id,
                                   std::uint64_t seed, double dt) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const ModelText& text = *population.cell.text;
  const SteadyValues steady(text.parameters, text.constants, values_of(population, id, seed), dt);
  const auto value = [&](const Expression& tree, double otherwise) { return tree ? steady.of(tree) : otherwise; };
  return {value(state.low, -kInfinity), value(state.high, kInfinity)};
}

std::string equations_of(const ModelText& text) {
  std::string all;
  const auto say = [&](std::string_view what, const auto&... parts) {
    all += what;
    ((all += fmt::format(" {}", parts)), ...);
    all += '\n';
  };
  for (const ParameterText& p : text.parameters) say("parameter", p.name, unit_of(p.dimension));
  for (const NamedExpression& c : text.constants) say("constant", c.name, shown(c.value));
  for (const StateText& s : text.states)
    say("state", s.name, unit_of(s.dimension), shown(s.initial), shown(s.derivative), static_cast<int>(s.method),
        shown(s.tolerance), shown(s.then), shown(s.hold));
  for (const InputText& i : text.inputs) say("input", i.name, unit_of(i.dimension));
  for (const ReceptorText& r : text.receptors) say("receptor", r.name, r.state, shown(r.factor));
  for (const AssignmentText& a : text.step) say("step", a.state ? "" : "let", a.name, shown(a.value));
  say("spike", shown(text.when), shown(text.count), shown(text.refractory), static_cast<int>(text.arrivals),
      text.test_first, text.every_substep, text.substeps);
  say("membrane", text.membrane ? text.states[*text.membrane].name : "-");
  return all;
}

const KernelEntry* kernel_of(const Cell& cell) {
  if (cell.is_double || !varying_parameters(cell).empty()) return nullptr;
  static const std::map<std::string, const KernelEntry*> by_equations = [] {
    std::map<std::string, const KernelEntry*> all;
    for (const KernelEntry& kernel : kernels()) {
      Document document = Document::from_text(text_of_kernel(kernel.type), fmt::format("models/{}.cell", kernel.type));
      Table table = document.root();
      all[equations_of(read_model_text(table))] = &kernel;
    }
    return all;
  }();
  const auto found = by_equations.find(equations_of(*cell.text));
  return found == by_equations.end() ? nullptr : found->second;
}

}  // namespace lpl::spiking
