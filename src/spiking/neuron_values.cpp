#include "spiking/neuron_values.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "io/import.hpp"

namespace lpl::spiking {

NeuronValues::NeuronValues(Expression value) : expression_(std::move(value)) {}

NeuronValues NeuronValues::read(Table& table, std::string_view key, Dimension dimension, NeuronId size,
                                std::shared_ptr<const Positions> positions) {
  if (table.is_table(key)) return read_table(table, key, dimension, size);
  Scope scope{.symbols = {{"i", Dimension::none}, {"N", Dimension::none}}};
  if (positions) std::ranges::copy(positions->symbols(), std::back_inserter(scope.symbols));
  NeuronValues result(table.expression(key, std::move(scope), dimension));
  result.positions_ = std::move(positions);
  return result;
}

NeuronValues NeuronValues::read_table(Table& table, std::string_view key, Dimension dimension, NeuronId size) {
  NeuronValues result;
  Table inner = table.table(key);
  if (inner.has("by_distance"))
    inner.fail("by_distance", "a neuron lies at no distance; give an expression of its place x, y, z");
  if (!inner.has("file")) {
    WiringPlace place;
    place.pre_size = place.post_size = size;
    result.distribution_ = Distribution::read(table, key, dimension, kAny, place);
    return result;
  }
  const std::string path = inner.file("file");
  try {
    for_each_row(path, [&](const TextRow& row) {
      row.expect(1, "the value of one neuron in SI units");
      result.listed_.push_back(row[0]);
    });
  } catch (const ConfigError& error) {
    inner.fail("file", error.what());
  }
  if (result.listed_.size() != size)
    inner.fail("file", fmt::format("holds {} values for {} neurons", result.listed_.size(), size));
  inner.finish();
  return result;
}

bool NeuronValues::same_for_all() const {
  return listed_.empty() && distribution_.constant() &&
         (!expression_ || !any_name(expression_, [](const std::string&) { return true; }));
}

double NeuronValues::of(NeuronId id, NeuronId size, Random random) const {
  if (expression_)
    return *evaluate(expression_, [&](const std::string& name) -> std::optional<double> {
      if (name == "i") return id;
      if (name == "N") return size;
      return positions_->coordinate(name, id);
    });
  if (!listed_.empty()) return listed_[id];
  return distribution_.draw(random, {.pre = id, .post = id, .distance = 0});
}

}  // namespace lpl::spiking
