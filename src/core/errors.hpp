// Errors carry who, found, allowed and the next step in one line of text.
// ConfigError: the user's description or command line is wrong (exit 2). The others: the run failed (exit 1).
#pragma once

#include <stdexcept>
#include <string>

namespace lpl {

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class ConfigError : public Error {
 public:
  using Error::Error;
};

class IoError : public Error {
 public:
  using Error::Error;
};

class CommError : public Error {
 public:
  using Error::Error;
};

enum class ExitCode : int { done = 0, failed = 1, misused = 2, interrupted = 75 };

}  // namespace lpl
