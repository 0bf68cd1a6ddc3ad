// A checkpoint of which the payload can be exchanged, with the checksum that belongs to it.
#pragma once

#include <boost/crc.hpp>
#include <cstring>
#include <string>
#include <string_view>

#include "core/whole_file.hpp"
#include "fuzz/harness.hpp"

namespace lpl::fuzz {

class ForgedCheckpoint {
 public:
  // The file ends with the length of the payload, the payload, which is an archive of Boost's, and a checksum.
  explicit ForgedCheckpoint(const std::string& path) : path_(path), bytes_(whole_file(path)) {
    constexpr std::string_view kArchive{"\x16\0\0\0\0\0\0\0serialization::archive", 30};
    begin_ = bytes_.find(kArchive);
    if (begin_ == std::string::npos) throw Error(path + ": is no checkpoint");
  }
  std::string payload() const { return bytes_.substr(begin_, bytes_.size() - sizeof(std::uint64_t) - begin_); }
  void write(const std::string& payload) const {
    std::string bytes = bytes_.substr(0, begin_ - sizeof(std::uint64_t));
    put(bytes, payload.size());
    bytes += payload;
    boost::crc_optimal<64, 0x42F0E1EBA9EA3693, ~0ULL, ~0ULL, true, true> crc;  // CRC-64/XZ
    crc.process_bytes(bytes.data(), bytes.size());
    put(bytes, crc.checksum());
    std::ofstream(path_, std::ios::binary) << bytes;
  }

 private:
  static void put(std::string& bytes, std::uint64_t number) {
    bytes.append(reinterpret_cast<const char*>(&number), sizeof number);
  }
  std::string path_, bytes_;
  std::size_t begin_;
};

}  // namespace lpl::fuzz
