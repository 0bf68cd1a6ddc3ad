#include "io/outputs.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <utility>

#include "core/errors.hpp"
#include "core/host.hpp"

namespace lpl {

namespace fs = std::filesystem;

namespace {

// What stands beside a file while it is written, and after it.
constexpr const char* kSuffixes[] = {"", ".new", ".previous", ".lock"};

std::string kind_of(fs::file_type type) {
  switch (type) {
    case fs::file_type::directory:
      return "a folder";
    case fs::file_type::character:
    case fs::file_type::block:
      return "a device";
    case fs::file_type::fifo:
      return "a pipe";
    case fs::file_type::socket:
      return "a socket";
    default:
      return "something else";
  }
}

// One name for a place, whether or not something is there. Links come first: ".." behind one leads elsewhere than the
// letters of a path say.
std::string place_of(const std::string& path) {
  std::error_code ignored;
  const fs::path place = fs::absolute(behind_links(path));
  return (fs::weakly_canonical(place.parent_path(), ignored) / place.filename()).string();
}

std::string folder_of(const std::string& path) { return fs::path(path).parent_path().string(); }

// Whether a file beside an output may be what a run that was killed has left there: a part of a result, a checkpoint or
// parameters, or a lock.
bool may_be_left_over(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string head(16, '\0');
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<std::size_t>(file.gcount()));
  return head.empty() || head.starts_with("\x89HDF") || head.starts_with("LPL checkpoint") ||
         head.starts_with("process ") || (head.size() > 8 && head[8] == '{');
}

void check_place(const OutputFile& output) {
  for (const char* suffix : kSuffixes) {
    std::error_code ignored;
    const fs::file_type type = fs::status(output.path + suffix, ignored).type();
    if (type != fs::file_type::regular && type != fs::file_type::not_found)
      throw ConfigError(fmt::format("{} {}: {}{} is {}, no regular file; name another", output.option, output.path,
                                    output.path, suffix, kind_of(type)));
    if (*suffix && type == fs::file_type::regular && !may_be_left_over(output.path + suffix))
      throw ConfigError(
          fmt::format("{} {}: {}{}, which is written beside it, is there already and is no file of a run; "
                      "move it away or name another output",
                      output.option, output.path, output.path, suffix));
  }
  std::error_code ignored;
  const std::string folder = folder_of(output.path);
  if (!fs::is_directory(folder, ignored))
    throw ConfigError(fmt::format("{} {}: there is no folder {}; make it first", output.option, output.path, folder));
  if (access(folder.c_str(), W_OK | X_OK) != 0)
    throw ConfigError(
        fmt::format("{} {}: cannot be written in {}: {}", output.option, output.path, folder, std::strerror(errno)));
}

bool same_file(const std::string& a, const std::string& b) {
  std::error_code ignored;
  return a == b || fs::equivalent(a, b, ignored);
}

// The file of `output`, or one beside it, that is also `other`.
std::optional<std::string> shared_file(const OutputFile& output, const std::string& other) {
  for (const char* suffix : kSuffixes)
    if (same_file(output.path + suffix, other)) return output.path + suffix;
  return {};
}

void check_others(const OutputFile& output, const std::vector<OutputFile>& others,
                  const std::vector<std::string>& inputs) {
  for (const std::string& input : inputs)
    if (const auto shared = shared_file(output, input))
      throw ConfigError(fmt::format("{} {}: would overwrite {}, which this run reads; name another file", output.option,
                                    output.path, input));
  for (const OutputFile& other : others)
    for (const char* suffix : kSuffixes)
      if (const auto shared = shared_file(output, other.path + suffix))
        throw ConfigError(fmt::format("{} {} and {} {} would both write {}; name different files", output.option,
                                      output.path, other.option, other.path, *shared));
}

// What the holder of a lock has written there of itself.
std::string owner_of(int descriptor) {
  char owner[256] = {};
  return pread(descriptor, owner, sizeof owner - 1, 0) > 0 ? owner : "which one is not known";
}

// Whether the open file is still the one at `path`.
bool lies_at(int descriptor, const std::string& path) {
  struct stat opened {
  }, there{};
  return fstat(descriptor, &opened) == 0 && stat(path.c_str(), &there) == 0 && opened.st_dev == there.st_dev &&
         opened.st_ino == there.st_ino;
}

}  // namespace

std::string behind_links(const std::string& path) {
  fs::path place = path;
  std::error_code ignored;
  for (int links = 0; links < 40 && fs::is_symlink(place, ignored); ++links)
    place = place.parent_path() / fs::read_symlink(place);
  return place.string();
}

void check_outputs(const std::vector<OutputFile>& outputs, const std::vector<std::string>& inputs) {
  std::vector<OutputFile> before;
  for (const OutputFile& given : outputs) {
    const OutputFile output{given.option, place_of(given.path)};
    check_others(output, before, inputs);
    check_place(output);
    before.push_back(output);
  }
}

OutputLock::OutputLock(const OutputFile& file) : path_(place_of(file.path) + ".lock") {
  while (true) {
    descriptor_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor_ < 0)
      throw ConfigError(
          fmt::format("{} {}: cannot create {}: {}", file.option, file.path, path_, std::strerror(errno)));
    // Of the open file, not of the process: HDF5 opens and closes files of its own here.
    struct flock lock {};
    lock.l_type = F_WRLCK;
    const bool held = fcntl(descriptor_, F_OFD_SETLK, &lock) != 0 && (errno == EAGAIN || errno == EACCES);
    const std::string owner = held ? owner_of(descriptor_) : "";
    if (!held && lies_at(descriptor_, path_)) break;
    close(std::exchange(descriptor_, -1));
    if (held)
      throw ConfigError(fmt::format("{} {}: is being written by another run ({}); wait for it or name another file",
                                    file.option, file.path, owner));
    // Else its owner has just ended and removed it.
  }
  const std::string owner = fmt::format("process {} on {}", getpid(), host_name());
  if (ftruncate(descriptor_, 0) != 0 || pwrite(descriptor_, owner.data(), owner.size(), 0) < 0)
    throw ConfigError(fmt::format("{} {}: cannot write {}: {}", file.option, file.path, path_, std::strerror(errno)));
}

OutputLock::OutputLock(OutputLock&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

OutputLock::~OutputLock() {
  if (descriptor_ < 0) return;
  unlink(path_.c_str());
  close(descriptor_);
}

std::vector<OutputLock> claim_outputs(const std::vector<OutputFile>& outputs, const std::vector<std::string>& inputs) {
  check_outputs(outputs, inputs);
  std::vector<OutputLock> locks;
  for (const OutputFile& output : outputs) locks.emplace_back(output);
  return locks;
}

}  // namespace lpl
