// The bytes of a file, for readers that check before they use.
#pragma once

#include <string>

namespace lpl {

// Throws ConfigError where there is no file, or none that can be read.
std::string whole_file(const std::string& path);

}  // namespace lpl
