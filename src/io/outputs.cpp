#include "io/outputs.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <utility>

#include "core/errors.hpp"
#include "core/host.hpp"
#include "io/file_identity.hpp"

namespace lpl {

namespace fs = std::filesystem;

namespace {

// What stands beside a file while it is written, and after it.
constexpr const char* kSuffixes[] = {"", ".new", ".previous", ".lock"};

std::string kind_of(fs::file_type type) {
  switch (type) {
    case fs::file_type::regular:
      return "a file";
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

bool is_link(const fs::path& path) {
  std::error_code ignored;
  return fs::is_symlink(path, ignored);
}

// Links of procfs stand for open files, not for names.
bool is_of_process(const fs::path& link) {
  struct statfs system {};
  return statfs(fs::absolute(link).parent_path().c_str(), &system) == 0 && system.f_type == PROC_SUPER_MAGIC;
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
// parameters, or a lock. HDF5 writes the head of a file after what follows it, which leaves zeros there.
bool may_be_left_over(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string head(16, '\0');
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<std::size_t>(file.gcount()));
  return head.find_first_not_of('\0') == std::string::npos || head.starts_with("\x89HDF") ||
         head.starts_with("LPL checkpoint") || head.starts_with("process ") || (head.size() > 8 && head[8] == '{');
}

template <class... Arguments>
[[noreturn]] void refuse(const OutputFile& output, fmt::format_string<Arguments...> reason, Arguments&&... arguments) {
  throw ConfigError(fmt::format("{} {}: ", output.option, output.given) +
                    fmt::format(reason, std::forward<Arguments>(arguments)...));
}

// Of a folder that is there.
void check_writable(const OutputFile& output, const std::string& folder) {
  if (access(folder.c_str(), W_OK | X_OK) != 0)
    refuse(output, "cannot be written in {}: {}", folder, std::strerror(errno));
}

void check_place(const OutputFile& output) {
  if (is_link(output.path)) refuse(output, "leads to no file that has a name; name a regular file");
  for (const char* suffix : kSuffixes) {
    const std::string place = output.path + suffix;
    std::error_code failure;
    const fs::file_type type = fs::status(place, failure).type();
    if (type == fs::file_type::none) refuse(output, "{} cannot be looked up: {}", place, failure.message());
    if (type != fs::file_type::regular && type != fs::file_type::not_found)
      refuse(output, "{} is {}, no regular file; name another", place, kind_of(type));
    if (*suffix && type == fs::file_type::regular && !may_be_left_over(place))
      refuse(output,
             "{}, which is written beside it, is there already and is no file of a run; move it away or name another "
             "output",
             place);
  }
  std::error_code ignored;
  const std::string folder = folder_of(output.path);
  if (!fs::is_directory(folder, ignored)) refuse(output, "there is no folder {}; make it first", folder);
  check_writable(output, folder);
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
      refuse(output, "would overwrite {}, which this run reads; name another file", input);
  for (const OutputFile& other : others)
    for (const char* suffix : kSuffixes)
      if (const auto shared = shared_file(output, other.path + suffix))
        throw ConfigError(fmt::format("{} {} and {} {} would both write {}; name different files", output.option,
                                      output.given, other.option, other.given, *shared));
}

// What the holder of a lock has written there of itself.
std::string owner_of(int descriptor) {
  char owner[256] = {};
  return pread(descriptor, owner, sizeof owner - 1, 0) > 0 ? owner : "which one is not known";
}

}  // namespace

std::string behind_links(const std::string& path) {
  fs::path place = path;
  for (int links = 0; links < 40 && is_link(place) && !is_of_process(place); ++links)
    place = place.parent_path() / fs::read_symlink(place);
  return place.string();
}

void check_outputs(const std::vector<OutputFile>& outputs, const std::vector<std::string>& inputs) {
  std::vector<OutputFile> before;
  for (const OutputFile& given : outputs) {
    const OutputFile output{given.option, place_of(given.path), given.given};
    check_others(output, before, inputs);
    check_place(output);
    before.push_back(output);
  }
}

void check_kind(const OutputFile& output) {
  if (const std::string found = what_is(output.path); found != output.kind && found != kNoFile)
    refuse(output, "is {}, and --overwrite replaces only {}; name another file, or move it away", found, output.kind);
}

void make_output_folder(const OutputFile& given, const std::vector<OutputFile>& files) {
  const OutputFile folder{given.option, place_of(given.path), given.given};
  for (const OutputFile& file : files)
    if (const auto shared = shared_file({file.option, place_of(file.path)}, folder.path))
      refuse(folder, "is a folder, but {} {} would write a file there: {}; name another folder", file.option,
             file.given, *shared);
  std::error_code failure;
  const fs::file_type type = fs::status(folder.path, failure).type();
  if (type != fs::file_type::none && type != fs::file_type::not_found && type != fs::file_type::directory)
    refuse(folder, "{} is {}, no folder; name a folder, which is made where it is missing", folder.path, kind_of(type));
  fs::create_directories(folder.path, failure);
  if (failure) refuse(folder, "the folder cannot be made: {}; name another place", failure.message());
  check_writable(folder, folder.path);
}

OutputLock::OutputLock(const OutputFile& file) : path_(place_of(file.path) + ".lock") {
  while (true) {
    descriptor_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor_ < 0)
      refuse(file, "no file can be created in {}: {}; name another place", folder_of(path_), std::strerror(errno));
    // Of the open file, not of the process: HDF5 opens and closes files of its own here.
    struct flock lock {};
    lock.l_type = F_WRLCK;
    const bool held = fcntl(descriptor_, F_OFD_SETLK, &lock) != 0 && (errno == EAGAIN || errno == EACCES);
    const std::string owner = held ? owner_of(descriptor_) : "";
    if (!held && identity_of(descriptor_) == identity_of(path_)) break;
    close(std::exchange(descriptor_, -1));
    if (held) refuse(file, "is being written by another run ({}); wait for it or name another file", owner);
    // Else its owner has just ended and removed it.
  }
  const std::string owner = fmt::format("process {} on {}", getpid(), host_name());
  if (ftruncate(descriptor_, 0) != 0 || pwrite(descriptor_, owner.data(), owner.size(), 0) < 0)
    refuse(file, "cannot write {}: {}", path_, std::strerror(errno));
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
