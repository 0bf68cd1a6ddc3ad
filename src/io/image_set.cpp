#include "io/image_set.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "core/errors.hpp"
#include "core/text.hpp"

namespace lpl {
namespace {

constexpr hsize_t kMaxSide = 1024;
constexpr hsize_t kMaxCount = 2'000'000'000;
constexpr std::int32_t kMaxClasses = 1 << 20;

void check_images(const h5::Dataset& images) {
  const auto& shape = images.shape();
  const bool grey = shape.size() == 3;
  if (!images.holds<std::uint8_t>() || !(grey || (shape.size() == 4 && (shape[3] == 1 || shape[3] == 3))) ||
      shape[0] == 0 || shape[0] > kMaxCount || shape[1] == 0 || shape[1] > kMaxSide || shape[1] != shape[2])
    images.refuse(fmt::format(
        "uint8 (images, side, side) or (images, side, side, channels), a side of at most {} and 1 or 3 channels; "
        "lpl_rate import makes such a set",
        kMaxSide));
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

void check_labels(const ImageSetLayout& layout, const std::string& where) {
  for (std::size_t c = 0; c < layout.columns.size(); ++c) {
    const auto& [name, classes] = layout.columns[c];
    if (name.empty() || name.find(',') != std::string::npos || printable(name) != name)
      throw ConfigError(fmt::format("{}: column {} has the name {}; a name is a line of text without commas", where, c,
                                    in_quotes(name)));
    if (classes < 1 || classes > kMaxClasses)
      throw ConfigError(
          fmt::format("{}: column {} has {} classes; 1 to {} are possible", where, c, classes, kMaxClasses));
  }
  for (std::size_t i = 0; i < layout.labels.size(); ++i) {
    const auto& [name, classes] = layout.columns[i % layout.columns.size()];
    if (const std::int32_t label = layout.labels[i]; label < 0 || label >= classes)
      throw ConfigError(fmt::format("{}: image {} has the {} {}; expected 0 to {}", where, i / layout.columns.size(),
                                    name, label, classes - 1));
  }
}

}  // namespace

ImageSetFile::ImageSetFile(const std::string& path) {
  h5::of_user([&] {
    file_ = h5::File::open_read_only(path);
    if (!file_.exists("/images"))
      throw ConfigError(path + ": has no /images; lpl_rate import makes a set of images from others");
    images_ = file_.open_dataset("/images");
    check_images(images_);
    const auto& shape = images_.shape();
    layout_.count = static_cast<std::int64_t>(shape[0]);
    layout_.side = static_cast<int>(shape[1]);
    layout_.channels = shape.size() == 3 ? 1 : static_cast<int>(shape[3]);
    if (file_.exists("/labels")) read_labels();
    if (file_.exists("/groups")) read_groups();
    if (!images_.chunk().empty()) return;
    offset_ = images_.offset();
    descriptor_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor_ < 0) throw IoError(fmt::format("{}: cannot be opened: {}", path, std::strerror(errno)));
  });
}

ImageSetFile::ImageSetFile(ImageSetFile&& other) noexcept
    : file_(std::move(other.file_)),
      images_(std::move(other.images_)),
      layout_(std::move(other.layout_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      offset_(other.offset_) {}

ImageSetFile::~ImageSetFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

void ImageSetFile::read_labels() {
  const h5::Dataset labels = file_.open_dataset("/labels");
  const auto& shape = labels.shape();
  if ((shape.size() != 1 && shape.size() != 2) || shape[0] != static_cast<hsize_t>(layout_.count) ||
      (shape.size() == 2 && (shape[1] == 0 || shape[1] > 100)))
    labels.refuse(fmt::format("({0}) or ({0}, columns), labels of each image", layout_.count));
  const std::size_t columns = shape.size() == 1 ? 1 : shape[1];
  layout_.labels = labels.read<std::int32_t>();

  std::vector<std::int32_t> classes(columns, 1);
  for (std::size_t i = 0; i < layout_.labels.size(); ++i)
    classes[i % columns] = std::max(classes[i % columns], layout_.labels[i] + 1);
  if (file_.exists("/classes")) {
    classes = file_.read<std::int32_t>("/classes");
    if (classes.size() != columns) file_.open_dataset("/classes").refuse(fmt::format("({}), by column", columns));
  }
  auto names = lines_of(file_.text_attribute("/labels", "columns").value_or(""));
  if (names.empty())
    for (std::size_t c = 0; c < columns; ++c) names.push_back(columns == 1 ? "class" : fmt::format("label {}", c));
  if (names.size() != columns)
    throw ConfigError(fmt::format("{}: its attribute columns names {}; it has {} columns of labels", labels.name(),
                                  names.size(), columns));
  for (std::size_t c = 0; c < columns; ++c) layout_.columns.push_back({names[c], classes[c]});
  check_labels(layout_, labels.name());
}

void ImageSetFile::read_groups() {
  const h5::Dataset groups = file_.open_dataset("/groups");
  if (groups.shape() != std::vector<hsize_t>{static_cast<hsize_t>(layout_.count)})
    groups.refuse(fmt::format("({}), the group of each image", layout_.count));
  layout_.groups = groups.read<std::int32_t>();
  const auto descent = std::ranges::is_sorted_until(layout_.groups);
  if (descent != layout_.groups.end())
    throw ConfigError(
        fmt::format("{}: image {} has the group {}, after {}; images of a group stand together, and "
                    "groups ascend",
                    groups.name(), descent - layout_.groups.begin(), *descent, *(descent - 1)));
}

void ImageSetFile::read(std::int64_t first, std::int64_t n, std::uint8_t* pixels) const {
  if (descriptor_ < 0) return images_.read_rows(static_cast<std::size_t>(first), static_cast<std::size_t>(n), pixels);
  const std::size_t image = images_.size() / static_cast<std::size_t>(layout_.count);
  std::size_t left = static_cast<std::size_t>(n) * image;
  auto at = static_cast<off_t>(offset_ + static_cast<std::uint64_t>(first) * image);
  while (left > 0) {
    const ssize_t got = pread(descriptor_, pixels, left, at);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0)
      throw IoError(fmt::format("{}: image {} cannot be read: {}", images_.name(), first,
                                got < 0 ? std::strerror(errno) : "the file has become shorter"));
    left -= static_cast<std::size_t>(got);
    pixels += got;
    at += got;
  }
}

std::int64_t ImageSetFile::images_a_chunk() const {
  const std::vector<hsize_t> chunk = images_.chunk();
  return chunk.empty() ? 1 : static_cast<std::int64_t>(chunk[0]);
}

ImageSetWriter::ImageSetWriter(const std::string& path, const ImageSetLayout& layout, const std::string& identity)
    : path_(path),
      part_(path + ".part"),
      identity_(identity),
      count_(layout.count),
      bytes_per_image_(static_cast<std::size_t>(layout.side) * static_cast<std::size_t>(layout.side) *
                       static_cast<std::size_t>(layout.channels)) {
  done_ = said_done(identity);
  if (done_ == 0) begin(layout);
  offset_ = h5::File::open_read_only(part_).open_dataset("/images").offset();
  descriptor_ = open(part_.c_str(), O_WRONLY | O_CLOEXEC);
  if (descriptor_ < 0) fail("cannot be opened");
}

ImageSetWriter::~ImageSetWriter() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::int64_t ImageSetWriter::said_done(const std::string& identity) const {
  std::ifstream in(part_ + ".done");
  std::string of;
  std::int64_t done = 0;
  if (!std::filesystem::exists(part_) || !std::getline(in, of) || of != identity || !(in >> done)) return 0;
  return std::clamp<std::int64_t>(done, 0, count_);
}

void ImageSetWriter::begin(const ImageSetLayout& layout) {
  try {
    make_room(layout);
  } catch (...) {
    discard();
    throw;
  }
}

void ImageSetWriter::make_room(const ImageSetLayout& layout) const {
  const auto rows = static_cast<hsize_t>(layout.count), side = static_cast<hsize_t>(layout.side);
  h5::File file = h5::File::create(part_);
  file.attribute("/", "format", "lpl images 1");
  if (!layout.columns.empty()) {
    file.write("/labels", layout.labels, {rows, layout.columns.size()});
    std::vector<std::int32_t> classes;
    std::string names;
    for (const LabelColumn& column : layout.columns) {
      classes.push_back(column.classes);
      names += column.name + "\n";
    }
    file.write("/classes", classes);
    file.attribute("/labels", "columns", names);
    if (!layout.names.empty()) file.write_text("/names", join(layout.names, "\n"));
  }
  if (!layout.groups.empty()) file.write("/groups", layout.groups);
  {
    h5::Dataset images =
        file.create_dataset<std::uint8_t>("/images", {rows, side, side, static_cast<hsize_t>(layout.channels)});
    const std::vector<std::uint8_t> last(bytes_per_image_);
    images.write_rows(static_cast<std::size_t>(layout.count - 1), 1, last.data());  // which makes room for all
  }
  try {
    file.close();
  } catch (const Error& error) {
    file.abandon();
    throw Error(fmt::format("{}; the set takes {:.1f} MiB", error.what(),
                            static_cast<double>(bytes_per_image_) * static_cast<double>(count_) / (1 << 20)));
  }
}

void ImageSetWriter::append(std::span<const std::uint8_t> pixels) {
  const auto n = static_cast<std::int64_t>(pixels.size() / bytes_per_image_);
  if (pixels.size() % bytes_per_image_ != 0 || done_ + n > count_)
    throw Error(fmt::format("{}: {} bytes after {} of {} images", path_, pixels.size(), done_, count_));
  auto at = static_cast<off_t>(offset_ + static_cast<std::uint64_t>(done_) * bytes_per_image_);
  while (!pixels.empty()) {
    const ssize_t written = pwrite(descriptor_, pixels.data(), pixels.size(), at);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail("cannot be written");
    pixels = pixels.subspan(static_cast<std::size_t>(written));
    at += written;
  }
  if (fdatasync(descriptor_) != 0) fail("cannot be written");
  done_ += n;
  note_done();
}

// In a file that takes the last one's place: an end in between must leave one of them.
void ImageSetWriter::note_done() const {
  const std::string note = part_ + ".done", next = note + ".new";
  std::ofstream out(next);
  if (!(out << identity_ << '\n' << done_ << '\n' << std::flush) || std::rename(next.c_str(), note.c_str()) != 0)
    fail("cannot be noted as far as it is");
}

void ImageSetWriter::close() {
  if (done_ != count_) throw Error(fmt::format("{}: {} of {} images were written", path_, done_, count_));
  if (::close(std::exchange(descriptor_, -1)) != 0) fail("cannot be written");
  if (std::rename(part_.c_str(), path_.c_str()) != 0) fail("cannot take its place");
  std::filesystem::remove(part_ + ".done");
}

void ImageSetWriter::discard() const {
  std::error_code ignored;
  for (const char* file : {"", ".new", ".done"}) std::filesystem::remove(part_ + file, ignored);
}

void ImageSetWriter::fail(const std::string& what) const {
  throw Error(fmt::format("{}: {}: {}", part_, what, std::strerror(errno)));
}

}  // namespace lpl
