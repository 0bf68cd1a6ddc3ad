#include "spiking/text/text_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/text.hpp"
#include "spiking/text/steady_values.hpp"

namespace lpl::spiking {
namespace {

std::string with_unit(double value, Dimension dimension) {
  return dimension == Dimension::none ? fmt::format("{:.9g}", value)
                                      : fmt::format("{:.9g} {}", value, unit_of(dimension));
}

}  // namespace

const ParameterText* SteadyText::parameter(const std::string& name) const {
  const auto found =
      std::find_if(parameters.begin(), parameters.end(), [&](const ParameterText& p) { return p.name == name; });
  return found == parameters.end() ? nullptr : &*found;
}

std::optional<ValueFault> fault_in(const SteadyText& text, const ParameterValues& values, double dt) {
  const SteadyValues steady(text.parameters, text.constants, values, dt);
  for (const ParameterText& parameter : text.parameters) {
    const double value = values(parameter.name);
    constexpr double kUnbounded = std::numeric_limits<double>::infinity();
    const double low = parameter.low ? steady.of(parameter.low) : -kUnbounded;
    const double high = parameter.high ? steady.of(parameter.high) : kUnbounded;
    if (std::isfinite(value) && (parameter.low_excluded ? value > low : value >= low) && value <= high) continue;
    std::string allowed = "must be a finite number";
    if (parameter.low)
      allowed +=
          fmt::format(" {} {}", parameter.low_excluded ? "above" : "not below", with_unit(low, parameter.dimension));
    if (parameter.high)
      allowed += fmt::format("{} not above {}", parameter.low ? " and" : "", with_unit(high, parameter.dimension));
    return ValueFault{parameter.name, "; it " + allowed};
  }
  for (const RequirementText& requirement : text.requirements) {
    if (steady.of(requirement.that) != 0) continue;
    const std::string found =
        requirement.value ? fmt::format("{} is {:.12g} ms; ", requirement.subject, steady.of(requirement.value) * 1e3)
                          : "";
    return ValueFault{requirement.of, ": " + found + requirement.otherwise};
  }
  return {};
}

Expression TextReader::value(Table& table, std::string_view key, const Scope& scope) {
  return table.parsed(key, [&](std::string_view text) { return parse_value(text, scope); });
}

Expression TextReader::value(Table& table, std::string_view key, const Scope& scope, Dimension dimension) {
  return table.parsed(key, [&](std::string_view text) { return parse_expression(text, scope, dimension); });
}

Expression TextReader::condition(Table& table, std::string_view key, const Scope& scope) {
  return table.parsed(key, [&](std::string_view text) { return parse_condition(text, scope); });
}

void TextReader::declare(Table& table, const std::string& key, const std::string& name) {
  if (!is_name(name) || name.find('.') != std::string::npos)
    table.fail(key, fmt::format("{} is no name; names have letters, digits and '_', and begin with a letter",
                                in_quotes(name)));
  if (is_reserved(name)) table.fail(key, fmt::format("'{}' is a word of the language; choose another name", name));
  if (name == "t" || name == "dt")
    table.fail(key, fmt::format("'{}' is {}; choose another name", name, name == "t" ? "the time" : "the step"));
  if (!names_.emplace(name, table.place(key)).second) table.fail(key, taken(name));
}

std::string TextReader::taken(const std::string& name) const {
  const auto has = names_.find(name);
  return fmt::format("the name '{}' is taken ({}); choose another", name,
                     has == names_.end() ? "a word of the language" : has->second);
}

Table TextReader::section(std::string_view key) {
  Table table = table_.table_or_defaults(key);
  table.rename(fmt::format("{} [{}]", table_.who(), key));
  return table;
}

Dimension TextReader::unit(Table& table, const std::string& key) {
  const std::string text = table.text(key);
  const auto unit = parse_unit(text);
  if (!unit) table.fail_at(key, 0, fmt::format("'{}' is {}, which is no unit, such as \"pA\"", key, in_quotes(text)));
  return unit->dimension;
}

Table TextReader::entry(Table& table, const std::string& name) {
  Table own = table.table(name);
  own.rename(fmt::format("{} {}", table_.who(), name));
  return own;
}

void TextReader::read_title(SteadyText& text) {
  text.title = table_.text("title", "");
  text.source = table_.text("source", "");
}

void TextReader::read_parameters(SteadyText& text, const Scope& place) {
  Table table = section("parameters");
  Scope bounds = steady_;
  bounds.symbols.push_back({"dt", Dimension::time});
  for (const std::string& name : table.keys()) {
    declare(table, name);
    ParameterText parameter;
    parameter.name = name;
    if (table.is_table(name)) {
      Table own = entry(table, name);
      parameter.fallback = own.expression("default", place);
      parameter.written = own.written("default");
      parameter.dimension = parameter.fallback->dimension;
      if (own.has("low")) parameter.low = value(own, "low", bounds, parameter.dimension);
      if (own.has("high")) parameter.high = value(own, "high", bounds, parameter.dimension);
      if (own.has("low_excluded")) parameter.low_excluded = own.flag("low_excluded");
      parameter.help = own.text("help", "");
      own.finish();
    } else {
      parameter.fallback = table.expression(name, place);
      parameter.written = table.written(name);
      parameter.dimension = parameter.fallback->dimension;
    }
    steady_.symbols.push_back({name, parameter.dimension});
    text.parameters.push_back(std::move(parameter));
  }
  steady_.symbols.push_back({"dt", Dimension::time});
}

void TextReader::read_constants(SteadyText& text) {
  Table table = section("constants");
  for (const std::string& name : table.keys()) {
    declare(table, name);
    const Expression tree = value(table, name, steady_);
    steady_.symbols.push_back({name, tree->dimension});
    text.constants.push_back({name, tree});
  }
}

void TextReader::read_aliases(Scope& scope) {
  Table table = section("aliases");
  for (const std::string& name : table.keys()) {
    declare(table, name);
    const Expression tree = table.parsed(name, [&](std::string_view text) { return parse_expression(text, scope); });
    scope.symbols.push_back({name, tree->dimension, tree, tree->truth});
  }
}

void TextReader::read_requirements(SteadyText& text) {
  for (Table& table : table_.tables("require")) {
    table.rename(fmt::format("{} [[require]]", table_.who()));
    RequirementText requirement;
    requirement.that = condition(table, "that", steady_);
    requirement.otherwise = table.text("otherwise");
    requirement.of = table.text("of", "");
    if (!requirement.of.empty() && !text.parameter(requirement.of))
      table.fail("of", fmt::format("there is no parameter {}", in_quotes(requirement.of)));
    table.finish();
    text.requirements.push_back(std::move(requirement));
  }
}

}  // namespace lpl::spiking
