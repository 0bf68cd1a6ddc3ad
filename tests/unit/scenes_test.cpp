#include "rate/data/scenes.hpp"

#include <gtest/gtest.h>
#include <omp.h>

#include <cstdlib>

#include "support/world.hpp"

namespace lpl::rate {
namespace {

constexpr int kSide = 32;

const SceneImages& scenes() {
  static const SceneImages store(kSide);
  return store;
}

struct Picture {
  std::vector<std::uint8_t> bytes;
  std::array<int, 3> at(int y, int x) const {
    const auto i = static_cast<std::size_t>((y * kSide + x) * 3);
    return {bytes[i], bytes[i + 1], bytes[i + 2]};
  }
};

Picture picture(const ShapesLevels& levels) {
  Picture result{std::vector<std::uint8_t>(scenes().bytes_per_image())};
  const std::int64_t image = shapes_index(levels);
  scenes().fetch({&image, 1}, result.bytes.data());
  return result;
}

// Number of pixels that differ by more than a tenth of the range in a channel.
int visible_difference(const Picture& a, const Picture& b) {
  int pixels = 0;
  for (std::size_t i = 0; i < a.bytes.size(); i += 3) {
    int largest = 0;
    for (std::size_t c = 0; c < 3; ++c) largest = std::max(largest, std::abs(a.bytes[i + c] - b.bytes[i + c]));
    pixels += largest > 25;
  }
  return pixels;
}

constexpr ShapesLevels kRedFloorBlueWallGreenObject{0, 7, 3, 4, 0, 7};

bool is_pure(const std::array<int, 3>& colour, int channel, int other_at_most = 0) {
  for (int c = 0; c < 3; ++c)
    if (c != channel && colour[static_cast<std::size_t>(c)] > other_at_most) return false;
  return colour[static_cast<std::size_t>(channel)] > 50;
}

TEST(Scenes, FloorIsBelowWallAboveAndObjectInFront) {
  const Picture scene = picture(kRedFloorBlueWallGreenObject);
  EXPECT_TRUE(is_pure(scene.at(31, 2), 0));       // hue 0
  EXPECT_TRUE(is_pure(scene.at(1, 2), 2, 60));    // hue 0.7: blue with a little red
  EXPECT_TRUE(is_pure(scene.at(18, 16), 1, 60));  // hue 0.3: green with a little red
}

TEST(Scenes, EachHueColoursItsSurfaceOnly) {
  const Picture scene = picture(kRedFloorBlueWallGreenObject);
  for (std::size_t factor = 0; factor < 3; ++factor) {
    ShapesLevels levels = kRedFloorBlueWallGreenObject;
    levels[factor] = (levels[factor] + 2) % 10;
    const Picture other = picture(levels);
    EXPECT_EQ(scene.at(31, 2) == other.at(31, 2), factor != 0);
    EXPECT_EQ(scene.at(1, 2) == other.at(1, 2), factor != 1);
    EXPECT_EQ(scene.at(18, 16) == other.at(18, 16), factor != 2);
  }
}

TEST(Scenes, AStepOfAnyFactorCanBeSeen) {
  for (std::size_t factor = 0; factor < 6; ++factor)
    for (int shape = 0; shape < 4; ++shape)
      for (int level = 1; level < kShapesFactors[factor].levels; ++level) {
        ShapesLevels levels{0, 5, 3, 4, shape, 7};
        levels[factor] = level;
        ShapesLevels before = levels;
        --before[factor];
        EXPECT_GE(visible_difference(picture(before), picture(levels)), 8)
            << kShapesFactors[factor].name << " " << level << ", shape " << shape;
      }
}

TEST(Scenes, ObjectsGrowWithTheirScale) {
  for (int shape = 0; shape < 4; ++shape) {
    int last = 0;
    for (int scale = 0; scale < 8; ++scale) {
      // Two pictures that differ in the object's colour only: its silhouette.
      const int pixels = visible_difference(picture({0, 0, 3, scale, shape, 7}), picture({0, 0, 7, scale, shape, 7}));
      EXPECT_GT(pixels, last) << "scale " << scale << ", shape " << shape;
      last = pixels;
    }
    EXPECT_LT(last, kSide * kSide / 2);
  }
}

// The corner of the walls, where their brightness jumps, in the top row.
int corner(const Picture& scene) {
  int column = 0, largest = 0;
  for (int x = 1; x < kSide; ++x) {
    const int jump = std::abs(scene.at(0, x)[2] - scene.at(0, x - 1)[2]);
    if (jump > largest) {
      largest = jump;
      column = x;
    }
  }
  return column;
}

TEST(Scenes, TheCornerOfTheRoomMovesWithTheOrientation) {
  int last = kSide;
  for (int orientation = 0; orientation < 15; ++orientation) {
    const int column = corner(picture({0, 7, 3, 0, 2, orientation}));
    EXPECT_LT(column, last) << orientation;
    last = column;
  }
}

TEST(Scenes, LabelsAreTheLevels) {
  EXPECT_EQ(scenes().count(), 480'000);
  for (std::int64_t image = 0; image < kShapesCount; image += 9973)
    for (std::size_t f = 0; f < 6; ++f) ASSERT_EQ(scenes().label(image, f), shapes_levels(image)[f]);
}

TEST(Scenes, PicturesDoNotDependOnThreads) {
  const std::vector<std::int64_t> images{479'999, 0, 240'017, 77'777, 5};
  std::vector<std::uint8_t> one(images.size() * scenes().bytes_per_image()), four(one);
  omp_set_num_threads(1);
  SceneImages(kSide).fetch(images, one.data());
  omp_set_num_threads(4);
  SceneImages(kSide).fetch(images, four.data());
  EXPECT_EQ(one, four);
}

TEST(Scenes, AreWrittenAsA3dShapesFile) {
  const test::Scratch scratch;
  const std::vector<std::int64_t> images{3, 100'000, 479'998};
  write_shapes(scratch.path("scenes.h5"), scenes(), images);
  const ShapesFileImages file(scratch.path("scenes.h5"));
  std::vector<std::uint8_t> rendered(images.size() * scenes().bytes_per_image()), read(rendered);
  scenes().fetch(images, rendered.data());
  file.fetch(std::vector<std::int64_t>{0, 1, 2}, read.data());
  EXPECT_EQ(read, rendered);
  for (std::size_t f = 0; f < 6; ++f) EXPECT_EQ(file.label(1, f), scenes().label(100'000, f));
}

}  // namespace
}  // namespace lpl::rate
