#include "core/streams.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace lpl {

void hold_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (fcntl(stream, F_GETFD) < 0) open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

bool flush_standard_output(const std::string& program) {
  errno = 0;
  if (std::fflush(stdout) == 0 && !std::ferror(stdout)) return true;
  fmt::print(stderr,
             "{}: cannot write to standard output: {}; what was printed there is lost, files that were written are "
             "whole\n",
             program, errno != 0 ? std::strerror(errno) : "an earlier write failed");
  return false;
}

}  // namespace lpl
