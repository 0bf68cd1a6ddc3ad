// Lists of what a description can name, by type: rules, stimuli. CMake writes them.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace lpl::spiking {

template <class Entry>
std::vector<std::string> types_of(std::span<const Entry> entries) {
  std::vector<std::string> types;
  for (const Entry& entry : entries) types.emplace_back(entry.type);
  return types;
}

}  // namespace lpl::spiking
