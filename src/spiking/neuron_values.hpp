// A number for each neuron of a population: a parameter, or where a state begins.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "config/table.hpp"
#include "core/expression.hpp"
#include "core/types.hpp"
#include "spiking/wiring/distribution.hpp"
#include "spiking/wiring/positions.hpp"

namespace lpl::spiking {

class NeuronValues {
 public:
  // The same for all.
  NeuronValues() = default;
  // The expression of `value` has no names.
  explicit NeuronValues(Expression value);

  // A quantity, a number or an expression of the neuron's index i, the population's size N and, where it has positions,
  // x, y, z; a table with a distribution (wiring/distribution.hpp), or with `file`: one number for each of `size`
  // neurons, in SI units, a line each.
  static NeuronValues read(Table& table, std::string_view key, Dimension dimension, NeuronId size,
                           std::shared_ptr<const Positions> positions);

  bool same_for_all() const;
  // Of neuron `id` of `size`; where it is drawn, by `random`, which must be the neuron's own.
  double of(NeuronId id, NeuronId size, Random random) const;

 private:
  static NeuronValues read_table(Table& table, std::string_view key, Dimension dimension, NeuronId size);

  Expression expression_;
  std::shared_ptr<const Positions> positions_;  // where the expression may name them
  std::vector<double> listed_;
  Distribution distribution_;
};

}  // namespace lpl::spiking
