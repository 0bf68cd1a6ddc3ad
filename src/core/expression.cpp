#include "core/expression.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include "core/expression_functions.hpp"

namespace lpl {
namespace {

using Node = ExpressionNode;
using Kind = ExpressionNode::Kind;

bool draws_numbers(Op op) { return op == Op::uniform || op == Op::normal || op == Op::poisson; }

// x^n by repeated squaring, n >= 1; `multiply` makes the products.
template <class T, class Multiply>
T whole_power(const T& x, int n, Multiply&& multiply) {
  T square = x;
  std::optional<T> result;
  for (; n > 0; n /= 2) {
    if (n % 2) result = result ? multiply(*result, square) : square;
    if (n > 1) square = multiply(square, square);
  }
  return *result;
}

}  // namespace

std::optional<int> whole_exponent(const Expression& power) {
  const Node& exponent = *power->operands[1];
  if (exponent.kind != Kind::number || exponent.value != std::round(exponent.value) ||
      std::abs(exponent.value) > kLargestPower)
    return {};
  return static_cast<int>(exponent.value);
}

Expression number(double value, Dimension dimension) {
  auto node = std::make_shared<Node>();
  node->value = value;
  node->dimension = dimension;
  return node;
}

Expression named(const std::string& name, Dimension dimension) {
  auto node = std::make_shared<Node>();
  node->kind = Kind::name;
  node->name = name;
  node->dimension = dimension;
  return node;
}

Expression operation(Op op, std::vector<Expression> operands, Dimension dimension, bool truth, std::uint16_t draw) {
  auto node = std::make_shared<Node>();
  node->kind = Kind::operation;
  node->op = op;
  node->dimension = dimension;
  node->truth = truth;
  node->draw = draw;
  for (const Expression& operand : operands) {
    node->size = std::min(node->size + operand->size, kLargestExpression + 1);
    node->depth = std::max(node->depth, operand->depth + 1);
  }
  node->operands = std::move(operands);
  return node;
}

bool is_zero(const Expression& tree) { return tree->kind == Kind::number && tree->value == 0; }

namespace {
bool is_one(const Expression& tree) {
  return tree->kind == Kind::number && tree->value == 1 && tree->dimension == Dimension::none;
}
}  // namespace

Expression operator+(const Expression& a, const Expression& b) {
  if (is_zero(a)) return b;
  if (is_zero(b)) return a;
  return operation(Op::add, {a, b}, a->dimension);
}
Expression operator-(const Expression& a, const Expression& b) {
  if (is_zero(b)) return a;
  if (is_zero(a)) return operation(Op::negate, {b}, b->dimension);
  return operation(Op::subtract, {a, b}, a->dimension);
}
Expression operator*(const Expression& a, const Expression& b) {
  const Dimension dimension = a->dimension * b->dimension;
  if (is_zero(a) || is_zero(b)) return number(0, dimension);
  if (is_one(a)) return b;
  if (is_one(b)) return a;
  return operation(Op::multiply, {a, b}, dimension);
}
Expression operator/(const Expression& a, const Expression& b) {
  const Dimension dimension = a->dimension / b->dimension;
  if (is_zero(a)) return number(0, dimension);
  if (is_one(b)) return a;
  return operation(Op::divide, {a, b}, dimension);
}

namespace {

double applied(const Node& node, std::span<const double> x) {
  switch (node.op) {
    case Op::copy:
      return x[0];
    case Op::negate:
      return -x[0];
    case Op::add:
      return x[0] + x[1];
    case Op::subtract:
      return x[0] - x[1];
    case Op::multiply:
      return x[0] * x[1];
    case Op::divide:
      return x[0] / x[1];
    case Op::fma:
      return std::fma(x[0], x[1], x[2]);
    case Op::fnma:
      return std::fma(-x[0], x[1], x[2]);
    case Op::min:
      return x[0] < x[1] ? x[0] : x[1];
    case Op::max:
      return x[0] > x[1] ? x[0] : x[1];
    case Op::abs:
      return std::abs(x[0]);
    case Op::sqrt:
      return std::sqrt(x[0]);
    case Op::floor:
      return std::floor(x[0]);
    case Op::exp:
      return std::exp(x[0]);
    case Op::expm1:
      return std::expm1(x[0]);
    case Op::log:
      return std::log(x[0]);
    case Op::log1p:
      return std::log1p(x[0]);
    case Op::exprel:
      return x[0] == 0 ? 1 : std::expm1(x[0]) / x[0];
    case Op::tanh:
      return std::tanh(x[0]);
    case Op::sin:
      return std::sin(x[0]);
    case Op::cos:
      return std::cos(x[0]);
    case Op::power:
      return std::exp(x[1] * std::log(x[0]));
    case Op::greater:
      return x[0] > x[1];
    case Op::greater_equal:
      return x[0] >= x[1];
    case Op::less:
      return x[0] < x[1];
    case Op::less_equal:
      return x[0] <= x[1];
    case Op::equal:
      return x[0] == x[1];
    case Op::both:
      return x[0] != 0 && x[1] != 0;
    case Op::either:
      return x[0] != 0 || x[1] != 0;
    case Op::negation:
      return x[0] == 0;
    case Op::select:
      return x[0] != 0 ? x[1] : x[2];
    default:
      return 0;
  }
}

// Whole powers are products: made only where n is not 0.
template <class T, class Multiply, class Divide>
T whole_power(const T& x, int n, const T& one, Multiply&& multiply, Divide&& divide) {
  if (n == 0) return one;
  const T product = whole_power(x, std::abs(n), multiply);
  return n > 0 ? product : divide(one, product);
}

}  // namespace

std::optional<double> evaluate(const Expression& tree, const Lookup& lookup, const DrawValue& draw) {
  const Node& node = *tree;
  if (node.kind == Kind::number) return node.value;
  if (node.kind == Kind::name) return lookup ? lookup(node.name) : std::nullopt;
  std::array<double, 3> x{};
  for (std::size_t i = 0; i < node.operands.size(); ++i) {
    const auto value = evaluate(node.operands[i], lookup, draw);
    if (!value) return {};
    x[i] = *value;
  }
  if (draws_numbers(node.op)) return draw ? std::optional(draw(node.op, node.draw, x[0])) : std::nullopt;
  if (node.op == Op::power)
    if (const auto n = whole_exponent(tree))
      return whole_power(x[0], *n, 1.0, std::multiplies<double>{}, std::divides<double>{});
  return applied(node, x);
}

bool any_name(const Expression& tree, const std::function<bool(const std::string&)>& predicate) {
  if (tree->kind == Kind::name) return predicate(tree->name);
  return std::any_of(tree->operands.begin(), tree->operands.end(),
                     [&](const Expression& operand) { return any_name(operand, predicate); });
}

void for_each_name(const Expression& tree, const std::function<void(const std::string&)>& visit) {
  any_name(tree, [&](const std::string& name) {
    visit(name);
    return false;
  });
}

bool draws(const Expression& tree) {
  return (tree->kind == Kind::operation && draws_numbers(tree->op)) ||
         std::any_of(tree->operands.begin(), tree->operands.end(), draws);
}

std::optional<Linear> linear_in(const Expression& tree, const std::string& x) {
  const Node& node = *tree;
  if (!any_name(tree, [&](const std::string& name) { return name == x; })) return Linear{tree, number(0)};
  if (node.kind == Kind::name) return Linear{number(0, node.dimension), number(1)};
  std::vector<Linear> parts;
  for (const Expression& operand : node.operands) {
    auto part = linear_in(operand, x);
    if (!part) return {};
    parts.push_back(std::move(*part));
  }
  const auto free = [&](std::size_t i) { return is_zero(parts[i].factor); };
  const auto product = [](const Linear& a, const Linear& b) {  // one of them without x
    return Linear{a.constant * b.constant, is_zero(b.factor) ? a.factor * b.constant : a.constant * b.factor};
  };
  const auto minus = [](const Linear& a, const Linear& b) {
    return Linear{a.constant - b.constant, a.factor - b.factor};
  };
  switch (node.op) {
    case Op::negate:
      return Linear{number(0, node.dimension) - parts[0].constant, number(0) - parts[0].factor};
    case Op::add:
      return Linear{parts[0].constant + parts[1].constant, parts[0].factor + parts[1].factor};
    case Op::subtract:
      return minus(parts[0], parts[1]);
    case Op::multiply:
      if (free(0) || free(1)) return product(parts[0], parts[1]);
      return {};
    case Op::divide:
      if (free(1)) return Linear{parts[0].constant / parts[1].constant, parts[0].factor / parts[1].constant};
      return {};
    case Op::fma:
    case Op::fnma: {
      if (!free(0) && !free(1)) return {};
      const Linear term = product(parts[0], parts[1]);
      if (node.op == Op::fnma) return minus(parts[2], term);
      return Linear{term.constant + parts[2].constant, term.factor + parts[2].factor};
    }
    case Op::select: {
      if (!free(0)) return {};
      const Dimension factor = is_zero(parts[1].factor) ? parts[2].factor->dimension : parts[1].factor->dimension;
      return Linear{operation(Op::select, {parts[0].constant, parts[1].constant, parts[2].constant}, node.dimension),
                    operation(Op::select, {parts[0].constant, parts[1].factor, parts[2].factor}, factor)};
    }
    default:
      return {};
  }
}

namespace {

enum Binding { kOr, kAnd, kNot, kCompare, kSum, kProduct, kSign, kPower, kAtom };

std::pair<std::string_view, Binding> infix(Op op) {
  switch (op) {
    case Op::add:
      return {" + ", kSum};
    case Op::subtract:
      return {" - ", kSum};
    case Op::multiply:
      return {" * ", kProduct};
    case Op::divide:
      return {" / ", kProduct};
    case Op::greater:
      return {" > ", kCompare};
    case Op::greater_equal:
      return {" >= ", kCompare};
    case Op::less:
      return {" < ", kCompare};
    case Op::less_equal:
      return {" <= ", kCompare};
    case Op::equal:
      return {" == ", kCompare};
    case Op::both:
      return {" and ", kAnd};
    case Op::either:
      return {" or ", kOr};
    case Op::power:
      return {"^", kPower};
    default:
      return {"", kAtom};
  }
}

std::string number_text(const Node& node) {
  if (!node.name.empty()) return node.name;
  std::string text = fmt::format("{}", node.value);
  if (node.dimension == Dimension::none) return text;
  return fmt::format("{} {}", text, unit_of(node.dimension));
}

std::string text_in(const Expression& tree, Binding around);

std::string joined_operands(const Node& node, std::string_view name) {
  std::string text(name);
  text += '(';
  for (std::size_t i = 0; i < node.operands.size(); ++i) text += (i ? ", " : "") + text_in(node.operands[i], kOr);
  return text + ')';
}

std::string text_in(const Expression& tree, Binding around) {
  const Node& node = *tree;
  const auto enclosed = [&](std::string text, Binding own) {
    return own < around ? "(" + std::move(text) + ")" : std::move(text);
  };
  if (node.kind == Kind::name) return node.name.starts_with("noise()") ? "noise()" : node.name;
  if (node.kind == Kind::number)
    return enclosed(number_text(node), node.value < 0 || std::signbit(node.value) ? kSign
                                       : node.dimension == Dimension::none        ? kAtom
                                                                                  : kPower);
  if (node.op == Op::negate) return enclosed("-" + text_in(node.operands[0], kSign), kSign);
  if (node.op == Op::negation) return enclosed("not " + text_in(node.operands[0], kNot), kNot);
  const auto [sign, own] = infix(node.op);
  if (own != kAtom) {
    const auto next = static_cast<Binding>(own + 1);
    const bool leaning = own == kSum || own == kProduct || own == kOr || own == kAnd;  // a - b - c is (a - b) - c
    const Binding left = leaning ? own : next, right = own == kPower ? kSign : next;
    return enclosed(text_in(node.operands[0], left) + std::string(sign) + text_in(node.operands[1], right), own);
  }
  for (const ExpressionFunction& f : kExpressionFunctions)
    if (f.op == node.op && f.shape != ExpressionFunction::Shape::clip && f.shape != ExpressionFunction::Shape::steps &&
        f.shape != ExpressionFunction::Shape::noise)
      return joined_operands(node, f.name);
  return "?";
}

}  // namespace

std::string text_of(const Expression& tree) { return text_in(tree, kOr); }

Value append(ProgramBuilder& program, const Expression& tree, const Lowering& lowering) {
  const Node& node = *tree;
  if (node.kind == Kind::number) return program.constant(node.value);
  if (lowering.known)
    if (const auto value = lowering.known(tree)) return *value;
  if (node.kind == Kind::name) return lowering.name(node.name);
  if (node.op == Op::power)
    if (const auto n = whole_exponent(tree)) {
      const Value base = append(program, node.operands[0], lowering);
      const auto emit = [&](Op op) { return [&program, op](Value a, Value b) { return program.emit(op, a, b); }; };
      return whole_power(base, *n, program.constant(1), emit(Op::multiply), emit(Op::divide));
    }
  std::array<Value, 3> x{};
  for (std::size_t i = 0; i < node.operands.size(); ++i) x[i] = append(program, node.operands[i], lowering);
  if (draws_numbers(node.op)) return program.draw(node.op, node.draw, x[0]);
  return program.emit(node.op, x[0], x[1], x[2]);
}

}  // namespace lpl
