// Texts become trees.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numbers>

#include "core/expression_functions.hpp"
#include "core/text.hpp"

namespace lpl {
namespace {

using Node = ExpressionNode;
using Kind = ExpressionNode::Kind;
using Function = ExpressionFunction;
using Shape = Function::Shape;

constexpr int kDeepest = 64;              // parentheses, calls and signs within each other
constexpr std::uint32_t kTallest = 1000;  // operations that wait for each other
constexpr std::size_t kLongest = 20'000;  // bytes
constexpr int kLargestExponent = 1000;    // of a dimension, in halves

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

constexpr std::string_view kWords[] = {"and", "or", "not"};
constexpr Dimension kNoise{0, 0, -1, 0};

const Function* find_function(std::string_view name) {
  const auto found = std::find_if(std::begin(kExpressionFunctions), std::end(kExpressionFunctions),
                                  [&](const Function& f) { return f.name == name; });
  return found == std::end(kExpressionFunctions) ? nullptr : &*found;
}

bool reasonable(Dimension d) {
  const int exponents[] = {d.kg, d.m, d.s, d.A};
  return std::all_of(std::begin(exponents), std::end(exponents), [](int e) { return std::abs(e) <= kLargestExponent; });
}

// A parsed part and where it stands.
struct Part {
  Expression tree;
  std::size_t begin, end;
};

class Parser {
 public:
  Parser(std::string_view text, const Scope& scope) : text_(text), scope_(scope) {}

  Part parse() {
    if (text_.size() > kLongest) fail(0, fmt::format("an expression may have {} characters", kLongest));
    skip_blanks();
    if (at_ == text_.size()) fail(0, "an expression is missing");
    Part whole = disjunction();
    if (at_ < text_.size()) unexpected("an operator");
    return whole;
  }

  [[noreturn]] void fail(std::size_t offset, const std::string& message) const {
    throw ExpressionError(offset, message);
  }
  [[noreturn]] void fail(const Part& part, const std::string& message) const {
    fail(part.begin, fmt::format("{} {}", shown(part), message));
  }
  std::string shown(const Part& part) const {
    constexpr std::size_t kShown = 60;
    const std::string_view text = text_.substr(part.begin, part.end - part.begin);
    return text.size() <= kShown ? fmt::format("'{}'", text) : fmt::format("'{}...'", text.substr(0, kShown));
  }

  void expect_value(const Part& part) const {
    if (part.tree->truth) fail(part, "is a condition, not a value");
  }
  void expect_condition(const Part& part) const {
    if (!part.tree->truth) fail(part, fmt::format("is {}, not a condition", a_name_of(part.tree->dimension)));
  }
  void expect(const Part& part, Dimension dimension, const std::string& where) const {
    expect_value(part);
    if (part.tree->dimension != dimension)
      fail(part, fmt::format("is {}; {} takes {}", a_name_of(part.tree->dimension), where, a_name_of(dimension)));
  }

 private:
  class Deeper {
   public:
    explicit Deeper(Parser& parser) : parser_(parser) {
      if (++parser_.depth_ > kDeepest)
        parser_.fail(parser_.at_, fmt::format("the expression nests more than {} parentheses and calls", kDeepest));
    }
    ~Deeper() { --parser_.depth_; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;

   private:
    Parser& parser_;
  };

  void skip_blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r'))
      ++at_;
  }
  bool take(std::string_view token) {
    if (!text_.substr(at_).starts_with(token)) return false;
    at_ += token.size();
    skip_blanks();
    return true;
  }
  bool take_word(std::string_view word) {
    if (name_at(at_) != word) return false;
    return take(word);
  }
  // Letters, digits and '_', with dots between them.
  std::string_view name_at(std::size_t at) const {
    std::size_t end = at;
    if (end < text_.size() && is_letter(text_[end]))
      while (end < text_.size() && (is_letter(text_[end]) || is_digit(text_[end]) ||
                                    (text_[end] == '.' && end + 1 < text_.size() && is_letter(text_[end + 1]))))
        ++end;
    return text_.substr(at, end - at);
  }
  [[noreturn]] void unexpected(std::string_view wanted) const {
    if (at_ == text_.size()) fail(at_, fmt::format("{} is missing at the end", wanted));
    const std::string_view name = name_at(at_);
    std::size_t character = 1;
    while (at_ + character < text_.size() && (text_[at_ + character] & 0xC0) == 0x80) ++character;
    const std::string_view found = name.empty() ? text_.substr(at_, character) : name;
    if (found == "=") fail(at_, "'=' is no comparison; write ==");
    fail(at_, fmt::format("'{}' stands where {} should", printable(found), wanted));
  }

  Part joined(Op op, const Part& a, const Part& b, Dimension dimension, bool truth = false) const {
    return checked({operation(op, {a.tree, b.tree}, dimension, truth), a.begin, b.end});
  }
  Part checked(Part part) const {
    if (!reasonable(part.tree->dimension))
      fail(part.begin, fmt::format("{} has too high powers of units", shown(part)));
    if (part.tree->size > kLargestExpression || part.tree->depth > kTallest)
      fail(part.begin, "the expression is too long, with its aliases put in; break it up into states or constants");
    return part;
  }

  Part disjunction() {
    Part a = conjunction();
    while (take_word("or")) a = truths(Op::either, a, conjunction());
    return a;
  }
  Part conjunction() {
    Part a = inversion();
    while (take_word("and")) a = truths(Op::both, a, inversion());
    return a;
  }
  Part truths(Op op, const Part& a, const Part& b) const {
    expect_condition(a);
    expect_condition(b);
    return joined(op, a, b, Dimension::none, true);
  }
  Part inversion() {
    const std::size_t begin = at_;
    if (!take_word("not")) return comparison();
    const Deeper deeper(*this);
    const Part a = inversion();
    expect_condition(a);
    return checked({operation(Op::negation, {a.tree}, Dimension::none, true), begin, a.end});
  }

  Part comparison() {
    Part a = sum();
    const auto op = take_comparison();
    if (!op) return a;
    const Part b = sum();
    expect_alike(a, b, "compared");
    Part result = joined(*op, a, b, Dimension::none, true);
    const std::size_t second = at_;
    if (take_comparison()) fail(second, "comparisons do not chain; join two with 'and'");
    return result;
  }
  std::optional<Op> take_comparison() {
    if (take(">=")) return Op::greater_equal;
    if (take("<=")) return Op::less_equal;
    if (take("==")) return Op::equal;
    if (take(">")) return Op::greater;
    if (take("<")) return Op::less;
    return {};
  }
  void expect_alike(const Part& a, const Part& b, std::string_view what) const {
    expect_value(a);
    expect_value(b);
    if (a.tree->dimension != b.tree->dimension)
      fail(b, fmt::format("is {}, but {} is {}; the two cannot be {}", a_name_of(b.tree->dimension), shown(a),
                          a_name_of(a.tree->dimension), what));
  }

  Part sum() {
    Part a = product();
    for (;;) {
      const bool minus = at_ < text_.size() && text_[at_] == '-';
      if (!take("+") && !take("-")) return a;
      const Part b = product();
      expect_alike(a, b, minus ? "subtracted" : "added");
      a = joined(minus ? Op::subtract : Op::add, a, b, a.tree->dimension);
    }
  }
  Part product() {
    Part a = signed_power();
    for (;;) {
      const bool over = at_ < text_.size() && text_[at_] == '/';
      if (!take("*") && !take("/")) return a;
      const Part b = signed_power();
      expect_value(a);
      expect_value(b);
      a = over ? joined(Op::divide, a, b, a.tree->dimension / b.tree->dimension)
               : joined(Op::multiply, a, b, a.tree->dimension * b.tree->dimension);
    }
  }
  Part signed_power() {
    const std::size_t begin = at_;
    if (take("+")) {
      const Deeper deeper(*this);
      return signed_power();
    }
    if (!take("-")) return power();
    const Deeper deeper(*this);
    const Part a = signed_power();
    expect_value(a);
    if (a.tree->kind == Kind::number) {
      auto negative = std::make_shared<Node>(*a.tree);
      negative->value = -negative->value;
      negative->name = negative->name.starts_with('-') ? negative->name.substr(1) : "-" + negative->name;
      return {negative, begin, a.end};
    }
    return checked({operation(Op::negate, {a.tree}, a.tree->dimension), begin, a.end});
  }
  Part power() {
    Part base = primary();
    if (!take("^")) return base;
    const Deeper deeper(*this);
    const Part exponent = signed_power();
    expect_value(base);
    expect(exponent, Dimension::none, "an exponent");
    Part result = joined(Op::power, base, exponent, Dimension::none);
    const auto whole = whole_exponent(result.tree);
    if (base.tree->dimension == Dimension::none) return result;
    if (!whole)
      fail(exponent, fmt::format("must be a whole number from -{0} to {0}, as {1} is {2}", kLargestPower, shown(base),
                                 a_name_of(base.tree->dimension)));
    result.tree = operation(Op::power, {base.tree, exponent.tree}, base.tree->dimension.power(*whole));
    return checked(result);
  }

  Part primary() {
    const std::size_t begin = at_;
    if (at_ < text_.size() && (is_digit(text_[at_]) || text_[at_] == '.')) return literal();
    if (take("(")) {
      const Deeper deeper(*this);
      const Part inner = disjunction();
      close();
      return {inner.tree, begin, end_};
    }
    const std::string_view name = name_at(at_);
    if (name.empty() || std::find(std::begin(kWords), std::end(kWords), name) != std::end(kWords))
      unexpected("a number, a name or '('");
    at_ += name.size();
    const std::size_t end = at_;
    skip_blanks();
    if (at_ < text_.size() && text_[at_] == '(') return call(name, begin);
    return symbol(name, begin, end);
  }
  void close() {
    if (at_ >= text_.size() || text_[at_] != ')') unexpected("')'");
    end_ = ++at_;
    skip_blanks();
  }

  Part symbol(std::string_view name, std::size_t begin, std::size_t end) const {
    const Symbol* const found = scope_.find(name);
    if (!found) fail(begin, unknown_name(name));
    return {found->value ? found->value : named_node(*found), begin, end};
  }
  static Expression named_node(const Symbol& symbol) {
    auto node = std::make_shared<Node>();
    node->kind = Kind::name;
    node->name = symbol.name;
    node->dimension = symbol.dimension;
    node->truth = symbol.truth;
    return node;
  }
  std::string unknown_name(std::string_view name) const {
    if (find_function(name)) return fmt::format("'{0}' is a function; write {0}(...)", name);
    std::vector<std::string> known;
    for (const Symbol& symbol : scope_.symbols) known.push_back(symbol.name);
    const std::string best = nearest(name, known);
    if (!best.empty()) return fmt::format("there is no '{}' here; did you mean '{}'?", name, best);
    if (parse_unit(name))
      return fmt::format("there is no '{0}' here; a unit follows its number, as in \"1 {0}\"", name);
    return fmt::format("there is no '{}' here; known: {}", name, known.empty() ? "nothing" : join(known, ", "));
  }

  // A number and its unit: "0.5 mV", "2 nS/ms". A unit goes on over '/' and '*' without blanks, and only with what is
  // no name of the model.
  Part literal() {
    const std::size_t begin = at_;
    double value = 0;
    const auto [stop, failure] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (failure == std::errc::result_out_of_range)
      fail(begin, "the number lies outside what a number can hold, about 2e-308 to 2e308");
    if (failure != std::errc{}) unexpected("a number");
    at_ = static_cast<std::size_t>(stop - text_.data());
    std::size_t unit_begin = at_;
    while (unit_begin < text_.size() && (text_[unit_begin] == ' ' || text_[unit_begin] == '\t')) ++unit_begin;
    const bool inverse = unit_begin > at_ && text_.substr(unit_begin).starts_with("1/");  // "3 1/mV"
    const std::string_view name = inverse ? text_.substr(unit_begin, 1) : name_at(unit_begin);
    auto node = std::make_shared<Node>();
    node->value = value;
    if (!name.empty() && std::find(std::begin(kWords), std::end(kWords), name) == std::end(kWords)) {
      const std::size_t unit_end = end_of_unit(unit_begin, name);
      const std::string_view text = text_.substr(unit_begin, unit_end - unit_begin);
      const auto unit = parse_unit(text);
      if (!unit) {
        const std::string hint =
            scope_.find(name) || find_function(name) ? "write '*' for a product" : "units are such as mV, nS/ms";
        fail(unit_begin, fmt::format("'{}' is no unit; {}", text, hint));
      }
      node->dimension = unit->dimension;
      node->value = unit->to_si(value);
      at_ = unit_end;
    }
    if (!std::isfinite(node->value)) fail(begin, "the number lies outside what a number can hold");
    end_ = at_;
    node->name = text_.substr(begin, at_ - begin);
    skip_blanks();
    return {node, begin, end_};
  }
  std::size_t end_of_unit(std::size_t begin, std::string_view name) const {
    std::size_t end = begin + name.size();
    for (;;) {
      end = end_of_exponent(end);
      if (end >= text_.size() || (text_[end] != '/' && text_[end] != '*')) return end;
      const std::string_view next = name_at(end + 1);
      if (next == "sqrt") {
        const std::size_t close = text_.find(')', end);
        if (close == std::string_view::npos || !parse_unit(text_.substr(end + 1, close - end))) return end;
        end = close + 1;
      } else {
        if (next.empty() || scope_.find(next) || find_function(next) || !parse_unit(next)) return end;
        end += 1 + next.size();
      }
    }
  }
  std::size_t end_of_exponent(std::size_t end) const {
    if (end >= text_.size() || text_[end] != '^') return end;
    std::size_t digits = end + 1 + (text_.substr(end + 1).starts_with('-') ? 1 : 0);
    const std::size_t first = digits;
    while (digits < text_.size() && is_digit(text_[digits])) ++digits;
    return digits > first ? digits : end;
  }

  Part call(std::string_view name, std::size_t begin) {
    const Deeper deeper(*this);
    const Function* const function = find_function(name);
    if (!function) {
      std::vector<std::string> known;
      for (const Function& f : kExpressionFunctions) known.emplace_back(f.name);
      const std::string best = nearest(name, known);
      fail(begin, fmt::format("there is no function '{}'; {}", name,
                              best.empty() ? "known: " + join(known, ", ") : fmt::format("did you mean '{}'?", best)));
    }
    take("(");
    std::vector<Part> given;
    if (at_ >= text_.size() || text_[at_] != ')') do
        given.push_back(disjunction());
      while (take(","));
    close();
    const std::size_t end = end_;
    if (given.size() != function->operands)
      fail(begin, fmt::format("'{}' takes {} argument{}, not {}", name, function->operands,
                              function->operands == 1 ? "" : "s", given.size()));
    for (std::size_t i = function->shape == Shape::pick ? 1 : 0; i < given.size(); ++i) expect_value(given[i]);
    return checked({applied(*function, given, begin), begin, end});
  }

  Expression applied(const Function& f, const std::vector<Part>& given, std::size_t begin) const {
    std::vector<Expression> trees;
    for (const Part& part : given) trees.push_back(part.tree);
    const std::string where = fmt::format("{}()", f.name);
    switch (f.shape) {
      case Shape::pure:
        expect(given[0], Dimension::none, where);
        return operation(f.op, trees, Dimension::none);
      case Shape::same:
        return operation(f.op, trees, trees[0]->dimension);
      case Shape::root: {
        const auto root = trees[0]->dimension.root();
        if (!root) fail(given[0], fmt::format("is {}, which has no root", a_name_of(trees[0]->dimension)));
        return operation(f.op, trees, *root);
      }
      case Shape::alike:
        expect_alike(given[0], given[1], "compared");
        return operation(f.op, trees, trees[0]->dimension);
      case Shape::clip:
        expect_alike(given[0], given[1], "compared");
        expect_alike(given[0], given[2], "compared");
        return operation(Op::max, {operation(Op::min, {trees[0], trees[2]}, trees[0]->dimension), trees[1]},
                         trees[0]->dimension);
      case Shape::fused: {
        const Dimension product = trees[0]->dimension * trees[1]->dimension;
        if (trees[2]->dimension != product)
          fail(given[2], fmt::format("is {}, but the product of {} and {} is {}", a_name_of(trees[2]->dimension),
                                     shown(given[0]), shown(given[1]), a_name_of(product)));
        return operation(f.op, trees, product);
      }
      case Shape::pick:
        expect_condition(given[0]);
        expect_alike(given[1], given[2], "chosen from");
        return operation(f.op, trees, trees[1]->dimension);
      case Shape::steps: {
        expect(given[0], Dimension::time, where);
        if (!scope_.find("dt")) fail(begin, "steps() has no dt here");
        const Expression count = operation(Op::divide, {trees[0], named("dt", Dimension::time)}, Dimension::none);
        return operation(Op::floor, {operation(Op::add, {count, number(0.5)}, Dimension::none)}, Dimension::none);
      }
      case Shape::poisson:
        expect(given[0], Dimension::none, where);
        [[fallthrough]];
      case Shape::draw:
        if (!scope_.random || !scope_.draws) fail(begin, fmt::format("{} cannot stand here: nothing is drawn", where));
        return operation(f.op, trees, Dimension::none, false, next_draw(begin));
      case Shape::noise:
        if (!scope_.noise || !scope_.draws) fail(begin, "noise() can only stand in [dynamics]");
        return named(fmt::format("noise()#{}", next_draw(begin)), kNoise);
    }
    return nullptr;
  }
  std::uint16_t next_draw(std::size_t begin) const {
    if (*scope_.draws >= 1000) fail(begin, "a model may draw 1000 random numbers a step");
    return (*scope_.draws)++;
  }

  std::string_view text_;
  const Scope& scope_;
  std::size_t at_ = 0, end_ = 0;
  int depth_ = 0;
};

}  // namespace

const Symbol* Scope::find(std::string_view name) const {
  const auto found = std::find_if(symbols.begin(), symbols.end(), [&](const Symbol& s) { return s.name == name; });
  return found == symbols.end() ? nullptr : &*found;
}

Expression parse_expression(std::string_view text, const Scope& scope) {
  Parser parser(text, scope);
  return parser.parse().tree;
}

Expression parse_value(std::string_view text, const Scope& scope) {
  Parser parser(text, scope);
  const Part part = parser.parse();
  parser.expect_value(part);
  return part.tree;
}

Expression parse_expression(std::string_view text, const Scope& scope, Dimension dimension) {
  Parser parser(text, scope);
  const Part part = parser.parse();
  parser.expect_value(part);
  if (part.tree->dimension != dimension)
    parser.fail(part, fmt::format("is {}; it must be {}", a_name_of(part.tree->dimension), a_name_of(dimension)));
  return part.tree;
}

Expression parse_condition(std::string_view text, const Scope& scope) {
  Parser parser(text, scope);
  const Part part = parser.parse();
  parser.expect_condition(part);
  return part.tree;
}

bool is_name(std::string_view text) {
  if (text.empty() || !is_letter(text.front())) return false;
  bool after_dot = false;
  for (const char c : text) {
    if (c == '.' ? after_dot : !(is_letter(c) || (is_digit(c) && !after_dot))) return false;
    after_dot = c == '.';
  }
  return !after_dot;
}

bool is_reserved(std::string_view name) {
  return find_function(name) || std::find(std::begin(kWords), std::end(kWords), name) != std::end(kWords);
}

}  // namespace lpl
