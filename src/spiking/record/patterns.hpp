// Lists of neurons whose rates or weights are recorded together.
#pragma once

#include "spiking/record/record.hpp"

namespace lpl::spiking {

struct NeuronLists {
  std::vector<std::string> names;
  std::vector<std::vector<NeuronId>> neurons;
  std::size_t size() const { return names.size(); }

  // By neuron of `range`, the lists that it is in.
  std::vector<std::vector<std::uint32_t>> by_neuron(LocalRange range) const;
};

// The patterns of the file under `key`, of neurons of `name`, called 0, 1, ...; values of members are not used. Where
// the key is absent, `otherwise`.
NeuronLists read_lists(Table& table, std::string_view key, const std::string& name, NeuronId size,
                       const std::vector<Group>& otherwise);

}  // namespace lpl::spiking
