// Reading what texts of models and rules have in common.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "config/table.hpp"
#include "core/expression.hpp"
#include "spiking/text/steady_text.hpp"

namespace lpl::spiking {

class TextReader {
 protected:
  explicit TextReader(Table& table) : table_(table) {}

  Expression value(Table& table, std::string_view key, const Scope& scope);
  Expression value(Table& table, std::string_view key, const Scope& scope, Dimension dimension);
  Expression condition(Table& table, std::string_view key, const Scope& scope);
  Dimension unit(Table& table, const std::string& key);

  // Takes the name that stands under `key` for a thing of the text.
  void declare(Table& table, const std::string& key, const std::string& name);
  void declare(Table& table, const std::string& name) { declare(table, name, name); }

  Table section(std::string_view key);
  // What stands under `name` as a table of its own.
  Table entry(Table& table, const std::string& name);

  void read_title(SteadyText& text);
  // Defaults may name what `place` and [define] have.
  void read_parameters(SteadyText& text, const Scope& place);
  void read_constants(SteadyText& text);
  // Named expressions of what `scope` has, which gets them.
  void read_aliases(Scope& scope);
  void read_requirements(SteadyText& text);

  // "the name 'g' is taken (FILE:LINE:COLUMN: cell 'if' [states]); choose another"
  std::string taken(const std::string& name) const;

  Table& table_;
  std::map<std::string, std::string> names_;  // that are taken, with what has them
  Scope steady_;                              // parameters, dt and constants
};

}  // namespace lpl::spiking
