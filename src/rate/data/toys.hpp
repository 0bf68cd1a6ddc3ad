// Generators of sample pairs for the toy experiments: one earlier and one later sample each.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lpl::rate {

struct ToyPairs {
  std::size_t dimensions = 0;
  std::vector<float> earlier, later;                     // (pairs, dimensions)
  std::vector<std::int32_t> earlier_class, later_class;  // (pairs)
};

// Two clusters in a plane (Fig. 2): x = +-1 + 0.1 N(0, 1), y = sigma_y N(0, 1). The class is 0 at x = -1 and 1 at
// x = +1; the later sample changes cluster with probability `switching`.
struct TwoClusters {
  double sigma_y = 1;
  double switching = 0;
};
// Pairs of one step, by (seed, step).
ToyPairs draw_pairs(const TwoClusters& clusters, std::size_t pairs, std::uint64_t seed, std::uint32_t step);

// Grey images of digits, read from a text file of lines `label p p p ...` with side^2 intensities 0..1
// (scripts/make_digits.py writes one).
struct DigitImages {
  int side = 0;
  std::vector<std::int32_t> labels;
  std::vector<float> pixels;  // (count, side, side)
};
// Throws ConfigError naming file and line.
DigitImages read_digits(const std::string& path);

// Two digits on a canvas of twice the side, in its upper left or lower right corner (Fig. S2). A sequence either keeps
// its digit, also the very image, and changes place, or keeps its place and changes digit.
enum class DigitSequence { keeps_digit, keeps_place };
class CornerDigits {
 public:
  // Throws ConfigError where `images` has none of a digit.
  CornerDigits(const DigitImages& images, std::int32_t first_digit, std::int32_t second_digit);
  // Pairs of one step, by (seed, step); the class is 2 * (second digit) + (lower right corner).
  ToyPairs draw_pairs(DigitSequence sequence, std::size_t pairs, std::uint64_t seed, std::uint32_t step) const;

 private:
  int side_;
  std::vector<float> images_[2];  // by digit: (count, side, side)
};

}  // namespace lpl::rate
