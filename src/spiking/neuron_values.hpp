// A number for each neuron of a population: a parameter, or where a state begins.
#pragma once

#include <string_view>
#include <vector>

#include "config/table.hpp"
#include "core/expression.hpp"
#include "core/types.hpp"
#include "spiking/wiring/distribution.hpp"

namespace lpl::spiking {

class NeuronValues {
 public:
  // The same for all.
  NeuronValues() = default;
  // Of the neuron's index i and the population's size N.
  explicit NeuronValues(Expression of_index);

  // A quantity, a number or an expression of i and N; a table with a distribution (wiring/distribution.hpp), or with
  // `file`: one number for each of `size` neurons, in SI units, a line each.
  static NeuronValues read(Table& table, std::string_view key, Dimension dimension, NeuronId size);

  bool same_for_all() const;
  // Of neuron `id` of `size`; where it is drawn, by `random`, which must be the neuron's own.
  double of(NeuronId id, NeuronId size, Random random) const;

 private:
  Expression of_index_;
  std::vector<double> listed_;
  Distribution distribution_;
};

}  // namespace lpl::spiking
