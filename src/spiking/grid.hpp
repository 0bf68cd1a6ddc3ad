// What times, rates and voltages of a description must fit: the steps of dt, and float32.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "config/table.hpp"
#include "core/types.hpp"

namespace lpl::spiking {

inline constexpr Step kLongestDelay = 100000;      // steps
inline constexpr double kUsualDelay = 0.8e-3;      // [s]
inline constexpr Step kLongestDrawnDelay = 65535;  // of delays by synapse
// Of membranes, and of what a current would add at rest; more is meant to be millivolts.
inline constexpr double kLargestVoltage = 1, kLargestCurrent = 10;  // [V]
inline constexpr Bounds kMembrane{-kLargestVoltage, kLargestVoltage};
inline constexpr Bounds kDeviation{0, kLargestVoltage};

struct Grid {
  double dt = 0;       // [s]
  std::string stated;  // dt as the description has it
  Step min_delay = 0;  // as promised; 0: not

  // How far from a whole number a number of steps may be, as far as a double can tell.
  static double on_grid(double steps);
  // `seconds`, which were read under `key`, as a whole number of steps; fails there where they are none.
  Step steps(Table& table, std::string_view key, double seconds) const;
  Step read_steps(Table& table, std::string_view key, Bounds bounds, std::optional<std::string> fallback = {}) const;
  // From 1 to kLongestDelay.
  Step read_delay(Table& table, std::string_view key, std::optional<std::string> fallback = {}) const;
  // The default of delays and of how late the LPL rule reads potentials.
  std::string default_delay() const;
  // At least one step.
  Step read_interval(Table& table, std::string_view key) const;
  // A time constant of a decay that float32 can follow in intervals of `interval` seconds.
  double read_decay(Table& table, std::string_view key, double shortest, std::string fallback) const;
  void check_decay(Table& table, std::string_view key, double tau, double interval) const;
  // Fails where an input, or a neuron, cannot fire at `rate`.
  void check_input_rate(Table& table, std::string_view key, double rate) const;
  void check_neuron_rate(Table& table, std::string_view key, double rate) const;
  bool is_above_limit(double rate) const;
  std::string above_limit() const;
};

// A voltage within bounds of a plausible size.
double read_voltage(Table& table, std::string_view key, Bounds bounds, std::optional<std::string> fallback = {});

}  // namespace lpl::spiking
