#include "rate/data/toys.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "core/errors.hpp"
#include "support/world.hpp"

namespace lpl::rate {
namespace {

using testing::HasSubstr;

TEST(Toys, ClustersHaveTheirMeansAndWidths) {
  constexpr std::size_t kPairs = 50'000;
  const ToyPairs pairs = draw_pairs(TwoClusters{.sigma_y = 3, .switching = 0.2}, kPairs, 1, 0);
  double mean[2] = {}, square[2] = {}, count[2] = {}, y_square = 0, switched = 0;
  for (std::size_t p = 0; p < kPairs; ++p) {
    const auto cluster = static_cast<std::size_t>(pairs.earlier_class[p]);
    mean[cluster] += pairs.earlier[2 * p];
    square[cluster] += std::pow(pairs.earlier[2 * p], 2);
    ++count[cluster];
    y_square += std::pow(pairs.earlier[2 * p + 1], 2);
    switched += pairs.earlier_class[p] != pairs.later_class[p];
    ASSERT_EQ(pairs.later[2 * p] > 0, pairs.later_class[p] == 1);
  }
  for (const int cluster : {0, 1}) {
    mean[cluster] /= count[cluster];
    EXPECT_NEAR(mean[cluster], cluster == 0 ? -1 : 1, 0.003);
    EXPECT_NEAR(std::sqrt(square[cluster] / count[cluster] - mean[cluster] * mean[cluster]), 0.1, 0.002);
  }
  EXPECT_NEAR(count[0] / kPairs, 0.5, 0.01);
  EXPECT_NEAR(std::sqrt(y_square / kPairs), 3, 0.05);
  EXPECT_NEAR(switched / kPairs, 0.2, 0.007);
}

TEST(Toys, StepsDrawTheirOwnPairsAgainAndAgain) {
  const TwoClusters clusters;
  EXPECT_EQ(draw_pairs(clusters, 10, 1, 5).earlier, draw_pairs(clusters, 10, 1, 5).earlier);
  EXPECT_NE(draw_pairs(clusters, 10, 1, 5).earlier, draw_pairs(clusters, 10, 1, 6).earlier);
  EXPECT_NE(draw_pairs(clusters, 10, 1, 5).earlier, draw_pairs(clusters, 10, 2, 5).earlier);
}

// Two fives and a six of 2 x 2 pixels.
const char* const kDigits = "5 0.1 0.2 0.3 0.4\n5 0.5 0.5 0.5 0.5\n6 1 0.9 0.8 0.7\n3 0 0 0 1\n";

// The digit image in a corner of a 4 x 4 canvas; fails where another pixel is set.
std::vector<float> in_corner(const std::vector<float>& canvases, std::size_t pair, std::size_t corner) {
  const float* canvas = canvases.data() + 16 * pair;
  std::vector<float> image;
  for (std::size_t y = 0; y < 4; ++y)
    for (std::size_t x = 0; x < 4; ++x) {
      if (y / 2 == corner && x / 2 == corner)
        image.push_back(canvas[4 * y + x]);
      else
        EXPECT_EQ(canvas[4 * y + x], 0);
    }
  return image;
}

TEST(Toys, DigitsKeepTheirImageOrTheirPlace) {
  const test::Scratch scratch;
  const DigitImages images = read_digits(scratch.write("digits.txt", kDigits));
  EXPECT_EQ(images.side, 2);
  const CornerDigits digits(images, 5, 6);
  for (const DigitSequence sequence : {DigitSequence::keeps_digit, DigitSequence::keeps_place}) {
    const ToyPairs pairs = digits.draw_pairs(sequence, 200, 1, 0);
    std::set<std::int32_t> classes;
    for (std::size_t p = 0; p < 200; ++p) {
      const auto earlier = static_cast<std::size_t>(pairs.earlier_class[p]);
      const auto later = static_cast<std::size_t>(pairs.later_class[p]);
      classes.insert(pairs.earlier_class[p]);
      const auto first = in_corner(pairs.earlier, p, earlier % 2), second = in_corner(pairs.later, p, later % 2);
      EXPECT_EQ(first[0] > first[1], earlier / 2 == 1);  // the six is the image that fades
      if (sequence == DigitSequence::keeps_digit) {
        EXPECT_EQ(first, second);
        EXPECT_EQ(earlier / 2, later / 2);
        EXPECT_NE(earlier % 2, later % 2);
      } else {
        EXPECT_NE(earlier / 2, later / 2);
        EXPECT_EQ(earlier % 2, later % 2);
        EXPECT_EQ(second[0] > second[1], later / 2 == 1);
      }
    }
    EXPECT_EQ(classes.size(), 4u);
  }
}

TEST(Toys, RefusesDamagedDigits) {
  const test::Scratch scratch;
  const auto read = [&](const std::string& text) -> std::string {
    try {
      CornerDigits(read_digits(scratch.write("d.txt", text)), 5, 6);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_EQ(read(kDigits), "accepted");
  EXPECT_THAT(read("5 0 0 0\n"), HasSubstr("d.txt:1: expected a label and side x side intensities; found 4 numbers"));
  EXPECT_THAT(read("5 0 0 0 0\n6 0 0 x 0\n"), HasSubstr("d.txt:2: expected a label"));
  EXPECT_THAT(read("5 0 0 0 0\n6 1\n"), HasSubstr("d.txt:2: an image of side 1; expected 2"));
  EXPECT_THAT(read("12 0 0 0 0\n"), HasSubstr("label 12; labels are 0 to 9"));
  EXPECT_THAT(read("5 0 0 0 16\n"), HasSubstr("intensity 16; intensities are 0 to 1"));
  EXPECT_THAT(read("5 0 0 0 0\n"), HasSubstr("no image of the digit 6"));
  EXPECT_THAT(read(""), HasSubstr("holds no image"));
}

}  // namespace
}  // namespace lpl::rate
