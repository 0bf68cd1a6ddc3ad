// Synapses listed by a MatrixMarket file or a result file.
#pragma once

#include "spiking/wiring/wiring.hpp"

namespace lpl::spiking {

class Listed final : public WiringByNeuron {
 public:
  // Of the file that `key` names: where it is not 0, or, with `own_weights`, what it holds.
  Listed(Table& table, std::string_view key, bool own_weights, const WiringPlace& place);
  // With the weights that another run ended with.
  Listed(Table& table, std::string_view key, SparseMatrix matrix, const WiringPlace& place);
  double expected() const override { return static_cast<double>(entry_.size()); }
  bool converges() const override;
  const SparseMatrix* weights() const override { return own_weights_ ? &matrix_ : nullptr; }

 private:
  void list(Table& table, std::string_view key);
  void onto(NeuronId post, Heard& heard) const override;

  SparseMatrix matrix_;
  bool own_weights_;
  std::vector<std::uint64_t> first_;  // by neuron, into
  std::vector<std::uint64_t> entry_;  // the matrix's entries by postsynaptic neuron
};

}  // namespace lpl::spiking
