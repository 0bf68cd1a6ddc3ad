#include "spiking/exact_sum.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace lpl::spiking {
namespace {

std::vector<std::int64_t> parts_of(std::initializer_list<ExactSum::Wide> values) {
  ExactSum sum;
  for (const ExactSum::Wide value : values) sum.add(value);
  std::vector<std::int64_t> parts;
  sum.append_parts(parts);
  return parts;
}

long double of(const std::vector<std::int64_t>& parts) {
  return ExactSum::of(std::span<const std::int64_t, ExactSum::kParts>(parts));
}

TEST(ExactSum, HoldsMoreThan64Bits) {
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(of(parts_of({most, most, most})), 3 * static_cast<long double>(most));
  EXPECT_EQ(of(parts_of({-3, 1})), -2);
  EXPECT_EQ(of(parts_of({})), 0);
  EXPECT_EQ(of(parts_of({ExactSum::Wide{most} * most, -ExactSum::Wide{most} * most, 5})), 5);
}

// Parts of ranks are added up one by one.
TEST(ExactSum, IsTheSameHoweverItsNumbersAreSpread) {
  constexpr std::int64_t big = std::int64_t{1} << 61;
  const std::vector<std::int64_t> all = parts_of({big, -big + 7, -12345678901, big, 3});
  std::vector<std::int64_t> sum(ExactSum::kParts, 0);
  for (const auto& rank : {parts_of({big, -big + 7}), parts_of({-12345678901}), parts_of({big, 3})})
    for (std::size_t part = 0; part < sum.size(); ++part) sum[part] += rank[part];
  EXPECT_EQ(of(sum), of(all));
  EXPECT_EQ(of(all), static_cast<long double>(big) - 12345678901 + 10);
}

}  // namespace
}  // namespace lpl::spiking
