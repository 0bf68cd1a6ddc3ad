#include "rate/data/import_images.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "core/errors.hpp"
#include "core/random.hpp"
#include "core/whole_file.hpp"
#include "core/text.hpp"
#include "io/checksum.hpp"
#include "io/file_kind.hpp"
#include "io/image_files.hpp"
#include "io/outputs.hpp"
#include "io/packed.hpp"
#include "io/pictures.hpp"
#include "rate/data/augment.hpp"
#include "rate/first_error.hpp"

namespace lpl::rate {
namespace {

namespace fs = std::filesystem;

// Labels of the images of a source, row by row.
struct Labels {
  std::vector<LabelColumn> columns;
  std::vector<std::int32_t> values;
  std::vector<std::string> names;  // of the classes of an only column, where they have names
};

class ImageSource {
 public:
  virtual ~ImageSource() = default;
  virtual std::int64_t count() const = 0;
  virtual int channels() const = 0;
  // By picture, which sequence it is a frame of; empty: none.
  virtual std::vector<std::int32_t> sequences() const { return {}; }
  virtual std::vector<Picture> pictures(std::int64_t first, std::int64_t n) const = 0;
  Labels labels;
};

// --- folders of pictures

// Whether a name comes before another where runs of digits count as numbers: frame_2, frame_10.
bool before_by_numbers(std::string_view a, std::string_view b) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto number = [&](std::string_view& text) {
    std::size_t length = 0;
    while (length < text.size() && digit(text[length])) ++length;
    std::string_view digits = text.substr(0, length);
    text.remove_prefix(length);
    digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
    return digits;
  };
  for (std::string_view x = a, y = b; !x.empty() && !y.empty();) {
    if (digit(x[0]) && digit(y[0])) {
      const std::string_view m = number(x), n = number(y);
      if (m != n) return m.size() != n.size() ? m.size() < n.size() : m < n;
    } else {
      if (x[0] != y[0]) return x[0] < y[0];
      x.remove_prefix(1);
      y.remove_prefix(1);
    }
    if (x.empty() != y.empty()) return x.empty();
  }
  return a < b;  // frame_2 and frame_02
}

class Folder final : public ImageSource {
 public:
  // Classes are the folders in it. With `every` > 0, each folder that holds pictures is a sequence of frames, of which
  // one in so many is kept; classes are then the folders that hold the sequences.
  Folder(const std::string& path, int every) {
    std::set<std::string> classes;
    for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
      if (!entry.is_directory()) continue;
      const std::size_t before = files_.size();
      add_pictures(fs::recursive_directory_iterator(entry));
      if (files_.size() > before) classes.insert(entry.path().filename().string());
    }
    const std::size_t in_classes = files_.size();
    add_pictures(fs::directory_iterator(path));
    if (in_classes > 0 && files_.size() > in_classes)
      throw ConfigError(
          fmt::format("{}: has pictures of its own ({}) and folders of pictures; give either a folder of "
                      "folders, one a class, or a folder of pictures",
                      path, files_.back()));
    if (files_.empty()) throw ConfigError(path + ": holds no .png, .jpg or .jpeg");
    std::ranges::sort(files_);
    if (every > 0) keep_frames(every);
    const auto holds_sequences = [&](const std::string& file) {
      return fs::relative(file, path).parent_path().has_parent_path();
    };
    if (in_classes == 0 || (every > 0 && !std::ranges::all_of(files_, holds_sequences))) return;
    labels.names.assign(classes.begin(), classes.end());
    labels.columns = {{"class", static_cast<int>(classes.size())}};
    for (const std::string& file : files_) {
      const std::string name = fs::relative(file, path).begin()->string();
      labels.values.push_back(static_cast<std::int32_t>(std::distance(classes.begin(), classes.find(name))));
    }
  }

  std::int64_t count() const override { return static_cast<std::int64_t>(files_.size()); }
  int channels() const override { return 3; }
  std::vector<std::int32_t> sequences() const override { return sequences_; }
  std::vector<Picture> pictures(std::int64_t first, std::int64_t n) const override {
    std::vector<Picture> pictures(static_cast<std::size_t>(n));
    FirstError error(pictures.size());
#pragma omp parallel for schedule(dynamic)
    for (std::size_t i = 0; i < pictures.size(); ++i)
      error.watch(i, [&] { pictures[i] = read_picture(files_[static_cast<std::size_t>(first) + i]); });
    error.rethrow();
    return pictures;
  }
  const std::vector<std::string>& files() const { return files_; }

 private:
  template <class Entries>
  void add_pictures(Entries&& entries) {
    for (const fs::directory_entry& entry : entries)
      if (entry.is_regular_file() && is_picture(entry.path())) files_.push_back(entry.path().string());
  }

  // Files by folder, in the order of their names.
  void keep_frames(int every) {
    std::map<fs::path, std::vector<std::string>> folders;
    for (const std::string& file : files_) folders[fs::path(file).parent_path()].push_back(file);
    files_.clear();
    std::int32_t sequence = 0;
    for (auto& [folder, frames] : folders) {
      std::ranges::sort(frames, before_by_numbers);
      for (std::size_t f = 0; f < frames.size(); f += static_cast<std::size_t>(every)) {
        files_.push_back(frames[f]);
        sequences_.push_back(sequence);
      }
      ++sequence;
    }
  }

  std::vector<std::string> files_;
  std::vector<std::int32_t> sequences_;
};

// --- arrays

// The extents of an array of images, as (images, rows, columns, channels); planes: channels stand before the rows.
struct Extents {
  std::int64_t n, height, width, channels;
  bool planes;
};

std::optional<Extents> image_extents(const std::vector<std::int64_t>& shape) {
  const auto colour = [](std::int64_t channels) { return channels == 1 || channels == 3; };
  if (std::ranges::any_of(shape, [](std::int64_t extent) { return extent < 1; })) return {};
  if (shape.size() == 3) return Extents{shape[0], shape[1], shape[2], 1, false};
  if (shape.size() == 4 && colour(shape[3])) return Extents{shape[0], shape[1], shape[2], shape[3], false};
  if (shape.size() == 4 && colour(shape[1])) return Extents{shape[0], shape[2], shape[3], shape[1], true};
  return {};
}

Picture picture_of(const std::uint8_t* pixels, const Extents& e) {
  const auto size = static_cast<std::size_t>(e.height * e.width), channels = static_cast<std::size_t>(e.channels);
  Picture picture{static_cast<int>(e.width),
                  static_cast<int>(e.height),
                  static_cast<int>(e.channels),
                  {pixels, pixels + size * channels}};
  if (e.planes)
    for (std::size_t i = 0; i < size; ++i)
      for (std::size_t c = 0; c < channels; ++c) picture.pixels[i * channels + c] = pixels[c * size + i];
  return picture;
}

class Array final : public ImageSource {
 public:
  Array(std::vector<std::uint8_t> pixels, const Extents& extents) : pixels_(std::move(pixels)), extents_(extents) {}
  std::int64_t count() const override { return extents_.n; }
  int channels() const override { return static_cast<int>(extents_.channels); }
  std::vector<Picture> pictures(std::int64_t first, std::int64_t n) const override {
    const std::int64_t bytes = extents_.height * extents_.width * extents_.channels;
    std::vector<Picture> pictures;
    for (std::int64_t i = first; i < first + n; ++i)
      pictures.push_back(picture_of(pixels_.data() + i * bytes, extents_));
    return pictures;
  }

 private:
  std::vector<std::uint8_t> pixels_;
  Extents extents_;
};

class StoredArray final : public ImageSource {
 public:
  StoredArray(h5::File file, h5::Dataset images, const Extents& extents)
      : file_(std::move(file)), images_(std::move(images)), extents_(extents) {}
  std::int64_t count() const override { return extents_.n; }
  int channels() const override { return static_cast<int>(extents_.channels); }
  std::vector<Picture> pictures(std::int64_t first, std::int64_t n) const override {
    const std::int64_t bytes = extents_.height * extents_.width * extents_.channels;
    std::vector<std::uint8_t> pixels(static_cast<std::size_t>(n * bytes));
    images_.read_rows(static_cast<std::size_t>(first), static_cast<std::size_t>(n), pixels.data());
    std::vector<Picture> pictures;
    for (std::int64_t i = 0; i < n; ++i) pictures.push_back(picture_of(pixels.data() + i * bytes, extents_));
    return pictures;
  }

 private:
  h5::File file_;
  h5::Dataset images_;
  Extents extents_;
};

bool are_labels(const std::vector<std::int64_t>& shape, std::int64_t images) {
  return (shape.size() == 1 || shape.size() == 2) && shape[0] == images;
}

Labels labels_of(const std::string& path, const std::vector<std::int64_t>& shape, std::vector<std::int32_t> values) {
  const std::size_t columns = shape.size() == 1 ? 1 : static_cast<std::size_t>(shape[1]);
  std::vector<std::int32_t> most(columns, 0);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] < 0)
      throw ConfigError(
          fmt::format("{}: the label of image {} is {}; labels are 0, 1, ...", path, i / columns, values[i]));
    most[i % columns] = std::max(most[i % columns], values[i]);
  }
  Labels labels{{}, std::move(values), {}};
  for (std::size_t c = 0; c < columns; ++c)
    labels.columns.push_back({columns == 1 ? "class" : fmt::format("label {}", c), most[c] + 1});
  return labels;
}

Labels labels_of(const std::string& path, const NumberArray& array) {
  std::vector<std::int32_t> values(array.numbers);
  if (!array.bytes.empty()) values.assign(array.bytes.begin(), array.bytes.end());
  return labels_of(path, array.shape, std::move(values));
}

// An array of an HDF5 file.
struct StoredMember {
  std::string name;
  std::vector<std::int64_t> shape;
  bool bytes;
};

bool is_uint8(const NumberArray& array) { return !array.bytes.empty(); }
bool is_uint8(const StoredMember& member) { return member.bytes; }

template <class Array>
const char* kind_of(const Array& array) {
  if (std::ranges::find(array.shape, 0) != array.shape.end()) return "an empty array";
  return is_uint8(array) ? "uint8" : "other numbers";
}

// What a file has in place of what is wanted.
template <class Arrays>
std::string contents(const Arrays& arrays) {
  std::vector<std::string> texts;
  for (const auto& array : arrays)
    texts.push_back(fmt::format("{}{} ({})", array.name.empty() ? "" : array.name + ": ", kind_of(array),
                                fmt::join(array.shape, ", ")));
  return texts.empty() ? "it has no arrays of whole numbers" : "it has " + join(texts, "; ");
}

constexpr const char* kImages =
    "images: uint8 (images, rows, columns), with 1 or 3 channels after the columns or before the rows";

std::string form_of_labels(std::int64_t images) {
  return fmt::format("labels: one, or a row of them, for each of {} images", images);
}

template <class Arrays>
std::string no_images(const std::string& path, const Arrays& arrays) {
  return fmt::format("{}: holds no {}; {}: give another SOURCE, or save such an array", path, kImages,
                     contents(arrays));
}

// The only one that fits, or that of the given name; nothing where none fits and no name is given. `what`: "images: "
// and the form that they have.
template <class Arrays, class Fits>
auto chosen(const std::string& path, Arrays& arrays, const std::string& name, const std::string& what,
            const char* option, Fits&& fits) {
  std::vector<std::string> names;
  auto found = arrays.end();
  for (auto array = arrays.begin(); array != arrays.end(); ++array) {
    if (!name.empty() ? array->name != name : !fits(*array)) continue;
    names.push_back(array->name);
    found = array;
  }
  if (names.size() > 1)
    throw ConfigError(fmt::format("{}: which array holds the {}? Give {}, {}", path, what.substr(0, what.find(':')),
                                  option, join_or(names)));
  if (!name.empty() && found == arrays.end())
    throw ConfigError(fmt::format("{}: has no array {}; {}: give {} another", path, name, contents(arrays), option));
  if (!name.empty() && !fits(*found))
    throw ConfigError(
        fmt::format("{}: the array {} holds no {}; {}: give {} another", path, name, what, contents(arrays), option));
  return found;
}

// Of the images of `source`.
Labels labels_file(const std::string& path, std::int64_t images, const std::string& source) {
  std::vector<NumberArray> arrays = read_arrays(path, unpacked_file(path));
  const auto found = chosen(path, arrays, "", form_of_labels(images), "--label-array",
                            [&](const NumberArray& array) { return are_labels(array.shape, images); });
  if (found == arrays.end())
    throw ConfigError(fmt::format("{}: holds no {} of {}; {}: give --labels the file of these images", path,
                                  form_of_labels(images), source, contents(arrays)));
  return labels_of(path, *found);
}

// train-images-idx3-ubyte.gz -> train-labels-idx1-ubyte.gz, where it exists.
std::string labels_beside(const std::string& path) {
  const fs::path file(path);
  std::string name = file.filename().string();
  for (const auto& [images, labels] : {std::pair{"images", "labels"}, std::pair{"idx3", "idx1"}})
    if (const std::size_t at = name.find(images); at != std::string::npos)
      name.replace(at, std::string_view(images).size(), labels);
  const fs::path other = file.parent_path() / name;
  return other != file && fs::exists(other) ? other.string() : "";
}

std::unique_ptr<ImageSource> open_arrays(const std::string& path, const std::string& bytes,
                                         const ImportOptions& options) {
  std::vector<NumberArray> arrays = read_arrays(path, bytes);
  const auto images = chosen(path, arrays, options.array, kImages, "--array", [](const NumberArray& array) {
    return is_uint8(array) && image_extents(array.shape).has_value();
  });
  if (images == arrays.end()) throw ConfigError(no_images(path, arrays));
  const Extents extents = image_extents(images->shape).value();
  Labels found;
  const auto labels = chosen(path, arrays, options.label_array, form_of_labels(extents.n), "--label-array",
                             [&](const NumberArray& array) { return are_labels(array.shape, extents.n); });
  if (labels != arrays.end())
    found = labels_of(path, *labels);
  else if (const std::string beside = labels_beside(path); !beside.empty() && options.labels.empty())
    found = labels_file(beside, extents.n, path);
  auto source = std::make_unique<Array>(std::move(images->bytes), extents);
  source->labels = std::move(found);
  return source;
}

std::unique_ptr<ImageSource> open_hdf5(const std::string& path, const ImportOptions& options) {
  return h5::of_user([&] {
    h5::File file = h5::File::open_read_only(path);
    std::vector<StoredMember> members;
    for (const std::string& name : file.children("/")) {
      const h5::Dataset* dataset = nullptr;
      h5::Dataset opened;
      try {
        opened = file.open_dataset("/" + name);
        dataset = &opened;
      } catch (const Error&) {
        continue;  // a group, or what else holds no numbers
      }
      members.push_back({name, {dataset->shape().begin(), dataset->shape().end()}, dataset->holds<std::uint8_t>()});
    }
    const auto images = chosen(path, members, options.array, kImages, "--array",
                               [](const StoredMember& m) { return is_uint8(m) && image_extents(m.shape).has_value(); });
    if (images == members.end()) throw ConfigError(no_images(path, members));
    const Extents extents = image_extents(images->shape).value();
    const auto labels = chosen(path, members, options.label_array, form_of_labels(extents.n), "--label-array",
                               [&](const StoredMember& m) { return are_labels(m.shape, extents.n); });
    Labels found;
    if (labels != members.end()) found = labels_of(path, labels->shape, file.read<std::int32_t>("/" + labels->name));
    h5::Dataset dataset = file.open_dataset("/" + images->name);
    auto source = std::make_unique<StoredArray>(std::move(file), std::move(dataset), extents);
    source->labels = std::move(found);
    return source;
  });
}

// --- the binary forms of published sets

std::unique_ptr<ImageSource> of_records(ImageRecords records, std::vector<LabelColumn> columns) {
  const std::int64_t bytes = std::int64_t{3} * records.side * records.side;
  const Extents extents{static_cast<std::int64_t>(records.pixels.size()) / bytes, records.side, records.side, 3, false};
  auto source = std::make_unique<Array>(std::move(records.pixels), extents);
  if (!records.labels.empty()) source->labels = {std::move(columns), std::move(records.labels), {}};
  return source;
}

std::unique_ptr<ImageSource> open_binary(const std::string& path) {
  const std::string name = fs::path(path).filename().string();
  if (name.ends_with("_X.bin")) {
    const std::string labels = path.substr(0, path.size() - 5) + "y.bin";
    return of_records(read_stl10(path, fs::exists(labels) ? labels : ""), {{"class", 10}});
  }
  if (name == "train.bin" || name == "test.bin")
    return of_records(read_cifar100(path), {{"coarse", 20}, {"fine", 100}});
  if (name.ends_with(".bin")) return of_records(read_cifar10({path}), {{"class", 10}});
  throw ConfigError(
      fmt::format("{}: is none of what is read: a folder of .png and .jpg, idx, .npy, .npz, HDF5, or the "
                  "binary form of CIFAR-10 (data_batch_1.bin), CIFAR-100 (train.bin) or STL-10 "
                  "(train_X.bin){}",
                  path, hint_at_kind(path)));
}

std::unique_ptr<ImageSource> open_source(const std::string& path, const ImportOptions& options) {
  if (fs::is_directory(path)) return std::make_unique<Folder>(path, options.sequences ? options.every : 0);
  if (options.sequences)
    throw ConfigError(path + ": --sequences takes folders of pictures, each a sequence of frames; this is none");
  if (const std::string reason = why_no_file(path); !reason.empty()) throw ConfigError(reason);
  if (fs::path(path).extension() == ".bin") return open_binary(path);
  if (H5Fis_hdf5(path.c_str()) > 0) return open_hdf5(path, options);
  const std::string bytes = unpacked_file(path);
  return is_array_file(bytes) ? open_arrays(path, bytes, options) : open_binary(path);
}

// --- conversion

struct Square {
  int left, top, width;
};

Square middle(const Picture& picture) {
  const int width = std::min(picture.width, picture.height);
  return {(picture.width - width) / 2, (picture.height - width) / 2, width};
}

const std::uint32_t kCrops = hash_name("crops");

// A square anywhere in a picture, of 8 to 100 % of its area where it is that long.
Square random_square(const Picture& picture, Random random) {
  const double area = (0.08 + 0.92 * random.uniform()) * picture.width * picture.height;
  const int width =
      std::clamp(static_cast<int>(std::lround(std::sqrt(area))), 1, std::min(picture.width, picture.height));
  const auto place = [&](int length) {
    return static_cast<int>(random.below(static_cast<std::uint32_t>(length - width + 1)));
  };
  const int left = place(picture.width);
  return {left, place(picture.height), width};
}

// A square of a picture, made `side` pixels wide.
std::vector<float> resized(const Picture& picture, const Square& from_square, int side) {
  const auto [left, top, square] = from_square;
  const int channels = picture.channels;
  const ResamplingTaps all(square, square, side);
  const pixel::Taps taps = all.of(square);
  std::vector<float> lines(static_cast<std::size_t>(square) * static_cast<std::size_t>(side * channels));
  const auto at = [&](int y, int x, int c) {
    return (static_cast<std::size_t>(y) * static_cast<std::size_t>(side) + static_cast<std::size_t>(x)) *
               static_cast<std::size_t>(channels) +
           static_cast<std::size_t>(c);
  };
  for (int y = 0; y < square; ++y)
    for (int x = 0; x < side; ++x)
      for (int c = 0; c < channels; ++c) {
        float sum = 0;
        for (int t = 0; t < taps.count; ++t) {
          const int from = left + taps.first[x] + t;
          const std::size_t pixel = static_cast<std::size_t>(top + y) * static_cast<std::size_t>(picture.width) +
                                    static_cast<std::size_t>(from);
          sum += taps.weight[x * taps.count + t] *
                 static_cast<float>(
                     picture.pixels[pixel * static_cast<std::size_t>(channels) + static_cast<std::size_t>(c)]);
        }
        lines[at(y, x, c)] = sum;
      }
  std::vector<float> made(static_cast<std::size_t>(side * side * channels));
  for (int y = 0; y < side; ++y)
    for (int x = 0; x < side; ++x)
      for (int c = 0; c < channels; ++c) {
        float sum = 0;
        for (int t = 0; t < taps.count; ++t)
          sum += taps.weight[y * taps.count + t] * lines[at(taps.first[y] + t, x, c)];
        made[at(y, x, c)] = sum;
      }
  return made;
}

std::uint8_t to_byte(float value) {
  return static_cast<std::uint8_t>(std::clamp(std::floor(value + 0.5f), 0.0f, 255.0f));
}

// What is stored of a square of a picture, (side, side, channels).
void convert(const Picture& picture, const Square& square, int side, int channels, std::uint8_t* to) {
  std::vector<float> values(picture.pixels.begin(), picture.pixels.end());
  if (picture.width != side || picture.height != side || square.width != side) values = resized(picture, square, side);
  const std::size_t pixels = static_cast<std::size_t>(side) * static_cast<std::size_t>(side);
  for (std::size_t i = 0; i < pixels; ++i) {
    const float* p = values.data() + i * static_cast<std::size_t>(picture.channels);
    const std::array<float, 3> rgb =
        picture.channels == 1 ? std::array{p[0], p[0], p[0]} : std::array{p[0], p[1], p[2]};
    if (channels == 3)
      for (const float value : rgb) *to++ = to_byte(value);
    else  // luminance (ITU-R BT.601)
      *to++ = to_byte(picture.channels == 1 ? rgb[0] : 0.299f * rgb[0] + 0.587f * rgb[1] + 0.114f * rgb[2]);
  }
}

using Sources = std::vector<std::unique_ptr<ImageSource>>;

Sources open_sources(const ImportOptions& options) {
  Sources sources;
  for (const std::string& path : options.sources) sources.push_back(open_source(path, options));
  if (options.labels.empty()) return sources;
  if (options.labels.size() != sources.size())
    throw ConfigError(
        fmt::format("--labels names {} files, for {} sources; give a file for each source, in their order",
                    options.labels.size(), sources.size()));
  for (std::size_t s = 0; s < sources.size(); ++s)
    sources[s]->labels = labels_file(options.labels[s], sources[s]->count(), options.sources[s]);
  return sources;
}

// Images that are made of one picture.
int rows_of(const ImportOptions& options) { return std::max(options.crops, 1); }

ImageSetLayout layout_of(const Sources& sources, const ImportOptions& options) {
  ImageSetLayout layout;
  layout.columns = sources.front()->labels.columns;
  for (std::size_t s = 0; s < sources.size(); ++s) {
    const Labels& labels = sources[s]->labels;
    if (labels.columns.size() != layout.columns.size() || labels.names != sources.front()->labels.names)
      throw ConfigError(fmt::format("{}: has other labels or classes than {}", options.sources[s], options.sources[0]));
    for (std::size_t c = 0; c < labels.columns.size(); ++c)
      layout.columns[c].classes = std::max(layout.columns[c].classes, labels.columns[c].classes);
    const std::size_t columns = labels.columns.size();
    for (std::size_t i = 0; i < static_cast<std::size_t>(sources[s]->count()); ++i)
      for (int row = 0; row < rows_of(options); ++row)
        layout.labels.insert(layout.labels.end(), labels.values.begin() + static_cast<std::ptrdiff_t>(i * columns),
                             labels.values.begin() + static_cast<std::ptrdiff_t>((i + 1) * columns));
    const std::int32_t before = layout.groups.empty() ? 0 : layout.groups.back() + 1;
    for (const std::int32_t sequence : sources[s]->sequences()) layout.groups.push_back(before + sequence);
    layout.count += sources[s]->count() * rows_of(options);
    layout.channels = std::max(layout.channels, options.grey ? 1 : sources[s]->channels());
  }
  for (std::int64_t row = 0; options.crops > 0 && row < layout.count; ++row)
    layout.groups.push_back(static_cast<std::int32_t>(row / options.crops));
  layout.names = sources.front()->labels.names;
  layout.side = options.side > 0 ? options.side : sources.front()->pictures(0, 1)[0].width;
  return layout;
}

std::vector<std::string> input_files(const Sources& sources, const ImportOptions& options) {
  std::vector<std::string> files = options.labels;
  for (std::size_t s = 0; s < sources.size(); ++s)
    if (const auto* folder = dynamic_cast<const Folder*>(sources[s].get()))
      files.insert(files.end(), folder->files().begin(), folder->files().end());
    else
      files.push_back(options.sources[s]);
  return files;
}

// Changes with every file, its size and its time, and with what becomes of them.
std::string identity_of(const std::vector<std::string>& files, const ImageSetLayout& layout,
                        const ImportOptions& options) {
  std::string text = fmt::format("{} {} {} {} {} {}", layout.count, layout.side, layout.channels, options.sequences,
                                 options.crops, options.seed);
  for (const std::string& file : files)
    text += fmt::format("\n{} {} {}", file, fs::file_size(file), fs::last_write_time(file).time_since_epoch().count());
  return fmt::format("{:016x}", crc64(text));
}

// Those that the writer does not have yet.
void write_images(ImageSetWriter& writer, const Sources& sources, const ImageSetLayout& layout,
                  const ImportOptions& options, ProgressStyle style) {
  const auto side = static_cast<std::size_t>(layout.side);
  const std::size_t bytes = side * side * static_cast<std::size_t>(layout.channels);
  const auto rows = static_cast<std::size_t>(rows_of(options));
  const std::int64_t portion =
      std::clamp<std::int64_t>(static_cast<std::int64_t>((std::size_t{8} << 20) / (bytes * rows)), 16, 4096);
  Progress progress(style, true, static_cast<double>(layout.count), ProgressUnit::images);
  std::int64_t before = 0;  // pictures of earlier sources
  for (std::size_t s = 0; s < sources.size(); before += sources[s]->count(), ++s) {
    const std::int64_t count = sources[s]->count();
    const std::int64_t done = writer.done() / static_cast<std::int64_t>(rows);
    for (std::int64_t first = std::max<std::int64_t>(0, done - before); first < count;) {
      const std::int64_t n = std::min(portion, count - first);
      const std::vector<Picture> pictures = sources[s]->pictures(first, n);
      for (std::size_t i = 0; options.side == 0 && i < pictures.size(); ++i)
        if (pictures[i].width != layout.side || pictures[i].height != layout.side)
          throw ConfigError(
              fmt::format("{}: image {} is {} x {} pixels, not {} x {}: give --side, to which images are "
                          "resized",
                          options.sources[s], first + static_cast<std::int64_t>(i), pictures[i].width,
                          pictures[i].height, layout.side, layout.side));
      std::vector<std::uint8_t> converted(pictures.size() * rows * bytes);
#pragma omp parallel for schedule(dynamic)
      for (std::size_t i = 0; i < pictures.size(); ++i)
        for (std::size_t row = 0; row < rows; ++row) {
          const auto index = static_cast<std::uint32_t>(before + first) + static_cast<std::uint32_t>(i);
          const Square square = options.crops > 0
                                    ? random_square(pictures[i], Random(options.seed, Draw::augmentation, kCrops, index,
                                                                        static_cast<std::uint32_t>(row)))
                                    : middle(pictures[i]);
          convert(pictures[i], square, layout.side, layout.channels, converted.data() + (i * rows + row) * bytes);
        }
      writer.append(converted);
      first += n;
      progress.show("importing", static_cast<double>(writer.done()));
    }
  }
  progress.finish();
}

}  // namespace

ImageSetLayout import_images(const ImportOptions& options, ProgressStyle style) {
  const Sources sources = open_sources(options);
  ImageSetLayout layout = layout_of(sources, options);
  const std::vector<std::string> files = input_files(sources, options);
  const OutputFile out{"--out", behind_links(options.out), options.out, kImageSet};
  const auto locks = claim_outputs({out}, files);
  if (options.overwrite)
    check_kind(out);
  else if (fs::exists(out.path))
    throw ConfigError(options.out + ": is there already; give another --out, or --overwrite");
  check_kind({"--out", out.path + ".part", options.out + ".part", kImageSet});

  ImageSetWriter writer(out.path, layout, identity_of(files, layout, options));
  try {
    write_images(writer, sources, layout, options, style);
  } catch (const ConfigError&) {
    writer.discard();  // what is refused has to change, and another import begins anew
    throw;
  }
  writer.close();
  return layout;
}

}  // namespace lpl::rate
