// What a stimulus declares and does: it makes spikes, or acts on neurons. Both follow from seed, name and step, so that
// every rank makes the same; what a restart needs beyond them is a variable.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/table.hpp"
#include "spiking/description.hpp"
#include "spiking/grid.hpp"
#include "spiking/record_windows.hpp"
#include "spiking/spike_history.hpp"
#include "spiking/variables.hpp"

namespace lpl::spiking {

class Names;
class Neurons;
struct Schedule;  // spiking/stimulus/presentation.hpp

class SpikeMaker {
 public:
  static constexpr Step kMostAhead = 128;  // steps that are made beyond those asked for
  virtual ~SpikeMaker() = default;
  // Appends steps until history.end() >= until.
  virtual void fill(SpikeHistory& history, Step until) = 0;
  // What is filled next begins at step `now`.
  virtual void seek(Step /*now*/) {}
};

// Adds to the currents of its neurons, or clamps them, in steps [from, to); before, none act.
class Actor {
 public:
  virtual ~Actor() = default;
  virtual void act(Step from, Step to) = 0;
  virtual void list(Variables& /*variables*/) {}
  virtual std::size_t buffer_bytes() const { return 0; }  // beside the variables
};

// A stimulus as it is described.
struct StimulusDescription {
  virtual ~StimulusDescription() = default;
  // Says what is allowed, but hardly meant, in a run of `end` steps: that it never acts.
  virtual void warn(const Grid& grid, Step end, const std::function<void(const std::string&)>& say) const;
  std::string name, type;
  StepRange span{0, kLongestRun};                    // `start` and `stop`
  std::vector<StepRange> windows{{0, kLongestRun}};  // when it may act, ascending: its phases within the span
  std::shared_ptr<const Schedule> schedule;          // of what it shows when; null where it shows nothing
  std::vector<std::vector<NeuronId>> drawn;          // the members of its patterns, where the seed has drawn them
};

// Makes spikes: a source.
struct SpikingStimulus : StimulusDescription {
  virtual std::unique_ptr<SpikeMaker> make(double dt, std::uint64_t seed) const = 0;
  virtual double expected_spikes(Step begin, Step end, double dt) const = 0;
  NeuronId size = 0;
  std::vector<Group> groups;
  std::shared_ptr<const Positions> positions;  // null where none are given
};

// Acts on neurons directly.
struct Device : StimulusDescription {
  virtual std::unique_ptr<Actor> make(double dt, std::uint64_t seed, Neurons& target) const = 0;
  // The receptor whose input it adds to; nothing where it clamps or adds to currents.
  virtual std::optional<std::size_t> receptor() const { return {}; }
  // Whether it holds membranes.
  virtual bool clamps() const { return false; }
  // Whether it adds spikes.
  virtual bool injects() const { return false; }
  std::size_t population = 0;
  std::vector<NeuronId> neurons;  // ascending

  // Calls visit(begin, end) for each part of [from, to) that lies in a window.
  template <class Visit>
  void for_each_part(Step from, Step to, Visit&& visit) const {
    for (const StepRange& window : windows)
      if (const Step begin = std::max(from, window.begin), end = std::min(to, window.end); begin < end)
        visit(begin, end);
  }
};

// What is known where a stimulus is read.
struct StimulusReading {
  Table& table;
  Names& names;
  const Grid& grid;
  std::uint64_t seed;
  const std::vector<Population>& populations;
  const std::vector<std::shared_ptr<const SpikingStimulus>>& stimuli;  // earlier ones
};

// One of them.
struct Stimulus {
  std::shared_ptr<SpikingStimulus> spikes;
  std::shared_ptr<Device> device;
};

// The keys `start` and `stop`.
StepRange read_span(const StimulusReading& reading);

struct StimulusEntry {
  std::string_view type, help;
  Stimulus (*read)(const StimulusReading& reading);
};
std::span<const StimulusEntry> stimuli();

}  // namespace lpl::spiking
