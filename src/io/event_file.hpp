// TensorBoard event files: scalars over training steps. A file is a list of records, each
//   uint64 length, uint32 masked CRC32C of it, payload, uint32 masked CRC32C of the payload   (little endian)
// whose payload is an Event in protobuf's encoding. What has been added is in the file at once.
#pragma once

#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>

namespace lpl {

// CRC-32C (Castagnoli): reflected polynomial 0x82F63B78, initial value and final xor all ones.
std::uint32_t crc32c(std::string_view bytes);

class EventFile {
 public:
  // Starts with a mark by which readers forget what earlier files of the folder hold of `first_step` and later: a run
  // that goes on after a kill writes those steps again.
  // Creates `folder`/events.out.tfevents.<seconds>.<host>.<process id>, and the folder where it is missing. Times are
  // in seconds since 1970. Throws IoError where that fails, or a later write does.
  EventFile(const std::string& folder, std::int64_t first_step, double wall_time);

  const std::string& path() const { return path_; }
  void add_scalar(std::string_view tag, std::int64_t step, double value, double wall_time);

 private:
  void add_record(std::string_view event);

  std::string path_;
  std::ofstream file_;
};

}  // namespace lpl
