#include "spiking/plasticity/rule_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "core/text.hpp"
#include "spiking/text/text_reader.hpp"

namespace lpl::spiking {
namespace {

constexpr std::size_t kMostNames = 200;

class RuleReader : private TextReader {
 public:
  RuleReader(Table& table, Dimension weight) : TextReader(table), weight_(weight) {}

  RuleText read() {
    const Symbol weight{"weight", weight_};
    for (const char* word :
         {"weight", "w", "pre", "post", "targets", "delay", "dendritic_delay", "type", "pre_since", "post_since"})
      names_.emplace(word, "a word of rules");
    text_.constants.push_back({"weight", number(1, weight_)});
    steady_.symbols.push_back(weight);
    read_title(text_);
    read_parameters(text_, {.symbols = {weight}});
    read_constants(text_);
    read_modulators();
    read_states();
    read_windows();
    read_traces();
    for (const auto& [key, count] :
         {std::pair{"states", text_.states.size()}, std::pair{"traces", text_.traces.size()}})
      if (count > kMostNames)
        table_.fail(key, fmt::format("there are {} {}; a rule may have {}", count, key, kMostNames));
    text_.dendritic = table_.choice("delay", {"axonal", "dendritic"}, "axonal") == 1;
    if (table_.has("dendritic_delay"))
      text_.dendritic_delay = value(table_, "dendritic_delay", steady_, Dimension::time);
    read_on_arrival();
    read_on_spike();
    read_during();
    read_each();
    read_requirements(text_);
    table_.finish();
    if (text_.on_arrival.empty() && text_.on_spike.empty() && text_.during.empty() && text_.each.empty())
      table_.fail("on_spike", "the rule changes nothing; give [on_arrival], [on_spike], [during] or [each]");
    return std::move(text_);
  }

 private:
  void read_modulators() {
    Table table = section("modulators");
    for (const std::string& name : table.keys()) {
      declare(table, name);
      text_.modulators.push_back({name, table.text(name)});
    }
  }

  void read_states() {
    text_.states.push_back({"w", weight_, nullptr, nullptr, nullptr});
    Scope scope = steady_;
    scope.symbols.push_back({"w", weight_});
    Table table = section("states");
    for (const std::string& name : table.keys()) {
      const bool is_weight = name == "w";
      if (!is_weight) declare(table, name);
      SynapticStateText state{name, weight_, nullptr, nullptr, nullptr};
      if (table.is_table(name)) {
        Table own = entry(table, name);
        if (!is_weight) state.initial = value(own, "initial", scope);
        if (state.initial) state.dimension = state.initial->dimension;
        if (own.has("low")) state.low = value(own, "low", steady_, state.dimension);
        if (own.has("high")) state.high = value(own, "high", steady_, state.dimension);
        own.finish();
      } else if (is_weight) {
        table.fail(name, "'w' begins as the wiring says; give its range, { low = ..., high = ... }");
      } else {
        state.initial = value(table, name, scope);
        state.dimension = state.initial->dimension;
      }
      if (is_weight)
        text_.states.front() = std::move(state);
      else
        text_.states.push_back(std::move(state));
    }
  }

  void read_windows() {
    Table table = section("windows");
    for (const std::string& name : table.keys()) {
      declare(table, name);
      WindowText& window = text_.windows.emplace_back();
      window.name = name;
      if (table.is_table(name)) {
        Table own = entry(table, name);
        window.help = own.text("help", "");
        window.window = read_window(own);
      } else {
        window.help = table.text(name);
      }
    }
  }

  void read_traces() {
    Table table = section("traces");
    for (const std::string& name : table.keys()) {
      declare(table, name);
      Table own = entry(table, name);
      TraceText trace;
      trace.name = name;
      if (own.has("follows"))
        read_follower(own, trace);
      else
        read_spike_trace(own, trace);
      if (own.has("delay")) {
        if (trace.of == TraceText::Of::pre || trace.of == TraceText::Of::post)
          own.fail("delay",
                   "'delay' is of traces of a state, a population or stimulus; pre- and postsynaptic spikes have "
                   "the delay of the connection");
        trace.delay = value(own, "delay", steady_, Dimension::time);
      }
      own.finish();
      text_.traces.push_back(std::move(trace));
    }
    scope_ = steady_;
    for (const SynapticStateText& state : text_.states) scope_.symbols.push_back({state.name, state.dimension});
    for (const TraceText& trace : text_.traces) scope_.symbols.push_back({trace.name, trace.dimension});
    read_aliases(scope_);
  }

  void read_spike_trace(Table& own, TraceText& trace) {
    trace.by_name = own.only_one({"of", "source"}) == 1;
    trace.source = own.text(trace.by_name ? "source" : "of");
    trace.of = trace.by_name            ? TraceText::Of::source
               : trace.source == "pre"  ? TraceText::Of::pre
               : trace.source == "post" ? TraceText::Of::post
                                        : TraceText::Of::source;
    const bool tabulated = own.only_one({"tau", "window"}) == 1;
    if (tabulated)
      read_window_of(own, trace);
    else
      trace.tau = value(own, "tau", steady_, Dimension::time);
    trace.jump = own.has("jump") ? value(own, "jump", steady_) : number(1);
    trace.dimension = trace.jump->dimension;
    trace.initial = own.has("initial") ? value(own, "initial", steady_, trace.dimension) : number(0, trace.dimension);
    trace.nearest = own.flag("nearest", tabulated);
    if (tabulated && !trace.nearest)
      own.fail("nearest", "a window is of the time since the last spike, so that 'nearest' cannot be false");
    trace.at_once = own.flag("at_once", false);
    if (trace.at_once && trace.of != TraceText::Of::pre)
      own.fail("at_once", "'at_once' is of presynaptic traces; arrivals come first in a step");
  }
  void read_window_of(Table& own, TraceText& trace) {
    if (trace.of == TraceText::Of::source)
      own.fail("window", "a window is of presynaptic or postsynaptic spikes, of = \"pre\" or \"post\"");
    trace.window = own.text("window");
    std::vector<std::string> known;
    for (const WindowText& window : text_.windows) known.push_back(window.name);
    if (std::ranges::find(known, trace.window) == known.end())
      own.fail("window", fmt::format("there is no window {}; {}", in_quotes(trace.window),
                                     known.empty() ? "give it under [windows]" : "it must be " + join_or(known)));
  }
  void read_follower(Table& own, TraceText& trace) {
    trace.of = TraceText::Of::state;
    trace.source = own.text("follows");
    trace.initial = value(own, "initial", steady_);
    trace.dimension = trace.initial->dimension;
    if (own.has("tau")) trace.tau = value(own, "tau", steady_, Dimension::time);
  }

  void read_on_arrival() {
    Table table = section("on_arrival");
    if (table.has("transmits")) text_.transmits_after = table.choice("transmits", {"before", "after"}, "before") == 1;
    text_.on_arrival = read_change(table, {"transmits"});
    if (text_.transmits_after && text_.on_arrival.empty())
      table.fail("transmits", "an arrival changes nothing, so it transmits the weight that there is");
  }
  void read_on_spike() {
    Table table = section("on_spike");
    text_.on_spike = read_change(table, {});
  }
  void read_during() {
    if (!table_.has("during")) return;
    Table table = section("during");
    Scope scope = steady_;
    for (const TraceText& trace : text_.traces)
      if (trace.of == TraceText::Of::post || trace.of == TraceText::Of::state)
        scope.symbols.push_back({trace.name, trace.dimension});
    text_.condition = condition(table, "condition", scope);
    text_.during = read_change(table, {"condition"});
    if (text_.during.empty())
      table.fail("condition", "nothing changes while the condition holds; give a state's value");
  }
  void read_each() {
    if (!table_.has("each")) return;
    Table table = section("each");
    text_.every = value(table, "every", steady_, Dimension::time);
    text_.offset = table.has("offset") ? value(table, "offset", steady_, Dimension::time) : text_.every;
    text_.each = read_change(table, {"every", "offset"});
    for (const auto& [state, tree] : text_.each)
      for (const TraceText& trace : text_.traces)
        if ((trace.of == TraceText::Of::state || trace.at_once) &&
            any_name(tree, [&](const std::string& n) { return n == trace.name; }))
          table.fail(text_.states[state].name,
                     fmt::format("'{}' {}, which [each] cannot read; use it in [on_arrival], [on_spike] or [during]",
                                 trace.name, trace.at_once ? "has the arrivals of a step at once" : "follows a state"));
  }

  ChangeText read_change(Table& table, const std::vector<std::string>& words) {
    ChangeText change;
    for (const std::string& name : table.keys()) {
      if (std::ranges::find(words, name) != words.end()) continue;
      const auto state = std::ranges::find(text_.states, name, &SynapticStateText::name);
      if (state == text_.states.end()) fail_unknown(table, name);
      change.emplace_back(static_cast<std::size_t>(state - text_.states.begin()),
                          value(table, name, scope_, state->dimension));
    }
    return change;
  }
  [[noreturn]] void fail_unknown(Table& table, const std::string& name) const {
    std::vector<std::string> known;
    for (const SynapticStateText& state : text_.states) known.push_back(state.name);
    const std::string best = nearest(name, known);
    table.fail(name,
               fmt::format("there is no state {} of synapses; {}", in_quotes(name),
                           best.empty() ? "it must be " + join_or(known) : fmt::format("did you mean '{}'?", best)));
  }

  Dimension weight_;
  RuleText text_;
  Scope scope_;  // parameters, constants, states and traces
};

// The place of a trace among those of its kind.
std::size_t place_of(const RuleText& text, const TraceText& trace) {
  std::size_t place = 0;
  for (const TraceText& other : text.traces) {
    if (&other == &trace) break;
    place += other.of == trace.of;
  }
  return place;
}

class ChangeCompiler {
 public:
  ChangeCompiler(const RuleText& text, const SteadyValues& steady, double dt)
      : text_(text), steady_(steady), dt_(dt), program_(static_cast<std::uint16_t>(text.states.size())) {}

  SynapseProgram compile(const ChangeText& change) {
    std::vector<std::pair<std::uint16_t, Value>> values;
    for (const auto& [state, tree] : change) {
      values.emplace_back(static_cast<std::uint16_t>(state), held(text_.states[state], lower(tree)));
      result_.changed.push_back(state);
    }
    return finish(values);
  }
  SynapseProgram compile_condition() { return finish({{0, lower(text_.condition)}}); }

 private:
  SynapseProgram finish(const std::vector<std::pair<std::uint16_t, Value>>& values) {
    program_.commit(values);
    result_.program = program_.finish();
    return std::move(result_);
  }
  Value lower(const Expression& tree) {
    return append(program_, tree,
                  {.name = [this](const std::string& name) { return value_of(name); },
                   .known = [this](const Expression& part) { return known(part); }});
  }
  std::optional<Value> known(const Expression& tree) {
    if (any_name(tree, [&](const std::string& name) { return !steady_.find(name); })) return std::nullopt;
    return program_.constant(steady_.of(tree));
  }
  // No number stays none.
  Value held(const SynapticStateText& state, Value value) {
    if (state.low) value = program_.emit(Op::max, *known(state.low), value);
    if (state.high) value = program_.emit(Op::min, *known(state.high), value);
    return value;
  }
  Value value_of(const std::string& name) {
    for (std::size_t s = 0; s < text_.states.size(); ++s)
      if (text_.states[s].name == name) return program_.state(static_cast<std::uint16_t>(s));
    const TraceText& trace = *std::ranges::find(text_.traces, name, &TraceText::name);
    const std::size_t place = place_of(text_, trace);
    using From = SynapseInput::From;
    using What = SynapseInput::What;
    if (trace.of == TraceText::Of::source) return input({From::source, What::value, place});
    if (trace.of == TraceText::Of::state) return input({From::state, What::value, place});
    const From from = trace.of == TraceText::Of::post ? From::post : trace.at_once ? From::pre_at_once : From::pre;
    const Value value = input({from, What::value, place});
    if (!trace.window.empty()) return program_.emit(Op::multiply, value, input({from, What::window, place}));
    const Value lag = input({from, What::lag});
    const Value decay = program_.emit(Op::multiply, lag, program_.constant(-dt_ / steady_.of(trace.tau)));
    return program_.emit(Op::multiply, value, program_.emit(Op::exp, decay));
  }
  Value input(SynapseInput what) {
    const auto found = std::ranges::find(result_.inputs, what);
    if (found != result_.inputs.end()) return inputs_[static_cast<std::size_t>(found - result_.inputs.begin())];
    result_.inputs.push_back(what);
    return inputs_.emplace_back(program_.by_neuron());
  }

  const RuleText& text_;
  const SteadyValues& steady_;
  double dt_;
  ProgramBuilder program_;
  SynapseProgram result_;
  std::vector<Value> inputs_;
};

}  // namespace

RuleText read_rule_text(Table& table, Dimension weight) { return RuleReader(table, weight).read(); }

std::string summary_of(const RuleText& text) {
  std::vector<std::string> parts;
  const auto add = [&](std::string_view what, const std::vector<std::string>& names) {
    if (!names.empty()) parts.push_back(fmt::format("{} {}", what, join(names, ", ")));
  };
  std::vector<std::string> traces;
  for (const TraceText& trace : text.traces) traces.push_back(trace.name);
  add("traces", traces);
  const auto add_change = [&](std::string_view when, const ChangeText& change) {
    std::vector<std::string> states;
    for (const auto& [state, value] : change) states.push_back(text.states[state].name);
    add(when, states);
  };
  add_change("on_arrival", text.on_arrival);
  add_change("on_spike", text.on_spike);
  add_change("during", text.during);
  add_change("each", text.each);
  return join(parts, "; ");
}

SynapseProgram compile_change(const RuleText& text, const ChangeText& change, const SteadyValues& steady, double dt) {
  return ChangeCompiler(text, steady, dt).compile(change);
}

SynapseProgram compile_condition(const RuleText& text, const SteadyValues& steady, double dt) {
  return ChangeCompiler(text, steady, dt).compile_condition();
}

}  // namespace lpl::spiking
