// Formulas of models and rules: text is parsed to a tree whose names, calls and dimensions are checked. Trees are
// immutable and shared; operations are those of programs (core/program.hpp).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/errors.hpp"
#include "core/program_builder.hpp"
#include "core/quantity.hpp"

namespace lpl {

struct ExpressionNode;
using Expression = std::shared_ptr<const ExpressionNode>;

struct ExpressionNode {
  enum class Kind { number, name, operation };
  Kind kind = Kind::number;
  Dimension dimension;
  bool truth = false;  // a condition: 0 or 1
  double value = 0;    // of a number, in SI
  std::string name;    // of a name; of a number, as it was written
  Op op{};
  std::uint16_t draw = 0;  // of uniform, normal and poisson: which draw of the text
  std::vector<Expression> operands;
  std::uint32_t size = 1, depth = 1;
};

// What a name stands for. An alias has a value: it is put in its place.
struct Symbol {
  std::string name;
  Dimension dimension;
  Expression value = nullptr;
  bool truth = false;
};

// What a text may say.
struct Scope {
  std::vector<Symbol> symbols;
  bool random = false;             // uniform(), normal(), poisson(mean)
  bool noise = false;              // noise(): white noise, of dimension 1/sqrt(time)
  std::uint16_t* draws = nullptr;  // counts the draws of all texts that are read with it; not null where draws may be
  const Symbol* find(std::string_view name) const;
};

// What is wrong with an expression, and with which part of it: `offset` bytes from its beginning.
class ExpressionError : public ConfigError {
 public:
  ExpressionError(std::size_t offset, const std::string& message) : ConfigError(message), offset_(offset) {}
  std::size_t offset() const { return offset_; }

 private:
  std::size_t offset_;
};

// Throws ExpressionError.
Expression parse_expression(std::string_view text, const Scope& scope);
// The same, no condition.
Expression parse_value(std::string_view text, const Scope& scope);
// The same, of this dimension.
Expression parse_expression(std::string_view text, const Scope& scope, Dimension dimension);
Expression parse_condition(std::string_view text, const Scope& scope);

bool is_name(std::string_view text);      // letters, digits, '_' and inner '.', not beginning with a digit
bool is_reserved(std::string_view name);  // functions and words of the grammar

// Parts that a program makes trees of. Products and sums with 0 and 1 are left out.
Expression number(double value, Dimension dimension = Dimension::none);
Expression named(const std::string& name, Dimension dimension);
Expression operation(Op op, std::vector<Expression> operands, Dimension dimension, bool truth = false,
                     std::uint16_t draw = 0);
Expression operator+(const Expression& a, const Expression& b);
Expression operator-(const Expression& a, const Expression& b);
Expression operator*(const Expression& a, const Expression& b);
Expression operator/(const Expression& a, const Expression& b);
bool is_zero(const Expression& tree);

using Lookup = std::function<std::optional<double>(const std::string& name)>;
using DrawValue = std::function<double(Op op, std::uint16_t draw, double mean)>;

// Its value in float64, where `lookup` knows all names; without `draw`, draws are unknown, too.
std::optional<double> evaluate(const Expression& tree, const Lookup& lookup = {}, const DrawValue& draw = {});

bool any_name(const Expression& tree, const std::function<bool(const std::string&)>& predicate);
bool draws(const Expression& tree);
void for_each_name(const Expression& tree, const std::function<void(const std::string&)>& visit);

// tree = constant + factor * x, neither with x; nothing where it is no such sum.
struct Linear {
  Expression constant, factor;
};
std::optional<Linear> linear_in(const Expression& tree, const std::string& x);

// As text that can be parsed again.
std::string text_of(const Expression& tree);

// How a tree becomes instructions: where a name's value is, and which subtrees are known beforehand (may be empty).
struct Lowering {
  std::function<Value(const std::string& name)> name;
  std::function<std::optional<Value>(const Expression& tree)> known;
};
Value append(ProgramBuilder& program, const Expression& tree, const Lowering& lowering);

}  // namespace lpl
