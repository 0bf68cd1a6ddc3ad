#include "rate/data/toys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>

#include "core/errors.hpp"
#include "core/random.hpp"
#include "core/text.hpp"

namespace lpl::rate {
ToyPairs draw_pairs(const TwoClusters& clusters, std::size_t pairs, std::uint64_t seed, std::uint32_t step) {
  Random random(seed, Draw::toy, hash_name("clusters"), step);
  ToyPairs drawn{.dimensions = 2, .earlier = {}, .later = {}, .earlier_class = {}, .later_class = {}};
  const auto sample = [&](std::vector<float>& samples, std::int32_t cluster) {
    samples.push_back(static_cast<float>((cluster == 0 ? -1 : 1) + 0.1 * random.normal()));
    samples.push_back(static_cast<float>(clusters.sigma_y * random.normal()));
  };
  for (std::size_t p = 0; p < pairs; ++p) {
    const auto cluster = static_cast<std::int32_t>(random.below(2));
    const std::int32_t next = random.uniform() < clusters.switching ? 1 - cluster : cluster;
    sample(drawn.earlier, cluster);
    sample(drawn.later, next);
    drawn.earlier_class.push_back(cluster);
    drawn.later_class.push_back(next);
  }
  return drawn;
}

DigitImages read_digits(const std::string& path) {
  std::ifstream in(path);
  if (!in) throw ConfigError(fmt::format("{}: cannot be read", path));
  DigitImages images;
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    std::istringstream words(line);
    std::vector<double> numbers;
    for (double value; words >> value;) numbers.push_back(value);
    const int side = static_cast<int>(std::lround(std::sqrt(static_cast<double>(numbers.size()) - 1)));
    if (!words.eof() || numbers.size() < 2 || static_cast<std::size_t>(side * side) + 1 != numbers.size())
      throw ConfigError(fmt::format("{}:{}: expected a label and side x side intensities; found {} numbers{}", path,
                                    number, numbers.size(), words.eof() ? "" : " and something else"));
    if (images.side != 0 && side != images.side)
      throw ConfigError(fmt::format("{}:{}: an image of side {}; expected {}, as in the lines before", path, number,
                                    side, images.side));
    if (numbers[0] < 0 || numbers[0] > 9 || numbers[0] != std::floor(numbers[0]))
      throw ConfigError(fmt::format("{}:{}: label {}; labels are 0 to 9", path, number, numbers[0]));
    const auto bad = std::find_if(numbers.begin() + 1, numbers.end(), [](double p) { return !(p >= 0 && p <= 1); });
    if (bad != numbers.end())
      throw ConfigError(fmt::format("{}:{}: intensity {}; intensities are 0 to 1", path, number, *bad));
    images.side = side;
    images.labels.push_back(static_cast<std::int32_t>(numbers[0]));
    for (std::size_t i = 1; i < numbers.size(); ++i) images.pixels.push_back(static_cast<float>(numbers[i]));
  }
  if (images.labels.empty()) throw ConfigError(fmt::format("{}: holds no image", path));
  return images;
}

CornerDigits::CornerDigits(const DigitImages& images, std::int32_t first_digit, std::int32_t second_digit)
    : side_(images.side) {
  const std::size_t size = static_cast<std::size_t>(side_) * static_cast<std::size_t>(side_);
  for (const int digit : {0, 1}) {
    const std::int32_t label = digit == 0 ? first_digit : second_digit;
    for (std::size_t i = 0; i < images.labels.size(); ++i)
      if (images.labels[i] == label)
        images_[digit].insert(images_[digit].end(), images.pixels.begin() + static_cast<std::ptrdiff_t>(i * size),
                              images.pixels.begin() + static_cast<std::ptrdiff_t>((i + 1) * size));
    if (images_[digit].empty()) throw ConfigError(fmt::format("no image of the digit {} was given", label));
  }
}

ToyPairs CornerDigits::draw_pairs(DigitSequence sequence, std::size_t pairs, std::uint64_t seed,
                                  std::uint32_t step) const {
  Random random(seed, Draw::toy, hash_name("digits"), step);
  const auto side = static_cast<std::size_t>(side_), size = side * side, canvas = 4 * size;
  ToyPairs drawn{.dimensions = canvas,
                 .earlier = std::vector<float>(pairs * canvas),
                 .later = std::vector<float>(pairs * canvas),
                 .earlier_class = {},
                 .later_class = {}};
  const auto draw_image = [&](std::uint32_t digit) {
    const auto count = static_cast<std::uint32_t>(images_[digit].size() / size);
    return images_[digit].data() + random.below(count) * size;
  };
  const auto place = [&](const float* image, std::uint32_t corner, float* to) {
    for (std::size_t y = 0; y < side; ++y)
      std::copy_n(image + y * side, side, to + (y + corner * side) * 2 * side + corner * side);
  };
  const auto class_of = [](std::uint32_t digit, std::uint32_t corner) {
    return static_cast<std::int32_t>(2 * digit + corner);
  };
  for (std::size_t p = 0; p < pairs; ++p) {
    const std::uint32_t digit = random.below(2), corner = random.below(2);
    const bool keeps_digit = sequence == DigitSequence::keeps_digit;
    const std::uint32_t next_digit = keeps_digit ? digit : 1 - digit, next_corner = keeps_digit ? 1 - corner : corner;
    const float* image = draw_image(digit);
    place(image, corner, drawn.earlier.data() + p * canvas);
    place(keeps_digit ? image : draw_image(next_digit), next_corner, drawn.later.data() + p * canvas);
    drawn.earlier_class.push_back(class_of(digit, corner));
    drawn.later_class.push_back(class_of(next_digit, next_corner));
  }
  return drawn;
}

}  // namespace lpl::rate
