#include "spiking/description.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <map>
#include <numbers>
#include <set>

#include "config/table.hpp"
#include "core/errors.hpp"
#include "core/random.hpp"
#include "core/text.hpp"
#include "core/version.hpp"

namespace lpl {
namespace {

namespace fs = std::filesystem;

constexpr NeuronId kLargestSize = 1u << 30;
constexpr std::int64_t kLongestDelay = 100000;  // steps
const std::vector<std::string> kStimulusTypes = {"poisson", "spikes", "pairing", "clamp", "current"};

// Reads the file that `key` names; the importer's error gets the position of the key.
template <class Read>
auto imported(Table& table, std::string_view key, Read&& read) {
  const std::string path = table.file(key);
  try {
    return read(path);
  } catch (const ConfigError& error) {
    table.fail(key, error.what());
  }
}

class Reader {
 public:
  explicit Reader(Document document) : document_(std::move(document)) {}

  SimulationDescription read() {
    Table root = document_.root();
    read_simulation_table(root);
    for (Table& table : root.tables("population")) read_population(table, root);
    for (Table& table : root.tables("stimulus")) read_stimulus(table);
    list_sources();
    for (std::size_t i = 0; i < device_tables_.size(); ++i) read_device(device_tables_[i]);
    for (Table& table : root.tables("connection")) read_connection(table, root);
    for (Table& table : root.tables("phase")) read_phase(table);
    if (result_.phases.empty()) root.fail("phase", "no [[phase]] is given; a run needs at least one with a duration");
    for (Table& table : root.tables("record")) read_record(table);
    for (const char* section : {"cell", "rule"})
      if (root.has(section)) finish_section(root.table(section), section);
    root.finish();
    result_.canonical_text = document_.canonical_text();
    return std::move(result_);
  }

 private:
  Step steps(Table& table, std::string_view key, double seconds) {
    const double count = seconds / result_.dt;
    const double rounded = std::round(count);
    if (std::abs(count - rounded) > 1e-6 * std::max(1.0, rounded) || rounded > 9e15)
      table.fail(key,
                 fmt::format("'{}' is {} s, which is no multiple of the step dt = {} s", key, seconds, result_.dt));
    return static_cast<Step>(rounded);
  }

  std::string read_name(Table& table, const std::string& kind, std::optional<std::string> fallback = {}) {
    const std::string name = table.text("name", std::move(fallback));
    if (name.empty() || name.find_first_of("/. \t\n") != std::string::npos || name.size() > 100)
      table.fail("name", fmt::format("the name \"{}\" must be 1 to 100 characters without blanks, '.' and '/'", name));
    table.rename(fmt::format("{} '{}'", kind, name));
    auto& taken = names_[kind == "population" || kind == "stimulus" ? "source" : kind];
    if (std::find(taken.begin(), taken.end(), name) != taken.end())
      table.fail("name", fmt::format("the name '{}' is taken; give another 'name'", name));
    taken.push_back(name);
    return name;
  }

  void read_simulation_table(Table& root) {
    Table table = root.table("simulation");
    table.rename("simulation");
    result_.dt = table.quantity("dt", Dimension::time, {1e-6, 1e-2}, "0.1 ms");
    result_.min_delay = steps(table, "min_delay", table.quantity("min_delay", Dimension::time, kPositive, "0.8 ms"));
    if (result_.min_delay < 1 || result_.min_delay > kLongestDelay)
      table.fail("min_delay",
                 fmt::format("'min_delay' is {} steps; it must be from 1 to {}", result_.min_delay, kLongestDelay));
    result_.plasticity_block = table.integer("plasticity_block", 1, 1 << 20, 256);
    const auto seed = table.integer("seed", 0, std::numeric_limits<std::int64_t>::max(), 1);
    result_.seed = static_cast<std::uint64_t>(seed);
    table.finish();
  }

  // A cell or rule: the table [section.name] that a description holds or that was embedded from models/.
  Table section_entry(Table& user, std::string_view key, Table& root, const std::string& section,
                      const std::string& name) {
    if (!root.is_table(section)) user.fail(key, fmt::format("there is no {} '{}'", section, name));
    Table outer = root.table(section);
    if (!outer.is_table(name)) user.fail(key, fmt::format("there is no {} '{}'", section, name));
    used_[section].push_back(name);
    Table entry = outer.table(name);
    entry.rename(fmt::format("{} '{}'", section, name));
    return entry;
  }

  // Entries of [cell] and [rule] that nothing refers to are mistakes.
  void finish_section(Table table, const std::string& section) {
    table.rename(section);
    for (const std::string& name : used_[section]) table.has(name);
    table.finish();
  }

  Cell read_cell(Table table) {
    Cell cell;
    cell.model = static_cast<CellModel>(table.choice("model", {"if", "aif", "lif", "parrot"}));
    if (cell.model != CellModel::parrot) {
      const bool lif = cell.model == CellModel::leaky_integrate_and_fire;
      cell.E_leak = table.quantity("E_leak", Dimension::voltage, kAny, lif ? "-60 mV" : "-70 mV");
      cell.E_inh = table.quantity("E_inh", Dimension::voltage, {-1, 0}, "-80 mV");
      cell.threshold = table.quantity("threshold", Dimension::voltage, kAny, "-50 mV");
      cell.tau_membrane = table.quantity("tau_membrane", Dimension::time, {result_.dt, 1e3}, "20 ms");
      cell.tau_ampa = table.quantity("tau_ampa", Dimension::time, kPositive, "5 ms");
      cell.tau_gaba = table.quantity("tau_gaba", Dimension::time, kPositive, "10 ms");
      if (lif) {
        cell.refractory = table.quantity("refractory", Dimension::time, kNonNegative, "5 ms");
        cell.drive = table.quantity("drive", Dimension::voltage, kAny, "0 mV");
      } else {
        cell.threshold_jump = table.quantity("threshold_jump", Dimension::voltage, kNonNegative, "100 mV");
        cell.tau_threshold = table.quantity("tau_threshold", Dimension::time, kPositive, "5 ms");
        cell.tau_nmda = table.quantity("tau_nmda", Dimension::time, kPositive, "100 ms");
        cell.ampa_nmda_ratio = table.number("ampa_nmda_ratio", kPositive, 1.0);
      }
      if (cell.model == CellModel::adaptive_integrate_and_fire) {
        cell.tau_adaptation = table.quantity("tau_adaptation", Dimension::time, kPositive, "100 ms");
        cell.adaptation_jump = table.number("adaptation_jump", kNonNegative, 1.0);
      }
      if (cell.E_inh > cell.E_leak) table.fail("E_inh", "'E_inh' lies above 'E_leak'; V is held in [E_inh, 0]");
    }
    table.finish();
    return cell;
  }

  void read_population(Table& table, Table& root) {
    Population population;
    population.name = read_name(table, "population");
    population.size = static_cast<NeuronId>(table.integer("size", 1, kLargestSize));
    const std::string cell = table.text("cell");
    population.cell = read_cell(section_entry(table, "cell", root, "cell", cell));
    population.initial_membrane.mean = population.cell.E_leak;
    if (table.is_table("initial_membrane")) {
      Table initial = table.table("initial_membrane");
      if (initial.has("file")) {
        for (const auto& row : imported(initial, "file", [](const auto& path) { return read_columns(path, 1); }))
          population.initial_membrane.values.push_back(row[0]);
        if (population.initial_membrane.values.size() != population.size)
          initial.fail("file", fmt::format("holds {} values for {} neurons", population.initial_membrane.values.size(),
                                           population.size));
      } else {
        population.initial_membrane.mean = initial.quantity("mean", Dimension::voltage, kAny);
        population.initial_membrane.deviation = initial.quantity("deviation", Dimension::voltage, kNonNegative);
      }
      initial.finish();
    } else if (table.has("initial_membrane")) {
      population.initial_membrane.mean = table.quantity("initial_membrane", Dimension::voltage, kAny);
    }
    table.finish();
    result_.populations.push_back(std::move(population));
  }

  RateProfile read_rate(Table& table, const std::vector<PoissonGroup>& earlier, std::uint32_t object) {
    if (!table.is_table("rate"))
      return RateProfile::constant(table.quantity("rate", Dimension::frequency, kNonNegative));
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

  // Fig. 5: sum over i of alpha^-i a_i sin(2 pi i (t + b_i) / period), a and b uniform in [0,1), standardised over
  // the repeats, floored. Sampled at `interval`.
  RateProfile slow_signal(Table& table, std::uint32_t object) {
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

  // The same rates in random order at the same times.
  RateProfile shuffled(const RateProfile& original, std::uint32_t object, Table& table) {
    std::vector<double> times = original.times(), rates = original.rates();
    rates.pop_back();
    if (rates.size() < 2) table.fail("shuffle_of", "the group to shuffle has a constant rate");
    Random random(result_.seed, Draw::shuffle, object, 0);
    for (std::size_t i = rates.size(); i > 1; --i)
      std::swap(rates[i - 1], rates[random.below(static_cast<std::uint32_t>(i))]);
    return RateProfile::regular(times[1] - times[0], std::move(rates));
  }

  void read_stimulus(Table& table) {
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

  // The protocol of Fig. 6: `pairings` times at `rate`, input n fires dt_n after the pairing's time, dt_n equally
  // spaced on [-interval, +interval].
  void read_pairing(Table& table, const std::string& name) {
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

  void read_poisson(Table& table, const std::string& name) {
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

  void list_sources() {
    for (std::size_t i = 0; i < result_.populations.size(); ++i) {
      const Population& p = result_.populations[i];
      result_.sources.push_back({p.name, p.size, true, i, {{p.name, 0, p.size}}});
    }
    for (std::size_t i = 0; i < result_.stimuli.size(); ++i) {
      const SpikingStimulus& s = result_.stimuli[i];
      Source source{s.name, s.size, false, i, {}};
      if (const auto* groups = std::get_if<std::vector<PoissonGroup>>(&s.spikes))
        source.groups.assign(groups->begin(), groups->end());
      else
        source.groups = {{s.name, 0, s.size}};
      result_.sources.push_back(std::move(source));
    }
  }

  // The index of the element named by `key`; `what` says what it must be.
  template <class List>
  std::size_t named(Table& table, std::string_view key, const std::string& name, const List& list,
                    std::string_view what) {
    std::vector<std::string> known;
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (list[i].name == name) return i;
      known.push_back(list[i].name);
    }
    const std::string close = nearest(name, known);
    table.fail(key, fmt::format("'{}' is \"{}\", but no {} has that name; {}", key, name, what,
                                !close.empty()  ? fmt::format("did you mean '{}'?", close)
                                : known.empty() ? fmt::format("none is described")
                                                : "there is " + join_or(known)));
  }

  void read_device(Table& table) {
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
        table.fail("values",
                   fmt::format("there are {} times but {} values", device.times.size(), device.values.size()));
    }
    for (std::size_t i = 1; i < device.times.size(); ++i)
      if (!(device.times[i] > device.times[i - 1]))
        table.fail("file",
                   fmt::format("time {} s follows {} s; times must rise", device.times[i], device.times[i - 1]));
    device.start = steps(table, "start", table.quantity("start", Dimension::time, kNonNegative, "0 s"));
    device.repeats = table.integer("repeats", 1, 1'000'000'000, 1);
    if (device.repeats > 1) device.every = read_interval(table);
    table.finish();
    result_.devices.push_back(std::move(device));
  }

  void read_connection(Table& table, Table& root) {
    ConnectionDescription c;
    c.name = read_name(table, "connection");
    c.from = named(table, "from", table.text("from"), result_.sources, "population or stimulus");
    c.to = named(table, "to", table.text("to"), result_.populations, "population");
    const CellModel model = result_.populations[c.to].cell.model;
    c.receptor = static_cast<Receptor>(table.choice("receptor", {"AMPA", "NMDA", "GABA"}, "AMPA"));
    if (c.receptor == Receptor::nmda && (model == CellModel::leaky_integrate_and_fire || model == CellModel::parrot))
      table.fail("receptor", fmt::format("population '{}' has no NMDA receptors; use AMPA or an 'if' cell",
                                         result_.populations[c.to].name));
    c.delay = steps(
        table, "delay",
        table.quantity("delay", Dimension::time, kPositive, fmt::format("{} s", result_.seconds(result_.min_delay))));
    if (c.delay < result_.min_delay)
      table.fail("delay",
                 fmt::format("'delay' is {} s, below the minimum delay of {} s; raise it or lower simulation.min_delay",
                             result_.seconds(c.delay), result_.seconds(result_.min_delay)));
    if (c.delay > kLongestDelay)
      table.fail("delay", fmt::format("'delay' is {} steps; at most {} are possible", c.delay, kLongestDelay));
    read_pattern(table, c);
    if (table.has("plasticity")) {
      c.rule_name = table.text("plasticity");
      c.rule = read_rule(section_entry(table, "plasticity", root, "rule", c.rule_name));
      if (model == CellModel::parrot) table.fail("plasticity", "synapses on a parrot population cannot be plastic");
      if (std::holds_alternative<LplRule>(*c.rule))
        check_lpl(table, c);
      else if (c.receptor != Receptor::gaba)
        table.fail("plasticity", fmt::format("the symmetric_stdp rule '{}' is for GABA synapses", c.rule_name));
    }
    table.finish();
    result_.connections.push_back(std::move(c));
  }

  void read_pattern(Table& table, ConnectionDescription& c) {
    const NeuronId pre = result_.sources[c.from].size, post = result_.populations[c.to].size;
    std::vector<std::string> given;
    for (const char* key : {"density", "one_to_one", "mask", "file"})
      if (table.has(key)) given.push_back(key);
    if (given.size() != 1)
      table.fail(given.empty() ? "density" : given[1],
                 fmt::format("{}; give exactly one of density, one_to_one, mask, file",
                             given.empty() ? "no wiring is given"
                                           : fmt::format("both '{}' and '{}' are given", given[0], given[1])));
    const std::string& key = given.front();
    if (key != "file") c.weight = table.number("weight", kNonNegative);
    const auto read_matrix = [&] {
      SparseMatrix matrix = imported(table, key, [](const auto& path) { return read_matrix_market(path); });
      if (matrix.rows != pre || matrix.columns != post)
        table.fail(
            key, fmt::format("the matrix is {} x {}, but '{}' has {} and '{}' has {} neurons", matrix.rows,
                             matrix.columns, result_.sources[c.from].name, pre, result_.populations[c.to].name, post));
      for (std::size_t i = 0; i < matrix.value.size(); ++i)
        if (matrix.value[i] < 0)
          table.fail(key,
                     fmt::format("entry ({}, {}) is {}; weights cannot be negative (the receptor decides the sign)",
                                 matrix.pre[i] + 1, matrix.post[i] + 1, matrix.value[i]));
      return matrix;
    };
    if (key == "density") {
      c.pattern = ConnectionDescription::RandomPattern{table.number("density", kProbability)};
    } else if (key == "one_to_one") {
      if (!table.flag("one_to_one")) table.fail("one_to_one", "'one_to_one' can only be true; leave it out otherwise");
      if (pre != post)
        table.fail("one_to_one",
                   fmt::format("one_to_one needs equal sizes, but there are {} and {} neurons", pre, post));
      c.pattern = ConnectionDescription::OneToOne{};
    } else if (key == "mask" && table.is_table("mask")) {
      Table mask = table.table("mask");
      mask.choice("profile", {"gaussian"});
      c.pattern = ConnectionDescription::GaussianMask{mask.number("width", kPositive)};
      mask.finish();
    } else {
      c.pattern = ConnectionDescription::Listed{read_matrix(), key == "file"};
    }
  }

  void check_lpl(Table& table, ConnectionDescription& c) {
    const auto& rule = std::get<LplRule>(*c.rule);
    if (c.receptor != Receptor::ampa)
      table.fail("plasticity", fmt::format("the lpl rule '{}' is for AMPA synapses", c.rule_name));
    const Step window = steps(table, "plasticity", rule.window);
    const Step horizon = steps(table, "plasticity", rule.horizon);
    if (window < 1 || window > 10'000'000)
      table.fail("plasticity", fmt::format("rule '{}': the window is {} steps; it must be from 1 to 10,000,000",
                                           c.rule_name, window));
    if (horizon < result_.min_delay || horizon > kLongestDelay)
      table.fail("plasticity",
                 fmt::format("rule '{}': the horizon is {} steps; it must be from the minimum delay ({}) to {}",
                             c.rule_name, horizon, result_.min_delay, kLongestDelay));
    for (const double tau : {rule.tau_rise, rule.tau_fall, rule.tau_membrane, rule.tau_synapse})
      if (tau <= result_.dt || tau > 10)
        table.fail("plasticity", fmt::format("rule '{}': the filter time constant {} s must lie between dt and 10 s",
                                             c.rule_name, tau));
    if (table.has("initial_traces")) {
      Table traces = table.table("initial_traces");
      c.initial_mean_rate = traces.quantity("mean_rate", Dimension::frequency, kNonNegative, "0 Hz");
      c.initial_variance = traces.number("variance", kNonNegative, 0.0);
      traces.finish();
    }
  }

  void read_phase(Table& table) {
    Phase phase;
    phase.name = read_name(table, "phase");
    phase.begin = result_.end();
    const Step duration = steps(table, "duration", table.quantity("duration", Dimension::time, kPositive));
    if (duration < 1) table.fail("duration", "'duration' is shorter than one step");
    phase.end = phase.begin + duration;
    if (!table.has("plasticity") || table.is_flag("plasticity")) {
      phase.learns.assign(result_.connections.size(), table.flag("plasticity", true));
    } else {
      phase.learns.assign(result_.connections.size(), false);
      for (const std::string& name : table.texts("plasticity")) {
        const std::size_t i = named(table, "plasticity", name, result_.connections, "connection");
        if (!result_.connections[i].rule)
          table.fail("plasticity", fmt::format("connection '{}' has no plasticity rule", name));
        phase.learns[i] = true;
      }
    }
    table.finish();
    result_.phases.push_back(std::move(phase));
  }

  RecordWindow read_window(Table& table) {
    RecordWindow window;
    if (table.has("phases"))
      for (const std::string& name : table.texts("phases"))
        window.phases.push_back(named(table, "phases", name, result_.phases, "phase"));
    else
      for (std::size_t i = 0; i < result_.phases.size(); ++i) window.phases.push_back(i);
    if (table.has("last")) window.last = steps(table, "last", table.quantity("last", Dimension::time, kPositive));
    return window;
  }

  Step read_interval(Table& table) {
    const Step every = steps(table, "every", table.quantity("every", Dimension::time, kPositive));
    if (every < 1) table.fail("every", "'every' is shorter than one step");
    return every;
  }

  void read_record(Table& table) {
    RecordDescription record;
    const std::vector<std::string> kinds = {"spikes", "rates", "state", "weights", "synapses", "group_weights"};
    const std::size_t kind = table.choice("what", kinds);
    record.what = static_cast<RecordDescription::What>(kind);
    record.name = read_name(table, "record", kinds[kind]);
    record.window = read_window(table);
    using What = RecordDescription::What;
    if (record.what == What::spikes || record.what == What::rates) {
      for (const std::string& name : table.texts("of"))
        record.sources.push_back(named(table, "of", name, result_.sources, "population or stimulus"));
      std::vector<std::size_t> ordered = record.sources;
      std::sort(ordered.begin(), ordered.end());
      const auto twice = std::adjacent_find(ordered.begin(), ordered.end());
      if (twice != ordered.end()) table.fail("of", fmt::format("'{}' is listed twice", result_.sources[*twice].name));
      for (const std::size_t source : record.sources)
        if (!recorded_[kind].insert(source).second)
          table.fail("of", fmt::format("the {} of '{}' are recorded already by another [[record]]", kinds[kind],
                                       result_.sources[source].name));
      if (record.what == What::rates) record.every = read_interval(table);
    } else if (record.what == What::state) {
      record.target = named(table, "of", table.text("of"), result_.populations, "population");
      read_variable(table, record);
      const NeuronId size = result_.populations[record.target].size;
      for (const auto neuron : table.integers("neurons", 0, size - 1))
        record.neurons.push_back(static_cast<NeuronId>(neuron));
      std::sort(record.neurons.begin(), record.neurons.end());
      if (record.neurons.empty() ||
          std::adjacent_find(record.neurons.begin(), record.neurons.end()) != record.neurons.end())
        table.fail("neurons", "'neurons' must list at least one neuron, each once");
      record.every = read_interval(table);
    } else {
      record.target = named(table, "of", table.text("of"), result_.connections, "connection");
      const ConnectionDescription& connection = result_.connections[record.target];
      if (record.what == What::synapses) {
        const NeuronId pre = result_.sources[connection.from].size, post = result_.populations[connection.to].size;
        for (const auto id : table.integers("pre", 0, pre - 1)) record.pre.push_back(static_cast<NeuronId>(id));
        for (const auto id : table.integers("post", 0, post - 1)) record.post.push_back(static_cast<NeuronId>(id));
        if (record.pre.empty() || record.pre.size() != record.post.size())
          table.fail("post",
                     fmt::format("'pre' lists {} and 'post' {} neurons; they must name the same number of synapses",
                                 record.pre.size(), record.post.size()));
      }
      if (record.what != What::weights || table.has("every")) record.every = read_interval(table);
    }
    table.finish();
    result_.records.push_back(std::move(record));
  }

  void read_variable(Table& table, RecordDescription& record) {
    record.variable = table.text("variable");
    const auto plain = state_variables(result_.populations[record.target].cell.model);
    if (std::find(plain.begin(), plain.end(), record.variable) != plain.end()) return;
    std::vector<std::string> known = plain;
    for (std::size_t i = 0; i < result_.connections.size(); ++i) {
      const ConnectionDescription& connection = result_.connections[i];
      if (connection.to != record.target || !connection.rule || !std::holds_alternative<LplRule>(*connection.rule))
        continue;
      for (const std::string& trace : trace_variables()) {
        known.push_back(connection.name + "." + trace);
        if (known.back() == record.variable) {
          record.trace_connection = i;
          record.variable = trace;
          return;
        }
      }
    }
    table.fail("variable", fmt::format("'variable' is \"{}\"; it must be {}", record.variable, join_or(known)));
  }

  Document document_;
  SimulationDescription result_;
  std::vector<Table> device_tables_;
  std::map<std::string, std::vector<std::string>> names_, used_;
  std::map<std::size_t, std::set<std::size_t>> recorded_;
};

// Where models/*.cell and *.rule lie: LPL_MODELS, or where the program was built.
std::string models_directory() {
  const char* given = std::getenv("LPL_MODELS");
  return given ? given : kModelsDirectory;
}

// Gives every cell and rule that the description refers to a table of its own in it, from a file of that name
// beside the description or in models/.
void embed_models(Document& document) {
  const auto embed = [&](const std::string& list, const std::string& key, const std::string& section) {
    for (const std::string& name : document.strings_in(list, key)) {
      if (document.has_section(section, name)) continue;
      for (const std::string& folder : {document.folder(), models_directory()}) {
        const fs::path path = fs::path(folder) / (name + "." + section);
        std::error_code ignored;
        if (!fs::is_regular_file(path, ignored)) continue;
        document.embed(section, name, Document::from_file(path.string()));
        break;
      }
    }
  };
  embed("population", "cell", "cell");
  embed("connection", "plasticity", "rule");
}

bool concerns_model(const std::string& assignment) {
  return assignment.starts_with("cell.") || assignment.starts_with("rule.");
}

SimulationDescription read(Document document, const std::vector<std::string>& overrides,
                           std::optional<std::uint64_t> seed) {
  // Overrides of models come last: what they change must have been embedded first.
  for (const std::string& assignment : overrides)
    if (!concerns_model(assignment)) document.set(assignment);
  if (seed) document.set(fmt::format("simulation.seed={}", *seed));
  embed_models(document);
  for (const std::string& assignment : overrides)
    if (concerns_model(assignment)) document.set(assignment);
  return Reader(std::move(document)).read();
}

}  // namespace

SimulationDescription read_simulation(const std::string& path, const std::vector<std::string>& overrides,
                                      std::optional<std::uint64_t> seed) {
  return read(Document::from_file(path), overrides, seed);
}

SimulationDescription read_simulation_text(const std::string& text, const std::string& name,
                                           const std::vector<std::string>& overrides) {
  return read(Document::from_text(text, name), overrides, std::nullopt);
}

std::vector<std::string> state_variables(CellModel model) {
  switch (model) {
    case CellModel::integrate_and_fire:
      return {"V", "threshold", "g_ampa", "g_nmda", "g_gaba"};
    case CellModel::adaptive_integrate_and_fire:
      return {"V", "threshold", "g_ampa", "g_nmda", "g_gaba", "g_adaptation"};
    case CellModel::leaky_integrate_and_fire:
      return {"V", "g_ampa", "g_gaba"};
    case CellModel::parrot:
      return {};
  }
  return {};
}

std::vector<std::string> trace_variables() { return {"mean", "variance", "error"}; }

}  // namespace lpl
