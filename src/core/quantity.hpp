// Quantities with units: "20 ms", "-70 mV", "10 Hz". Inside the code everything is SI.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lpl {

enum class Dimension { time, voltage, frequency, per_voltage };

// The SI value of `text`. Throws ConfigError naming the units that the dimension allows.
double parse_quantity(std::string_view text, Dimension dimension);

// The units of a dimension, SI unit first.
std::vector<std::string> units_of(Dimension dimension);

std::string_view name_of(Dimension dimension);

}  // namespace lpl
