// Which description a rule that is a text becomes.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/float_decay.hpp"
#include "spiking/description.hpp"
#include "spiking/grid.hpp"
#include "spiking/plasticity/text_rule.hpp"
#include "spiking/reading.hpp"

namespace lpl::spiking {
namespace {

bool is_float(double value) { return std::isfinite(static_cast<float>(value)); }

constexpr double kLongestWindow = 1e7;  // steps

bool mentions_weight(const Expression& tree) {
  return any_name(tree, [](const std::string& name) { return name == "weight"; });
}

void read_values(const RuleReading& reading, bool own, TextRule& rule) {
  Table& table = reading.rule;
  for (const ParameterText& parameter : rule.text.parameters) {
    double& value = rule.values[parameter.name];
    if (!own && table.has(parameter.name)) {
      value = table.quantity(parameter.name, parameter.dimension, kAny);
      continue;
    }
    if (mentions_weight(parameter.fallback) && reading.weight != Dimension::none)
      table.fail(parameter.name,
                 fmt::format("'{}' must be given: weights onto the receptor '{}' are in {}, of which its default, "
                             "{}, says nothing",
                             parameter.name, reading.receptor, unit_of(reading.weight), parameter.written));
    value = *evaluate(parameter.fallback, [](const std::string&) { return std::optional(1.0); });
  }
  const auto value_of = [&](const std::string& name) { return rule.values.at(name); };
  if (const auto fault = fault_in(rule.text, value_of, rule.dt)) {
    const ParameterText* const about = rule.text.parameter(fault->parameter);
    if (!about) table.fail("type", fmt::format("the values of the rule do not fit{}", fault->message));
    table.fail(about->name, fmt::format("'{}' is {}{}", about->name,
                                        !own && table.has(about->name) ? table.written(about->name) : about->written,
                                        fault->message));
  }
}

// Windows of the text, or those that a rule that uses it gives in their place.
void read_windows(const RuleReading& reading, bool own, Table& from, TextRule& rule) {
  for (WindowText& window : rule.text.windows) {
    if (!own && reading.rule.has(window.name)) {
      Table given = reading.rule.table(window.name);
      given.rename(fmt::format("{} {}", reading.rule.who(), window.name));
      window.window = read_window(given);
    }
    if (!window.window)
      (own ? from : reading.rule)
          .fail(own ? "windows" : window.name,
                fmt::format("the window '{0}' must be given, as {0} = {{ values = [...] or file = \"...\", step = "
                            "\"0.1 ms\" }}",
                            window.name));
    if (const double steps = window.window->steps(rule.dt); steps > kLongestWindow)
      reading.rule.fail(window.name, fmt::format("the window '{}' lasts {:.9g} steps of dt = {}; it may last {:.9g}",
                                                 window.name, steps, reading.grid.stated, kLongestWindow));
  }
}

// A number of steps, at least `least`, that the text gives as a time.
Step steps_of(const RuleReading& reading, const Expression& tree, const SteadyValues& steady, Step least, Step most,
              const std::string& what) {
  const double time = steady.of(tree), count = time / reading.grid.dt, whole = std::round(count);
  if (!(whole >= static_cast<double>(least) && whole <= static_cast<double>(most)))
    reading.rule.fail(
        "type", fmt::format("{} is {} s; it must be from {} to {} s", what, time,
                            static_cast<double>(least) * reading.grid.dt, static_cast<double>(most) * reading.grid.dt));
  if (std::abs(count - whole) > Grid::on_grid(count))
    reading.rule.fail("type", fmt::format("{} is {:.12g} s, which is no multiple of the step dt = {}", what, time,
                                          reading.grid.stated));
  return static_cast<Step>(whole);
}

std::size_t source_of(const RuleReading& reading, bool own, const RuleText& text, const TraceText& trace, Table& from) {
  if (trace.by_name) return named(from, "traces", trace.source, reading.sources, "population or stimulus");
  if (trace.source == "targets") return reading.described.to;
  if (std::ranges::find(text.modulators, trace.source, &NamedText::name) == text.modulators.end()) {
    for (std::size_t s = 0; s < reading.sources.size(); ++s)
      if (reading.sources[s].name == trace.source) return s;
    from.fail("traces", fmt::format("trace '{}' is of \"{}\"; it must be \"pre\", \"post\", \"targets\" (the "
                                    "whole target population), a modulator or the name of a population or stimulus",
                                    trace.name, trace.source));
  }
  if (own)
    from.fail("modulators", fmt::format("modulators are named by a rule that uses this one, [rule.NAME] type = "
                                        "\"...\"; give it, with {} = the name of a population or stimulus",
                                        trace.source));
  return named(reading.rule, trace.source, reading.rule.text(trace.source), reading.sources, "population or stimulus");
}

// The state of the target that a trace follows.
std::size_t followed(const RuleReading& reading, const TraceText& trace, Table& from) {
  const auto& states = reading.target.states;
  const std::size_t state = named(from, "traces", trace.source, states, "state of the target's model");
  if (states[state].dimension != trace.dimension)
    from.fail("traces", fmt::format("trace '{}' begins as {}, but the state '{}' that it follows is {}", trace.name,
                                    a_name_of(trace.dimension), trace.source, a_name_of(states[state].dimension)));
  return state;
}

void read_traces(const RuleReading& reading, bool own, Table& from, TextRule& rule) {
  const SteadyValues steady = rule.steady();
  for (const TraceText& trace : rule.text.traces) {
    for (const auto& [key, tree] : {std::pair{"jump", trace.jump}, std::pair{"initial", trace.initial}})
      if (tree && !is_float(steady.of(tree)))
        from.fail("traces", fmt::format("trace '{}': '{}' is {}; it must be in the range of float32", trace.name, key,
                                        steady.of(tree)));
    if (trace.of == TraceText::Of::state) {
      rule.follows.push_back(followed(reading, trace, from));
      rule.state_delays.push_back(trace.delay ? steps_of(reading, trace.delay, steady, 0, kLongestDelay,
                                                         fmt::format("the delay of '{}'", trace.name))
                                              : 0);
    }
    if (!trace.tau) continue;
    const double tau = steady.of(trace.tau);
    const double least = trace.of == TraceText::Of::state ? rule.dt : 0;
    if (!(tau > 0 && tau >= least && std::isfinite(tau)))
      from.fail("traces", fmt::format("trace '{}': 'tau' is {} s; it must be {}", trace.name, tau,
                                      least > 0 ? fmt::format("at least the step, {} s", least) : "above 0"));
    // Those of sources decay in float64, the others from spike to spike: no sooner than after 1 ms, mostly.
    if (trace.of != TraceText::Of::state && trace.of != TraceText::Of::source && !float_decays(1e-3, tau))
      rule.warnings.push_back(
          fmt::format("trace '{}': 'tau' is {} s, of which float32 sees no decay between spikes that "
                      "come within {:.3g} s of each other",
                      trace.name, tau, tau / kLongestFloatDecay));
    if (trace.of == TraceText::Of::state && !float_decays(rule.dt, tau))
      from.fail("traces",
                fmt::format("trace '{}': 'tau' is {} s; at this dt the longest time constant that float32 can "
                            "follow is {:.6g} s",
                            trace.name, tau, rule.dt * kLongestFloatDecay));
    if (trace.of != TraceText::Of::source) continue;
    SourceTrace source;
    source.source = source_of(reading, own, rule.text, trace, from);
    source.delay = trace.delay ? steps_of(reading, trace.delay, steady, 1, kLongestDelay,
                                          fmt::format("the delay of '{}'", trace.name))
                               : reading.described.delay;
    source.decay = std::exp(-rule.dt / tau);
    source.jump = steady.of(trace.jump);
    source.initial = steady.of(trace.initial);
    source.nearest = trace.nearest;
    rule.listens.push_back({source.source, source.delay, source.delay + 1});
    rule.source_traces.push_back(source);
  }
}

// Weights stay on their receptor's side of 0.
void read_bounds(const RuleReading& reading, TextRule& rule) {
  SynapticStateText& weight = rule.text.states.front();
  if (!weight.low && reading.sign == WeightSign::positive) weight.low = number(0, weight.dimension);
  if (!weight.high && reading.sign == WeightSign::negative) weight.high = number(0, weight.dimension);
  const SteadyValues steady = rule.steady();
  if (weight.low) rule.w_min = steady.of(weight.low);
  if (weight.high) rule.w_max = steady.of(weight.high);
  const bool beyond = (reading.sign == WeightSign::positive && rule.w_min < 0) ||
                      (reading.sign == WeightSign::negative && rule.w_max > 0);
  if (beyond)
    reading.rule.fail("type",
                      fmt::format("the rule lets weights lie from {} to {}, but the receptor '{}' takes them on one "
                                  "side of 0 only; bound 'w' there",
                                  rule.w_min, rule.w_max, reading.receptor));
  for (const SynapticStateText& state : rule.text.states) {
    const double low = state.low ? steady.of(state.low) : -std::numeric_limits<double>::infinity();
    const double high = state.high ? steady.of(state.high) : std::numeric_limits<double>::infinity();
    if (!(low <= high))
      reading.rule.fail("type",
                        fmt::format("the state '{}' must lie from {} to {}, where nothing is", state.name, low, high));
  }
}

// Where on the way the synapse lies. What meets there must be known when the epoch begins in which it arrives: of
// spikes that needs a minimum delay of no more than twice the dendritic part, of what a step leaves of states one step
// less.
void read_delay(const RuleReading& reading, bool own, TextRule& rule) {
  RuleText& text = rule.text;
  if (!own && reading.rule.has("delay")) text.dendritic = reading.rule.choice("delay", {"axonal", "dendritic"}) == 1;
  const bool given = !own && reading.rule.has("dendritic_delay");
  rule.delays_differ = !text.dendritic;
  if (!text.dendritic) {
    if (given || text.dendritic_delay)
      reading.rule.fail("dendritic_delay",
                        "'dendritic_delay' is the part of a delay = \"dendritic\" that lies behind "
                        "the synapse; this rule's delay is axonal");
    return;
  }
  if (std::ranges::any_of(text.traces, &TraceText::at_once))
    reading.rule.fail("delay", "traces 'at_once' need an axonal delay, where arrivals come first in a step");
  const Step whole = reading.described.delay;
  rule.behind = whole;
  if (given) text.dendritic_delay = number(reading.rule.quantity("dendritic_delay", Dimension::time, kPositive));
  if (text.dendritic_delay)
    rule.behind = steps_of(reading, text.dendritic_delay, rule.steady(), 1, whole, "'dendritic_delay'");
  const Step back = 2 * rule.behind;
  rule.listens.push_back({reading.described.to, rule.follows.empty() ? back : back - 1, back, /*own=*/true});
}

}  // namespace

std::shared_ptr<const RuleDescription> read_text_rule(const RuleReading& reading, Table& text, bool own) {
  const auto rule = std::make_shared<TextRule>();
  rule->text = read_rule_text(text, reading.weight);
  rule->dt = reading.grid.dt;
  rule->moves = Moves::within_epochs;
  read_values(reading, own, *rule);
  read_bounds(reading, *rule);
  read_windows(reading, own, text, *rule);
  read_traces(reading, own, text, *rule);
  for (const TraceText& trace : rule->text.traces)
    if (trace.of == TraceText::Of::post || trace.of == TraceText::Of::state)
      rule->recordable.push_back(trace.name);
    else if (trace.of == TraceText::Of::pre)
      rule->recordable_by_synapse.push_back(trace.name);
  for (std::size_t s = 1; s < rule->text.states.size(); ++s)
    rule->recordable_by_synapse.push_back(rule->text.states[s].name);
  read_delay(reading, own, *rule);
  if (rule->text.every) {
    const SteadyValues steady = rule->steady();
    rule->window = steps_of(reading, rule->text.every, steady, 1, kLongestRun, "'every' of [each]");
    rule->window_offset = steps_of(reading, rule->text.offset, steady, 0, kLongestRun, "'offset' of [each]");
  }
  return rule;
}

}  // namespace lpl::spiking
