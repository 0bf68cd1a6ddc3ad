#include "spiking/model/pages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "config/models.hpp"
#include "core/errors.hpp"
#include "core/text.hpp"
#include "spiking/model/equations.hpp"
#include "spiking/model/kernel.hpp"
#include "spiking/plasticity/plasticity.hpp"
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
std::string list_of_rules() { return list_of("types of [rule.NAME]", rules(), &RuleEntry::type); }

std::string page_of_model(const std::string& name) {
  const std::vector<std::string> known = installed_models("cell");
  if (std::ranges::find(known, name) == known.end()) {
    const std::string close = nearest(name, known);
    throw ConfigError(
        fmt::format("there is no model '{}'; {}", name,
                    close.empty() ? "lpl_sim --models lists them" : fmt::format("did you mean '{}'?", close)));
  }
  const ModelText text = text_named(name);
  std::string page = fmt::format("{}: {}\nsource: {}\n", name, text.title, text.source);
  if (std::ranges::any_of(kernels(), [&](const KernelEntry& kernel) { return kernel.type == name; }))
    page += "has a hand-written kernel, which runs where equations are unchanged\n";
  Rows rows;
  for (const ParameterText& p : text.parameters)
    rows.push_back({p.name, without_quotes(p.written), p.help, range_of(p)});
  page += section("parameters", rows);
  rows.clear();
  for (const NamedExpression& c : text.constants) rows.push_back({c.name, "= " + text_of(c.value)});
  page += section("constants", rows);
  rows.clear();
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

}  // namespace lpl::spiking
