#include "rate/data/trajectories.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "core/errors.hpp"
#include "core/random.hpp"
#include "io/shapes_file.hpp"

namespace lpl::rate {
namespace {

constexpr std::size_t kHues = 3;                              // the first three factors
constexpr std::array<std::size_t, 5> kMoving{0, 1, 2, 3, 5};  // all factors but the shape

// The level that each place in the order of a hue stands for.
using HueOrder = std::array<int, 10>;

HueOrder permuted_hues(std::uint64_t seed, std::size_t factor) {
  Random random(seed, Draw::hue_order, static_cast<std::uint32_t>(factor), 0);
  HueOrder order;
  std::iota(order.begin(), order.end(), 0);
  for (std::uint32_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  return order;
}

// A factor's place moves by `step`; the step turns around at the ends of scale and orientation.
void move(std::size_t factor, int& place, int& step) {
  const int levels = kShapesFactors[factor].levels;
  if (factor < kHues) {
    place = (place + step + levels) % levels;
    return;
  }
  place = std::clamp(place + step, 0, levels - 1);
  if (place == 0 || place == levels - 1) step = -step;
}

}  // namespace

FrameStream::FrameStream(std::uint64_t seed, std::int64_t trajectories, int frames_each) {
  std::array<HueOrder, kHues> hues;
  for (std::size_t f = 0; f < kHues; ++f) hues[f] = permuted_hues(seed, f);
  frames_.reserve(static_cast<std::size_t>(trajectories * frames_each));
  for (std::int64_t t = 0; t < trajectories; ++t) {
    Random random(seed, Draw::trajectory, 0, static_cast<std::uint32_t>(t));
    ShapesLevels places;
    for (std::size_t f = 0; f < places.size(); ++f)
      places[f] = static_cast<int>(random.below(static_cast<std::uint32_t>(kShapesFactors[f].levels)));
    const std::size_t moving = kMoving[random.below(kMoving.size())];
    int step = random.below(2) == 0 ? 1 : -1;
    if (random.below(4) == 0) step *= 2;
    for (int frame = 0; frame < frames_each; ++frame) {
      if (frame > 0) move(moving, places[moving], step);
      ShapesLevels levels = places;
      for (std::size_t f = 0; f < kHues; ++f) levels[f] = hues[f][static_cast<std::size_t>(places[f])];
      frames_.push_back(shapes_index(levels));
    }
  }
}

BlockSplit split_blocks(std::int64_t blocks, std::int64_t validation, std::int64_t test) {
  if (validation + test >= blocks)
    throw ConfigError(
        fmt::format("the frame stream makes {} blocks, of which {} are for validation and {} for test: none remains "
                    "for training; generate more trajectories or reduce the batch",
                    blocks, validation, test));
  return {.train = blocks - validation - test, .validation = validation, .test = test};
}

}  // namespace lpl::rate
