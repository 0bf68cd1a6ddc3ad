#include "io/shapes_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/errors.hpp"

namespace lpl {
namespace {

constexpr std::size_t kFactors = kShapesFactors.size();

constexpr hsize_t kMaxSide = 1024;

void check_images(const h5::Dataset& images) {
  const auto& shape = images.shape();
  if (!images.holds<std::uint8_t>() || shape.size() != 4 || shape[0] == 0 || shape[0] > kShapesCount || shape[1] == 0 ||
      shape[1] > kMaxSide || shape[1] != shape[2] || shape[3] != 3)
    images.refuse(fmt::format("uint8 (images, side, side, 3), at most {} images of side {}", kShapesCount, kMaxSide));
}

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

// Puts the images that are wanted of one chunk, (images, rows, columns, channels), in their places in `to`, (wanted,
// side, side, 3).
void copy_part(const std::vector<std::uint8_t>& part, const h5::Block& block, std::span<const std::int64_t> wanted,
               hsize_t side, std::uint8_t* to) {
  const auto [rows, columns, channels] = std::array{block.size[1], block.size[2], block.size[3]};
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const std::uint8_t* from =
        part.data() + (static_cast<hsize_t>(wanted[i]) - block.start[0]) * rows * columns * channels;
    for (hsize_t y = block.start[1]; y < block.start[1] + rows; ++y)
      for (hsize_t x = block.start[2]; x < block.start[2] + columns; ++x, from += channels)
        std::copy_n(from, channels, to + ((i * side + y) * side + x) * 3 + block.start[3]);
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
  h5::of_user([&] {
    file_ = h5::File::open_read_only(path);
    for (const char* name : {"/images", "/labels"})
      if (!file_.exists(name))
        throw ConfigError(fmt::format("{}: has no {}; a 3D Shapes file holds images and labels", path, name));
    images_ = file_.open_dataset("/images");
    check_images(images_);
    const h5::Dataset labels = file_.open_dataset("/labels");
    const hsize_t count = images_.shape()[0];
    if (labels.shape() != std::vector<hsize_t>{count, kFactors})
      labels.refuse(fmt::format("({}, {}), the factors of each image", count, kFactors));
    side_ = static_cast<int>(images_.shape()[1]);
    const std::vector<double> values = labels.read<double>();
    levels_.reserve(values.size());
    for (std::size_t i = 0; i < values.size(); ++i)
      levels_.push_back(level_of(kShapesFactors[i % kFactors], values[i], path, i / kFactors));
  });
  if (count() == kShapesCount) check_order(levels_, path);
}

void ShapesFile::read(std::int64_t first, std::int64_t n, std::uint8_t* pixels) const {
  images_.read_rows(static_cast<std::size_t>(first), static_cast<std::size_t>(n), pixels);
}

bool ShapesFile::images_share_chunks() const {
  const std::vector<hsize_t> chunk = images_.chunk();
  return !chunk.empty() && chunk[0] > 1;
}

std::vector<std::uint8_t> ShapesFile::read_some(std::span<const std::int64_t> images,
                                                const std::function<void(std::int64_t)>& told) const {
  const std::vector<hsize_t>&shape = images_.shape(), chunk = images_.chunk();
  const hsize_t side = shape[1];
  std::vector<std::uint8_t> pixels(images.size() * side * side * 3), part;
  auto first = images.begin();
  for (hsize_t n = 0; n < shape[0]; n += chunk[0]) {
    const hsize_t end = std::min(n + chunk[0], shape[0]);
    const auto last = std::lower_bound(first, images.end(), static_cast<std::int64_t>(end));
    const std::span<const std::int64_t> wanted(first, last);
    std::uint8_t* const to = pixels.data() + static_cast<std::size_t>(first - images.begin()) * side * side * 3;
    first = last;
    if (wanted.empty()) continue;
    for (hsize_t y = 0; y < side; y += chunk[1])
      for (hsize_t x = 0; x < side; x += chunk[2])
        for (hsize_t c = 0; c < 3; c += chunk[3]) {
          const h5::Block block{
              {n, y, x, c},
              {end - n, std::min(chunk[1], side - y), std::min(chunk[2], side - x), std::min(chunk[3], 3 - c)}};
          part.resize(block.size[0] * block.size[1] * block.size[2] * block.size[3]);
          images_.read_block(block, part.data());
          copy_part(part, block, wanted, side, to);
        }
    told(static_cast<std::int64_t>(end));
  }
  return pixels;
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
