#include "core/quantity.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/errors.hpp"
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

TEST(Text, SuggestsTheNearestWord) {
  EXPECT_EQ(nearest("tau_maen", {"tau_mean", "tau_variance"}), "tau_mean");
  EXPECT_EQ(nearest("zzzzzz", {"tau_mean", "tau_variance"}), "");
  EXPECT_EQ(join_or({"a", "b", "c"}), "a, b or c");
}

}  // namespace
}  // namespace lpl
