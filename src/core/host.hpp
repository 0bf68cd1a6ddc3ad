// The machine that this process runs on.
#pragma once

#include <unistd.h>

#include <string>

namespace lpl {

inline std::string host_name() {
  char name[256] = {};
  gethostname(name, sizeof name - 1);
  return name;
}

}  // namespace lpl
