// What tests share: the communicator of all ranks, scratch files.
#pragma once

#include <filesystem>
#include <string>

#include "comm/communicator.hpp"
#include "core/errors.hpp"

namespace lpl::test {

Communicator& world();

// The message of the ConfigError that a call throws, or "accepted".
template <class Call>
std::string refusal(Call&& call) {
  try {
    call();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

// A folder of this test, empty at first, removed at the end. The same path on all ranks; collective.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  // Writes a file (rank 0) and returns its path.
  std::string write(const std::string& name, const std::string& content) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace lpl::test
