#include "core/whole_file.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "core/errors.hpp"

namespace lpl {

namespace fs = std::filesystem;

// A pipe is not opened here: whoever writes into it would see it closed.
std::string why_no_file(const std::string& path, Pipes pipes) {
  std::error_code failure;
  const auto status = fs::status(path, failure);
  if (status.type() == fs::file_type::not_found) return fmt::format("there is no file {}", path);
  if (failure) return fmt::format("{}: cannot be read: {}", path, failure.message());
  if (fs::is_directory(status)) return fmt::format("{}: is a folder; a file is expected", path);
  if (fs::is_fifo(status) && pipes == Pipes::taken) return {};
  if (!fs::is_regular_file(status)) return fmt::format("{}: is a device or a pipe; a file is expected", path);
  return std::ifstream(path) ? "" : fmt::format("{}: cannot be read: {}", path, std::strerror(errno));
}

std::string whole_file(const std::string& path, Pipes pipes) {
  if (const std::string reason = why_no_file(path, pipes); !reason.empty()) throw ConfigError(reason);
  std::ifstream in(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << in.rdbuf();
  if (!in || bytes.bad()) throw ConfigError(fmt::format("{}: cannot be read to its end", path));
  return std::move(bytes).str();
}

}  // namespace lpl
