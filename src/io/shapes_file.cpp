#include "io/shapes_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/errors.hpp"

namespace lpl {
namespace {

constexpr std::size_t kFactors = kShapesFactors.size();

std::string text_of(const std::vector<hsize_t>& shape) { return fmt::format("{}", fmt::join(shape, ", ")); }

std::int32_t level_of(const ShapesFactor& factor, double value, const std::string& path, std::size_t image) {
  const double position = (value - factor.first) / (factor.last - factor.first) * (factor.levels - 1);
  const double level = std::round(position);
  if (!(std::abs(position - level) < 1e-3) || level < 0 || level >= factor.levels)
    throw ConfigError(fmt::format("{}/labels: image {} has {} {}; expected one of {} even steps from {} to {}", path,
                                  image, factor.name, value, factor.levels, factor.first, factor.last));
  return static_cast<std::int32_t>(level);
}

// Trajectories name the images of the whole set by their place in the grid.
void check_order(const std::vector<std::int32_t>& levels, const std::string& path) {
  for (std::int64_t image = 0; image < kShapesCount; ++image) {
    const ShapesLevels expected = shapes_levels(image);
    if (!std::equal(expected.begin(), expected.end(), levels.begin() + image * static_cast<std::int64_t>(kFactors)))
      throw ConfigError(
          fmt::format("{}/labels: image {} is not the image of that place in the grid of factors; "
                      "expected the order of the published file, the last factor running fastest",
                      path, image));
  }
}

}  // namespace

ShapesLevels shapes_levels(std::int64_t index) {
  ShapesLevels levels;
  for (std::size_t f = kFactors; f-- > 0; index /= kShapesFactors[f].levels)
    levels[f] = static_cast<int>(index % kShapesFactors[f].levels);
  return levels;
}

std::int64_t shapes_index(const ShapesLevels& levels) {
  std::int64_t index = 0;
  for (std::size_t f = 0; f < kFactors; ++f) index = index * kShapesFactors[f].levels + levels[f];
  return index;
}

ShapesFile::ShapesFile(const std::string& path) {
  try {
    file_ = h5::File::open_read_only(path);
  } catch (const IoError& error) {
    throw ConfigError(error.what());
  }
  for (const char* name : {"/images", "/labels"})
    if (!file_.exists(name))
      throw ConfigError(fmt::format("{}: has no {}; a 3D Shapes file holds images and labels", path, name));
  images_ = file_.open_dataset("/images");
  const h5::Dataset labels = file_.open_dataset("/labels");
  const auto& shape = images_.shape();
  if (!images_.holds<std::uint8_t>() || shape.size() != 4 || shape[0] == 0 || shape[1] == 0 || shape[1] != shape[2] ||
      shape[3] != 3)
    throw ConfigError(fmt::format("{}/images: is {} ({}); expected uint8 (images, side, side, 3)", path,
                                  images_.holds<std::uint8_t>() ? "uint8" : "of another type", text_of(shape)));
  if (labels.shape() != std::vector<hsize_t>{shape[0], kFactors})
    throw ConfigError(
        fmt::format("{}/labels: is ({}); expected ({}, {})", path, text_of(labels.shape()), shape[0], kFactors));
  side_ = static_cast<int>(shape[1]);
  std::vector<double> values(shape[0] * kFactors);
  labels.read_rows(0, shape[0], values.data());
  levels_.reserve(values.size());
  for (std::size_t i = 0; i < values.size(); ++i)
    levels_.push_back(level_of(kShapesFactors[i % kFactors], values[i], path, i / kFactors));
  if (count() == kShapesCount) check_order(levels_, path);
}

void ShapesFile::read(std::int64_t first, std::int64_t n, std::uint8_t* pixels) const {
  images_.read_rows(static_cast<std::size_t>(first), static_cast<std::size_t>(n), pixels);
}

ShapesWriter::ShapesWriter(const std::string& path, std::int64_t count, int side)
    : file_(h5::File::create(path)), count_(count), side_(side) {
  const auto rows = static_cast<hsize_t>(count), length = static_cast<hsize_t>(side);
  images_ = file_.create_dataset<std::uint8_t>("/images", {rows, length, length, 3});
  labels_ = file_.create_dataset<double>("/labels", {rows, kFactors});
}

void ShapesWriter::append(std::span<const std::uint8_t> pixels, std::span<const std::int32_t> levels) {
  const std::size_t n = levels.size() / kFactors, side = static_cast<std::size_t>(side_);
  if (pixels.size() != n * side * side * 3)
    throw Error(fmt::format("{}: {} images with {} bytes", file_.path(), n, pixels.size()));
  std::vector<double> values;
  for (std::size_t i = 0; i < levels.size(); ++i) values.push_back(kShapesFactors[i % kFactors].value(levels[i]));
  images_.write_rows(static_cast<std::size_t>(written_), n, pixels.data());
  labels_.write_rows(static_cast<std::size_t>(written_), n, values.data());
  written_ += static_cast<std::int64_t>(n);
}

void ShapesWriter::close() {
  if (written_ != count_) throw Error(fmt::format("{}: {} of {} images were written", file_.path(), written_, count_));
  images_ = h5::Dataset();
  labels_ = h5::Dataset();
  file_.close();
}

}  // namespace lpl
