// What a plasticity rule declares and does. It says when it may move weights; the engine delivers accordingly and knows
// no rule by name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/table.hpp"
#include "spiking/block_hook.hpp"
#include "spiking/grid.hpp"
#include "spiking/layout.hpp"
#include "spiking/spike_history.hpp"
#include "spiking/variables.hpp"

namespace lpl::spiking {

class Neurons;
class ShortTerm;
struct ConnectionDescription;
struct Synapses;

enum class Moves : std::uint8_t { never, at_windows, within_epochs };

// The plasticity of one connection on this rank.
class Plasticity {
 public:
  virtual ~Plasticity() = default;

  // After the neurons have advanced, while their spikes travel.
  virtual void advance(const Neurons& /*post*/, Step /*first*/, std::uint32_t /*steps*/) {}
  // At windows: closes the one that ends at step `now`, whose arrivals were delivered with the old weights.
  virtual void update(Step /*now*/, const SpikeHistory& /*source*/, bool /*learns*/) {}
  // Within epochs: the rule delivers. Marks the steps of `event_steps` (per block) at which arrivals are due.
  virtual void begin_epoch(Step /*first*/, std::uint32_t /*steps*/, const SpikeHistory& /*source*/, bool /*learns*/,
                           std::uint32_t* /*event_steps*/) {}
  virtual BlockHook* hook() { return nullptr; }

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
  std::size_t post_blocks;
  EpochLayout layout;
  Step plasticity_block;
  ShortTerm* short_term;  // null where none; asked where the rule itself delivers
};

// A rule as it is described for one connection.
struct RuleDescription {
  virtual ~RuleDescription() = default;
  virtual std::unique_ptr<Plasticity> make(const RulePlace& place) const = 0;

  Moves moves = Moves::never;
  Step window = 0;                      // at_windows; they end at its multiples
  Step source_memory = 0;               // steps of the source's spikes that it looks back on,
  Step own_memory = 0;                  // and of the population's own
  double w_max = 0;                     // of what it moves,
  double lift = 0;                      // and how far above weights may be between two updates
  std::vector<std::string> recordable;  // variables by postsynaptic neuron, "CONNECTION.NAME"
};

// What is known where a rule is read.
struct RuleReading {
  Table& rule;
  Table& connection;  // the table that names the rule
  const ConnectionDescription& described;
  std::string_view receptor;
  const Grid& grid;
};

struct RuleEntry {
  std::string_view type, help;
  std::shared_ptr<const RuleDescription> (*read)(const RuleReading& reading);
};
std::span<const RuleEntry> rules();

}  // namespace lpl::spiking
