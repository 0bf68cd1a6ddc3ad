#include "core/quantity.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/errors.hpp"
#include "core/random.hpp"
#include "core/text.hpp"

namespace lpl {
namespace {

std::string message_of(std::string_view text, Dimension dimension) {
  try {
    parse_quantity(text, dimension);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST(Quantity, ConvertsToSi) {
  EXPECT_EQ(parse_quantity("20 ms", Dimension::time), 0.02);
  EXPECT_EQ(parse_quantity("0.1ms", Dimension::time), 1e-4);
  EXPECT_EQ(parse_quantity("2 min", Dimension::time), 120);
  EXPECT_EQ(parse_quantity("1e3 us", Dimension::time), 1e-3);
  EXPECT_EQ(parse_quantity(" -70 mV ", Dimension::voltage), -0.07);
  EXPECT_EQ(parse_quantity("+2 kHz", Dimension::frequency), 2000);
  EXPECT_EQ(parse_quantity("1 1/mV", Dimension::per_voltage), 1000);
}

TEST(Quantity, RefusesWrongUnitsByName) {
  EXPECT_EQ(message_of("20 mV", Dimension::time), "\"20 mV\" has the unit 'mV'; a time takes s, ms, us, min or h");
  EXPECT_EQ(message_of("20", Dimension::voltage), "\"20\" has no unit; a voltage takes V or mV");
  EXPECT_THAT(message_of("fast", Dimension::frequency), testing::HasSubstr("is not a frequency"));
  EXPECT_THAT(message_of("nan s", Dimension::time), testing::HasSubstr("finite"));
  EXPECT_THAT(message_of("inf s", Dimension::time), testing::HasSubstr("finite"));
  EXPECT_THAT(message_of("", Dimension::time), testing::HasSubstr("is not a time"));
}

TEST(Quantity, UnitsAreParsed) {
  const auto dimension_of = [](std::string_view text) { return parse_quantity(text).dimension; };
  EXPECT_EQ(dimension_of("1 pA"), Dimension::current);
  EXPECT_EQ(dimension_of("1 nS"), Dimension::conductance);
  EXPECT_EQ(dimension_of("1 pF"), Dimension::capacitance);
  EXPECT_EQ(dimension_of("1 MOhm"), Dimension::resistance);
  EXPECT_EQ(dimension_of("1 mV/ms"), Dimension::voltage / Dimension::time);
  EXPECT_EQ(dimension_of("1 pA*ms"), Dimension::charge);
  EXPECT_EQ(dimension_of("3"), Dimension::none);
  EXPECT_EQ(dimension_of("1 1/sqrt(ms)"), (Dimension{0, 0, -1, 0}));
  EXPECT_EQ(parse_quantity("2 nS/ms^2").value, 2e-9 * 1e6);
  EXPECT_EQ(parse_quantity("281 pF", Dimension::capacitance), 281e-12);
  EXPECT_EQ(parse_quantity("1 uF/cm^2").value, 1e-2);
  EXPECT_EQ(parse_quantity("1 1/min", Dimension::frequency), 1.0 / 60);
  EXPECT_EQ(parse_quantity("3 kg", Dimension::mass), 3);
  EXPECT_DOUBLE_EQ(parse_quantity("1 1/sqrt(ms)").value, std::sqrt(1000.0));
}

TEST(Quantity, NonsenseIsNoUnit) {
  for (const char* text : {"", "xV", "mmV", "V/", "/V", "V*", "V^", "V^x", "sqrt(V", "sqrt(sqrt(s))", "V)", "V V",
                           "km^99", "((((((((((((s))))))))))))", "-V", "2V", "kmin", "V^49", "s^40*s^40"})
    EXPECT_FALSE(parse_unit(text)) << text;
  EXPECT_THAT(message_of("1 mmV", Dimension::voltage), testing::HasSubstr("the unit 'mmV'; a voltage takes V or mV"));
  EXPECT_EQ(message_of("1 mV", Dimension::none), "\"1 mV\" has the unit 'mV'; a number takes no unit");
  EXPECT_EQ(message_of("1", Dimension::voltage / Dimension::time), "\"1\" has no unit; a quantity in V/s takes V/s");
  EXPECT_THAT(message_of("1", Dimension::per_voltage), testing::HasSubstr("an inverse voltage takes 1/V or 1/mV"));
}

// Random products of units have the product of their dimensions and of their sizes, and the SI unit of each dimension
// is read as that dimension.
TEST(Quantity, ProductsOfUnitsMultiply) {
  const char* const names[] = {"mV", "pA", "nS", "pF", "MOhm", "ms", "h", "kHz", "um", "g", "C", "J", "W"};
  Random random(1, Draw::toy, 0, 0);
  for (int round = 0; round < 2000; ++round) {
    std::string text = "1";
    Dimension dimension;
    double size = 1;
    for (unsigned factors = 1 + random.below(4); factors > 0; --factors) {
      const std::string name = names[random.below(13)];
      const int power = 1 + static_cast<int>(random.below(3));
      const bool below = random.below(2) == 1, root = power == 1 && random.below(4) == 0;
      const Unit unit = *parse_unit(name);
      text += (below ? "/" : "*") + (root ? "sqrt(" + name + "^2)" : name);
      if (power > 1) text += "^" + std::to_string(power);
      dimension = below ? dimension / unit.dimension.power(power) : dimension * unit.dimension.power(power);
      size *= std::pow(unit.to_si(1), below ? -power : power);
    }
    const auto unit = parse_unit(text);
    ASSERT_TRUE(unit) << text;
    EXPECT_EQ(unit->dimension, dimension) << text;
    EXPECT_NEAR(unit->to_si(1) / size, 1, 1e-12) << text;
    const auto si = parse_unit(unit_of(dimension));
    ASSERT_TRUE(si) << unit_of(dimension);
    EXPECT_EQ(si->dimension, dimension) << unit_of(dimension);
    EXPECT_EQ(si->to_si(1), 1) << unit_of(dimension);
  }
}

TEST(Text, SuggestsTheNearestWord) {
  EXPECT_EQ(nearest("tau_maen", {"tau_mean", "tau_variance"}), "tau_mean");
  EXPECT_EQ(nearest("zzzzzz", {"tau_mean", "tau_variance"}), "");
  EXPECT_EQ(join_or({"a", "b", "c"}), "a, b or c");
}

}  // namespace
}  // namespace lpl
