#include "io/image_files.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <utility>

#include "core/errors.hpp"
#include "core/whole_file.hpp"
#include "io/file_kind.hpp"

namespace lpl {
namespace {

// What else of the data sets lies in the folder of a file that is not there.
std::string hint_at_neighbours(const std::string& path) {
  constexpr std::pair<const char*, const char*> kNeighbours[] = {
      {"data_batch_1", "the Python version of CIFAR-10; the binary version is read"},
      {"train.bin", "the binary version of CIFAR-100; CIFAR-10 is read"},
      {"train", "the Python version of CIFAR-100; the binary version of CIFAR-10 is read"},
      {"cifar-10-batches-bin/data_batch_1.bin", "CIFAR-10 in a folder of its own: name that"},
      {"stl10_binary/train_X.bin", "STL-10 in a folder of its own: name that"}};
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  std::error_code ignored;
  for (const auto& [name, words] : kNeighbours)
    if (std::filesystem::exists(folder / name, ignored))
      return fmt::format("; {} is {}", (folder / name).string(), words);
  return {};
}

// The bytes of a file that must hold a whole number of records, at least one.
std::vector<std::uint8_t> read_whole_records(const std::string& path, std::size_t record) {
  if (const std::string reason = why_no_file(path); !reason.empty())
    throw ConfigError(reason + hint_at_neighbours(path));
  const std::uintmax_t size = std::filesystem::file_size(path);
  if (size == 0 || size % record != 0)
    throw ConfigError(
        fmt::format("{}: has {} bytes; expected one or more whole records of {} bytes; it is truncated or of another "
                    "format{}",
                    path, size, record, hint_at_kind(path)));
  std::ifstream in(path, std::ios::binary);
  std::vector<std::uint8_t> bytes(size);
  if (!in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size)))
    throw ConfigError(fmt::format("{}: cannot be read to its end", path));
  return bytes;
}

// Its records have two labels each.
void refuse_cifar100(const std::string& path) {
  constexpr std::uintmax_t kRecord10 = 3073, kRecord100 = 3074;
  std::error_code absent;
  const std::uintmax_t size = std::filesystem::file_size(path, absent);
  if (!absent && size > 0 && size % kRecord100 == 0 && size % kRecord10 != 0)
    throw ConfigError(
        fmt::format("{}: has {} bytes, whole records of {} bytes: it is CIFAR-100; CIFAR-10 is read, in "
                    "records of {} bytes; lpl_rate import converts CIFAR-100",
                    path, size, kRecord100, kRecord10));
}

std::int32_t checked_label(const std::string& path, std::size_t record, int label, int first, int last) {
  if (label < first || label > last)
    throw ConfigError(fmt::format("{}: record {} has label {}; labels are {} to {}", path, record, label, first, last));
  return label - first;
}

constexpr std::size_t kCifarPlane = 32 * 32;

void append_planes(const std::uint8_t* planes, ImageRecords& images) {
  for (std::size_t i = 0; i < kCifarPlane; ++i)
    for (std::size_t c = 0; c < 3; ++c) images.pixels.push_back(planes[c * kCifarPlane + i]);
}

}  // namespace

ImageRecords read_cifar10(const std::vector<std::string>& paths) {
  constexpr std::size_t kRecord = 1 + 3 * kCifarPlane;
  ImageRecords images{.side = 32, .pixels = {}, .labels = {}};
  std::size_t records_each = 0;
  for (const std::string& path : paths) {
    refuse_cifar100(path);
    const std::vector<std::uint8_t> bytes = read_whole_records(path, kRecord);
    const std::size_t records = bytes.size() / kRecord;
    if (records_each != 0 && records != records_each)
      throw ConfigError(
          fmt::format("{}: has {} records; expected {}, as in {}", path, records, records_each, paths[0]));
    records_each = records;
    for (std::size_t r = 0; r < records; ++r) {
      const std::uint8_t* record = bytes.data() + r * kRecord;
      images.labels.push_back(checked_label(path, r, record[0], 0, 9));
      append_planes(record + 1, images);
    }
  }
  return images;
}

ImageRecords read_cifar100(const std::string& path) {
  constexpr std::size_t kRecord = 2 + 3 * kCifarPlane;
  ImageRecords images{.side = 32, .pixels = {}, .labels = {}};
  const std::vector<std::uint8_t> bytes = read_whole_records(path, kRecord);
  for (std::size_t r = 0; r * kRecord < bytes.size(); ++r) {
    const std::uint8_t* record = bytes.data() + r * kRecord;
    images.labels.push_back(checked_label(path, r, record[0], 0, 19));
    images.labels.push_back(checked_label(path, r, record[1], 0, 99));
    append_planes(record + 2, images);
  }
  return images;
}

ImageRecords read_stl10(const std::string& path, const std::string& labels) {
  constexpr std::size_t kSide = 96, kPlane = kSide * kSide, kRecord = 3 * kPlane;
  ImageRecords images{.side = kSide, .pixels = read_whole_records(path, kRecord), .labels = {}};
  const std::size_t records = images.pixels.size() / kRecord;
  if (!labels.empty()) {
    const std::vector<std::uint8_t> bytes = read_whole_records(labels, 1);
    if (bytes.size() != records)
      throw ConfigError(
          fmt::format("{}: has {} labels; expected {}, one for each image of {}", labels, bytes.size(), records, path));
    for (std::size_t r = 0; r < records; ++r) images.labels.push_back(checked_label(labels, r, bytes[r], 1, 10));
  }
  // Image by image in place: the unlabelled set alone is 2.8 GB.
  std::vector<std::uint8_t> record(kRecord);
  for (std::size_t r = 0; r < records; ++r) {
    std::uint8_t* image = images.pixels.data() + r * kRecord;
    std::copy(image, image + kRecord, record.begin());
    for (std::size_t y = 0; y < kSide; ++y)
      for (std::size_t x = 0; x < kSide; ++x)
        for (std::size_t c = 0; c < 3; ++c) image[(y * kSide + x) * 3 + c] = record[c * kPlane + x * kSide + y];
  }
  return images;
}

}  // namespace lpl
