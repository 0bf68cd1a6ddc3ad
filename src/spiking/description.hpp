// A validated description of a spiking simulation: what a .sim file says, in SI units and steps, with every file
// that it names read and checked. Nothing here depends on ranks.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/table.hpp"
#include "core/types.hpp"
#include "io/import.hpp"

namespace lpl::spiking {

struct KernelEntry;      // spiking/model/kernel.hpp
struct RuleDescription;  // spiking/plasticity/plasticity.hpp

// A neuron model and its parameters, see models/*.cell.
struct Cell {
  const KernelEntry* kernel = nullptr;
  std::map<std::string, double, std::less<>> parameters;  // SI
  double parameter(std::string_view name) const { return parameters.find(name)->second; }
  bool has_membrane() const;
};

struct InitialMembrane {
  double mean = 0, deviation = 0;  // [V], normal distribution
  std::vector<double> values;      // [V], one per neuron; replaces the distribution where not empty
};

// A rate over time: intervals in which it is linear, looped.
class RateProfile {
 public:
  static RateProfile constant(double rate);
  // Samples at `times` (ascending from 0), linear in between. The loop begins again at the last of them: where first
  // and last rate differ, the rate jumps there.
  static RateProfile sampled(std::vector<double> times, const std::vector<double>& rates);
  // Rates at multiples of `interval`, looping after the last interval.
  static RateProfile regular(double interval, std::vector<double> rates);

  struct Interval {
    double length;    // [s]
    double from, to;  // [Hz]
  };
  static RateProfile of(const std::vector<Interval>& intervals);
  std::vector<Interval> intervals() const;

  double at(double time) const;                    // [Hz]
  double maximum(double begin, double end) const;  // upper bound of at() on [begin, end]
  double maximum() const;
  double period() const { return times_.back(); }
  bool is_constant() const { return from_.size() == 1 && from_.front() == to_.front(); }
  // Whether it is made of samples at multiples of one interval, without a jump.
  bool is_regular() const;

  // at() for rising times from `begin` on, without searching.
  class Walk {
   public:
    Walk(const RateProfile& profile, double begin);
    double at(double elapsed);  // the rate at begin + elapsed; `elapsed` must not fall

   private:
    const RateProfile& profile_;
    double phase_;
    std::size_t interval_;
  };

 private:
  std::size_t interval_of(double phase) const;
  std::vector<double> times_;      // where intervals begin; the last one ends at the last time, the period
  std::vector<double> from_, to_;  // rates at an interval's beginning and end
};

// Neurons of a source that belong together: a group of Poisson inputs, or a whole population.
struct Group {
  std::string name;
  NeuronId first = 0;
  NeuronId size = 0;
};

struct PoissonGroup : Group {
  RateProfile profile;
};

// Anything that spikes: a population of neurons or a stimulus.
struct Source {
  std::string name;
  NeuronId size = 0;
  bool is_population = false;
  std::size_t index = 0;  // into populations or stimuli
  std::vector<Group> groups;
};

struct Population {
  std::string name;
  NeuronId size = 0;
  Cell cell;
  InitialMembrane initial_membrane;
};

struct SpikingStimulus {
  std::string name;
  NeuronId size = 0;
  std::variant<std::vector<PoissonGroup>, SpikeTrain> spikes;
};

// Acts on neurons directly, by a time series: a voltage clamp or an injected current.
struct Device {
  enum class Kind { clamp, current };
  std::string name;
  Kind kind = Kind::clamp;
  std::size_t population = 0;
  std::vector<NeuronId> neurons;  // empty: all
  std::vector<double> times;      // [s] after the start of each repeat, ascending; the device acts on [first, last]
  std::vector<double> values;     // [V]; a current is given as the voltage that it would add at rest
  Step start = 0;
  Step every = 0;  // repeats begin this far apart; used where repeats > 1
  std::int64_t repeats = 1;
};

struct ConnectionDescription {
  std::string name;
  std::size_t from = 0;      // index into sources
  std::size_t to = 0;        // index into populations
  std::size_t receptor = 0;  // of the target's model
  Step delay = 0;
  double weight = 0;  // leak units; the weight of patterns and the factor of masks

  struct RandomPattern {
    double density;
  };
  struct OneToOne {};
  // P(connect pre x to post c) = exp(-(x - c)^2 / width^2), centres c equally spaced on [0, presynaptic size].
  struct GaussianMask {
    double width;
  };
  // Entries of a file: as a mask (weight where not 0) or with their own weights.
  struct Listed {
    SparseMatrix matrix;
    bool own_weights;
  };
  std::variant<RandomPattern, OneToOne, GaussianMask, Listed> pattern;

  std::string rule_name;  // "" where static
  std::shared_ptr<const RuleDescription> rule;
};

// When a record or a phase-bound action is on: the last `last` steps (or all) of the listed phases.
struct RecordWindow {
  std::vector<std::size_t> phases;
  std::optional<Step> last;
};

struct RecordDescription {
  enum class What { spikes, rates, state, weights, synapses, group_weights };
  std::string name;
  What what = What::spikes;
  std::vector<std::size_t> sources;  // spikes, rates
  std::size_t target = 0;            // state: population; weights: connection
  std::string variable;              // state: "V", or a trace, "CONNECTION.TRACE"
  std::vector<NeuronId> neurons;     // state; ascending
  std::vector<NeuronId> pre, post;   // synapses
  std::optional<Step> every;         // all but spikes; weights: periodic snapshots besides those at phase ends
  RecordWindow window;
};

struct Phase {
  std::string name;
  Step begin = 0, end = 0;
  std::vector<bool> learns;  // by connection
};

struct SimulationDescription {
  double dt = 0;              // [s]
  Step min_delay = 0;         // spikes are exchanged once per minimum delay
  Step plasticity_block = 0;  // steps of the backward filter computed at a time; does not change results
  std::uint64_t seed = 0;
  std::vector<Population> populations;
  std::vector<SpikingStimulus> stimuli;
  std::vector<Device> devices;
  std::vector<Source> sources;  // populations, then stimuli
  std::vector<ConnectionDescription> connections;
  std::vector<RecordDescription> records;
  std::vector<Phase> phases;
  std::string canonical_text;
  std::string fixed_text;  // the same without the last phase's duration, which a resumed run may change
  DescriptionFiles files;
  std::vector<std::string> warnings;  // of what is allowed, but hardly meant

  Step end() const { return phases.empty() ? 0 : phases.back().end; }
  double seconds(Step step) const { return static_cast<double>(step) * dt; }
};

// Reads a .sim file, the cells and rules that it refers to and all data files, applies overrides ("a.b=VALUE") and
// an optional seed, and checks everything. Throws ConfigError.
SimulationDescription read_simulation(const std::string& path, const std::vector<std::string>& overrides,
                                      std::optional<std::uint64_t> seed);

// The same from text; `name` stands for the file.
SimulationDescription read_simulation_text(const std::string& text, const std::string& name,
                                           const std::vector<std::string>& overrides = {});

}  // namespace lpl::spiking
