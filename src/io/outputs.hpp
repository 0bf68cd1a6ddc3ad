// The files that a run writes: checked against what it reads and what is there, and locked until it ends.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "io/file_kind.hpp"

namespace lpl {

// Files of a run lie at `path`; while one is being written it lies beside it, at path.new.
struct OutputFile {
  std::string option;  // that names it: "--out"
  std::string path;
  std::string given = path;  // what the user wrote, for messages
  std::string kind = kResult;
};

// What `path` leads to where it is a symbolic link; else `path`. A link to an open file of a process (/dev/stdout)
// leads to no name, and stays.
std::string behind_links(const std::string& path);

// Throws ConfigError where an output (or what lies beside it while it is written) is an input or another output, is no
// regular file, or lies in a folder that cannot be written to. Files are the same by device and inode, too.
void check_outputs(const std::vector<OutputFile>& outputs, const std::vector<std::string>& inputs);

// What is replaced, even by --overwrite, is of the output's kind (what_is()), or empty. Throws ConfigError naming what
// else it found.
void check_kind(const OutputFile& output);

// Makes a folder of results where it is missing. Throws ConfigError where it cannot be made or written to, or where one
// of `files` would lie in its place.
void make_output_folder(const OutputFile& folder, const std::vector<OutputFile>& files);

// Keeps other runs from writing `path`, by a lock on the file path.lock that ends with this process. File systems that
// know no locks are not guarded.
class OutputLock {
 public:
  // Throws ConfigError naming the run that holds the lock.
  explicit OutputLock(const OutputFile& file);
  ~OutputLock();  // removes path.lock
  OutputLock(OutputLock&& other) noexcept;
  OutputLock(const OutputLock&) = delete;
  OutputLock& operator=(const OutputLock&) = delete;
  OutputLock& operator=(OutputLock&&) = delete;

 private:
  std::string path_;
  int descriptor_ = -1;
};

// Checks and locks all of them; the locks end with what is returned.
std::vector<OutputLock> claim_outputs(const std::vector<OutputFile>& outputs, const std::vector<std::string>& inputs);

}  // namespace lpl
