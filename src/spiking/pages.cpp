#include "spiking/pages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "config/models.hpp"
#include "core/errors.hpp"
#include "core/text.hpp"
#include "spiking/catalogue.hpp"
#include "spiking/model/equations.hpp"
#include "spiking/model/kernel.hpp"
#include "spiking/plasticity/plasticity.hpp"
#include "spiking/plasticity/rule_text.hpp"
#include "spiking/record/record.hpp"
#include "spiking/stimulus/stimulus.hpp"
#include "spiking/wiring/wiring.hpp"

namespace lpl::spiking {
namespace {

ModelText text_named(const std::string& name) {
  Document document = Document::from_file(installed_model("cell", name));
  Table table = document.root();
  table.rename(fmt::format("model '{}'", name));
  return read_model_text(table);
}

RuleText rule_named(const std::string& name) {
  Document document = Document::from_file(installed_model("rule", name));
  Table table = document.root();
  table.rename(fmt::format("rule '{}'", name));
  table.text("type");
  return read_rule_text(table, Dimension::none);
}

// The names of texts among the files of models/.
std::vector<std::string> rules_as_text() {
  std::vector<std::string> names = installed_models("rule");
  std::erase_if(names, [](const std::string& name) {
    return !Document::from_file(installed_model("rule", name)).says("type", "traces");
  });
  return names;
}

void expect_known(const std::string& name, const std::vector<std::string>& known, const std::string& what) {
  if (std::ranges::find(known, name) != known.end()) return;
  const std::string close = nearest(name, known);
  throw ConfigError(fmt::format(
      "there is no {0} '{1}'; {2}", what, name,
      close.empty() ? fmt::format("lpl_sim --{}s lists them", what) : fmt::format("did you mean '{}'?", close)));
}

using Rows = std::vector<std::vector<std::string>>;

// Columns under a title; nothing where there are no rows.
std::string section(const std::string& title, const Rows& rows) {
  if (rows.empty()) return "";
  std::vector<std::size_t> width(rows.front().size(), 0);
  for (const auto& row : rows)
    for (std::size_t c = 0; c < row.size(); ++c) width[c] = std::max(width[c], row[c].size());
  std::string all = title + "\n";
  for (const auto& row : rows) {
    std::string line = " ";
    for (std::size_t c = 0; c < row.size(); ++c) line += fmt::format(" {:<{}}", row[c], width[c]);
    line.erase(line.find_last_not_of(' ') + 1);
    all += line + "\n";
  }
  return all;
}

std::string range_of(const ParameterText& p) {
  std::string range;
  if (p.low) range = fmt::format("{} {}", p.low_excluded ? ">" : ">=", text_of(p.low));
  if (p.high) range += fmt::format("{}<= {}", range.empty() ? "" : ", ", text_of(p.high));
  return range;
}

std::string without_quotes(std::string text) {
  std::erase(text, '"');
  return text;
}

std::string steady_sections(const SteadyText& text) {
  Rows parameters, constants;
  for (const ParameterText& p : text.parameters)
    parameters.push_back({p.name, without_quotes(p.written), p.help, range_of(p)});
  for (const NamedExpression& c : text.constants)
    if (c.name != "weight") constants.push_back({c.name, "= " + text_of(c.value)});
  return section("parameters", parameters) + section("constants", constants);
}

Rows equations(const ModelText& text) {
  Rows rows;
  for (const AssignmentText& line : text.step)
    rows.push_back({fmt::format("{}{} = {}", line.state ? "" : "let ", line.name, text_of(line.value))});
  for (const StateText& state : text.states)
    if (state.derivative) rows.push_back({fmt::format("d{}/dt = {}", state.name, text_of(state.derivative))});
  return rows;
}

Rows spike(const ModelText& text) {
  if (!text.when) return {};
  static constexpr const char* kOrders[] = {"states move, threshold, arrivals", "states move, arrivals, threshold",
                                            "arrivals, states move, threshold"};
  Rows rows = {{"when", text_of(text.when)}};
  if (text.count) rows.push_back({"count", text_of(text.count)});
  for (const StateText& state : text.states)
    if (state.then) rows.push_back({"then", fmt::format("{} = {}", state.name, text_of(state.then))});
  if (text.refractory) rows.push_back({"refractory", text_of(text.refractory)});
  for (const StateText& state : text.states)
    if (state.hold) rows.push_back({"hold", fmt::format("{} = {}", state.name, text_of(state.hold))});
  const char* const order = kOrders[static_cast<int>(text.arrivals)];
  rows.push_back({"order", text.test_first ? "threshold, states move, arrivals" : order});
  return rows;
}

}  // namespace

std::string list_of_models() {
  Rows rows;
  for (const std::string& name : installed_models("cell")) rows.push_back({name, text_named(name).title});
  return section("models", rows);
}

namespace {

template <class Entry>
std::string list_of(const std::string& title, std::span<const Entry> entries, std::string_view Entry::*name) {
  Rows rows;
  for (const Entry& entry : entries) rows.push_back({std::string(entry.*name), std::string(entry.help)});
  return section(title, rows);
}

}  // namespace

std::string list_of_stimuli() { return list_of("types of [[stimulus]]", stimuli(), &StimulusEntry::type); }
std::string list_of_wirings() { return list_of("wirings of [[connection]]", wirings(), &WiringEntry::key); }
std::string list_of_records() { return list_of("what a [[record]] keeps", records(), &RecordEntry::what); }
std::string list_of_rules() {
  Rows rows;
  for (const RuleEntry& entry : rules()) rows.push_back({std::string(entry.type), std::string(entry.help)});
  for (const std::string& name : rules_as_text()) rows.push_back({name, rule_named(name).title});
  return section("types of [rule.NAME]", rows);
}

std::string page_of_model(const std::string& name) {
  expect_known(name, installed_models("cell"), "model");
  const ModelText text = text_named(name);
  std::string page = fmt::format("{}: {}\nsource: {}\n", name, text.title, text.source);
  if (std::ranges::any_of(kernels(), [&](const KernelEntry& kernel) { return kernel.type == name; }))
    page += "has a hand-written kernel, which runs where equations are unchanged\n";
  page += steady_sections(text);
  Rows rows;
  for (const StateText& s : text.states)
    rows.push_back({s.name, unit_of(s.dimension), "begins as " + text_of(s.initial)});
  page += section("states (recorded in SI units)", rows);
  rows.clear();
  static constexpr const char* kSigns[] = {"any sign", "not negative", "not positive"};
  for (const ReceptorText& r : text.receptors)
    rows.push_back({r.name, fmt::format("adds to {}", text.states[r.state].name),
                    fmt::format("weights in {}, {}", r.weight == Dimension::none ? "numbers" : unit_of(r.weight),
                                kSigns[static_cast<int>(r.sign)])});
  page += section("receptors", rows);
  rows.clear();
  for (const InputText& i : text.inputs) rows.push_back({i.name, unit_of(i.dimension)});
  page += section("inputs of currents", rows);
  page += section(text.step.empty() ? "dynamics" : "step", equations(text));
  page += section("spike", spike(text));
  return page;
}

namespace {

std::string trace_of(const TraceText& trace) {
  std::string of = trace.by_name ? "source " + trace.source : trace.source;
  if (trace.of == TraceText::Of::state) of = "follows " + of;
  if (trace.tau) of += fmt::format(", tau = {}", text_of(trace.tau));
  if (!trace.window.empty()) of += ", window = " + trace.window;
  if (trace.delay) of += fmt::format(", delay = {}", text_of(trace.delay));
  if (trace.jump && text_of(trace.jump) != "1") of += fmt::format(", jump = {}", text_of(trace.jump));
  if (!is_zero(trace.initial)) of += fmt::format(", begins as {}", text_of(trace.initial));
  if (trace.at_once) of += ", at once";
  return trace.nearest && trace.tau ? of + ", nearest" : of;
}

std::string changes(const RuleText& text, const std::string& when, const ChangeText& change) {
  Rows rows;
  for (const auto& [state, tree] : change)
    rows.push_back({fmt::format("{} = {}", text.states[state].name, text_of(tree))});
  return section(when, rows);
}

}  // namespace

std::string page_of_rule(const std::string& name) {
  if (const std::vector<std::string> own = types_of(rules()); std::ranges::find(own, name) != own.end())
    throw ConfigError(fmt::format(
        "'{}' is a rule of the program's own and no text; its keys are in docs/language.md, under Rules", name));
  expect_known(name, rules_as_text(), "rule");
  const RuleText text = rule_named(name);
  std::string page = fmt::format("{}: {}\nsource: {}\n", name, text.title, text.source);
  page += fmt::format("delay: {}\n", text.dendritic ? "dendritic" : "axonal");
  page += steady_sections(text);
  Rows rows;
  for (const NamedText& modulator : text.modulators) rows.push_back({modulator.name, modulator.help});
  page += section("modulators", rows);
  rows.clear();
  for (const WindowText& window : text.windows) rows.push_back({window.name, window.help});
  page += section("windows", rows);
  rows.clear();
  for (const TraceText& trace : text.traces) rows.push_back({trace.name, trace_of(trace)});
  page += section("traces", rows);
  rows.clear();
  for (const SynapticStateText& state : text.states) {
    std::string range;
    if (state.low) range = fmt::format("not below {}", text_of(state.low));
    if (state.high) range += fmt::format("{}not above {}", range.empty() ? "" : ", ", text_of(state.high));
    rows.push_back({state.name, state.initial ? "begins as " + text_of(state.initial) : "the weight", range});
  }
  page += section("states of synapses", rows);
  page += changes(
      text, text.transmits_after ? "an arrival changes, then transmits w" : "an arrival transmits w, then changes",
      text.on_arrival);
  page += changes(text, "a spike of the neuron changes", text.on_spike);
  if (text.condition) page += changes(text, "each step changes, while " + text_of(text.condition), text.during);
  if (text.every)
    page += changes(text, fmt::format("every {}, first at {}, changes", text_of(text.every), text_of(text.offset)),
                    text.each);
  return page;
}

}  // namespace lpl::spiking
