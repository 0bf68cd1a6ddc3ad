#include "spiking/wiring/formula.hpp"

#include <array>

#include "core/expression.hpp"

namespace lpl::spiking {

DistanceFormula DistanceFormula::read(Table& table, std::string_view key, Dimension dimension) {
  const Expression tree = table.expression(key, {.symbols = {{"distance", Dimension::length}}}, dimension);
  ProgramBuilder program(1);
  program.commit(
      {{0, append(program, tree, {.name = [&](const std::string&) { return program.state(0); }, .known = {}})}});
  DistanceFormula formula;
  formula.program_ = program.finish();
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
