#include "io/checksum.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/crc.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "core/errors.hpp"

namespace lpl {
namespace {

using Crc = boost::crc_optimal<64, 0x42F0E1EBA9EA3693, ~0ULL, ~0ULL, true, true>;

std::string checksum_of_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<char> bytes(1 << 20);
  Crc crc;
  while (file) {
    file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    crc.process_bytes(bytes.data(), static_cast<std::size_t>(file.gcount()));
  }
  if (!file.eof()) throw ConfigError(fmt::format("{}: cannot be read: {}", path, std::strerror(errno)));
  return fmt::format("{:016x}", crc.checksum());
}

}  // namespace

std::uint64_t crc64(std::string_view bytes) {
  Crc crc;
  crc.process_bytes(bytes.data(), bytes.size());
  return crc.checksum();
}

std::vector<InputFile> with_checksums(const std::vector<std::string>& paths) {
  std::vector<InputFile> files;
  for (const std::string& path : paths)
    if (std::filesystem::exists(path)) files.push_back({path, checksum_of_file(path)});
  return files;
}

std::string first_difference(const std::vector<InputFile>& then, const std::vector<InputFile>& now) {
  const auto [a, b] = std::mismatch(then.begin(), then.end(), now.begin(), now.end());
  if (a == then.end() && b == now.end()) return {};
  if (a == then.end()) return fmt::format("{} was not read then", b->path);
  if (b == now.end()) return fmt::format("{} is not read any more", a->path);
  if (a->path != b->path) return fmt::format("{} was read then, {} now", a->path, b->path);
  return fmt::format("{} has changed (checksum {} then, {} now)", a->path, a->checksum, b->checksum);
}

}  // namespace lpl
