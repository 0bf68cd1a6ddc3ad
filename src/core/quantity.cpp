#include "core/quantity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/errors.hpp"
#include "core/text.hpp"

namespace lpl {
namespace {

constexpr int kLargestExponent = 96;  // in halves: what a unit may have

struct Named {
  Dimension dimension;
  std::string_view name;
  std::vector<std::string> units;  // SI unit first
};

const std::vector<Named>& named() {
  static const std::vector<Named> list = {
      {Dimension::none, "number", {}},
      {Dimension::time, "time", {"s", "ms", "us", "min", "h"}},
      {Dimension::voltage, "voltage", {"V", "mV"}},
      {Dimension::frequency, "frequency", {"Hz", "kHz"}},
      {Dimension::per_voltage, "inverse voltage", {"1/V", "1/mV"}},
      {Dimension::current, "current", {"A", "nA", "pA"}},
      {Dimension::conductance, "conductance", {"S", "uS", "nS"}},
      {Dimension::capacitance, "capacitance", {"F", "nF", "pF"}},
      {Dimension::resistance, "resistance", {"Ohm", "MOhm", "GOhm"}},
      {Dimension::charge, "charge", {"C", "pC"}},
      {Dimension::energy, "energy", {"J"}},
      {Dimension::length, "length", {"m", "mm", "um"}},
      {Dimension::mass, "mass", {"kg", "g"}},
  };
  return list;
}

const Named* find_named(Dimension dimension) {
  const auto found =
      std::find_if(named().begin(), named().end(), [&](const Named& entry) { return entry.dimension == dimension; });
  return found == named().end() ? nullptr : &*found;
}

// A unit on its way: powers of ten in halves, and powers of 60 for minutes and hours.
struct Scale {
  Dimension dimension;
  int tens = 0, sixties = 0;

  Scale times(const Scale& other, int sign) const {
    return {dimension * other.dimension.power(sign), tens + sign * other.tens, sixties + sign * other.sixties};
  }
  bool fits() const {
    const int exponents[] = {dimension.kg, dimension.m, dimension.s, dimension.A, tens / 6, sixties};
    return std::all_of(std::begin(exponents), std::end(exponents),
                       [](int e) { return std::abs(e) <= kLargestExponent; });
  }
};

struct Symbol {
  std::string_view name;
  Scale scale;
  bool prefixes = true;
};
constexpr Dimension kNewtonMetrePerSecond = Dimension::energy / Dimension::time;
constexpr Symbol kSymbols[] = {
    {"min", {Dimension::time, 0, 2}, false},
    {"h", {Dimension::time, 0, 4}, false},
    {"cm", {Dimension::length, -4, 0}, false},
    {"s", {Dimension::time}},
    {"m", {Dimension::length}},
    {"g", {Dimension::mass, -6, 0}},
    {"A", {Dimension::current}},
    {"V", {Dimension::voltage}},
    {"S", {Dimension::conductance}},
    {"F", {Dimension::capacitance}},
    {"Ohm", {Dimension::resistance}},
    {"Hz", {Dimension::frequency}},
    {"C", {Dimension::charge}},
    {"J", {Dimension::energy}},
    {"W", {kNewtonMetrePerSecond}},
};
struct Prefix {
  char letter;
  int tens;
};
constexpr Prefix kPrefixes[] = {{'f', -30}, {'p', -24}, {'n', -18}, {'u', -12},
                                {'m', -6},  {'k', 6},   {'M', 12},  {'G', 18}};

std::optional<Scale> scale_of(std::string_view name) {
  for (const Symbol& symbol : kSymbols)
    if (symbol.name == name) return symbol.scale;
  for (const Symbol& symbol : kSymbols)
    if (symbol.prefixes && name.size() == symbol.name.size() + 1 && name.ends_with(symbol.name))
      for (const Prefix& prefix : kPrefixes)
        if (prefix.letter == name.front()) return symbol.scale.times({{}, prefix.tens, 0}, 1);
  return {};
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// product := factor {("*" | "/") factor};  factor := ("1" | NAME | "(" product ")" | "sqrt(" product ")") ["^" whole]
class UnitParser {
 public:
  explicit UnitParser(std::string_view text) : rest_(text) {}
  std::optional<Scale> parse() {
    const auto scale = product(0);
    return rest_.empty() ? scale : std::nullopt;
  }

 private:
  static constexpr int kDeepest = 8;

  bool take(std::string_view token) {
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }

  std::optional<Scale> product(int depth) {
    if (depth > kDeepest) return {};
    auto result = factor(depth);
    while (result) {
      const int sign = take("*") ? 1 : take("/") ? -1 : 0;
      if (sign == 0) break;
      const auto next = factor(depth);
      if (!next) return {};
      result = result->times(*next, sign);
      if (!result->fits()) return {};
    }
    return result;
  }

  std::optional<Scale> factor(int depth) {
    auto base = bare(depth);
    if (!base || !take("^")) return base;
    int power = 0;
    const auto [end, failure] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), power);
    if (failure != std::errc{} || std::abs(power) > kLargestExponent) return {};
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    const Scale result{base->dimension.power(power), base->tens * power, base->sixties * power};
    return result.fits() ? std::optional(result) : std::nullopt;
  }

  std::optional<Scale> bare(int depth) {
    if (take("1")) return Scale{};
    const bool root = take("sqrt(");
    if (root || take("(")) {
      const auto inner = product(depth + 1);
      if (!inner || !take(")")) return {};
      return root ? root_of(*inner) : inner;
    }
    const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
    const auto end = std::find_if_not(rest_.begin(), rest_.end(), is_letter);
    const std::string_view name = rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
    rest_.remove_prefix(name.size());
    return scale_of(name);
  }

  static std::optional<Scale> root_of(const Scale& scale) {
    const auto dimension = scale.dimension.root();
    if (!dimension || scale.tens % 2 || scale.sixties % 2) return {};
    return Scale{*dimension, scale.tens / 2, scale.sixties / 2};
  }

  std::string_view rest_;
};

double power_of(double base, int exponent) {
  double result = 1;
  for (int i = 0; i < exponent; ++i) result *= base;
  return result;
}

// The whole and the half part of powers of ten.
double tens_of(int halves) { return power_of(10, halves / 2) * (halves % 2 ? std::sqrt(10.0) : 1); }

struct NumberAndUnit {
  double value;
  std::string_view unit;
};

NumberAndUnit split(std::string_view text, std::string_view what, std::string_view example) {
  const std::string_view body = trimmed(text);
  double value = 0;
  const char* begin = body.data() + (body.starts_with('+') ? 1 : 0);
  const auto [end, failure] = std::from_chars(begin, body.data() + body.size(), value);
  if (failure == std::errc::result_out_of_range)
    throw ConfigError(fmt::format("\"{}\" lies outside what a number can hold, about 2e-308 to 2e308", text));
  if (failure != std::errc{} || !std::isfinite(value))
    throw ConfigError(fmt::format("\"{}\" is not {}; write a finite number{}, such as \"1{}{}\"", text, what,
                                  example.empty() ? "" : " and a unit", example.empty() ? "" : " ", example));
  const std::string_view unit = trimmed({end, static_cast<std::size_t>(body.data() + body.size() - end)});
  if (unit.starts_with(','))
    throw ConfigError(fmt::format("\"{}\" has a decimal comma; write a decimal point, such as \"0.5{}{}\"", text,
                                  example.empty() ? "" : " ", example));
  return {value, unit};
}

// "^3/2" and the like of one base unit; "" where the exponent is 0.
std::string raised(std::string_view unit, int halves) {
  if (halves == 2) return std::string(unit);
  if (halves % 2 == 0) return fmt::format("{}^{}", unit, halves / 2);
  return halves == 1 ? fmt::format("sqrt({})", unit) : fmt::format("sqrt({}^{})", unit, halves);
}

// The product of `first` and powers (in halves) of units.
std::string product_of(std::string first, const std::vector<std::pair<std::string_view, int>>& powers) {
  std::vector<std::string> below;
  for (const auto& [unit, halves] : powers) {
    if (halves > 0) first += (first.empty() ? "" : "*") + raised(unit, halves);
    if (halves < 0) below.push_back(raised(unit, -halves));
  }
  if (first.empty()) first = "1";
  for (const std::string& unit : below) first += "/" + unit;
  return first;
}

}  // namespace

std::optional<Unit> parse_unit(std::string_view text) {
  const auto scale = UnitParser(text).parse();
  if (!scale) return {};
  const int tens = scale->tens, sixties = scale->sixties / 2;
  if (scale->sixties % 2) return {};
  return Unit{scale->dimension, tens_of(std::max(tens, 0)) * power_of(60, std::max(sixties, 0)),
              tens_of(std::max(-tens, 0)) * power_of(60, std::max(-sixties, 0))};
}

std::string unit_of(Dimension dimension) {
  if (dimension == Dimension::none) return "1";
  if (const Named* entry = find_named(dimension)) return entry->units.front();
  const auto with_time = [&](Dimension base, const std::string& unit) -> std::string {
    const Dimension rest = dimension / base;
    if (rest != Dimension{.s = rest.s}) return {};
    return product_of(unit, {{"s", rest.s}});
  };
  if (std::string text = with_time(Dimension::none, ""); !text.empty()) return text;
  for (const Named& entry : named()) {
    if (entry.units.empty()) continue;
    const std::string& unit = entry.units.front();
    if (std::string text = with_time(entry.dimension, unit); !text.empty()) return text;
    if (std::string text = with_time(entry.dimension.power(2), raised(unit, 4)); !text.empty()) return text;
  }
  return product_of("", {{"kg", dimension.kg}, {"m", dimension.m}, {"s", dimension.s}, {"A", dimension.A}});
}

std::vector<std::string> units_of(Dimension dimension) {
  const Named* entry = find_named(dimension);
  return entry ? entry->units : std::vector<std::string>{unit_of(dimension)};
}

std::string name_of(Dimension dimension) {
  const Named* entry = find_named(dimension);
  return entry ? std::string(entry->name) : "quantity in " + unit_of(dimension);
}

std::string a_name_of(Dimension dimension) {
  const std::string name = name_of(dimension);
  return (std::string_view("aeio").find(name.front()) == std::string_view::npos ? "a " : "an ") + name;
}

Quantity parse_quantity(std::string_view text) {
  const auto [value, name] = split(text, "a quantity", "mV");
  if (name.empty()) return {value, Dimension::none};
  const auto unit = parse_unit(name);
  if (!unit)
    throw ConfigError(
        fmt::format("\"{}\" has the unknown unit '{}'; units are products of s, m, g, A, V, S, F, Ohm, Hz, "
                    "C, J and W with prefixes, such as \"mV/ms\"",
                    text, name));
  return {unit->to_si(value), unit->dimension};
}

double parse_quantity(std::string_view text, Dimension dimension) {
  const std::vector<std::string> usual = units_of(dimension);
  const auto [value, name] = split(text, a_name_of(dimension), usual.empty() ? "" : usual.front());
  const auto unit = name.empty() ? std::optional<Unit>(Unit{}) : parse_unit(name);
  if (unit && unit->dimension == dimension) return unit->to_si(value);
  throw ConfigError(fmt::format("\"{}\" has {}; {} takes {}", text,
                                name.empty() ? "no unit" : fmt::format("the unit '{}'", name), a_name_of(dimension),
                                usual.empty() ? "no unit" : join_or(usual)));
}

}  // namespace lpl
