// Neuron models as text: what a cell declares, read and checked, and its translation to the program of one step.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "config/table.hpp"
#include "core/expression.hpp"
#include "core/program.hpp"
#include "spiking/text/steady_text.hpp"

namespace lpl::spiking {

enum class Method : std::uint8_t { automatic, exact, exponential_euler, rk4, rkf45, heun, euler };
// Sub-steps of rkf45 in a step, with those that are tried again; a step that takes more has no result.
inline constexpr int kMostTrials = 1000;
enum class WeightSign : std::uint8_t { any, positive, negative };
// When the arrivals of a step are added: before states move, after they moved, at the end of the step.
enum class ArrivalOrder : std::uint8_t { last, before_threshold, first };

struct StateText {
  std::string name;
  Dimension dimension;
  Expression initial;                 // of parameters, constants, dt, i, N and draws
  Expression low, high;               // where the equations hold it: of parameters; may be null
  Expression derivative, then, hold;  // may be null
  Method method = Method::automatic;
  Expression tolerance;  // of rkf45: of parameters; null where nothing is asked of this state
};
struct InputText {
  std::string name;
  Dimension dimension;
};
struct ReceptorText {
  std::string name;
  std::size_t state;
  Dimension weight;
  WeightSign sign = WeightSign::any;
  Expression factor;  // an arrival adds factor * weight; null for 1
};
struct AssignmentText {
  std::string name;
  std::optional<std::size_t> state;  // nothing for `let`
  Expression value;
};
struct ModelText : SteadyText {
  std::vector<StateText> states;  // what receptors declare, and "refractory", after those of the text
  std::vector<InputText> inputs;
  std::vector<ReceptorText> receptors;
  std::vector<AssignmentText> step;  // instead of derivatives
  std::optional<std::size_t> membrane;
  int substeps = 1;
  Expression when, count, refractory;  // may be null
  ArrivalOrder arrivals = ArrivalOrder::last;
  bool test_first = false;
  bool every_substep = false;                   // the threshold is tested
  std::uint16_t draws = 0;                      // a step
  std::optional<std::size_t> refractory_state;  // the steps that are left

  std::optional<std::size_t> state_named(const std::string& name) const;
};

// Reads the whole text of a cell. Throws ConfigError with the place of what is wrong.
ModelText read_model_text(Table& table);

// Do initial values draw, or differ by neuron where parameters do not?
bool starts_differ(const ModelText& model);
// Of neuron i of N, by state; `draw` gives what initial values draw.
std::vector<double> initial_values(const ModelText& model, const ParameterValues& values, double dt, std::uint32_t i,
                                   std::uint32_t N, const DrawValue& draw);

// How a state moves, for people.
struct StateReport {
  std::string name, method, update;
};

// A state whose own decay in a (sub-)step is less than float32 can tell from none, with its time constant [s].
struct FrozenState {
  std::string name;
  double tau;
};

// x' = A x + c for some states, to be stepped exactly.
struct LinearSystem {
  struct Term {
    std::size_t row, column;
    Expression value;
  };
  std::size_t rows = 0, columns = 0;  // columns beyond the rows: inputs, then 1
  std::vector<Term> terms;
  std::vector<bool> held;  // rows that stand still in the refractory period
};

struct CompiledModel {
  Program program;
  std::vector<StateReport> report;
  std::vector<FrozenState> frozen;

  // The values that follow the states' registers, where parameters differ between neurons: of the neuron whose
  // parameters are `values`, in float64.
  std::vector<double> by_neuron(const ParameterValues& values) const;

  struct ByNeuron {
    Expression value;  // else an element of a propagator minus 1
    std::size_t row = 0, column = 0;
    bool held = false;  // of the propagator in the refractory period
  };
  std::vector<ByNeuron> by_neuron_values;
  LinearSystem linear;
  std::vector<ParameterText> parameters;
  std::vector<NamedExpression> constants;
  double dt = 0, substep = 0;
};

// The program of one step of `dt`. `values` are those of all neurons but for the parameters in `varying`. Throws
// ConfigError where no method fits.
CompiledModel compile(const ModelText& model, const ParameterValues& values, const std::set<std::string>& varying,
                      double dt);

}  // namespace lpl::spiking
