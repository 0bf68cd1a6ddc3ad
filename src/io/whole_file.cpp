#include "io/whole_file.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>

#include "core/errors.hpp"
#include "io/file_kind.hpp"

namespace lpl {

std::string whole_file(const std::string& path) {
  if (const std::string reason = why_no_file(path); !reason.empty()) throw ConfigError(reason);
  std::ifstream in(path, std::ios::binary);
  std::string bytes(std::filesystem::file_size(path), '\0');
  if (!in.read(bytes.data(), static_cast<std::streamsize>(bytes.size())))
    throw ConfigError(fmt::format("{}: cannot be read to its end", path));
  return bytes;
}

}  // namespace lpl
