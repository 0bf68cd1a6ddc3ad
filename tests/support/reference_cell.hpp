// One neuron of a compiled text, in float64: an interpreter of its own, which knows nothing of how the engine runs
// programs.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "spiking/model/equations.hpp"

namespace lpl::spiking {

class ReferenceCell {
 public:
  // The text with these values for some of its parameters; `varying` are treated as different by neuron.
  ReferenceCell(const std::string& text, const std::map<std::string, double>& given, double dt,
                const std::set<std::string>& varying = {})
      : dt_(dt) {
    Document document = Document::from_text(text, "test.cell");
    Table table = document.root();
    table.rename("cell 'test'");
    model = read_model_text(table);
    const ParameterValues values = [&](const std::string& name) {
      const auto found = given.find(name);
      const auto place = [](const std::string&) { return std::optional(0.0); };
      return found != given.end() ? found->second : *evaluate(model.parameter(name)->fallback, place);
    };
    compiled = compile(model, values, varying, dt);
    const Program& program = compiled.program;
    registers_.assign(program.registers(), 0);
    const auto initial =
        initial_values(model, values, dt, 0, 1, [&](Op op, std::uint16_t, double mean) { return drawn(op, mean); });
    std::copy(initial.begin(), initial.end(), registers_.begin());
    const auto own = compiled.by_neuron(values);
    std::copy(own.begin(), own.end(), registers_.begin() + program.states);
    std::copy(program.constants.begin(), program.constants.end(), registers_.begin() + program.first_constant());
    input.assign(model.inputs.size(), 0);
    arriving.assign(model.receptors.size(), 0);
  }

  double& operator[](const std::string& state) { return registers_[model.state_named(state).value()]; }

  // One step; what `arriving` holds arrives in it. Returns how many spikes there were.
  int step() {
    int spikes = 0;
    std::map<std::pair<Op, int>, double> draws;
    const auto& code = compiled.program.code;
    for (auto at = code.begin(); at != code.end(); ++at) {
      const Instruction& i = *at;
      const auto r = [&](std::uint16_t number) { return registers_[number]; };
      const double a = r(i.a < registers_.size() ? i.a : 0), b = r(i.b), c = r(i.c);
      double& to = registers_[i.to];
      switch (i.op) {
        case Op::copy:
          to = a;
          break;
        case Op::negate:
          to = -a;
          break;
        case Op::add:
          to = a + b;
          break;
        case Op::subtract:
          to = a - b;
          break;
        case Op::multiply:
          to = a * b;
          break;
        case Op::divide:
          to = a / b;
          break;
        case Op::fma:
          to = std::fma(a, b, c);
          break;
        case Op::fnma:
          to = std::fma(-a, b, c);
          break;
        case Op::min:
          to = a < b ? a : b;
          break;
        case Op::max:
          to = a > b ? a : b;
          break;
        case Op::abs:
          to = std::abs(a);
          break;
        case Op::sqrt:
          to = std::sqrt(a);
          break;
        case Op::floor:
          to = std::floor(a);
          break;
        case Op::exp:
          to = std::exp(a);
          break;
        case Op::expm1:
          to = std::expm1(a);
          break;
        case Op::log:
          to = std::log(a);
          break;
        case Op::log1p:
          to = std::log1p(a);
          break;
        case Op::exprel:
          to = a == 0 ? 1 : std::expm1(a) / a;
          break;
        case Op::tanh:
          to = std::tanh(a);
          break;
        case Op::sin:
          to = std::sin(a);
          break;
        case Op::cos:
          to = std::cos(a);
          break;
        case Op::power:
          to = std::pow(a, b);
          break;
        case Op::greater:
          to = a > b;
          break;
        case Op::greater_equal:
          to = a >= b;
          break;
        case Op::less:
          to = a < b;
          break;
        case Op::less_equal:
          to = a <= b;
          break;
        case Op::equal:
          to = a == b;
          break;
        case Op::both:
          to = a != 0 && b != 0;
          break;
        case Op::either:
          to = a != 0 || b != 0;
          break;
        case Op::negation:
          to = a == 0;
          break;
        case Op::select:
          to = a != 0 ? b : c;
          break;
        case Op::uniform:
        case Op::normal:
        case Op::poisson: {
          const auto [place, fresh] = draws.try_emplace({i.op, i.a}, 0);
          if (fresh) place->second = drawn(i.op, b);
          to = place->second;
          break;
        }
        case Op::time:
          to = now * dt_;
          break;
        case Op::input:
          to = input[i.a];
          break;
        case Op::arrival:
          to = arriving[i.a];
          arriving[i.a] = 0;
          break;
        case Op::fired:
          if (b != 0) spikes = i.a == 1 ? std::max(1, static_cast<int>(std::lround(c))) : 1;
          if (model.membrane) V_at_spike = registers_[*model.membrane];
          break;
        case Op::repeat:
          if (b != 0) at -= i.a + 1;
          break;
        case Op::hook:
        case Op::clamp:
        case Op::unsolved:
          break;
      }
    }
    ++now;
    return spikes;
  }

  ModelText model;
  CompiledModel compiled;
  std::vector<double> input, arriving;
  double now = 0;  // steps
  double V_at_spike = 0;

 private:
  double drawn(Op op, double mean) {
    if (op == Op::uniform) return std::uniform_real_distribution(1e-12, 1.0)(generator_);
    if (op == Op::normal) return normal_(generator_);
    return static_cast<double>(std::poisson_distribution<int>(mean)(generator_));
  }

  double dt_;
  std::vector<double> registers_;
  std::mt19937_64 generator_{1};
  std::normal_distribution<double> normal_;
};

}  // namespace lpl::spiking
