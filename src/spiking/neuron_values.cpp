#include "spiking/neuron_values.hpp"

#include <fmt/format.h>

#include "io/import.hpp"

namespace lpl::spiking {

NeuronValues::NeuronValues(Expression of_index) : of_index_(std::move(of_index)) {}

NeuronValues NeuronValues::read(Table& table, std::string_view key, Dimension dimension, NeuronId size) {
  NeuronValues result;
  if (table.is_table(key)) {
    Table inner = table.table(key);
    if (!inner.has("file")) {
      result.distribution_ = Distribution::read(table, key, dimension, kAny, size, size);
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
  if (table.is_number(key)) {
    if (dimension != Dimension::none) table.quantity(key, dimension, kAny);  // says which units it takes
    return NeuronValues(number(table.number(key, kAny)));
  }
  const Scope scope{.symbols = {{"i", Dimension::none}, {"N", Dimension::none}}};
  const std::string text = table.text(key);
  try {
    return NeuronValues(parse_expression(text, scope, dimension));
  } catch (const ExpressionError& error) {
    table.fail_at(key, error.offset(), fmt::format("'{}' is {}: {}", key, table.written(key), error.what()));
  }
}

bool NeuronValues::same_for_all() const {
  return listed_.empty() && distribution_.constant() &&
         (!of_index_ || !any_name(of_index_, [](const std::string&) { return true; }));
}

double NeuronValues::of(NeuronId id, NeuronId size, Random random) const {
  if (of_index_)
    return *evaluate(of_index_,
                     [&](const std::string& name) -> std::optional<double> { return name == "i" ? id : size; });
  if (!listed_.empty()) return listed_[id];
  return distribution_.draw(random, {.pre = id, .post = id, .distance = 0});
}

}  // namespace lpl::spiking
