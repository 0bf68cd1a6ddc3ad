// Plasticity rules as text, type = "traces": what a rule declares, read and checked, and its translation to programs
// that run over synapses (docs/rules.md).
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "config/table.hpp"
#include "core/program.hpp"
#include "spiking/plasticity/window.hpp"
#include "spiking/text/steady_text.hpp"
#include "spiking/text/steady_values.hpp"

namespace lpl::spiking {

// Of spikes: x' = -x / tau; a spike adds `jump`, or sets x to it; or jump * window(time since the last spike). Read
// before the spikes of the step. Of a state of the postsynaptic neuron: x' = (state - x) / tau, or the state itself.
struct TraceText {
  enum class Of : std::uint8_t { pre, post, source, state };
  std::string name;
  Dimension dimension;  // of the jump, or of the state
  Of of = Of::pre;
  std::string source;    // whose spikes count, all of its neurons together; or the state
  bool by_name = false;  // that source is a population or stimulus, whatever else the name says
  bool nearest = false;
  std::string window;    // in place of tau
  bool at_once = false;  // presynaptic spikes of the step count, too
  // Of parameters; the delay of a source or a state, null where none is given. Of a state: no jump, perhaps no tau.
  Expression tau, jump, initial, delay;
};

// A window that the text gives, or that a rule that uses it must give.
struct WindowText {
  std::string name, help;
  std::optional<Window> window;
};

struct SynapticStateText {
  std::string name;
  Dimension dimension;
  Expression initial;    // of parameters and of the weight that wiring gives; null for the weight
  Expression low, high;  // where changes hold it; of parameters; may be null
};

// What an event does to states of a synapse; values see the states and traces before it.
using ChangeText = std::vector<std::pair<std::size_t, Expression>>;

struct RuleText : SteadyText {
  std::vector<NamedText> modulators;
  std::vector<WindowText> windows;
  std::vector<TraceText> traces;
  std::vector<SynapticStateText> states;  // the weight, w, first
  ChangeText on_arrival, on_spike, during, each;
  Expression condition;          // of the postsynaptic neuron, of `during`; null where there is none
  bool transmits_after = false;  // an arrival transmits the weight that it leaves
  bool dendritic = false;        // the delay lies behind the synapse, else before it,
  Expression dendritic_delay;    // or this part of it; null: all
  Expression every, offset;      // of `each`; null where there is none

  // Of a trace that has one; by now it is given.
  const Window& window(const TraceText& trace) const {
    return *std::ranges::find(windows, trace.window, &WindowText::name)->window;
  }

  // Of bounds, initial values, time constants: parameters and constants, where `values` gives the parameters.
  SteadyValues steady(const ParameterValues& values, double dt) const {
    return SteadyValues(parameters, constants, values, dt);
  }
};

// Reads all of the text; its key `type` has been read. `weight` is the dimension of weights, which the name `weight`, 1
// of them, has. Throws ConfigError with the place of what is wrong.
RuleText read_rule_text(Table& table, Dimension weight);

// Its traces, and which states change when, in a line.
std::string summary_of(const RuleText& text);

// What a program reads beside the states of a synapse: of spikes' traces the value after the last spike, how long ago
// that was, in steps of dt, and the window at that time; of others the value.
struct SynapseInput {
  enum class From : std::uint8_t { pre, pre_at_once, post, source, state };
  enum class What : std::uint8_t { value, lag, window };
  From from;
  What what = What::value;
  std::size_t trace = 0;  // among those of its kind; of no meaning for lags
  bool operator==(const SynapseInput&) const = default;
};
// Registers: the states, then the inputs.
struct SynapseProgram {
  Program program;
  std::vector<SynapseInput> inputs;
  std::vector<std::size_t> changed;  // states
};
SynapseProgram compile_change(const RuleText& text, const ChangeText& change, const SteadyValues& steady, double dt);
// The same, of the condition: the first state becomes 0 or 1.
SynapseProgram compile_condition(const RuleText& text, const SteadyValues& steady, double dt);

}  // namespace lpl::spiking
