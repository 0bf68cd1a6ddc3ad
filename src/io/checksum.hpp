// Checksums of files, by which runs tell whether what they read is what it was.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lpl {

std::uint64_t crc64(std::string_view bytes);  // CRC-64/XZ

// A file that a run reads.
struct InputFile {
  std::string path;      // absolute
  std::string checksum;  // CRC-64/XZ, 16 hexadecimal digits
  bool operator==(const InputFile&) const = default;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& path& checksum;
  }
};

// Of every file that is there: what is missing is for its reader to say. Throws ConfigError where one cannot be read.
std::vector<InputFile> with_checksums(const std::vector<std::string>& paths);

// The first way in which `now` differs from `then`, such as "spikes.ras has changed", or "" where they agree.
std::string first_difference(const std::vector<InputFile>& then, const std::vector<InputFile>& now);

}  // namespace lpl
