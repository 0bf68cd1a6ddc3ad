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
#include "spiking/model/equations.hpp"
#include "spiking/neuron_values.hpp"
#include "spiking/wiring/distribution.hpp"
#include "spiking/wiring/wiring.hpp"

namespace lpl::spiking {

struct KernelEntry;           // spiking/model/kernel.hpp
struct RecordDescription;     // spiking/record/record.hpp
struct RuleDescription;       // spiking/plasticity/plasticity.hpp
struct ShortTermDescription;  // spiking/short_term/short_term.hpp
struct SpikingStimulus;       // spiking/stimulus/stimulus.hpp
struct Device;
struct StimulusDescription;

// A neuron model and the values of its parameters for one population.
struct Cell {
  std::string model;  // the text's name
  std::shared_ptr<const ModelText> text;
  std::map<std::string, NeuronValues, std::less<>> parameters;  // SI; all of the text's
  const KernelEntry* kernel = nullptr;                          // what runs in place of the text, if anything
  bool is_double = false;                                       // float64 numbers
  bool has_membrane() const;
};

// Where values begin that a run of before ended with.
struct StartFrom {
  enum class Kind { checkpoint, weights, variables };  // the latter two: of a result file
  Kind kind = Kind::checkpoint;
  std::string file;
  std::string at;                      // the snapshot, or the phase
  std::string of;                      // the name of the population or connection there
  std::vector<std::string> variables;  // all that are known here where empty
  std::string place;                   // where the description says so, for messages
};

// Where the membrane begins, if the description says so.
struct InitialMembrane {
  double mean = 0, deviation = 0;  // [V], normal distribution
  std::vector<double> values;      // [V], one per neuron; replaces the distribution where not empty
};

// Neurons of a source that belong together: a group of Poisson inputs, or a whole population.
struct Group {
  std::string name;
  NeuronId first = 0;
  NeuronId size = 0;
};

// Anything that spikes: a population of neurons or a stimulus.
struct Source {
  std::string name;
  NeuronId size = 0;
  bool is_population = false;
  std::size_t index = 0;  // into populations or stimuli
  std::vector<Group> groups;
  std::shared_ptr<const Positions> positions;  // null where none are given
};

struct Population {
  std::string name;
  NeuronId size = 0;
  Cell cell;
  std::map<std::string, NeuronValues, std::less<>> initial;  // by state; the others begin as the text says
  std::optional<InitialMembrane> initial_membrane;
  std::optional<StartFrom> start;              // of states that the two above do not give
  std::shared_ptr<const Positions> positions;  // null where none are given
};

struct ConnectionDescription {
  std::string name;
  std::size_t from = 0;      // index into sources
  std::size_t to = 0;        // index into populations
  std::size_t receptor = 0;  // of the target's model
  std::shared_ptr<const Wiring> wiring;
  Distribution weight;                 // leak units; not used where the wiring has weights of its own
  Step delay = 0;                      // of all synapses, or
  std::vector<StartFrom> starts;       // of weights and what belongs to the rule
  std::optional<Distribution> delays;  // [s] of each; `delay` is the shortest that it gives

  std::string rule_name, rule_type;  // "" where static
  std::shared_ptr<const RuleDescription> rule;
  std::shared_ptr<const ShortTermDescription> short_term;  // null where none
};

struct StepRange {
  Step begin, end;
};

// When a record or a phase-bound action is on: the last `last` steps (or all) of the listed phases.
struct RecordWindow {
  std::vector<std::size_t> phases;
  std::optional<Step> last;
};

// A range that a rate or a mean weight must stay in.
struct LimitDescription {
  enum class What { rate, weight };
  std::string name;
  What what = What::rate;
  std::size_t target = 0;  // rate: source; weight: connection
  double low = 0, high = 0;
  std::string range;               // as the description has it
  Step every = 0;                  // it is judged at the multiples
  std::optional<double> tau;       // [s] rate: of an exponential average; else that of each `every` counts
  std::vector<StepRange> windows;  // in which it holds, without gaps between them

  // The end of the next step after `after` at which it is judged, if any.
  std::optional<Step> next(Step after) const;
};

struct Phase {
  std::string name;
  Step begin = 0, end = 0;
  std::vector<bool> learns;  // by connection
};

struct SimulationDescription {
  double dt = 0;              // [s]
  Step min_delay = 0;         // the shortest between populations: as often are spikes exchanged
  Step plasticity_block = 0;  // steps of the backward filter computed at a time; does not change results
  std::uint64_t seed = 0;
  std::vector<Population> populations;
  std::vector<std::shared_ptr<const SpikingStimulus>> stimuli;
  std::vector<std::shared_ptr<const Device>> devices;
  std::vector<Source> sources;  // populations, then stimuli
  std::vector<ConnectionDescription> connections;
  std::vector<std::shared_ptr<const RecordDescription>> records;
  std::vector<LimitDescription> limits;
  std::vector<Phase> phases;
  std::string canonical_text;
  std::string fixed_text;  // the same without the last phase's duration, which a resumed run may change
  DescriptionFiles files;
  std::vector<std::string> warnings;  // of what is allowed, but hardly meant

  Step end() const { return phases.empty() ? 0 : phases.back().end; }
  double seconds(Step step) const { return static_cast<double>(step) * dt; }
  const ReceptorText& receptor_of(const ConnectionDescription& connection) const {
    return populations[connection.to].cell.text->receptors[connection.receptor];
  }
};

// Reads a .sim file, the cells and rules that it refers to and all data files, applies overrides ("a.b=VALUE") and
// an optional seed, and checks everything. Throws ConfigError.
SimulationDescription read_simulation(const std::string& path, const std::vector<std::string>& overrides,
                                      std::optional<std::uint64_t> seed);

// The same from text; `name` stands for the file.
SimulationDescription read_simulation_text(const std::string& text, const std::string& name,
                                           const std::vector<std::string>& overrides = {});

}  // namespace lpl::spiking
