#include "spiking/record/patterns.hpp"

#include <fmt/format.h>

#include <cmath>

#include "spiking/stimulus/pattern.hpp"

namespace lpl::spiking {

std::vector<std::vector<std::uint32_t>> NeuronLists::by_neuron(LocalRange range) const {
  std::vector<std::vector<std::uint32_t>> lists(range.count);
  for (std::uint32_t list = 0; list < size(); ++list)
    for (const NeuronId id : neurons[list])
      if (range.holds(id)) lists[id - range.first].push_back(list);
  return lists;
}

NeuronLists read_lists(Table& table, std::string_view key, const std::string& name, NeuronId size,
                       const std::vector<Group>& otherwise) {
  NeuronLists lists;
  if (!table.has(key)) {
    for (const Group& group : otherwise) {
      lists.names.push_back(group.name);
      auto& neurons = lists.neurons.emplace_back();
      for (NeuronId i = 0; i < group.size; ++i) neurons.push_back(group.first + i);
    }
    return lists;
  }
  std::vector<std::size_t> last(size, 0);  // one more than the pattern that a neuron was in last
  for_each_member(table, key, [&](std::size_t pattern, const TextRow& row) {
    if (row.size() > 2) row.expect(2, "neuron and intensity, or neuron");
    if (!(row[0] >= 0 && row[0] < size && row[0] == std::floor(row[0])))
      row.fail(0, fmt::format("neuron {} does not exist; '{}' has neurons 0 to {}", row[0], name, size - 1));
    const auto neuron = static_cast<NeuronId>(row[0]);
    if (pattern == lists.size()) {
      lists.names.push_back(fmt::format("{}", pattern));
      lists.neurons.emplace_back();
    }
    if (std::exchange(last[neuron], pattern + 1) == pattern + 1)
      row.fail(0, fmt::format("neuron {} is in pattern {} already; a blank line ends a pattern", neuron, pattern));
    lists.neurons.back().push_back(neuron);
  });
  return lists;
}

}  // namespace lpl::spiking
