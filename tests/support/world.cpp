#include "support/world.hpp"

#include <cstdlib>
#include <fstream>
#include <stdexcept>

namespace lpl::test {

Scratch::Scratch() {
  std::string folder = (std::filesystem::temp_directory_path() / "lpl-test-XXXXXX").string();
  if (world().rank() == 0 && !mkdtemp(folder.data())) throw std::runtime_error("cannot create " + folder);
  folder_ = world().broadcast(folder, 0);
}

Scratch::~Scratch() {
  world().max(0);
  std::error_code ignored;
  if (world().rank() == 0) std::filesystem::remove_all(folder_, ignored);
}

std::string Scratch::write(const std::string& name, const std::string& content) const {
  if (world().rank() == 0) std::ofstream(path(name), std::ios::binary) << content;
  world().max(0);
  return path(name);
}

}  // namespace lpl::test
