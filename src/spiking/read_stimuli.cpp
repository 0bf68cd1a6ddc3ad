// [[stimulus]]: Poisson inputs and their rates, spike files, pairings, clamps and currents.
#include "spiking/description_reader.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/random.hpp"

namespace lpl::spiking {
namespace {
const std::vector<std::string> kStimulusTypes = {"poisson", "spikes", "pairing", "clamp", "current"};
}

RateProfile DescriptionReader::read_rate(Table& table, const std::vector<PoissonGroup>& earlier, std::uint32_t object) {
  if (!table.is_table("rate")) {
    const double constant = table.quantity("rate", Dimension::frequency, kNonNegative);
    grid_.check_input_rate(table, "rate", constant);
    return RateProfile::constant(constant);
  }
  Table rate = table.table("rate");
  RateProfile profile;
  if (rate.has("file")) {
    profile = read_rate_file(rate);
  } else if (rate.has("shuffle_of")) {
    const std::string name = rate.text("shuffle_of");
    const auto original =
        std::find_if(earlier.begin(), earlier.end(), [&](const auto& group) { return group.name == name; });
    if (original == earlier.end())
      rate.fail("shuffle_of", fmt::format("there is no earlier group {} to shuffle", in_quotes(name)));
    profile = shuffled(original->profile, object, rate);
  } else {
    profile = slow_signal(rate, object);
  }
  rate.finish();
  return profile;
}

RateProfile DescriptionReader::read_rate_file(Table& table) {
  std::vector<double> times, rates;
  imported(table, "file", [&](const auto& path) {
    for_each_row(path, [&](const TextRow& row) {
      row.expect(2, "time in seconds and rate in Hz");
      if (times.empty() ? row[0] != 0 : !(row[0] > times.back()))
        row.fail(0, fmt::format("the time is {} s{}; times must start at 0 and rise", row[0],
                                times.empty() ? "" : fmt::format(" after {} s", times.back())));
      if (row[1] < 0) row.fail(1, fmt::format("the rate is {} Hz; rates cannot be negative", row[1]));
      if (grid_.is_above_limit(row[1])) row.fail(1, fmt::format("the rate is {} Hz, {}", row[1], grid_.above_limit()));
      times.push_back(row[0]);
      rates.push_back(row[1]);
    });
  });
  if (times.size() > 1 && times.back() < result_.dt)
    table.fail("file", fmt::format("the profile ends, and begins again, at {} s; it must last a step of {} at least",
                                   times.back(), grid_.stated));
  return RateProfile::sampled(std::move(times), rates);
}

RateProfile DescriptionReader::slow_signal(Table& table, std::uint32_t object) {
  table.choice("signal", {"slow"}, "slow");
  const double period = table.quantity("period", Dimension::time, kPositive);
  const double mean = table.quantity("mean", Dimension::frequency, kNonNegative, "5 Hz");
  const double deviation = table.quantity("deviation", Dimension::frequency, kNonNegative, "4 Hz");
  const double floor = table.quantity("floor", Dimension::frequency, kNonNegative, "0.1 Hz");
  const double alpha = table.number("alpha", {1, 100}, 1.1);
  const double interval = table.quantity("interval", Dimension::time, {result_.dt}, "10 ms");
  if (period < 2 * interval)
    table.fail("period", fmt::format("{}; it must hold two samples at least, which lie {} s apart",
                                     table.stated("period"), interval));
  const auto harmonics = table.integer("harmonics", 2, 4096, 128);
  const auto repeats = table.integer("repeats", 1, 1000, 11);
  const double samples = std::floor(static_cast<double>(repeats) * period / interval + 1e-9);
  if (samples < 2 || samples > 1e7)
    table.fail("period", fmt::format("{} repeats of {} s at {} s make {} samples; they must be 2 to 1e7", repeats,
                                     period, interval, samples));
  constexpr double kMostTerms = 1e9;
  if (samples * static_cast<double>(harmonics) > kMostTerms)
    table.fail("harmonics",
               fmt::format("{} harmonics of {} samples are more than {} terms to add", harmonics, samples, kMostTerms));
  Random random(result_.seed, Draw::signal, object, 0);
  std::vector<double> amplitude, shift;
  for (std::int64_t i = 0; i < harmonics; ++i) {
    amplitude.push_back(random.uniform() * std::pow(alpha, -static_cast<double>(i)));
    shift.push_back(random.uniform());
  }
  std::vector<double> signal(static_cast<std::size_t>(samples), 0.0);
  for (std::size_t k = 0; k < signal.size(); ++k)
    for (std::size_t i = 1; i < amplitude.size(); ++i)
      signal[k] += amplitude[i] * std::sin(2 * std::numbers::pi * static_cast<double>(i) *
                                           (static_cast<double>(k) * interval + shift[i]) / period);
  double sum = 0, squares = 0;
  for (const double value : signal) sum += value;
  const double centre = sum / samples;
  for (const double value : signal) squares += (value - centre) * (value - centre);
  const double spread = std::sqrt(squares / samples);
  for (double& value : signal) value = std::max(floor, mean + deviation * (value - centre) / spread);
  const double highest = *std::max_element(signal.begin(), signal.end());
  if (grid_.is_above_limit(highest))
    table.fail("mean", fmt::format("the signal rises to {:.9g} Hz, {}", highest, grid_.above_limit()));
  return RateProfile::regular(interval, std::move(signal));
}

RateProfile DescriptionReader::shuffled(const RateProfile& original, std::uint32_t object, Table& table) {
  std::vector<RateProfile::Interval> intervals = original.intervals();
  if (intervals.size() < 2) table.fail("shuffle_of", "the rate of the group to shuffle has one interval only");
  Random random(result_.seed, Draw::shuffle, object, 0);
  for (std::size_t i = intervals.size(); i > 1; --i)
    std::swap(intervals[i - 1], intervals[random.below(static_cast<std::uint32_t>(i))]);
  if (!original.is_regular()) return RateProfile::of(intervals);
  std::vector<double> rates;
  rates.reserve(intervals.size());
  for (const RateProfile::Interval& interval : intervals) rates.push_back(interval.from);
  return RateProfile::regular(original.intervals().front().length, std::move(rates));
}

void DescriptionReader::read_stimulus(Table& table) {
  const std::string name = read_name(table, "stimulus");
  switch (table.choice("type", kStimulusTypes)) {
    case 0:
      read_poisson(table, name);
      break;
    case 1: {
      SpikingStimulus stimulus{
          .name = name, .size = static_cast<NeuronId>(table.integer("size", 1, kLargestSize)), .spikes = {}};
      const std::string population = table.text("spike_population", "");
      stimulus.spikes = imported(
          table, "file", [&](const auto& path) { return read_spikes(path, population, stimulus.size, result_.dt); });
      table.finish();
      result_.stimuli.push_back(std::move(stimulus));
      break;
    }
    case 2:
      read_pairing(table, name);
      break;
    default:
      device_tables_.push_back(table);
  }
}

void DescriptionReader::read_pairing(Table& table, const std::string& name) {
  SpikingStimulus stimulus{
      .name = name, .size = static_cast<NeuronId>(table.integer("size", 2, 1'000'000)), .spikes = {}};
  const double interval = table.quantity("interval", Dimension::time, kPositive);
  const Step half = grid_.steps(table, "interval", interval);
  const double rate = table.quantity("rate", Dimension::frequency, kPositive);
  grid_.check_input_rate(table, "rate", rate);
  const auto pairings = table.integer("pairings", 1, 100'000);
  const Step first = grid_.read_steps(table, "first", kNonNegative);
  table.finish();
  constexpr std::int64_t kMostSpikes = 100'000'000;
  if (pairings * stimulus.size > kMostSpikes)
    table.fail("pairings",
               fmt::format("{} pairings of {} inputs are more than {} spikes", pairings, stimulus.size, kMostSpikes));
  if (first < half)
    table.fail("first", fmt::format("{}; it cannot be below 'interval', as input 0 fires that much earlier",
                                    table.stated("first")));
  const Step period = pairings > 1 ? period_of(table, rate) : 0;
  std::vector<std::pair<Step, NeuronId>> spikes;
  for (std::int64_t p = 0; p < pairings; ++p)
    for (NeuronId n = 0; n < stimulus.size; ++n) {
      const double offset = interval * (2.0 * n / (stimulus.size - 1) - 1);
      spikes.emplace_back(first + p * period + std::llround(offset / result_.dt), n);
    }
  std::sort(spikes.begin(), spikes.end());
  SpikeTrain train;
  for (const auto& [step, neuron] : spikes) {
    train.step.push_back(step);
    train.neuron.push_back(neuron);
  }
  stimulus.spikes = std::move(train);
  result_.stimuli.push_back(std::move(stimulus));
}

Step DescriptionReader::period_of(Table& table, double rate) const {
  const double count = 1 / (rate * result_.dt);
  const double whole = std::round(count);
  if (whole >= static_cast<double>(kLongestRun) / 100'000)
    table.fail("rate", fmt::format("{}: pairings lie further apart than a run can last", table.stated("rate")));
  if (std::abs(count - whole) > grid_.on_grid(count))
    table.fail("rate", fmt::format("{}: the {:.12g} s between pairings are no multiple of the step dt = {}; near it is "
                                   "\"{:.15g} Hz\"",
                                   table.stated("rate"), 1 / rate, grid_.stated, 1 / (whole * result_.dt)));
  return static_cast<Step>(whole);
}

void DescriptionReader::read_poisson(Table& table, const std::string& name) {
  std::vector<PoissonGroup> groups;
  NeuronId size = 0;
  const auto add = [&](Table& from, const std::string& group_name) {
    PoissonGroup group;
    group.name = group_name;
    group.first = size;
    group.size = static_cast<NeuronId>(from.integer("size", 1, kLargestSize - size));
    group.profile = read_rate(from, groups, hash_name(name + "/" + group_name));
    size += group.size;
    groups.push_back(std::move(group));
  };
  if (table.has("group")) {
    for (Table& group_table : table.tables("group")) {
      const std::string group_name = read_name(group_table, "group");
      add(group_table, group_name);
      group_table.finish();
    }
  } else {
    add(table, name);
  }
  if (size == 0) table.fail("group", "the stimulus has no neurons");
  table.finish();
  result_.stimuli.push_back({.name = name, .size = size, .spikes = std::move(groups)});
}

// A device's values over time: rows of a file, or two lists.
void DescriptionReader::read_series(Table& table, Device& device) {
  const Cell& cell = result_.populations[device.population].cell;
  // Files have no units, so that their currents are judged as membranes are.
  const bool clamp = device.kind == Device::Kind::clamp;
  const double low = clamp ? cell.parameter("E_inh") : -kLargestVoltage, high = clamp ? 0 : kLargestVoltage;
  const auto unlike = [&](double value) {
    const std::string_view hint = std::abs(value) > kLargestVoltage ? "; did you mean mV?" : "";
    return fmt::format("{} V lies outside the {} of {} V to {} V{}", value,
                       clamp ? "range in which V is held," : "plausible range", low, high, hint);
  };
  const auto add = [&](double time, double value) {
    device.times.push_back(time);
    device.values.push_back(value);
  };
  const auto falls = [&](double time) { return !device.times.empty() && !(time > device.times.back()); };
  if (table.has("file")) {
    imported(table, "file", [&](const auto& path) {
      for_each_row(path, [&](const TextRow& row) {
        row.expect(2, "time in seconds and value in V");
        if (row[0] < 0) row.fail(0, fmt::format("the time is {} s; times start at 0", row[0]));
        if (falls(row[0]))
          row.fail(0, fmt::format("the time {} s follows {} s; times must rise", row[0], device.times.back()));
        if (row[1] < low || row[1] > high) row.fail(1, unlike(row[1]));
        add(row[0], row[1]);
      });
    });
    return;
  }
  const std::vector<double> times = table.quantities("times", Dimension::time, kNonNegative);
  const double largest = clamp ? kLargestVoltage : kLargestCurrent;
  const std::vector<double> values = table.quantities("values", Dimension::voltage, {-largest, largest});
  if (times.size() != values.size() || times.empty())
    table.fail("values", fmt::format("there are {} times but {} values", times.size(), values.size()));
  for (std::size_t i = 0; i < times.size(); ++i) {
    if (falls(times[i]))
      table.fail("times", fmt::format("time {} s follows {} s; times must rise", times[i], device.times.back()));
    if (clamp && (values[i] < low || values[i] > high)) table.fail("values", unlike(values[i]));
    add(times[i], values[i]);
  }
}

void DescriptionReader::read_device(Table& table) {
  Device device;
  device.name = table.text("name");
  device.kind = table.choice("type", kStimulusTypes) == 3 ? Device::Kind::clamp : Device::Kind::current;
  device.population = named(table, "to", table.text("to"), result_.populations, "population");
  const Population& target = result_.populations[device.population];
  if (!target.cell.has_membrane()) table.fail("to", "a parrot population has no membrane to act on");
  device.neurons = read_neurons(table, target.size, "all");
  if (device.neurons.size() == target.size) device.neurons.clear();
  read_series(table, device);
  device.start = grid_.read_steps(table, "start", kNonNegative, "0 s");
  device.repeats = table.integer("repeats", 1, 1'000'000'000, 1);
  if (device.repeats > 1) device.every = grid_.read_interval(table, "every");
  table.finish();
  result_.devices.push_back(std::move(device));
}

}  // namespace lpl::spiking
