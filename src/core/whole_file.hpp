// The bytes of a file, for readers that check before they use.
#pragma once

#include <string>

namespace lpl {

enum class Pipes { refused, taken };

// "" for a regular file or, where they are taken, a pipe; else why `path` cannot be read as one: "there is no file
// PATH", "PATH: is a folder, ...".
std::string why_no_file(const std::string& path, Pipes pipes = Pipes::refused);

// Throws ConfigError where there is no file, or none that can be read.
std::string whole_file(const std::string& path, Pipes pipes = Pipes::refused);

}  // namespace lpl
