// The file driver under h5::File: HDF5's own format on disk, written so that a run can be killed at any moment.
//
// Raw data goes to disk when it is written; HDF5 appends it and overwrites none. Metadata (superblock, object headers,
// B-trees, attributes), which HDF5 overwrites in place, is held back until the file is flushed. A flush first reserves
// all the room that it needs on the disk, then writes metadata in new places, to which nothing on disk points yet, then
// that in old places. The driver keeps a copy of all metadata: with it and the raw data on disk, the file can be put
// back to any earlier flush.
#pragma once

#include <hdf5.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace lpl::h5 {

// Bytes by their address; later bytes replace earlier ones.
class Blocks {
 public:
  void put(std::uint64_t address, std::string_view bytes);
  void remove(std::uint64_t address, std::uint64_t size);
  // Replaces what of [address, address + size) is known in `buffer`.
  void overlay(std::uint64_t address, std::size_t size, char* buffer) const;
  bool overlaps(std::uint64_t address, std::uint64_t size) const;
  void clear() { blocks_.clear(); }
  const std::map<std::uint64_t, std::string>& all() const { return blocks_; }

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& blocks_;
  }

 private:
  std::map<std::uint64_t, std::string> blocks_;  // they do not overlap
};

// A flushed file but for its raw data.
struct FileState {
  std::uint64_t size = 0;
  Blocks metadata;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& size& metadata;
  }
};

// Makes files that are opened with `access` use the driver.
void use_driver(hid_t access);

// The state of an open file as of its last flush. fsyncs: what the state refers to is on the disk.
FileState synced_state(hid_t file);
// Puts the file at `path` back to `state`. Throws IoError.
void restore(const std::string& path, const FileState& state);
// Tells the driver of a restored file, just opened, its metadata.
void adopt(hid_t file, const FileState& state);

}  // namespace lpl::h5
