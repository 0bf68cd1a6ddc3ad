// Thin checked layer over the HDF5 C library: RAII handles, errors that say which object of which file and why.
#pragma once

#include <hdf5.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/errors.hpp"
#include "io/file_identity.hpp"
#include "io/hdf5_driver.hpp"

namespace lpl::h5 {

// Owns one HDF5 identifier of any kind.
class Handle {
 public:
  using Closer = herr_t (*)(hid_t);
  Handle() = default;
  Handle(hid_t id, Closer closer) : id_(id), closer_(closer) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)), closer_(other.closer_) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(closer_, other.closer_);
    return *this;
  }
  ~Handle() {
    if (id_ >= 0) closer_(id_);
  }
  hid_t get() const { return id_; }
  void leak() { id_ = H5I_INVALID_HID; }

 private:
  hid_t id_ = H5I_INVALID_HID;
  Closer closer_ = nullptr;
};

template <class T>
hid_t type_of();
template <>
inline hid_t type_of<float>() {
  return H5T_NATIVE_FLOAT;
}
template <>
inline hid_t type_of<double>() {
  return H5T_NATIVE_DOUBLE;
}
template <>
inline hid_t type_of<std::uint8_t>() {
  return H5T_NATIVE_UINT8;
}
template <>
inline hid_t type_of<std::uint32_t>() {
  return H5T_NATIVE_UINT32;
}
template <>
inline hid_t type_of<std::uint64_t>() {
  return H5T_NATIVE_UINT64;
}
template <>
inline hid_t type_of<std::int64_t>() {
  return H5T_NATIVE_INT64;
}
template <>
inline hid_t type_of<std::int32_t>() {
  return H5T_NATIVE_INT32;
}

// A dataset that grows along its first dimension; `row` is the shape of an entry, empty for one-dimensional data.
// Appending writes the data to disk, but not that it belongs to the dataset: the next flush of the file does.
class Series {
 public:
  Series() = default;
  Series(Handle dataset, hsize_t rows, std::vector<hsize_t> row, std::string name)
      : dataset_(std::move(dataset)), rows_(rows), row_(std::move(row)), name_(std::move(name)) {}
  hsize_t rows() const { return rows_; }
  // Appends values of whole rows.
  template <class T>
  void append(const std::vector<T>& values) {
    append_raw(values.data(), values.size(), type_of<T>());
  }

 private:
  void append_raw(const void* values, std::size_t count, hid_t type);
  Handle dataset_;
  hsize_t rows_ = 0;
  std::vector<hsize_t> row_;
  std::string name_;
};

// Where a part of a dataset begins and how far it reaches, in each dimension.
struct Block {
  std::vector<hsize_t> start, size;
};

// A dataset of fixed shape, read and written by blocks or by rows: indices of its first dimension.
class Dataset {
 public:
  Dataset() = default;
  Dataset(Handle dataset, std::string name);
  const std::string& name() const { return name_; }  // file and place in it
  const std::vector<hsize_t>& shape() const { return shape_; }
  // The number of values.
  std::size_t size() const;
  // The extent of what is stored, and read, at once; empty where the values lie one after the other.
  std::vector<hsize_t> chunk() const;
  // Where the values begin in the file, which then lie one after the other. Throws IoError where they do not.
  std::uint64_t offset() const;
  // Whether values are stored as T.
  template <class T>
  bool holds() const {
    return holds_raw(type_of<T>());
  }
  // The type in words: "int64", "text of 8 bytes".
  std::string type() const;
  [[noreturn]] void refuse(const std::string& expected) const;

  // Values become T where T can hold each of them exactly, and numbers of double precision their nearest of single.
  // Throws IoError, naming the value, where one cannot, or where the stored type is no number.
  template <class T>
  std::vector<T> read() const {
    std::vector<T> values(size());
    read_block({std::vector<hsize_t>(shape_.size(), 0), shape_}, values.data());
    return values;
  }
  template <class T>
  void read_rows(std::size_t first, std::size_t n, T* values) const {
    read_block(rows(first, n), values);
  }
  template <class T>
  void read_block(const Block& block, T* values) const;
  template <class T>
  void write_rows(std::size_t first, std::size_t n, const T* values) {
    write_raw(first, n, values, type_of<T>());
  }

  static std::vector<hsize_t> extent(hid_t dataset, const std::string& what);

 private:
  bool holds_raw(hid_t type) const;
  template <class Stored, class T>
  void read_converted(const Block& block, T* values) const;
  void read_raw(const Block& block, void* values, hid_t type) const;
  void write_raw(std::size_t first, std::size_t n, const void* values, hid_t type);
  Block rows(std::size_t first, std::size_t n) const;
  // What is taken of the file, and its shape in memory.
  struct Selection {
    Handle in_file, in_memory;
  };
  Selection select(const Block& block, const std::string& what) const;
  Handle dataset_;
  std::vector<hsize_t> shape_;
  std::string name_;
};

// An open file. Paths are absolute inside the file; missing groups on the way are created.
//
// Files that are read may come from anywhere. A dataset is looked at before a byte of it is read: its values must be
// all there, in this file (no links to others, no external storage, no virtual datasets), in storage that the library
// itself can read, and no more than the bytes stored can stand for. What is not so is refused by an IoError that names
// file, dataset, what was found and what can be read.
class File {
 public:
  // The file lies at `path`.new until the first flush, which replaces what is at `path`: there is never half a file.
  // Readers may open it while it is being written (no file lock is held). What is on disk is the state of the last
  // flush: metadata leaves memory in flush() only, and flush() makes sure first that the disk has room for all of it
  // (io/hdf5_driver.hpp). After a failed write, abandon() the file.
  static File create(const std::string& path);
  static File open_read_only(const std::string& path);
  // Puts the file back to what it was when sync() returned `state`, whatever has become of it since, and goes on
  // writing. Throws IoError where it is gone or shorter.
  static File resume(const std::string& path, const FileState& state);

  const std::string& path() const { return path_; }
  hid_t get() const { return file_.get(); }

  void create_group(const std::string& name);
  template <class T>
  Series create_series(const std::string& name, std::size_t columns = 0, std::size_t chunk_rows = 4096) {
    return create_series<T>(name, columns == 0 ? std::vector<hsize_t>{} : std::vector<hsize_t>{columns}, chunk_rows);
  }
  template <class T>
  Series create_series(const std::string& name, const std::vector<hsize_t>& row, std::size_t chunk_rows) {
    return create_series_raw(name, row, chunk_rows, type_of<T>());
  }
  Series open_series(const std::string& name);
  template <class T>
  void write(const std::string& name, const std::vector<T>& values) {
    write_raw(name, values.data(), {values.size()}, type_of<T>());
  }
  // The same with several dimensions, last fastest.
  template <class T>
  void write(const std::string& name, const std::vector<T>& values, const std::vector<std::uint64_t>& shape) {
    write_raw(name, values.data(), shape, type_of<T>());
  }
  template <class T>
  Dataset create_dataset(const std::string& name, const std::vector<hsize_t>& shape) {
    return create_dataset_raw(name, shape, type_of<T>());
  }
  // A small dataset that write_rows() may change: it lies among the metadata, so that what is on disk is always that of
  // the last flush.
  template <class T>
  Dataset create_compact(const std::string& name, const std::vector<hsize_t>& shape) {
    return create_dataset_raw(name, shape, type_of<T>(), H5D_COMPACT);
  }
  void write_text(const std::string& name, const std::string& text);
  void hard_link(const std::string& existing, const std::string& name);
  void remove(const std::string& name);

  // Attributes of the object `name` ("/" for the root); numbers replace those that are there. Texts are fixed-length so
  // that they can be overwritten in place on a full disk.
  void attribute(const std::string& name, const std::string& key, const std::string& value, std::size_t room = 0);
  void attribute(const std::string& name, const std::string& key, double value);
  template <class T>
  void attribute(const std::string& name, const std::string& key, const std::vector<T>& values) {
    attribute_raw(name, key, values.data(), values.size(), type_of<T>());
  }
  void attribute(const std::string& name, const std::string& key, const std::vector<std::string>& values);
  // SONATA's `sorting` attribute: an enumeration over uint8 {none 0, by_id 1, by_time 2}.
  void sorting_by_time(const std::string& name);
  void set_text_attribute(const std::string& name, const std::string& key, const std::string& value);

  bool exists(const std::string& name) const;
  Dataset open_dataset(const std::string& name) const;
  template <class T>
  std::vector<T> read(const std::string& name) const {
    return open_dataset(name).read<T>();
  }
  // A dataset of one text, of fixed or variable length.
  std::string read_text(const std::string& name) const;
  // An attribute of one text of the object `name`; nothing where it has none of this name.
  std::optional<std::string> text_attribute(const std::string& name, const std::string& key) const;
  // The same of numbers.
  std::vector<double> number_attribute(const std::string& name, const std::string& key) const;
  std::vector<std::string> children(const std::string& group) const;
  // The extent of a dataset in each dimension.
  std::vector<std::uint64_t> shape(const std::string& name) const;

  // Throws IoError where the file at its path is not this one any more.
  void flush();
  // Whether a flush has put the file at its path.
  bool in_place() const { return in_place_; }
  // Flushes to the disk itself; what resume() needs to come back here.
  FileState sync();
  void close();
  // Forgets an open file without writing to it again. The library keeps its identifier, so the process must end
  // without HDF5's clean-up (Communicator::quit).
  void abandon();

 private:
  Handle open_checked(const std::string& name) const;
  void write_raw(const std::string& name, const void* values, const std::vector<std::uint64_t>& shape, hid_t type);
  void attribute_raw(const std::string& name, const std::string& key, const void* values, std::size_t count,
                     hid_t type);
  Dataset create_dataset_raw(const std::string& name, const std::vector<hsize_t>& shape, hid_t type,
                             H5D_layout_t layout = H5D_CONTIGUOUS);
  Series create_series_raw(const std::string& name, const std::vector<hsize_t>& row, std::size_t chunk_rows,
                           hid_t type);

  std::string name_before_flush() const { return path_ + ".new"; }
  void check_place() const;

  Handle file_;
  std::string path_;
  bool in_place_ = true;
  FileIdentity written_;  // of a file that is being written
};

// Runs a reader of a file that the user names: what is wrong with it is theirs to mend.
template <class Read>
auto of_user(Read&& read) {
  try {
    return read();
  } catch (const IoError& error) {
    throw ConfigError(error.what());
  }
}

}  // namespace lpl::h5
