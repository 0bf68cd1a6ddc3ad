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
  if (!table.is_table("rate")) return RateProfile::constant(table.quantity("rate", Dimension::frequency, kNonNegative));
  Table rate = table.table("rate");
  RateProfile profile;
  if (rate.has("file")) {
    std::vector<double> times, rates;
    for (const auto& row : imported(rate, "file", [](const auto& path) { return read_columns(path, 2); })) {
      if ((times.empty() && row[0] != 0) || (!times.empty() && !(row[0] > times.back())))
        rate.fail("file", fmt::format("time {} s: times must start at 0 and rise", row[0]));
      if (row[1] < 0)
        rate.fail("file", fmt::format("the rate at {} s is {} Hz; rates cannot be negative", row[0], row[1]));
      times.push_back(row[0]);
      rates.push_back(row[1]);
    }
    profile = RateProfile::sampled(std::move(times), std::move(rates));
  } else if (rate.has("shuffle_of")) {
    const std::string name = rate.text("shuffle_of");
    const auto original =
        std::find_if(earlier.begin(), earlier.end(), [&](const auto& group) { return group.name == name; });
    if (original == earlier.end())
      rate.fail("shuffle_of", fmt::format("there is no earlier group '{}' to shuffle", name));
    profile = shuffled(original->profile, object, rate);
  } else {
    profile = slow_signal(rate, object);
  }
  rate.finish();
  return profile;
}

RateProfile DescriptionReader::slow_signal(Table& table, std::uint32_t object) {
  table.choice("signal", {"slow"}, "slow");
  const double period = table.quantity("period", Dimension::time, kPositive);
  const double mean = table.quantity("mean", Dimension::frequency, kNonNegative, "5 Hz");
  const double deviation = table.quantity("deviation", Dimension::frequency, kNonNegative, "4 Hz");
  const double floor = table.quantity("floor", Dimension::frequency, kNonNegative, "0.1 Hz");
  const double alpha = table.number("alpha", {1, 100}, 1.1);
  const auto harmonics = table.integer("harmonics", 2, 4096, 128);
  const auto repeats = table.integer("repeats", 1, 1000, 11);
  const double interval = table.quantity("interval", Dimension::time, kPositive, "10 ms");
  const double samples = std::floor(static_cast<double>(repeats) * period / interval + 1e-9);
  if (samples < 2 || samples > 1e7)
    table.fail("period", fmt::format("{} repeats of {} s at {} s make {} samples; they must be 2 to 1e7", repeats,
                                     period, interval, samples));
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
  return RateProfile::regular(interval, std::move(signal));
}

RateProfile DescriptionReader::shuffled(const RateProfile& original, std::uint32_t object, Table& table) {
  std::vector<double> times = original.times(), rates = original.rates();
  rates.pop_back();
  if (rates.size() < 2) table.fail("shuffle_of", "the group to shuffle has a constant rate");
  Random random(result_.seed, Draw::shuffle, object, 0);
  for (std::size_t i = rates.size(); i > 1; --i)
    std::swap(rates[i - 1], rates[random.below(static_cast<std::uint32_t>(i))]);
  return RateProfile::regular(times[1] - times[0], std::move(rates));
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
  const double rate = table.quantity("rate", Dimension::frequency, kPositive);
  const auto pairings = table.integer("pairings", 1, 100'000);
  const double first = table.quantity("first", Dimension::time, kNonNegative);
  table.finish();
  if (first < interval)
    table.fail("first", fmt::format("'first' is {} s; it cannot be below the interval of {} s", first, interval));
  std::vector<std::pair<Step, NeuronId>> spikes;
  for (std::int64_t p = 0; p < pairings; ++p)
    for (NeuronId n = 0; n < stimulus.size; ++n) {
      const double offset = interval * (2.0 * n / (stimulus.size - 1) - 1);
      spikes.emplace_back(std::llround((first + static_cast<double>(p) / rate + offset) / result_.dt), n);
    }
  std::sort(spikes.begin(), spikes.end());
  spikes.erase(std::unique(spikes.begin(), spikes.end()), spikes.end());
  SpikeTrain train;
  for (const auto& [step, neuron] : spikes) {
    train.step.push_back(step);
    train.neuron.push_back(neuron);
  }
  stimulus.spikes = std::move(train);
  result_.stimuli.push_back(std::move(stimulus));
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

void DescriptionReader::read_device(Table& table) {
  Device device;
  device.name = table.text("name");
  device.kind = table.choice("type", kStimulusTypes) == 3 ? Device::Kind::clamp : Device::Kind::current;
  device.population = named(table, "to", table.text("to"), result_.populations, "population");
  const Population& target = result_.populations[device.population];
  if (target.cell.model == CellModel::parrot) table.fail("to", "a parrot population has no membrane to act on");
  for (const auto neuron : table.integers("neurons", 0, target.size - 1, std::vector<std::int64_t>{}))
    device.neurons.push_back(static_cast<NeuronId>(neuron));
  if (table.has("file")) {
    for (const auto& row : imported(table, "file", [](const auto& path) { return read_columns(path, 2); })) {
      device.times.push_back(row[0]);
      device.values.push_back(row[1]);
    }
  } else {
    device.times = table.quantities("times", Dimension::time, kNonNegative);
    device.values = table.quantities("values", Dimension::voltage, kAny);
    if (device.times.size() != device.values.size() || device.times.empty())
      table.fail("values", fmt::format("there are {} times but {} values", device.times.size(), device.values.size()));
  }
  for (std::size_t i = 1; i < device.times.size(); ++i)
    if (!(device.times[i] > device.times[i - 1]))
      table.fail("file", fmt::format("time {} s follows {} s; times must rise", device.times[i], device.times[i - 1]));
  device.start = steps(table, "start", table.quantity("start", Dimension::time, kNonNegative, "0 s"));
  device.repeats = table.integer("repeats", 1, 1'000'000'000, 1);
  if (device.repeats > 1) device.every = read_interval(table);
  table.finish();
  result_.devices.push_back(std::move(device));
}

}  // namespace lpl::spiking
