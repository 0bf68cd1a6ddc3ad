#include "io/checkpoint.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "core/termination.hpp"
#include "core/text.hpp"

namespace lpl {
namespace {

constexpr std::string_view kMagic = "LPL checkpoint\n";
constexpr std::uint32_t kByteOrder = 0x01020304;
constexpr std::uint32_t kFormatVersion = 2;

[[noreturn]] void fail(const std::string& what) { throw IoError(fmt::format("{}: {}", what, std::strerror(errno))); }

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
  std::size_t left() const { return rest_.size(); }

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

std::string archive_header() {
  std::ostringstream stream;
  boost::archive::binary_oarchive archive(stream);
  return std::move(stream).str();
}

std::string previous_generation(const std::string& path) { return path + ".previous"; }

CheckpointSchedule::CheckpointSchedule(const CheckpointOptions& options)
    : on_(!options.path.empty()), every_(options.every) {}

bool CheckpointSchedule::due() const {
  return termination_signal() != 0 || (on_ && std::chrono::steady_clock::now() - last_ >= every_);
}

void CheckpointSchedule::restart() { last_ = std::chrono::steady_clock::now(); }

void write_checkpoint_bytes(const std::string& path, const CheckpointKind& kind, const std::string& payload) {
  std::string bytes(kMagic);
  put(bytes, kByteOrder);
  put(bytes, kFormatVersion);
  put_text(bytes, kind.program);
  put(bytes, kind.state_version);
  put_text(bytes, kind.description);
  put(bytes, static_cast<std::uint64_t>(kind.inputs.size()));
  for (const InputFile& input : kind.inputs) {
    put_text(bytes, input.path);
    put_text(bytes, input.checksum);
  }
  put_text(bytes, payload);
  put(bytes, crc64(bytes));

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

namespace {

struct Checkpoint {
  CheckpointKind kind;
  std::string_view payload;
};

// Of `bytes`, which must outlive it. Throws IoError where they are no whole checkpoint.
Checkpoint parsed(const std::string& bytes, const std::string& path) {
  if (!std::string_view(bytes).starts_with(kMagic)) throw IoError(fmt::format("{}: is no checkpoint", path));
  Cursor cursor(bytes, path);
  cursor.take(kMagic.size());
  if (cursor.number<std::uint32_t>() != kByteOrder)
    throw IoError(fmt::format("{}: was written on a machine of another byte order", path));
  if (const auto version = cursor.number<std::uint32_t>(); version != kFormatVersion)
    throw IoError(fmt::format("{}: has format version {}; this program reads {}", path, version, kFormatVersion));
  Checkpoint checkpoint;
  checkpoint.kind.program = cursor.text();
  checkpoint.kind.state_version = cursor.number<std::uint32_t>();
  checkpoint.kind.description = cursor.text();
  for (auto left = cursor.number<std::uint64_t>(); left > 0; --left) {
    InputFile& input = checkpoint.kind.inputs.emplace_back();
    input.path = cursor.text();
    input.checksum = cursor.text();
  }
  checkpoint.payload = cursor.text();
  const std::string_view checked(
      bytes.data(), static_cast<std::size_t>(checkpoint.payload.data() + checkpoint.payload.size() - bytes.data()));
  if (cursor.number<std::uint64_t>() != crc64(checked))
    throw IoError(fmt::format("{}: is damaged: its checksum does not match", path));
  if (cursor.left() > 0)
    throw IoError(fmt::format("{}: is damaged: {} bytes stand after its end", path, cursor.left()));
  return checkpoint;
}

void check_program(const std::string& path, const CheckpointKind& found, const std::string& wanted) {
  if (found.program != wanted)
    throw IoError(fmt::format("{}: is a checkpoint of {}, not of {}", path, found.program, wanted));
}

void check_version(const std::string& path, const CheckpointKind& found, std::uint32_t wanted) {
  if (found.state_version != wanted)
    throw IoError(fmt::format("{}: holds version {} of the state of {}; this program reads version {}", path,
                              found.state_version, found.program, wanted));
}

// Throws IoError where a checkpoint of the kind `found` is not one of `wanted`, whatever the version of its state.
void check_run(const std::string& path, const CheckpointKind& found, const CheckpointKind& wanted) {
  check_program(path, found, wanted.program);
  if (const std::string difference = first_difference(found.description, wanted.description); !difference.empty())
    throw IoError(
        fmt::format("{}: is of another description: {}; resume with the description and the settings that it "
                    "was written with",
                    path, difference));
  if (const std::string difference = first_difference(found.inputs, wanted.inputs); !difference.empty())
    throw IoError(fmt::format("{}: is of a run on other data: {}; put the file back, or start anew without --resume",
                              path, difference));
}

}  // namespace

std::string read_checkpoint_bytes(const std::string& path, const CheckpointKind& kind) {
  const std::string bytes = slurp(path);
  const Checkpoint checkpoint = parsed(bytes, path);
  check_run(path, checkpoint.kind, kind);
  check_version(path, checkpoint.kind, kind.state_version);
  return std::string(checkpoint.payload);
}

std::string read_checkpoint_bytes(const std::string& path, const std::string& program, std::uint32_t state_version) {
  const std::string bytes = slurp(path);
  const Checkpoint checkpoint = parsed(bytes, path);
  check_program(path, checkpoint.kind, program);
  check_version(path, checkpoint.kind, state_version);
  return std::string(checkpoint.payload);
}

bool is_checkpoint(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string head(kMagic.size(), '\0');
  return file.read(head.data(), static_cast<std::streamsize>(head.size())) && head == kMagic;
}

void check_replaceable_checkpoint(const std::string& path, const CheckpointKind& kind) {
  if (access(path.c_str(), F_OK) != 0) return;
  try {
    const std::string bytes = slurp(path);
    check_run(path, parsed(bytes, path).kind, kind);
  } catch (const IoError& error) {
    throw ConfigError(fmt::format("--checkpoint {}; name another file, or replace it with --overwrite", error.what()));
  }
}

}  // namespace lpl
