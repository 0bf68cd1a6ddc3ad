// What a plasticity rule declares and does. It says when it may move weights; the engine delivers accordingly and knows
// no rule by name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/table.hpp"
#include "spiking/block_hook.hpp"
#include "spiking/description.hpp"
#include "spiking/grid.hpp"
#include "spiking/layout.hpp"
#include "spiking/spike_history.hpp"
#include "spiking/variables.hpp"

namespace lpl::spiking {

class Neurons;
class ShortTerm;
struct Synapses;

enum class Moves : std::uint8_t { never, at_windows, within_epochs };

struct PlasticEpoch {
  Step first = 0;
  std::uint32_t steps = 0;
  bool learns = true;
  // By source: the spikes, and after how many steps one has arrived everywhere, on any rank.
  std::span<const SpikeHistory> spikes;
  std::span<const Step> memory;
  std::uint32_t* event_steps = nullptr;  // by block: marks steps at which arrivals are due
};

// The plasticity of one connection on this rank.
class Plasticity {
 public:
  virtual ~Plasticity() = default;

  // After the neurons have advanced, while their spikes travel.
  virtual void advance(const Neurons& /*post*/, Step /*first*/, std::uint32_t /*steps*/) {}
  // At windows: closes the one that ends at step `now`, whose arrivals were delivered with the old weights.
  virtual void update(Step /*now*/, const SpikeHistory& /*source*/, bool /*learns*/) {}
  // Within epochs: the rule delivers.
  virtual void begin_epoch(const PlasticEpoch& /*epoch*/) {}
  virtual BlockHook* hook() { return nullptr; }  // where it acts within epochs

  // Throws where what it moves is no number.
  virtual void check() const {}

  virtual void list(Variables& variables) = 0;
  // Of buffers, beside the variables.
  virtual std::size_t buffer_bytes() const = 0;
};

// What a rule may touch.
struct RulePlace {
  const ConnectionDescription& connection;
  std::size_t index;  // of the connection
  Synapses& synapses;
  NeuronId pre_size;
  float* input;  // of the receptor; add weights at step * kBlock + target
  const Neurons& post;
  EpochLayout layout;
  Step plasticity_block;
  ShortTerm* short_term;  // null where none; asked where the rule itself delivers
};

// A rule as it is described for one connection.
struct RuleDescription {
  virtual ~RuleDescription() = default;
  virtual std::unique_ptr<Plasticity> make(const RulePlace& place) const = 0;
  // What it keeps and changes, in a line; "" where its type says all.
  virtual std::string summary() const { return {}; }

  Moves moves = Moves::never;
  // Windows, 0 where there are none, end at `window_offset` and every `window` steps later; epochs end with them.
  Step window = 0, window_offset = 0;
  bool closes_window(Step now) const {
    return window > 0 && now >= window_offset && (now - window_offset) % window == 0;
  }
  Step next_window_end(Step now) const {
    return now < window_offset ? window_offset : now + window - (now - window_offset) % window;
  }
  Step source_memory = 0;  // steps of the source's spikes that it looks back on,
  Step own_memory = 0;     // and of the population's own
  // Of other spikes: those of a source are wanted `delay` steps later, and looked back on `memory` steps; of all of its
  // neurons, or of those that live where the synapses do.
  struct Listening {
    std::size_t source;
    Step delay, memory;
    bool own = false;
  };
  std::vector<Listening> listens;
  std::vector<std::size_t> follows;  // states of the population of which it wants the values of every step
  bool delays_differ = false;        // synapses may have delays of their own
  double w_min = -std::numeric_limits<double>::infinity();
  double w_max = std::numeric_limits<double>::infinity();  // of what it moves,
  double lift = 0;                                         // and how far above weights may be between two updates
  std::vector<std::string> warnings;                       // of what is allowed, but hardly meant
  // Variables by postsynaptic neuron and by synapse, "CONNECTION.NAME".
  std::vector<std::string> recordable, recordable_by_synapse;
};

// What is known where a rule is read.
struct RuleReading {
  Table& rule;
  Table& connection;  // the table that names the rule
  const ConnectionDescription& described;
  std::string_view receptor;
  Dimension weight;  // of weights onto the receptor,
  WeightSign sign;   // and their sign
  const ModelText& target;
  std::span<const Source> sources;
  const Grid& grid;
};

struct RuleEntry {
  std::string_view type, help;
  std::shared_ptr<const RuleDescription> (*read)(const RuleReading& reading);
};
std::span<const RuleEntry> rules();

}  // namespace lpl::spiking
