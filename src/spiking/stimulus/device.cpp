#include "spiking/stimulus/device.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "io/import.hpp"
#include "spiking/model/equations.hpp"
#include "spiking/neurons.hpp"
#include "spiking/reading.hpp"

namespace lpl::spiking {
namespace {

class SeriesActor final : public Actor {
 public:
  SeriesActor(const SeriesDevice& device, double dt, Neurons& target)
      : device_(device), dt_(dt), target_(target), cells_(target.cells_of(device.neurons)) {}
  void act(Step from, Step to) override {
    device_.for_each_part(from, to, [&](Step begin, Step end) {
      for (Step step = begin; step < end; ++step)
        if (const auto value = device_.value(step, dt_))
          device_.apply(target_, cells_, static_cast<std::size_t>(step - from) * kBlock, static_cast<float>(*value));
    });
  }

 private:
  const SeriesDevice& device_;
  double dt_;
  Neurons& target_;
  std::vector<std::uint32_t> cells_;
};

}  // namespace

std::unique_ptr<Actor> SeriesDevice::make(double dt, std::uint64_t /*seed*/, Neurons& target) const {
  return std::make_unique<SeriesActor>(*this, dt, target);
}

std::optional<double> SeriesDevice::value(Step step, double dt) const {
  Step since = step - span.begin;
  if (since < 0) return {};
  if (repeats > 1) since -= std::min(since / every, repeats - 1) * every;
  const double time = static_cast<double>(since) * dt;
  if (time < times.front() || time > times.back()) return {};
  const auto after = std::upper_bound(times.begin(), times.end(), time);
  const auto i = static_cast<std::size_t>(after - times.begin());
  if (i == times.size()) return values.back();
  const double fraction = (time - times[i - 1]) / (times[i] - times[i - 1]);
  return values[i - 1] + fraction * (values[i] - values[i - 1]);
}

bool SeriesDevice::acts_in(const StepRange& window, double dt) const {
  const auto step_of = [&](double time, std::int64_t repeat) {
    return span.begin + repeat * every + static_cast<Step>(std::ceil(time / dt - 1e-6));
  };
  const std::int64_t now =
      repeats > 1 ? std::clamp<std::int64_t>((window.begin - span.begin) / every, 0, repeats - 1) : 0;
  for (std::int64_t repeat = now; repeat < std::min(now + 2, repeats); ++repeat)
    if (step_of(times.front(), repeat) < window.end && step_of(times.back(), repeat) >= window.begin) return true;
  return false;
}

void SeriesDevice::warn(const Grid& grid, Step end, const std::function<void(const std::string&)>& say) const {
  const auto seconds = [&](Step step) { return static_cast<double>(step) * grid.dt; };
  const double begin = seconds(span.begin) + times.front();
  if (begin >= seconds(end))
    say(fmt::format("begins at {} s, after the end of the run at {} s", begin, seconds(end)));
  else if (std::ranges::none_of(windows, [&](const StepRange& window) {
             return acts_in({window.begin, std::min(window.end, end)}, grid.dt);
           }))
    say(fmt::format("never acts: its series, from {:.12g} s on, lies outside of its phases", begin));
  if (repeats > 1 && times.back() > seconds(every) * (1 + 1e-9))
    say(fmt::format("repeats begin every {} s, so that of the series, which lasts {} s, the rest is cut off",
                    seconds(every), times.back()));
}

const Population& read_target(const StimulusReading& reading, Device& device) {
  Table& table = reading.table;
  device.population = named(table, "to", table.text("to"), reading.populations, "population");
  const Population& target = reading.populations[device.population];
  device.neurons = read_neurons(table, target.size, "all");
  return target;
}

std::size_t read_input(Table& table, const Population& target) {
  const std::vector<InputText>& inputs = target.cell.text->inputs;
  if (inputs.empty())
    table.fail("to", fmt::format("the model '{}' of '{}' has no input for currents", target.cell.model, target.name));
  return table.has("input") ? named(table, "input", table.text("input"), inputs, "input of the model") : 0;
}

namespace {

// Rows of a file, or two lists.
void read_points(Table& table, SeriesDevice& device, const SeriesBounds& bounds) {
  const auto unlike = [&](double value) {
    const bool milli = bounds.dimension == Dimension::voltage && std::abs(value) > kLargestVoltage;
    const std::string unit = unit_of(bounds.dimension);
    return fmt::format("{0} {4} lies outside the {1} of {2} {4} to {3} {4}{5}", value, bounds.range, bounds.low,
                       bounds.high, unit, milli ? "; did you mean mV?" : "");
  };
  const auto add = [&](double time, double value) {
    device.times.push_back(time);
    device.values.push_back(value);
  };
  const auto falls = [&](double time) { return !device.times.empty() && !(time > device.times.back()); };
  if (table.has("file")) {
    imported(table, "file", [&](const auto& path) {
      for_each_row(path, [&](const TextRow& row) {
        row.expect(2, fmt::format("time in seconds and value in {}", unit_of(bounds.dimension)));
        if (row[0] < 0) row.fail(0, fmt::format("the time is {} s; times start at 0", row[0]));
        if (falls(row[0]))
          row.fail(0, fmt::format("the time {} s follows {} s; times must rise", row[0], device.times.back()));
        if (row[1] < bounds.low || row[1] > bounds.high) row.fail(1, unlike(row[1]));
        add(row[0], row[1]);
      });
    });
    return;
  }
  const std::vector<double> times = table.quantities("times", Dimension::time, kNonNegative);
  const std::vector<double> values = table.quantities("values", bounds.dimension, {-bounds.largest, bounds.largest});
  if (times.size() != values.size() || times.empty())
    table.fail("values", fmt::format("there are {} times but {} values", times.size(), values.size()));
  for (std::size_t i = 0; i < times.size(); ++i) {
    if (falls(times[i]))
      table.fail("times", fmt::format("time {} s follows {} s; times must rise", times[i], device.times.back()));
    if (bounds.of_lists && (values[i] < bounds.low || values[i] > bounds.high)) table.fail("values", unlike(values[i]));
    add(times[i], values[i]);
  }
}

}  // namespace

void read_series(const StimulusReading& reading, SeriesDevice& device, const SeriesBounds& bounds) {
  Table& table = reading.table;
  read_points(table, device, bounds);
  device.span.begin = reading.grid.read_steps(table, "start", kNonNegative, "0 s");
  device.repeats = table.integer("repeats", 1, 1'000'000'000, 1);
  if (device.repeats > 1) device.every = reading.grid.read_interval(table, "every");
}

}  // namespace lpl::spiking
