#include "spiking/grid.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "core/float_decay.hpp"

namespace lpl::spiking {

double Grid::on_grid(double steps) { return 1e-6 + 4 * std::numeric_limits<double>::epsilon() * steps; }

Step Grid::steps(Table& table, std::string_view key, double seconds) const {
  const double count = seconds / dt, whole = std::round(count);
  if (!(whole <= static_cast<double>(kLongestRun)))
    table.fail(key, fmt::format("{}, which is more than {} steps of dt = {}, the longest run", table.stated(key),
                                kLongestRun, stated));
  if (std::abs(count - whole) > on_grid(count)) {
    const auto milliseconds = [&](double steps) { return fmt::format("\"{:.12g} ms\"", steps * dt * 1e3); };
    table.fail(key, fmt::format("{}, which is no multiple of the step dt = {}; write a multiple, such as {} = {}",
                                table.stated(key), stated, key, milliseconds(std::max(1.0, whole))));
  }
  return static_cast<Step>(whole);
}

Step Grid::read_steps(Table& table, std::string_view key, Bounds bounds, std::optional<std::string> fallback) const {
  return steps(table, key, table.quantity(key, Dimension::time, bounds, std::move(fallback)));
}

Step Grid::read_delay(Table& table, std::string_view key, std::optional<std::string> fallback) const {
  const Step delay = read_steps(table, key, kPositive, std::move(fallback));
  if (delay < 1 || delay > kLongestDelay)
    table.fail(key,
               fmt::format("{}, which is {} steps; it must be from 1 to {}", table.stated(key), delay, kLongestDelay));
  return delay;
}

std::string Grid::default_delay() const {
  return min_delay == 0 ? fmt::format("{} ms", kUsualDelay * 1e3)
                        : fmt::format("{} s", static_cast<double>(min_delay) * dt);
}

Step Grid::read_interval(Table& table, std::string_view key) const {
  const Step interval = read_steps(table, key, kPositive);
  if (interval < 1) table.fail(key, fmt::format("{}, which is shorter than one step", table.stated(key)));
  return interval;
}

double read_voltage(Table& table, std::string_view key, Bounds bounds, std::optional<std::string> fallback) {
  const double value = table.quantity(key, Dimension::voltage, kAny, std::move(fallback));
  if (value < bounds.low || value > bounds.high)
    table.fail(key, fmt::format("{}; it must lie from {} V to {} V{}", table.stated(key), bounds.low, bounds.high,
                                std::abs(value) > kLargestVoltage ? "; did you mean mV?" : ""));
  return value;
}

double Grid::read_decay(Table& table, std::string_view key, double shortest, std::string fallback) const {
  const double tau =
      table.quantity(key, Dimension::time, {shortest, Bounds{}.high, shortest == 0}, std::move(fallback));
  check_decay(table, key, tau, dt);
  return tau;
}

void Grid::check_decay(Table& table, std::string_view key, double tau, double interval) const {
  if (!float_decays(interval, tau))
    table.fail(key, fmt::format("{}; at this dt the longest time constant that float32 can follow is {:.6g} s",
                                table.stated(key), interval * kLongestFloatDecay));
}

bool Grid::is_above_limit(double rate) const {
  constexpr double kRounding = 1e-9;
  return rate * dt > 1 + kRounding;
}

std::string Grid::above_limit() const {
  return fmt::format(
      "above 1/dt = {:.9g} Hz: an input spikes at most once in a step; share the rate among more inputs, or "
      "take a smaller dt",
      1 / dt);
}

void Grid::check_input_rate(Table& table, std::string_view key, double rate) const {
  if (is_above_limit(rate)) table.fail(key, fmt::format("{}, {}", table.stated(key), above_limit()));
}

void Grid::check_neuron_rate(Table& table, std::string_view key, double rate) const {
  if (is_above_limit(rate))
    table.fail(key, fmt::format("{}, above 1/dt = {:.9g} Hz: a neuron spikes at most once in a step", table.stated(key),
                                1 / dt));
}

}  // namespace lpl::spiking
