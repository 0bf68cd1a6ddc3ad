// Quantities with units: "20 ms", "-70 mV", "3 nS/ms^2". Inside the code everything is SI.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lpl {

// Exponents of the SI base units, held in halves: white noise has the unit 1/sqrt(s).
struct Dimension {
  int kg = 0, m = 0, s = 0, A = 0;

  constexpr bool operator==(const Dimension&) const = default;
  friend constexpr Dimension operator*(Dimension a, Dimension b) {
    return {a.kg + b.kg, a.m + b.m, a.s + b.s, a.A + b.A};
  }
  friend constexpr Dimension operator/(Dimension a, Dimension b) {
    return {a.kg - b.kg, a.m - b.m, a.s - b.s, a.A - b.A};
  }
  constexpr Dimension power(int n) const { return {kg * n, m * n, s * n, A * n}; }
  // Nothing where an exponent would be no half.
  constexpr std::optional<Dimension> root() const {
    if (kg % 2 || m % 2 || s % 2 || A % 2) return {};
    return Dimension{kg / 2, m / 2, s / 2, A / 2};
  }

  static const Dimension none, time, length, mass, current, frequency, charge, energy, voltage, per_voltage,
      conductance, resistance, capacitance;
};

inline constexpr Dimension Dimension::none{};
inline constexpr Dimension Dimension::mass{2, 0, 0, 0};
inline constexpr Dimension Dimension::length{0, 2, 0, 0};
inline constexpr Dimension Dimension::time{0, 0, 2, 0};
inline constexpr Dimension Dimension::current{0, 0, 0, 2};
inline constexpr Dimension Dimension::frequency = Dimension::none / Dimension::time;
inline constexpr Dimension Dimension::charge = Dimension::current * Dimension::time;
inline constexpr Dimension Dimension::energy = Dimension::mass * Dimension::length.power(2) / Dimension::time.power(2);
inline constexpr Dimension Dimension::voltage = Dimension::energy / Dimension::charge;
inline constexpr Dimension Dimension::per_voltage = Dimension::none / Dimension::voltage;
inline constexpr Dimension Dimension::conductance = Dimension::current / Dimension::voltage;
inline constexpr Dimension Dimension::resistance = Dimension::voltage / Dimension::current;
inline constexpr Dimension Dimension::capacitance = Dimension::charge / Dimension::voltage;

// A number of this unit is `value * multiply / divide` in SI. Both are whole where they can be, so "0.1 ms" is the
// double nearest to 1e-4.
struct Unit {
  Dimension dimension;
  double multiply = 1, divide = 1;
  double to_si(double value) const { return value * multiply / divide; }
};

// "mV", "nS/ms^2", "1/sqrt(ms)", "pA*ms", "uF/cm^2"; nothing where `text` is none. Prefixes f p n u m k M G.
std::optional<Unit> parse_unit(std::string_view text);

struct Quantity {
  double value;  // SI
  Dimension dimension;
};

// A number with its unit, or without one. Throws ConfigError.
Quantity parse_quantity(std::string_view text);

// The SI value of `text`. Throws ConfigError naming the units that the dimension allows.
double parse_quantity(std::string_view text, Dimension dimension);

// The SI unit, for files and messages: "V", "S/s", "1/sqrt(s)"; "1" for a number.
std::string unit_of(Dimension dimension);

// The units that are usual for a dimension, SI unit first; none for a number.
std::vector<std::string> units_of(Dimension dimension);

// "time", "voltage"; "quantity in V/s" where there is no word.
std::string name_of(Dimension dimension);
// The same with its article.
std::string a_name_of(Dimension dimension);

}  // namespace lpl
