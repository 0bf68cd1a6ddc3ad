// Which file a name stands for, whatever else it is called.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>

namespace lpl {

struct FileIdentity {
  std::uint64_t device = 0, inode = 0;  // zeros: there is no file
  bool operator==(const FileIdentity&) const = default;
  explicit operator bool() const { return inode != 0; }
};

inline FileIdentity identity_of(const std::string& path) {
  struct stat facts {};
  if (stat(path.c_str(), &facts) != 0) return {};
  return {facts.st_dev, facts.st_ino};
}

// Of an open file.
inline FileIdentity identity_of(int descriptor) {
  struct stat facts {};
  if (fstat(descriptor, &facts) != 0) return {};
  return {facts.st_dev, facts.st_ino};
}

}  // namespace lpl
