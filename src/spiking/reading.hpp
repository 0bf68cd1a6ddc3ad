// What the readers of a description's parts share.
#pragma once

#include <fmt/format.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/table.hpp"
#include "core/errors.hpp"
#include "core/text.hpp"
#include "spiking/description.hpp"

namespace lpl::spiking {

inline constexpr NeuronId kLargestSize = 1u << 30;

// Names that are taken, by kind, with the places of what has them.
class Names {
 public:
  std::string read(Table& table, const std::string& kind, std::optional<std::string> fallback = {});

 private:
  std::map<std::string, std::map<std::string, std::string>> taken_;
};

// The neurons under the key `neurons`, ascending.
std::vector<NeuronId> read_neurons(Table& table, NeuronId size, std::optional<std::string> fallback = {});

// The index of the element named by `key`; `what` says what it must be.
template <class List>
std::size_t named(Table& table, std::string_view key, const std::string& name, const List& list,
                  std::string_view what) {
  std::vector<std::string> known;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (list[i].name == name) return i;
    known.push_back(list[i].name);
  }
  const std::string close = nearest(name, known);
  table.fail(key, fmt::format("'{}' is \"{}\", but no {} has that name; {}", key, name, what,
                              !close.empty()  ? fmt::format("did you mean '{}'?", close)
                              : known.empty() ? fmt::format("none is described")
                                              : "there is " + join_or(known)));
}

// Of [[connection]] and other tables whose arrivals `target` takes: the receptor under `receptor`, by default the
// first.
std::size_t read_receptor(Table& table, const Population& target);
// What weights onto a receptor may be: of its sign.
Bounds weights_of(const ReceptorText& receptor);

// Whether a table with `from` stands there: values that another run ended with.
inline bool begins_elsewhere(Table& table, std::string_view key) {
  return table.is_table(key) && table.table(key).has("from");
}

// Reads the file that `key` names; the importer's error gets the position of the key.
template <class Read>
auto imported(Table& table, std::string_view key, Read&& read) {
  const std::string path = table.file(key);
  try {
    return read(path);
  } catch (const ConfigError& error) {
    table.fail(key, error.what());
  }
}

}  // namespace lpl::spiking
