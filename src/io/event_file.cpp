#include "io/event_file.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "core/errors.hpp"
#include "core/host.hpp"

namespace lpl {
namespace {

constexpr auto kCrcTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0x82F63B78u : 0u);
    table[byte] = crc;
  }
  return table;
}();

static_assert(std::endian::native == std::endian::little, "records are written as they lie in memory");

template <class T>
std::string as_bytes(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string masked_crc(std::string_view bytes) { return as_bytes(std::rotr(crc32c(bytes), 15) + 0xA282EAD8u); }

// Fields in protobuf's encoding: a tag (number << 3 | wire type), then the value.
enum class Wire : std::uint64_t { varint = 0, fixed64 = 1, length = 2, fixed32 = 5 };

std::string varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}

std::string tag(std::uint64_t number, Wire wire) { return varint(number << 3 | static_cast<std::uint64_t>(wire)); }
std::string field(std::uint64_t number, double value) { return tag(number, Wire::fixed64) + as_bytes(value); }
std::string field(std::uint64_t number, float value) { return tag(number, Wire::fixed32) + as_bytes(value); }
std::string field(std::uint64_t number, std::int64_t value) {
  return tag(number, Wire::varint) + varint(static_cast<std::uint64_t>(value));
}
std::string field(std::uint64_t number, std::string_view bytes) {
  return tag(number, Wire::length) + varint(bytes.size()) + std::string(bytes);
}

// Numbers of the fields, as tensorflow/core/util/event.proto and framework/summary.proto have them.
constexpr std::uint64_t kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5, kSessionLog = 7;  // of Event
constexpr std::uint64_t kStatus = 1;                                                                // of SessionLog
constexpr std::int64_t kStart = 1;                                                                  // a status
constexpr std::uint64_t kValue = 1;                                                                 // of Summary
constexpr std::uint64_t kTag = 1, kSimpleValue = 2;                                                 // of Value

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t crc = ~0u;
  for (char c : bytes) crc = (crc >> 8) ^ kCrcTable[(crc ^ static_cast<unsigned char>(c)) & 0xFF];
  return ~crc;
}

EventFile::EventFile(const std::string& folder, std::int64_t first_step, double wall_time)
    : path_(
          fmt::format("{}/events.out.tfevents.{:010.0f}.{}.{}", folder, std::floor(wall_time), host_name(), getpid())) {
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (failure) throw IoError(fmt::format("{}: the folder cannot be made: {}", folder, failure.message()));
  file_.open(path_, std::ios::binary);
  if (!file_) throw IoError(fmt::format("{}: cannot be created: {}", path_, std::strerror(errno)));
  add_record(field(kWallTime, wall_time) + field(kFileVersion, std::string_view("brain.Event:2")));
  add_record(field(kWallTime, wall_time) + field(kStep, first_step) + field(kSessionLog, field(kStatus, kStart)));
}

void EventFile::add_scalar(std::string_view tag, std::int64_t step, double value, double wall_time) {
  const std::string entry = field(kTag, tag) + field(kSimpleValue, static_cast<float>(value));
  add_record(field(kWallTime, wall_time) + field(kStep, step) + field(kSummary, field(kValue, entry)));
}

void EventFile::add_record(std::string_view event) {
  const std::string length = as_bytes<std::uint64_t>(event.size());
  file_ << length << masked_crc(length) << event << masked_crc(event) << std::flush;
  if (!file_) throw IoError(fmt::format("{}: a record cannot be written; is the disk full?", path_));
}

}  // namespace lpl
