// Reading what texts of models and rules have in common.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "config/table.hpp"
#include "core/expression.hpp"
#include "spiking/text/steady_text.hpp"

namespace lpl::spiking {

class TextReader {
 protected:
  explicit TextReader(Table& table) : table_(table) {}

  // What stands as a text under `key` is read by `read`, a number as its text; an error has its place there.
  template <class Read>
  auto at(Table& table, std::string_view key, Read&& read) {
    const std::string text = text_at(table, key);
    try {
      return read(std::string_view(text));
    } catch (const ExpressionError& error) {
      fail_at(table, key, error);
    }
  }
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
  // Defaults may name what `place` has.
  void read_parameters(SteadyText& text, const Scope& place);
  void read_constants(SteadyText& text);
  // Named expressions of what `scope` has, which gets them.
  void read_aliases(Scope& scope);
  void read_requirements(SteadyText& text);

  Table& table_;
  std::set<std::string> names_;
  Scope steady_;  // parameters, dt and constants

 private:
  static std::string text_at(Table& table, std::string_view key);
  [[noreturn]] static void fail_at(Table& table, std::string_view key, const ExpressionError& error);
};

}  // namespace lpl::spiking
