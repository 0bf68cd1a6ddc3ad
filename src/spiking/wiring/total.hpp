// A number of synapses in all, each from any source to any neuron.
//
// How many of them lead to a neuron depends on all others. So the number of an interval of neurons is split among its
// halves, down a fixed binary tree over neuron numbers; a rank walks only the nodes that reach its neurons.
#pragma once

#include <bit>

#include "spiking/wiring/wiring.hpp"

namespace lpl::spiking {

class Total : public WiringByDegree {
 public:
  double expected() const override { return static_cast<double>(total_); }
  bool converges() const override { return total_ > 1; }
  void each(LocalRange local, const Body& body) const override;

 protected:
  using WiringByDegree::WiringByDegree;
  // After autapses and multapses are read. Fails under `key` where there is no room for so many.
  void set_total(Table& table, std::string_view key, double total);

 private:
  struct Walk {
    LocalRange local;
    const Body& body;
    Heard heard;
    DistinctDraws distinct;
  };

  std::uint64_t capacity(NeuronId first, NeuronId width) const;
  void visit(Walk& walk, std::uint32_t node, NeuronId first, NeuronId width, std::uint64_t synapses) const;

  std::uint64_t total_ = 0;
};

}  // namespace lpl::spiking
