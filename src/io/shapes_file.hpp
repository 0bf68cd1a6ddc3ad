// The 3D Shapes data set (Burgess & Kim 2018): the grid of its factors and its file, 3dshapes.h5, with
//   images  uint8 (480000, 64, 64, 3)
//   labels  float64 (480000, 6): the factors' values
// Subsets and other image sides are read and written too.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "io/hdf5.hpp"

namespace lpl {

// A factor takes `levels` evenly spaced values from `first` to `last`.
struct ShapesFactor {
  const char* name;
  int levels;
  double first, last;
  double value(int level) const { return first + (last - first) * level / (levels - 1); }
};

// In the order of the label columns and of the image index, in which the last factor runs fastest. (The published
// description says that the scale runs 0..1; in the file it runs 0.75..1.25.)
inline constexpr std::array<ShapesFactor, 6> kShapesFactors{{{"floor_hue", 10, 0.0, 0.9},
                                                             {"wall_hue", 10, 0.0, 0.9},
                                                             {"object_hue", 10, 0.0, 0.9},
                                                             {"scale", 8, 0.75, 1.25},
                                                             {"shape", 4, 0, 3},
                                                             {"orientation", 15, -30, 30}}};
inline constexpr std::int64_t kShapesCount = 480'000;

// Levels of the six factors, each below its number of levels.
using ShapesLevels = std::array<int, kShapesFactors.size()>;

ShapesLevels shapes_levels(std::int64_t index);
std::int64_t shapes_index(const ShapesLevels& levels);

// Reads images by hyperslab; only the labels are held in memory. Not thread-safe. The published file is compressed in
// chunks that span 15,000 images each, so reading single images from it is slow: read_some() reads each chunk once.
class ShapesFile {
 public:
  // Checks dimensions, types, sizes, that every label is a level of its factor and, where the file holds the whole set,
  // that it is in the order of the grid (ConfigError otherwise).
  explicit ShapesFile(const std::string& path);
  std::int64_t count() const { return static_cast<std::int64_t>(levels_.size()) / 6; }
  int side() const { return side_; }
  const std::vector<std::int32_t>& levels() const { return levels_; }  // (count, 6)
  // Images first .. first + n - 1 into pixels (n, side, side, 3).
  void read(std::int64_t first, std::int64_t n, std::uint8_t* pixels) const;
  // Whether the file stores parts of several images together.
  bool images_share_chunks() const;
  // The images named, which ascend, (n, side, side, 3), for a file that stores them so. Tells how many images it has
  // gone through.
  std::vector<std::uint8_t> read_some(std::span<const std::int64_t> images,
                                      const std::function<void(std::int64_t)>& told) const;

 private:
  h5::File file_;
  h5::Dataset images_;
  int side_ = 0;
  std::vector<std::int32_t> levels_;
};

// Writes such a file, uncompressed, in one pass.
class ShapesWriter {
 public:
  ShapesWriter(const std::string& path, std::int64_t count, int side);
  // The next images (n, side, side, 3), and their levels (n, 6).
  void append(std::span<const std::uint8_t> pixels, std::span<const std::int32_t> levels);
  // Throws an Error unless `count` images were appended.
  void close();

 private:
  h5::File file_;
  h5::Dataset images_, labels_;
  std::int64_t count_;
  std::int64_t written_ = 0;
  int side_;
};

}  // namespace lpl
