#include "io/whole_file.hpp"

#include <fmt/format.h>

#include <fstream>
#include <sstream>

#include "core/errors.hpp"

namespace lpl {

std::string whole_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw ConfigError(fmt::format("{}: cannot be read", path));
  std::ostringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

}  // namespace lpl
