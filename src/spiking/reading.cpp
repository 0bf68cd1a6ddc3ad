#include "spiking/reading.hpp"

#include <algorithm>

namespace lpl::spiking {

std::string Names::read(Table& table, const std::string& kind, std::optional<std::string> fallback) {
  std::string name = table.text("name", std::move(fallback));
  if (name.empty() || name.find_first_of("/. ") != std::string::npos || name.size() > 100 || printable(name) != name)
    table.fail(
        "name",
        fmt::format("the name is {}; it must be 1 to 100 characters without blanks, control or invisible characters, "
                    "'.' and '/'",
                    in_quotes(name)));
  table.rename(fmt::format("{} '{}'", kind, name));
  auto& taken = taken_[kind == "population" || kind == "stimulus" ? "source" : kind];
  const auto [has, is_new] = taken.emplace(name, table.place("name"));
  if (!is_new) table.fail("name", fmt::format("the name '{}' is taken ({}); give another 'name'", name, has->second));
  return name;
}

std::size_t read_receptor(Table& table, const Population& target) {
  std::vector<std::string> names;
  for (const ReceptorText& receptor : target.cell.text->receptors) names.push_back(receptor.name);
  if (names.empty())
    table.fail("to", fmt::format("the model '{}' of '{}' has no receptors", target.cell.model, target.name));
  return table.choice("receptor", names, names.front());
}

Bounds weights_of(const ReceptorText& receptor) {
  return {receptor.sign == WeightSign::positive ? 0 : -kLargestWeight,
          receptor.sign == WeightSign::negative ? 0 : kLargestWeight};
}

std::vector<NeuronId> read_neurons(Table& table, NeuronId size, std::optional<std::string> fallback) {
  std::vector<NeuronId> neurons = table.indices("neurons", size, std::move(fallback));
  std::sort(neurons.begin(), neurons.end());
  const auto twin = std::adjacent_find(neurons.begin(), neurons.end());
  if (twin != neurons.end())
    table.fail("neurons", fmt::format("'neurons' lists {} twice; each can be listed once", *twin));
  if (neurons.empty()) table.fail("neurons", "'neurons' is empty; list at least one, or write \"all\"");
  return neurons;
}

}  // namespace lpl::spiking
