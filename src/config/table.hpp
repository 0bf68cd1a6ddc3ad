// Typed, checked reading of TOML descriptions.
//
// A Table is read key by key; each read states the key's dimension, bounds and default, so unknown keys,
// wrong units and values out of range are found in one place and reported with file, line and column.
// Whatever is read, defaults included, is echoed into a resolved copy: the canonical text of the description.
// Numbers and quantities are 0 or in the range of float32, in which engines hold them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/bounds.hpp"
#include "config/document.hpp"
#include "core/expression.hpp"
#include "core/quantity.hpp"
#include "core/types.hpp"

namespace lpl {

class Table {
 public:
  // `who` names the table in messages: "connection 'input_exc'".
  const std::string& who() const { return who_; }
  void rename(std::string who) { who_ = std::move(who); }

  bool has(std::string_view key);

  // A quantity in SI units; of no dimension, a number. Without a default the key is required. Defaults are written as
  // in a description.
  double quantity(std::string_view key, Dimension dimension, Bounds bounds, std::optional<std::string> fallback = {});
  double number(std::string_view key, Bounds bounds, std::optional<double> fallback = {});
  std::int64_t integer(std::string_view key, std::int64_t low, std::int64_t high,
                       std::optional<std::int64_t> fallback = {});
  std::string text(std::string_view key, std::optional<std::string> fallback = {});
  // One of `words`; returns its index.
  std::size_t choice(std::string_view key, const std::vector<std::string>& words,
                     std::optional<std::string> fallback = {});
  bool flag(std::string_view key, std::optional<bool> fallback = {});
  std::vector<std::string> texts(std::string_view key, std::optional<std::vector<std::string>> fallback = {});
  std::vector<std::int64_t> integers(std::string_view key, std::int64_t low, std::int64_t high,
                                     std::optional<std::vector<std::int64_t>> fallback = {});
  std::vector<double> numbers(std::string_view key, Bounds bounds, std::optional<std::vector<double>> fallback = {});
  std::vector<std::vector<double>> number_rows(std::string_view key, Bounds bounds);
  std::vector<double> quantities(std::string_view key, Dimension dimension, Bounds bounds);
  // One of each of `dimensions`; a number may stand in quotes.
  std::vector<double> quantities(std::string_view key, const std::vector<Dimension>& dimensions);
  // Members of 0 .. size-1 in the order given: "all", a range as "0:50" (50 excluded), an index, or a list of those.
  std::vector<NeuronId> indices(std::string_view key, NeuronId size, std::optional<std::string> fallback = {});
  // A file named by the description: must exist; echoed and returned as an absolute path. `source`: where it comes
  // from, for the error.
  std::string file(std::string_view key, std::string_view source = "");
  // The same for a folder.
  std::string folder(std::string_view key, std::string_view source = "");
  // What kind of TOML value stands under `key`.
  bool is_table(std::string_view key);
  bool is_flag(std::string_view key);
  bool is_text(std::string_view key);
  bool is_number(std::string_view key);
  bool is_list(std::string_view key);
  // Which of `keys` is given; fails where it is not exactly one.
  std::size_t only_one(const std::vector<std::string>& keys);
  // The keys, in the order in which they are written. All count as known.
  std::vector<std::string> keys();

  // `holds`: what must stand there, for the error ("names a 'net'").
  Table table(std::string_view key, std::string_view holds = "");
  // The same; an empty table, whose keys take their defaults, where the key is absent.
  Table table_or_defaults(std::string_view key);
  // The tables of a list, in order; empty where the key is absent.
  std::vector<Table> tables(std::string_view key);
  // Of a list of tables in each of which `from` and `to` list names: a table for each pair of them. Other keys hold
  // what is the same for all, or rows by `to` of columns by `from`; 0 in such a row leaves the pair out. What is read
  // is echoed as members of the list `single`.
  std::vector<Table> pairs(std::string_view key, std::string_view single);

  // An expression of what `scope` and [define] have, of this dimension, if any; or a number.
  Expression expression(std::string_view key, Scope scope, std::optional<Dimension> dimension = {});
  // What `parse` makes of the text under `key`, or of the number there as a text. An ExpressionError gets its place.
  template <class Parse>
  auto parsed(std::string_view key, Parse&& parse) {
    const std::string text = expression_text(key);
    try {
      return parse(std::string_view(text));
    } catch (const ExpressionError& error) {
      fail_at(key, error);
    }
  }
  // Call after the last read: reports a key that nobody read, with the nearest known one.
  void finish() const;
  // The same for the models of a section ([section.name]): every one must have been asked for.
  void finish_models(std::string_view section) const;

  // What was read under `key`, as a description has it: "1 ms" with its quotes.
  std::string written(std::string_view key) const;
  // The same as a clause: "'delay' is "1 ms"", or "'delay' is not given, so it is "1 ms" by default".
  std::string stated(std::string_view key) const;

  // The position of `key` (or of the table where the key is absent), as "FILE:LINE:COLUMN: who()": what fail() begins
  // with, for what is found later.
  std::string place(std::string_view key) const;

  // Throws ConfigError at the position of `key` (or of the table where the key is absent).
  [[noreturn]] void fail(std::string_view key, const std::string& message) const;
  // The same at `offset` bytes from the beginning of the text that stands under `key`, or of the text `element` of the
  // list that stands there.
  [[noreturn]] void fail_at(std::string_view key, std::size_t offset, const std::string& message,
                            std::size_t element = 0) const;
  [[noreturn]] void fail_at(std::string_view key, const ExpressionError& error) const;

 private:
  friend class Document;
  struct Node;
  Table(Document::Content* document, const void* source, void* echo, std::string who);
  const void* node(std::string_view key) const;
  const void* find(std::string_view key);
  void define();
  [[noreturn]] void fail_open(const std::vector<std::string>& open, const std::vector<ConfigError>& errors) const;
  // What [define] has; names of it in `text` count as used.
  const std::vector<Symbol>& definitions_for(std::string_view text) const;
  std::string expression_text(std::string_view key);
  // Where a number or its text stands under `key`, or as an element of a list there: its value in SI.
  double value_of(std::string_view key, const void* text, Dimension dimension) const;
  bool is_number_text(const void* stands) const;
  double number_in(std::string_view key, const void* element, Bounds bounds) const;
  std::optional<std::int64_t> whole_number(std::string_view key, const void* stands) const;
  [[noreturn]] void fail_unit(std::string_view key, const void* stands, Dimension dimension) const;
  [[noreturn]] void fail_in(const void* text, std::size_t offset, const std::string& message) const;
  void add_pairs(void* singles, std::vector<Table>& pairs);
  bool is_left_out() const;
  std::string existing(std::string_view key, bool folder, std::string_view source);
  [[noreturn]] void fail_missing(std::string_view key) const;
  [[noreturn]] void fail_missing(const std::vector<std::string>& keys, const std::string& message) const;
  std::string stated(std::string_view key, std::string_view shown) const;
  void check(std::string_view key, double value, Bounds bounds, std::string_view shown,
             std::string_view unit = "") const;

  Document::Content* document_;
  const void* source_;  // const toml::table*
  void* echo_;          // toml::table*
  std::string who_;
  std::vector<std::string> known_;
  struct Pair {
    std::size_t from, to;  // elements of the lists under these keys
  };
  std::optional<Pair> pair_;
};

}  // namespace lpl
