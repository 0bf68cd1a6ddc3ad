// Patterns: lists of neurons, with a value each.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "io/import.hpp"
#include "spiking/stimulus/stimulus.hpp"

namespace lpl::spiking {

// Of all patterns of a stimulus.
inline constexpr NeuronId kMostMembers = 10'000'000;

struct Pattern {
  std::vector<NeuronId> neurons;  // each once
  std::vector<double> values;     // by neuron
};

// What the value of a member is, in files and in tables.
struct PatternValue {
  std::string key;                        // in a table: a list, or one for all
  std::string what;                       // "intensity"
  Dimension dimension = Dimension::none;  // files are in SI
  std::optional<double> otherwise;        // where none is given
  double low = 0, high = 0;
  std::string range;  // what `high` comes from
};

// The members of patterns that are drawn, else none.
std::vector<std::vector<NeuronId>> drawn_members(Table& table, const std::vector<Pattern>& patterns);

// The patterns under exactly one of the keys `file`, `pattern` and, where values can be left out, `patterns`, which
// says how to draw them.
std::vector<Pattern> read_patterns(const StimulusReading& reading, NeuronId size, const PatternValue& value);

// Calls member(pattern, row) for each line of numbers of the file under `key`. Blank lines lie between patterns.
void for_each_member(Table& table, std::string_view key,
                     const std::function<void(std::size_t, const TextRow&)>& member);

// The neuron at number `i` of a row.
NeuronId neuron_in(const TextRow& row, std::size_t i, NeuronId size);

}  // namespace lpl::spiking
