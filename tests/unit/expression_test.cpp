#include "core/expression.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

namespace lpl {
namespace {

const std::map<std::string, double>& values() {
  static const std::map<std::string, double> map = {{"V", -0.06},  {"E", -0.07}, {"C", 2e-10},
                                                    {"g", 1e-8},   {"I", 3e-10}, {"n", 0.5},
                                                    {"tau", 0.02}, {"dt", 1e-4}, {"I.rise", 2.0}};
  return map;
}

std::optional<double> value_of(const std::string& name) {
  const auto found = values().find(name);
  return found == values().end() ? std::nullopt : std::optional(found->second);
}

Scope scope() {
  return {.symbols = {{"V", Dimension::voltage},
                      {"E", Dimension::voltage},
                      {"C", Dimension::capacitance},
                      {"g", Dimension::conductance},
                      {"I", Dimension::current},
                      {"n", Dimension::none},
                      {"tau", Dimension::time},
                      {"dt", Dimension::time},
                      {"I.rise", Dimension::current / Dimension::time}}};
}

double result_of(std::string_view text) { return *evaluate(parse_expression(text, scope()), value_of); }

// "offset: message"
std::string error_of(std::string_view text, Dimension dimension = Dimension::none) {
  try {
    parse_expression(text, scope(), dimension);
  } catch (const ExpressionError& error) {
    return std::to_string(error.offset()) + ": " + error.what();
  }
  return "";
}

TEST(Expression, FollowsTheUsualOrder) {
  EXPECT_EQ(result_of("1 + 2 * 3"), 7);
  EXPECT_EQ(result_of("10 - 4 - 3"), 3);
  EXPECT_EQ(result_of("16 / 4 / 2"), 2);
  EXPECT_EQ(result_of("-2^2"), -4);
  EXPECT_EQ(result_of("2^-2"), 0.25);
  EXPECT_EQ(result_of("2 * -3"), -6);
  EXPECT_EQ(result_of("(1 + 2) * 3"), 9);
  EXPECT_EQ(result_of("1 < 2 and not 3 < 2 or 1 > 2"), 1);
  EXPECT_EQ(result_of("n^3"), 0.125);
  EXPECT_DOUBLE_EQ(result_of("n^0.5"), std::sqrt(0.5));
  EXPECT_EQ(result_of("clip(5, 1, 3)"), 3);
  EXPECT_EQ(result_of("clip(0, 1, 3)"), 1);
  EXPECT_EQ(result_of("fma(2, 3, 4)"), 10);
  EXPECT_EQ(result_of("fnma(2, 3, 4)"), -2);
  EXPECT_EQ(result_of("select(V > E, 1, 2)"), 1);
  EXPECT_EQ(result_of("exprel(0)"), 1);
  EXPECT_EQ(result_of("steps(2 ms)"), 20);
}

TEST(Expression, UnitsFollowNumbers) {
  EXPECT_EQ(result_of("0.5 mV"), 0.5e-3);
  EXPECT_DOUBLE_EQ(result_of("2 nS/ms"), 2e-6);
  EXPECT_EQ(parse_expression("2 nS/ms^2", scope())->dimension, Dimension::conductance / Dimension::time.power(2));
  EXPECT_EQ(parse_expression("1 mV/sqrt(ms) * 2", scope())->dimension, (Dimension::voltage * Dimension{0, 0, -1, 0}));
  EXPECT_EQ(parse_expression("3 1/mV", scope())->dimension, Dimension::per_voltage);
  // Names of the model are no units.
  EXPECT_EQ(parse_expression("40 / 1 V * V * V", scope())->dimension, Dimension::voltage);
  EXPECT_DOUBLE_EQ(result_of("1 pA/C"), 1e-12 / 2e-10);
  EXPECT_EQ(parse_expression("1.28 kHz / exprel(n)", scope())->dimension, Dimension::frequency);
  EXPECT_EQ(parse_expression("2 mV^2", scope())->dimension, Dimension::voltage.power(2));
}

TEST(Expression, DimensionsAreCarried) {
  EXPECT_EQ(parse_expression("(g * (E - V) + I) / C", scope())->dimension, Dimension::voltage / Dimension::time);
  EXPECT_EQ(parse_expression("I.rise - I / tau", scope())->dimension, Dimension::current / Dimension::time);
  EXPECT_EQ(parse_expression("sqrt(V * V)", scope())->dimension, Dimension::voltage);
  EXPECT_EQ(parse_expression("V^3 / E^2", scope())->dimension, Dimension::voltage);
  EXPECT_EQ(parse_expression("exp((V - E) / 2 mV)", scope())->dimension, Dimension::none);
}

TEST(Expression, ErrorsHaveAPlace) {
  EXPECT_EQ(error_of("V + I", Dimension::voltage),
            "4: 'I' is a current, but 'V' is a voltage; the two cannot be added");
  EXPECT_EQ(error_of("g * (E - VV)"), "9: there is no 'VV' here; did you mean 'V'?");
  EXPECT_EQ(error_of("g * V", Dimension::voltage), "0: 'g * V' is a current; it must be a voltage");
  EXPECT_EQ(error_of("1 + exq(V)"), "4: there is no function 'exq'; did you mean 'exp'?");
  EXPECT_THAT(error_of("1 + gamma(V)"), testing::HasSubstr("4: there is no function 'gamma'; known: exp, expm1"));
  EXPECT_EQ(error_of("exp(V)"), "4: 'V' is a voltage; exp() takes a number");
  EXPECT_EQ(error_of("2 + exp(1, 2)"), "4: 'exp' takes 1 argument, not 2");
  EXPECT_EQ(error_of("V^n", Dimension::voltage),
            "2: 'n' must be a whole number from -1024 to 1024, as 'V' is a voltage");
  EXPECT_EQ(error_of("sqrt(sqrt(C * tau))").substr(0, 16), "5: 'sqrt(C * tau");
}

TEST(Expression, ConditionsAreNoValues) {
  EXPECT_EQ(error_of("1 + (V > E)"), "4: '(V > E)' is a condition, not a value");
  EXPECT_EQ(error_of("V > E"), "0: 'V > E' is a condition, not a value");
  EXPECT_EQ(error_of("select(V, 1, 2)"), "7: 'V' is a voltage, not a condition");
  EXPECT_EQ(error_of("n < 1 < 2"), "6: comparisons do not chain; join two with 'and'");
  EXPECT_EQ(error_of("n = 1"), "2: '=' is no comparison; write ==");
}

TEST(Expression, MalformedTextIsRefused) {
  EXPECT_EQ(error_of(""), "0: an expression is missing");
  EXPECT_EQ(error_of("1 +"), "3: a number, a name or '(' is missing at the end");
  EXPECT_EQ(error_of("(1 + 2"), "6: ')' is missing at the end");
  EXPECT_EQ(error_of("1 2"), "2: '2' stands where an operator should");
  EXPECT_EQ(error_of("2 n"), "2: 'n' is no unit; write '*' for a product");
  EXPECT_EQ(error_of("2 mQ"), "2: 'mQ' is no unit; units are such as mV, nS/ms");
  EXPECT_EQ(error_of("n + exp"), "4: 'exp' is a function; write exp(...)");
  EXPECT_EQ(error_of("3 * ms"), "4: there is no 'ms' here; a unit follows its number, as in \"1 ms\"");
  EXPECT_EQ(error_of("1e999"), "0: the number lies outside what a number can hold, about 2e-308 to 2e308");
  EXPECT_EQ(error_of("normal()"), "0: normal() cannot stand here: nothing is drawn");
  EXPECT_EQ(error_of("1 \xC3\xA9"), "2: '\xC3\xA9' stands where an operator should");
  const auto repeated = [](std::string_view text, int times) {
    std::string result;
    for (int i = 0; i < times; ++i) result += text;
    return result;
  };
  EXPECT_THAT(error_of(repeated("(", 1000)), testing::HasSubstr("nests more than 64"));
  EXPECT_THAT(error_of(repeated("-", 1000) + "1"), testing::HasSubstr("nests more than 64"));
  EXPECT_THAT(error_of(repeated("not ", 1000) + "1"), testing::HasSubstr("nests more than 64"));
  EXPECT_THAT(error_of(repeated("1 + ", 4000) + "1"), testing::HasSubstr("too long"));
  EXPECT_THAT(error_of(repeated("1", 30000)), testing::HasSubstr("may have 20000 characters"));
  EXPECT_THAT(error_of("((V^1000)^1000)^1000"), testing::HasSubstr("too high powers"));
}

TEST(Expression, AliasesThatGrowAreRefused) {
  Scope grown = scope();
  std::string last = "n";
  const auto grow = [&] {
    for (int i = 0; i < 40; ++i) {
      const std::string name = "a" + std::to_string(i);
      const Expression value = parse_expression(last + " * " + last, grown);
      grown.symbols.push_back({name, value->dimension, value});
      last = name;
    }
  };
  EXPECT_THROW(grow(), ExpressionError);
}

TEST(Expression, LinearPartsAreFound) {
  const auto expect = [](const char* text, const char* x, double constant, double factor) {
    const auto linear = linear_in(parse_expression(text, scope()), x);
    ASSERT_TRUE(linear) << text;
    EXPECT_DOUBLE_EQ(*evaluate(linear->constant, value_of), constant) << text;
    EXPECT_DOUBLE_EQ(*evaluate(linear->factor, value_of), factor) << text;
  };
  expect("(g * (E - V) + I) / C", "V", (1e-8 * -0.07 + 3e-10) / 2e-10, -1e-8 / 2e-10);
  expect("2 * n + 1 - n / 4", "n", 1, 1.75);
  expect("-(n + 1)", "n", -1, -1);
  expect("fma(n, 3, n)", "n", 0, 4);
  expect("fnma(2, n, 1)", "n", 1, -2);
  expect("select(V > E, 2 * n, 5)", "n", 0, 2);
  expect("exp(V / E)", "n", std::exp(-0.06 / -0.07), 0);
  for (const char* text : {"n * n", "1 / n", "exp(n)", "n^2", "select(n > 1, n, 1)", "min(n, 1)", "fma(n, n, 1)"})
    EXPECT_FALSE(linear_in(parse_expression(text, scope()), "n")) << text;
}

TEST(Expression, TextComesBack) {
  for (const char* text :
       {"(g * (E - V) + I) / C", "1 - (2 - 3)", "-(V + E)", "(-n)^2", "-n^2", "2^-n", "n^(n^n)", "1 / (2 / n)",
        "select(V > E and not (n < 1 or n > 2), 1, 2)", "exp((V - 0.5 mV) / 2 mV)", "I.rise / (3 nS/ms)"}) {
    const Expression tree = parse_expression(text, scope());
    const Expression again = parse_expression(text_of(tree), scope());
    EXPECT_EQ(text_of(again), text_of(tree));
    EXPECT_EQ(again->dimension, tree->dimension);
    EXPECT_EQ(evaluate(again, value_of), evaluate(tree, value_of)) << text << " as " << text_of(tree);
  }
}

}  // namespace
}  // namespace lpl
