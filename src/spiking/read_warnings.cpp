// What a description may say, but hardly means.
#include <algorithm>

#include "spiking/description_reader.hpp"
#include "spiking/model/equations.hpp"
#include "spiking/stimulus/stimulus.hpp"

namespace lpl::spiking {

void DescriptionReader::warn() {
  const auto warn_of = [&](const StimulusDescription& stimulus) {
    stimulus.warn(grid_, result_.end(), [&](const std::string& what) {
      result_.warnings.push_back(fmt::format("stimulus '{}': {}", stimulus.name, what));
    });
  };
  for (const auto& stimulus : result_.stimuli) warn_of(*stimulus);
  for (const auto& device : result_.devices) warn_of(*device);
  warn_of_parrots();
}

// A neuron that counts arrivals takes them by their weights.
void DescriptionReader::warn_of_parrots() {
  for (const ConnectionDescription& c : result_.connections) {
    const Population& target = result_.populations[c.to];
    if (!target.cell.text->count || !c.starts.empty()) continue;
    const SparseMatrix* const matrix = c.wiring->weights();
    const bool ones = matrix ? std::ranges::all_of(matrix->value, [](float w) { return w == 1; })
                             : c.weight.least() == 1 && c.weight.most() == 1;
    if (!ones || c.short_term)
      result_.warnings.push_back(fmt::format(
          "connection '{}': neurons of '{}' spike as often as the sum of arriving weights says, rounded, so "
          "that only weights of 1{} repeat every spike",
          c.name, target.name, c.short_term ? ", without short_term," : ""));
  }
}

}  // namespace lpl::spiking
