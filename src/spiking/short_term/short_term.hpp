// Short-term plasticity: what a spike transmits of the weights of its row, by the spikes of its source before it. The
// engine knows no form by name.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/table.hpp"
#include "spiking/grid.hpp"
#include "spiking/spike_history.hpp"
#include "spiking/synapses.hpp"
#include "spiking/variables.hpp"

namespace lpl::spiking {

// Of the sources of one connection that this rank hears; nothing is kept by synapse, nothing is done between spikes.
class ShortTerm {
 public:
  virtual ~ShortTerm() = default;
  // By what a spike of a row's source multiplies its weights. To be asked once for each spike, in the order of steps.
  virtual float factor(std::size_t row, Step emitted) = 0;
  virtual std::unique_ptr<ShortTerm> copy() const = 0;
  // What factor() does, of a spike that `ahead`, a copy, has seen already.
  virtual void follow(const ShortTerm& ahead, std::size_t row, Step emitted) = 0;
  virtual void list(Variables& variables) = 0;
};

// Factors of spikes that have not arrived everywhere: what a checkpoint saves stays behind, at spikes that are under
// way nowhere, from where a run that is resumed finds the others again.
class FactorsAhead {
 public:
  // `saved` (may be null) is as of the spikes before step `settled`.
  void begin(ShortTerm* saved, Step settled) {
    saved_ = saved;
    settled_ = settled;
    if (saved) ahead_ = saved->copy();
  }
  // Once for each spike, in the order of steps.
  float factor(std::size_t row, Step emitted) { return ahead_ ? ahead_->factor(row, emitted) : 1; }
  void settle(const Synapses& synapses, const SpikeHistory& source, Step bound) {
    if (!saved_) return;
    for (; settled_ < bound; ++settled_)
      for (const NeuronId pre : source.at(settled_))
        if (const std::size_t row = synapses.row_of(pre); row != Synapses::kNoRow)
          saved_->follow(*ahead_, row, settled_);
  }
  explicit operator bool() const { return ahead_ != nullptr; }

 private:
  ShortTerm* saved_ = nullptr;
  Step settled_ = 0;
  std::unique_ptr<ShortTerm> ahead_;
};

struct ShortTermPlace {
  const ConnectionDescription& connection;
  const Synapses& synapses;
  NeuronId pre_size;
};

// A form as it is described for one connection.
struct ShortTermDescription {
  virtual ~ShortTermDescription() = default;
  virtual std::unique_ptr<ShortTerm> make(const ShortTermPlace& place) const = 0;

  std::string model;
};

struct ShortTermEntry {
  std::string_view type, help;
  std::shared_ptr<ShortTermDescription> (*read)(Table& table, const Grid& grid);
};
std::span<const ShortTermEntry> short_terms();

// The form that the table `short_term` of a connection describes.
std::shared_ptr<const ShortTermDescription> read_short_term(Table& connection, const Grid& grid);

}  // namespace lpl::spiking
