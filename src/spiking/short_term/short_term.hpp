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
  virtual void list(Variables& variables) = 0;
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
