#include "spiking/stimulus/pattern.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/random.hpp"
#include "core/sampling.hpp"
#include "core/text.hpp"
#include "spiking/reading.hpp"

namespace lpl::spiking {
namespace {

// The members of the pattern that is read.
class Members {
 public:
  explicit Members(NeuronId size) : taken_(size, false) {}
  // Returns whether it was none.
  bool add(NeuronId neuron) {
    if (taken_[neuron]) return false;
    taken_[neuron] = true;
    return true;
  }
  void clear(const std::vector<NeuronId>& members) {
    for (const NeuronId neuron : members) taken_[neuron] = false;
  }

 private:
  std::vector<bool> taken_;
};

std::vector<Pattern> read_file(Table& table, NeuronId size, const PatternValue& value) {
  std::vector<Pattern> patterns;
  Members members(size);
  for_each_member(table, "file", [&](std::size_t pattern, const TextRow& row) {
    const bool can_be_left_out = value.otherwise.has_value();
    if (!can_be_left_out || row.size() > 2)
      row.expect(2, fmt::format("neuron and {}{}", value.what, can_be_left_out ? ", or neuron" : ""));
    if (pattern == patterns.size()) {
      if (pattern > 0) members.clear(patterns.back().neurons);
      patterns.emplace_back();
    }
    const NeuronId neuron = neuron_in(row, 0, size);
    if (!members.add(neuron))
      row.fail(0, fmt::format("neuron {} is in pattern {} already; a blank line ends a pattern", neuron, pattern));
    const double given = row.size() > 1 ? row[1] : *value.otherwise;
    if (given < value.low || given > value.high)
      row.fail(1, fmt::format("the {} is {}; it must lie from {} to {}{}", value.what, given, value.low, value.high,
                              value.range));
    patterns.back().neurons.push_back(neuron);
    patterns.back().values.push_back(given);
  });
  return patterns;
}

std::vector<double> read_values(Table& table, const PatternValue& value, std::size_t size) {
  const Bounds bounds{value.low, value.high};
  if (!table.has(value.key) && value.otherwise) return std::vector<double>(size, *value.otherwise);
  if (!table.is_list(value.key)) return std::vector<double>(size, table.quantity(value.key, value.dimension, bounds));
  std::vector<double> values = table.quantities(value.key, value.dimension, bounds);
  if (values.size() != size)
    table.fail(value.key,
               fmt::format("'{}' holds {} values, but 'neurons' {} neurons", value.key, values.size(), size));
  return values;
}

std::vector<Pattern> read_tables(Table& table, NeuronId size, const PatternValue& value) {
  std::vector<Pattern> patterns;
  std::uint64_t all = 0;
  Members members(size);
  for (Table& inner : table.tables("pattern")) {
    Pattern pattern;
    pattern.neurons = inner.indices("neurons", size);
    for (const NeuronId neuron : pattern.neurons)
      if (!members.add(neuron))
        inner.fail("neurons", fmt::format("'neurons' lists {} twice; each can be listed once", neuron));
    if (pattern.neurons.empty()) inner.fail("neurons", "'neurons' is empty; list at least one, or write \"all\"");
    members.clear(pattern.neurons);
    all += pattern.neurons.size();
    if (all > kMostMembers) inner.fail("neurons", fmt::format("the patterns have more than {} members", kMostMembers));
    pattern.values = read_values(inner, value, pattern.neurons.size());
    inner.finish();
    patterns.push_back(std::move(pattern));
  }
  if (patterns.empty()) table.fail("pattern", "'pattern' lists no pattern");
  return patterns;
}

// Patterns of exactly `size` members, or to which each neuron belongs with the probability `density`.
std::vector<Pattern> draw_patterns(const StimulusReading& reading, NeuronId size, double value) {
  Table& outer = reading.table;
  if (!outer.is_table("patterns"))
    outer.fail("patterns",
               "'patterns' says how to draw patterns: write { count = 4, size = 200 }, or density in place "
               "of size; list given ones as [[stimulus.pattern]]");
  Table table = outer.table("patterns");
  const auto count = static_cast<std::uint32_t>(table.integer("count", 1, 1'000'000));
  if (table.has("size") == table.has("density")) table.fail("size", "give exactly one of size and density");
  const bool sized = table.has("size");
  const auto members = sized ? static_cast<std::uint32_t>(table.integer("size", 1, size)) : 0;
  const double density = sized ? 0 : table.number("density", {0, 1, true});
  if (count * (sized ? members : density * size) > static_cast<double>(kMostMembers))
    table.fail("count", fmt::format("the patterns would have more than {} members", kMostMembers));
  table.finish();
  std::vector<Pattern> patterns(count);
  DistinctDraws distinct;
  const std::uint32_t object = hash_name(outer.text("name"));
  for (std::uint32_t p = 0; p < count; ++p) {
    Random random(reading.seed, Draw::pattern, object, p);
    std::vector<NeuronId>& neurons = patterns[p].neurons;
    if (sized) {
      distinct(random, members, size, neurons);
      std::ranges::sort(neurons);
    } else {
      const Geometric gap(density);
      for (double n = gap(random); n < size; n += 1 + gap(random)) neurons.push_back(static_cast<NeuronId>(n));
    }
    patterns[p].values.assign(neurons.size(), value);
  }
  return patterns;
}

}  // namespace

void for_each_member(Table& table, std::string_view key,
                     const std::function<void(std::size_t, const TextRow&)>& member) {
  std::size_t pattern = 0, members = 0;
  bool ended = false;
  imported(table, key, [&](const auto& path) {
    for_each_row(
        path,
        [&](const TextRow& row) {
          if (ended) ++pattern;
          ended = false;
          if (++members > kMostMembers) row.fail(0, fmt::format("the file has more than {} members", kMostMembers));
          member(pattern, row);
        },
        [&] { ended = members > 0; });
  });
}

NeuronId neuron_in(const TextRow& row, std::size_t i, NeuronId size) {
  if (row[i] < 0 || row[i] >= size || row[i] != std::floor(row[i]))
    row.fail(i, fmt::format("neuron {} does not exist; the stimulus has neurons 0 to {}", row[i], size - 1));
  return static_cast<NeuronId>(row[i]);
}

std::vector<std::vector<NeuronId>> drawn_members(Table& table, const std::vector<Pattern>& patterns) {
  std::vector<std::vector<NeuronId>> members;
  if (table.has("patterns"))
    for (const Pattern& pattern : patterns) members.push_back(pattern.neurons);
  return members;
}

std::vector<Pattern> read_patterns(const StimulusReading& reading, NeuronId size, const PatternValue& value) {
  Table& table = reading.table;
  const bool can_be_drawn = value.otherwise.has_value();
  if (table.has("file") + table.has("pattern") + (can_be_drawn && table.has("patterns")) != 1)
    table.fail("file",
               fmt::format("give exactly one of file{} and [[stimulus.pattern]]", can_be_drawn ? ", patterns" : ""));
  if (table.has("file")) return read_file(table, size, value);
  if (table.has("pattern")) return read_tables(table, size, value);
  return draw_patterns(reading, size, *value.otherwise);
}

}  // namespace lpl::spiking
