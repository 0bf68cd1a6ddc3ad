// A set of images in one HDF5 file (docs/formats.md, "Image sets"), which anything else is converted to:
//   /images   uint8 (n, side, side, channels) with 1 or 3 channels, or (n, side, side)
//   /labels   whole numbers from 0, (n) or (n, columns); absent: unlabelled
//   /classes  whole numbers (columns): how many classes; absent: one more than the largest label
//   /names    text, the names of the classes of an only column, one a line; may be absent
//   /groups   whole numbers (n), ascending: images that belong together, such as the frames of a sequence, in their
//             order; absent: each stands alone
// and an attribute `columns` of /labels, their names, one a line.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "io/hdf5.hpp"

namespace lpl {

struct LabelColumn {
  std::string name;
  int classes;
  bool operator==(const LabelColumn&) const = default;
};

struct ImageSetLayout {
  std::int64_t count = 0;
  int side = 0, channels = 0;
  std::vector<LabelColumn> columns;
  std::vector<std::int32_t> labels;  // (count, columns)
  std::vector<std::string> names;    // of the classes of an only column; empty: they have none
  std::vector<std::int32_t> groups;  // by image; empty: each stands alone
};

// Reads images as they are asked for; only the labels are held in memory. Not thread-safe.
class ImageSetFile {
 public:
  // Checks dimensions, types, sizes and labels (ConfigError).
  explicit ImageSetFile(const std::string& path);
  ImageSetFile(ImageSetFile&& other) noexcept;
  ImageSetFile(const ImageSetFile&) = delete;
  ImageSetFile& operator=(const ImageSetFile&) = delete;
  ImageSetFile& operator=(ImageSetFile&&) = delete;
  ~ImageSetFile();
  const ImageSetLayout& layout() const { return layout_; }
  // Images first .. first + n - 1 into pixels (n, side, side, channels).
  void read(std::int64_t first, std::int64_t n, std::uint8_t* pixels) const;
  // Images that are stored together; 1 where single ones can be read.
  std::int64_t images_a_chunk() const;

 private:
  void read_labels();
  void read_groups();

  h5::File file_;
  h5::Dataset images_;
  ImageSetLayout layout_;
  int descriptor_ = -1;       // where images lie one after the other, they are read past the library, which takes
  std::uint64_t offset_ = 0;  // longer to select an image than to read it
};

// Writes such a file from the first to the last image. It lies at path.part until it is whole, with the number of
// images that are there in path.part.done; a writer of the same path and `identity` goes on from there.
class ImageSetWriter {
 public:
  // `identity`: one line that tells what is written from others.
  ImageSetWriter(const std::string& path, const ImageSetLayout& layout, const std::string& identity);
  ~ImageSetWriter();
  ImageSetWriter(const ImageSetWriter&) = delete;
  ImageSetWriter& operator=(const ImageSetWriter&) = delete;

  std::int64_t done() const { return done_; }
  // The next images, (n, side, side, channels).
  void append(std::span<const std::uint8_t> pixels);
  // Throws an Error unless all images were appended.
  void close();
  // Removes what was written.
  void discard() const;

 private:
  std::int64_t said_done(const std::string& identity) const;
  void note_done() const;
  void begin(const ImageSetLayout& layout);
  // Writes all of the file but the pixels, which have their place in it.
  void make_room(const ImageSetLayout& layout) const;
  [[noreturn]] void fail(const std::string& what) const;

  std::string path_, part_, identity_;
  std::int64_t count_, done_ = 0;
  std::size_t bytes_per_image_;
  std::uint64_t offset_ = 0;  // of the first image in the file
  int descriptor_ = -1;
};

}  // namespace lpl
