#include "io/checkpoint.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/crc.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "core/termination.hpp"

namespace lpl {
namespace {

constexpr std::string_view kMagic = "LPL checkpoint\n";
constexpr std::uint32_t kByteOrder = 0x01020304;
constexpr std::uint32_t kFormatVersion = 1;

[[noreturn]] void fail(const std::string& what) { throw IoError(fmt::format("{}: {}", what, std::strerror(errno))); }

std::uint64_t checksum(std::string_view bytes) {
  boost::crc_optimal<64, 0x42F0E1EBA9EA3693, ~0ULL, ~0ULL, true, true> crc;  // CRC-64/XZ
  crc.process_bytes(bytes.data(), bytes.size());
  return crc.checksum();
}

template <class Number>
void put(std::string& bytes, Number number) {
  bytes.append(reinterpret_cast<const char*>(&number), sizeof number);
}

void put_text(std::string& bytes, std::string_view text) {
  put(bytes, static_cast<std::uint64_t>(text.size()));
  bytes.append(text);
}

// Takes pieces off the front of a file's bytes; a file that is too short for one is damaged.
class Cursor {
 public:
  Cursor(std::string_view bytes, const std::string& path) : rest_(bytes), path_(path) {}
  std::string_view take(std::uint64_t size) {
    if (size > rest_.size()) throw IoError(fmt::format("{}: is damaged: it ends early", path_));
    const std::string_view piece = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return piece;
  }
  template <class Number>
  Number number() {
    Number value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::string_view text() { return take(number<std::uint64_t>()); }

 private:
  std::string_view rest_;
  const std::string& path_;
};

std::string slurp(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) throw IoError(fmt::format("{}: there is no such file", path));
  std::ifstream file(path, std::ios::binary);
  std::string bytes(std::filesystem::file_size(path), '\0');
  if (!file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()))) fail(fmt::format("cannot read {}", path));
  return bytes;
}

// The first lines in which two descriptions differ.
std::string first_difference(const std::string& ours, std::string_view theirs) {
  std::istringstream a(ours), b{std::string(theirs)};
  std::string here, there;
  while (std::getline(a, here) && std::getline(b, there) && here == there) {
  }
  return fmt::format("'{}' there, '{}' here", there, here);
}

class Descriptor {
 public:
  Descriptor(const std::string& path, int flags) : id_(open(path.c_str(), flags | O_CLOEXEC, 0666)) {
    if (id_ < 0) fail(fmt::format("cannot open {}", path));
  }
  ~Descriptor() { close(id_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return id_; }

 private:
  int id_;
};

void write_and_sync(const std::string& path, const std::string& bytes) {
  const Descriptor file(path, O_WRONLY | O_CREAT | O_TRUNC);
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t wrote = write(file.get(), bytes.data() + done, bytes.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) fail(fmt::format("cannot write {}", path));
    done += static_cast<std::size_t>(wrote);
  }
  if (fsync(file.get()) != 0) fail(fmt::format("cannot write {}", path));
}

}  // namespace

std::string previous_generation(const std::string& path) { return path + ".previous"; }

CheckpointSchedule::CheckpointSchedule(const CheckpointOptions& options)
    : on_(!options.path.empty()), every_(options.every) {}

bool CheckpointSchedule::due() const {
  return on_ && (termination_signal() != 0 || std::chrono::steady_clock::now() - last_ >= every_);
}

void CheckpointSchedule::restart() { last_ = std::chrono::steady_clock::now(); }

void write_checkpoint_bytes(const std::string& path, const CheckpointKind& kind, const std::string& payload) {
  std::string bytes(kMagic);
  put(bytes, kByteOrder);
  put(bytes, kFormatVersion);
  put_text(bytes, kind.program);
  put(bytes, kind.state_version);
  put_text(bytes, kind.description);
  put_text(bytes, payload);
  put(bytes, checksum(bytes));

  const std::string fresh = path + ".new", previous = previous_generation(path);
  try {
    write_and_sync(fresh, bytes);
  } catch (const IoError&) {
    unlink(fresh.c_str());
    throw;
  }
  // `path` itself is never absent: the old file gets its second name before the new one replaces it.
  if (access(path.c_str(), F_OK) == 0) {
    unlink(previous.c_str());
    if (link(path.c_str(), previous.c_str()) != 0) fail(fmt::format("cannot keep {} as {}", path, previous));
  }
  if (rename(fresh.c_str(), path.c_str()) != 0) fail(fmt::format("cannot rename {} to {}", fresh, path));
  const auto folder = std::filesystem::path(path).parent_path().string();
  if (fsync(Descriptor(folder.empty() ? "." : folder, O_RDONLY | O_DIRECTORY).get()) != 0)
    fail(fmt::format("cannot write the folder of {}", path));
}

std::string read_checkpoint_bytes(const std::string& path, const CheckpointKind& kind) {
  const std::string bytes = slurp(path);
  if (!std::string_view(bytes).starts_with(kMagic)) throw IoError(fmt::format("{}: is no checkpoint", path));
  Cursor cursor(bytes, path);
  cursor.take(kMagic.size());
  if (cursor.number<std::uint32_t>() != kByteOrder)
    throw IoError(fmt::format("{}: was written on a machine of another byte order", path));
  if (const auto version = cursor.number<std::uint32_t>(); version != kFormatVersion)
    throw IoError(fmt::format("{}: has format version {}; this program reads {}", path, version, kFormatVersion));
  const std::string_view program = cursor.text();
  const auto state_version = cursor.number<std::uint32_t>();
  const std::string_view description = cursor.text(), payload = cursor.text();
  const std::string_view checked(bytes.data(),
                                 static_cast<std::size_t>(payload.data() + payload.size() - bytes.data()));
  if (cursor.number<std::uint64_t>() != checksum(checked))
    throw IoError(fmt::format("{}: is damaged: its checksum does not match", path));
  if (program != kind.program)
    throw IoError(fmt::format("{}: is a checkpoint of {}, not of {}", path, program, kind.program));
  if (state_version != kind.state_version)
    throw IoError(fmt::format("{}: holds version {} of the state of {}; this program reads version {}", path,
                              state_version, program, kind.state_version));
  if (description != kind.description)
    throw IoError(
        fmt::format("{}: is of another description: {}; resume with the description and the settings that it "
                    "was written with",
                    path, first_difference(kind.description, description)));
  return std::string(payload);
}

}  // namespace lpl
