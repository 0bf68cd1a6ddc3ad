#include "core/quantity.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "core/errors.hpp"
#include "core/text.hpp"

namespace lpl {
namespace {

// A unit is a power of ten or a multiple of seconds; dividing by an exact integer where the factor is
// below one makes "0.1 ms" the double nearest to 1e-4.
struct Unit {
  std::string_view name;
  Dimension dimension;
  double multiply;
  double divide;
};

constexpr Unit kUnits[] = {
    {"s", Dimension::time, 1, 1},
    {"ms", Dimension::time, 1, 1e3},
    {"us", Dimension::time, 1, 1e6},
    {"min", Dimension::time, 60, 1},
    {"h", Dimension::time, 3600, 1},
    {"V", Dimension::voltage, 1, 1},
    {"mV", Dimension::voltage, 1, 1e3},
    {"Hz", Dimension::frequency, 1, 1},
    {"kHz", Dimension::frequency, 1e3, 1},
    {"1/V", Dimension::per_voltage, 1, 1},
    {"1/mV", Dimension::per_voltage, 1e3, 1},
};

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

std::vector<std::string> units_of(Dimension dimension) {
  std::vector<std::string> names;
  for (const Unit& unit : kUnits)
    if (unit.dimension == dimension) names.emplace_back(unit.name);
  return names;
}

std::string_view name_of(Dimension dimension) {
  switch (dimension) {
    case Dimension::time:
      return "time";
    case Dimension::voltage:
      return "voltage";
    case Dimension::frequency:
      return "frequency";
    case Dimension::per_voltage:
      return "inverse voltage";
  }
  return "quantity";
}

double parse_quantity(std::string_view text, Dimension dimension) {
  const std::string_view body = trimmed(text);
  double value = 0;
  const char* begin = body.data() + (body.starts_with('+') ? 1 : 0);
  const auto [end, failure] = std::from_chars(begin, body.data() + body.size(), value);
  if (failure == std::errc::result_out_of_range)
    throw ConfigError(fmt::format("\"{}\" lies outside what a number can hold, about 2e-308 to 2e308", text));
  if (failure != std::errc{} || !std::isfinite(value))
    throw ConfigError(fmt::format("\"{}\" is not a {}; write a finite number and a unit, such as \"1 {}\"", text,
                                  name_of(dimension), units_of(dimension).front()));
  const std::string_view unit_name = trimmed({end, static_cast<std::size_t>(body.data() + body.size() - end)});
  if (unit_name.starts_with(','))
    throw ConfigError(fmt::format("\"{}\" has a decimal comma; write a decimal point, such as \"0.5 {}\"", text,
                                  units_of(dimension).front()));
  for (const Unit& unit : kUnits)
    if (unit.name == unit_name && unit.dimension == dimension) return value * unit.multiply / unit.divide;
  throw ConfigError(fmt::format("\"{}\" has {}; a {} takes {}", text,
                                unit_name.empty() ? "no unit" : fmt::format("the unit '{}'", unit_name),
                                name_of(dimension), join_or(units_of(dimension))));
}

}  // namespace lpl
