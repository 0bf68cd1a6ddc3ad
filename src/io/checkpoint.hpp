// Checkpoint files: one state, whole or absent.
//
// A file holds a header (magic, byte order, format version, program and version of its state, description, inputs), the
// state in Boost's binary archive, and a checksum of all of it. Reading checks each before it believes the next.
//
//   struct State {
//     std::int64_t step = 0;
//     std::vector<float> weights;
//     template <class Archive>
//     void serialize(Archive& archive, unsigned) { archive & step & weights; }
//   };
//   write_checkpoint("run.checkpoint", kind, state);
//   const auto state = read_checkpoint<State>("run.checkpoint", kind);
//
// States are made of types of fixed width, std::string and standard containers (docs/decisions/0005).
#pragma once

#include <fmt/format.h>

#include <boost/archive/archive_exception.hpp>
#include <boost/archive/binary_oarchive.hpp>
#include <boost/serialization/map.hpp>
#include <boost/serialization/string.hpp>
#include <boost/serialization/utility.hpp>
#include <boost/serialization/vector.hpp>
#include <chrono>
#include <cstdint>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "core/errors.hpp"
#include "io/checked_archive.hpp"
#include "io/checksum.hpp"

namespace lpl {

// Whose state a checkpoint holds. All of it must be equal for a checkpoint to be read.
struct CheckpointKind {
  std::string program;
  std::uint32_t state_version = 0;     // raised with every change of the program's State
  std::string description;             // canonical text of what was run, but for how long
  std::vector<InputFile> inputs = {};  // the data that it read
};

// Replaces `path` by a file that holds `payload`, atomically: whoever looks, at any moment and after any crash, finds
// the old file or the new one, whole. The old one stays as previous_generation(path). Throws IoError.
void write_checkpoint_bytes(const std::string& path, const CheckpointKind& kind, const std::string& payload);

// The payload of `path`. Throws IoError naming the file and why it cannot be used.
std::string read_checkpoint_bytes(const std::string& path, const CheckpointKind& kind);

// The payload of a checkpoint of any run of the program. Throws IoError as above.
std::string read_checkpoint_bytes(const std::string& path, const std::string& program, std::uint32_t state_version);
bool is_checkpoint(const std::string& path);

// Throws ConfigError where a file lies at `path` that is no checkpoint of such a run.
void check_replaceable_checkpoint(const std::string& path, const CheckpointKind& kind);

// Where the checkpoint before the last one lies.
std::string previous_generation(const std::string& path);

// When a program writes checkpoints, and what it starts from; the programs' options.
struct CheckpointOptions {
  std::string path;         // "": none are written
  double every = 600;       // [s] of wall time
  double model_time = 0;    // [s] of model time between checkpoints, too (lpl_sim); 0: none
  std::int64_t epochs = 0;  // between checkpoints, too (lpl_rate); 0: none
  std::string resume_from;  // "": from the beginning
  bool fall_back = false;   // where `resume_from` cannot be used, take the generation before
};

// When the next checkpoint is due.
class CheckpointSchedule {
 public:
  explicit CheckpointSchedule(const CheckpointOptions& options);
  // True where a checkpoint should be written one interval after the last, or the process is asked to end. Ranks differ
  // in this; they must agree before they act.
  bool due() const;
  // The next interval begins now.
  void restart();

 private:
  bool on_;
  std::chrono::duration<double> every_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

template <class State>
std::string to_bytes(const State& state) {
  std::ostringstream stream;
  {
    boost::archive::binary_oarchive archive(stream);
    archive << state;
  }
  return std::move(stream).str();
}

// What archives of this build begin with.
std::string archive_header();

// Throws boost::archive::archive_exception where `bytes` hold something else.
template <class State>
State from_bytes(std::string bytes) {
  // Boost stops the program at versions that it does not know.
  if (!bytes.starts_with(archive_header()))
    throw boost::archive::archive_exception(boost::archive::archive_exception::unsupported_version);
  std::stringbuf buffer(std::move(bytes), std::ios::in | std::ios::binary);
  CheckedArchive archive(buffer);
  State state;
  archive >> state;
  return state;
}

template <class State>
void write_checkpoint(const std::string& path, const CheckpointKind& kind, const State& state) {
  write_checkpoint_bytes(path, kind, to_bytes(state));
}

template <class State>
State read_checkpoint(const std::string& path, const CheckpointKind& kind) {
  try {
    return from_bytes<State>(read_checkpoint_bytes(path, kind));
  } catch (const boost::archive::archive_exception& error) {
    throw IoError(path + ": cannot be read by this build (" + error.what() + "); resume with the build that wrote it");
  }
}

// The state of any run of the program. Throws IoError.
template <class State>
State read_checkpoint_of_any(const std::string& path, const std::string& program) {
  try {
    return from_bytes<State>(read_checkpoint_bytes(path, program, State::kVersion));
  } catch (const boost::archive::archive_exception& error) {
    throw IoError(path + ": cannot be read by this build (" + error.what() + ")");
  }
}

// What to do about an unusable `path` where the one before it can be used, else "".
template <class State>
std::string hint_at_previous(const std::string& path, const CheckpointKind& kind) {
  const std::string previous = previous_generation(path);
  try {
    read_checkpoint<State>(previous, kind);
  } catch (const IoError&) {
    return {};
  }
  return fmt::format("; {} is the one before it, --fall-back resumes from there", previous);
}

// The state to resume from. Where the checkpoint cannot be used and `fall_back` is set, says so and takes the one
// before. Throws ConfigError, or IoError where that cannot be used either.
template <class State>
State resume(const CheckpointOptions& options, const CheckpointKind& kind) {
  const std::string& path = options.resume_from;
  try {
    return read_checkpoint<State>(path, kind);
  } catch (const IoError& error) {
    if (!options.fall_back)
      throw ConfigError(fmt::format("--resume {}{}", error.what(), hint_at_previous<State>(path, kind)));
    fmt::print(stderr, "warning: {}; taking the one before\n", error.what());
  }
  return read_checkpoint<State>(previous_generation(path), kind);
}

}  // namespace lpl
