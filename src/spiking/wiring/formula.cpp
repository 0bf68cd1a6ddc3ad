#include "spiking/wiring/formula.hpp"

#include <fmt/format.h>

#include <array>

#include "core/expression.hpp"

namespace lpl::spiking {

DistanceFormula DistanceFormula::read(Table& table, std::string_view key, Dimension dimension) {
  DistanceFormula formula;
  const std::string text = table.text(key);
  try {
    Scope scope{.symbols = table.definitions_in(text)};
    scope.symbols.push_back({.name = "distance", .dimension = Dimension::length});
    const Expression tree = parse_expression(text, scope, dimension);
    ProgramBuilder program(1);
    const Value value = append(program, tree,
                               {.name = [&](const std::string&) { return program.state(0); },
                                .known = [](const Expression&) { return std::optional<Value>(); }});
    program.commit({{0, value}});
    formula.program_ = program.finish();
  } catch (const ExpressionError& error) {
    table.fail_at(key, error.offset(), fmt::format("'{}': {}", key, error.what()));
  }
  return formula;
}

double DistanceFormula::operator()(double distance) const {
  constexpr std::size_t kUsual = 64;
  std::array<double, kUsual> usual;
  std::vector<double> many(program_.registers() > kUsual ? program_.registers() : 0);
  const std::span<double> registers(many.empty() ? usual.data() : many.data(), program_.registers());
  registers[0] = distance;
  NeuronStep<double> step{};
  run<double>(program_, registers, step);
  return registers[0];
}

}  // namespace lpl::spiking
