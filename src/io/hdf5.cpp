#include "io/hdf5.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>
#include <numeric>

#include "core/errors.hpp"
#include "core/whole_file.hpp"
#include "io/file_kind.hpp"
#include "io/hdf5_errors.hpp"

namespace lpl::h5 {
namespace {

Handle create_parents() {
  Handle properties(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
  H5Pset_create_intermediate_group(properties.get(), 1);
  return properties;
}

Handle access_without_locks() {
  Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  H5Pset_file_locking(access.get(), false, true);
  return access;
}

Handle access_for_writing() {
  Handle access = access_without_locks();
  use_driver(access.get());
  return access;
}

// Data goes to disk when it is written, not when a cache of chunks is full.
Handle uncached_chunks() {
  Handle access(H5Pcreate(H5P_DATASET_ACCESS), H5Pclose);
  H5Pset_chunk_cache(access.get(), 0, 0, 1.0);
  return access;
}

Handle fixed_text_type(std::size_t length) {
  Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type.get(), length > 0 ? length : 1);
  H5Tset_strpad(type.get(), H5T_STR_NULLPAD);
  H5Tset_cset(type.get(), H5T_CSET_UTF8);
  return type;
}

}  // namespace

void Series::append_raw(const void* values, std::size_t count, hid_t type) {
  const hsize_t width = std::accumulate(row_.begin(), row_.end(), hsize_t{1}, std::multiplies<>());
  const hsize_t rows = count / width;
  if (rows == 0) return;
  const std::string what = "cannot append to " + name_;
  std::vector<hsize_t> extent{rows_ + rows}, start{rows_}, size{rows};
  extent.insert(extent.end(), row_.begin(), row_.end());
  start.resize(extent.size(), 0);
  size.insert(size.end(), row_.begin(), row_.end());
  checked(H5Dset_extent(dataset_.get(), extent.data()), what);
  Handle file_space(checked(H5Dget_space(dataset_.get()), what), H5Sclose);
  checked(H5Sselect_hyperslab(file_space.get(), H5S_SELECT_SET, start.data(), nullptr, size.data(), nullptr), what);
  Handle memory_space(checked(H5Screate_simple(static_cast<int>(size.size()), size.data(), nullptr), what), H5Sclose);
  checked(H5Dwrite(dataset_.get(), type, memory_space.get(), file_space.get(), H5P_DEFAULT, values), what);
  rows_ += rows;
}

void Dataset::write_raw(std::size_t first, std::size_t n, const void* values, hid_t type) {
  const std::string what = "cannot write " + name_;
  const Selection selection = select(rows(first, n), what);
  checked(H5Dwrite(dataset_.get(), type, selection.in_memory.get(), selection.in_file.get(), H5P_DEFAULT, values),
          what);
}

File File::create(const std::string& path) {
  prepare_library();
  File file;
  file.path_ = path;
  file.in_place_ = false;
  const Handle access = access_for_writing();
  file.file_ = Handle(checked(H5Fcreate(file.name_before_flush().c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access.get()),
                              fmt::format("cannot create {}", path)),
                      H5Fclose);
  file.written_ = identity_of(file.name_before_flush());
  return file;
}

File File::open_read_only(const std::string& path) {
  prepare_library();
  if (const std::string reason = why_no_file(path); !reason.empty()) throw IoError(reason);
  if (H5Fis_hdf5(path.c_str()) == 0) throw IoError(fmt::format("{}: is no HDF5 file{}", path, hint_at_kind(path)));
  File file;
  file.path_ = path;
  const Handle access = access_without_locks();
  file.file_ = Handle(checked(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.get()), fmt::format("cannot open {}", path)),
                      H5Fclose);
  return file;
}

File File::resume(const std::string& path, const FileState& state) {
  prepare_library();
  restore(path, state);
  File file;
  file.path_ = path;
  const Handle access = access_for_writing();
  file.file_ =
      Handle(checked(H5Fopen(path.c_str(), H5F_ACC_RDWR, access.get()), fmt::format("cannot open {}", path)), H5Fclose);
  adopt(file.get(), state);
  file.written_ = identity_of(path);
  return file;
}

void File::create_group(const std::string& name) {
  if (exists(name)) return;
  const Handle parents = create_parents();
  Handle group(checked(H5Gcreate2(get(), name.c_str(), parents.get(), H5P_DEFAULT, H5P_DEFAULT),
                       fmt::format("cannot create {}{}", path_, name)),
               H5Gclose);
}

Series File::create_series_raw(const std::string& name, const std::vector<hsize_t>& row, std::size_t chunk_rows,
                               hid_t type) {
  const std::string what = path_ + name;
  std::vector<hsize_t> size{0}, limit{H5S_UNLIMITED}, chunk{chunk_rows};
  for (std::vector<hsize_t>* extent : {&size, &limit, &chunk}) extent->insert(extent->end(), row.begin(), row.end());
  const int rank = static_cast<int>(size.size());
  Handle space(checked(H5Screate_simple(rank, size.data(), limit.data()), what), H5Sclose);
  Handle layout(checked(H5Pcreate(H5P_DATASET_CREATE), what), H5Pclose);
  checked(H5Pset_chunk(layout.get(), rank, chunk.data()), what);
  const Handle parents = create_parents(), uncached = uncached_chunks();
  Handle dataset(
      checked(H5Dcreate2(get(), name.c_str(), type, space.get(), parents.get(), layout.get(), uncached.get()),
              fmt::format("cannot create {}", what)),
      H5Dclose);
  return Series(std::move(dataset), 0, row, what);
}

Series File::open_series(const std::string& name) {
  const std::string what = path_ + name;
  const Handle uncached = uncached_chunks();
  Handle dataset(checked(H5Dopen2(get(), name.c_str(), uncached.get()), fmt::format("cannot open {}", what)), H5Dclose);
  const std::vector<hsize_t> size = Dataset::extent(dataset.get(), what);
  return Series(std::move(dataset), size.at(0), {size.begin() + 1, size.end()}, what);
}

void File::write_raw(const std::string& name, const void* values, const std::vector<std::uint64_t>& shape, hid_t type) {
  const std::string what = fmt::format("cannot write {}{}", path_, name);
  const std::vector<hsize_t> size(shape.begin(), shape.end());
  Handle space(checked(H5Screate_simple(static_cast<int>(size.size()), size.data(), nullptr), what), H5Sclose);
  const bool empty = std::find(size.begin(), size.end(), 0u) != size.end();
  const Handle parents = create_parents();
  Handle dataset(
      checked(H5Dcreate2(get(), name.c_str(), type, space.get(), parents.get(), H5P_DEFAULT, H5P_DEFAULT), what),
      H5Dclose);
  if (!empty) checked(H5Dwrite(dataset.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values), what);
}

Dataset File::create_dataset_raw(const std::string& name, const std::vector<hsize_t>& shape, hid_t type,
                                 H5D_layout_t layout) {
  const std::string what = path_ + name;
  Handle space(checked(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr), what), H5Sclose);
  const Handle parents = create_parents(), creation(checked(H5Pcreate(H5P_DATASET_CREATE), what), H5Pclose);
  checked(H5Pset_layout(creation.get(), layout), what);
  Handle dataset(checked(H5Dcreate2(get(), name.c_str(), type, space.get(), parents.get(), creation.get(), H5P_DEFAULT),
                         fmt::format("cannot create {}", what)),
                 H5Dclose);
  return Dataset(std::move(dataset), what);
}

void File::write_text(const std::string& name, const std::string& text) {
  const std::string what = fmt::format("cannot write {}{}", path_, name);
  const Handle type = fixed_text_type(text.size());
  Handle space(checked(H5Screate(H5S_SCALAR), what), H5Sclose);
  const Handle parents = create_parents();
  Handle dataset(
      checked(H5Dcreate2(get(), name.c_str(), type.get(), space.get(), parents.get(), H5P_DEFAULT, H5P_DEFAULT), what),
      H5Dclose);
  checked(H5Dwrite(dataset.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, text.c_str()), what);
}

void File::hard_link(const std::string& existing, const std::string& name) {
  const Handle parents = create_parents();
  checked(H5Lcreate_hard(get(), existing.c_str(), get(), name.c_str(), parents.get(), H5P_DEFAULT),
          fmt::format("cannot link {}{}", path_, name));
}

void File::attribute(const std::string& name, const std::string& key, const std::string& value, std::size_t room) {
  const std::string what = fmt::format("cannot write attribute {} of {}{}", key, path_, name);
  const Handle type = fixed_text_type(std::max(room, value.size()));
  std::string padded = value;
  padded.resize(std::max<std::size_t>({room, value.size(), 1}), '\0');
  Handle space(checked(H5Screate(H5S_SCALAR), what), H5Sclose);
  Handle attribute(checked(H5Acreate_by_name(get(), name.c_str(), key.c_str(), type.get(), space.get(), H5P_DEFAULT,
                                             H5P_DEFAULT, H5P_DEFAULT),
                           what),
                   H5Aclose);
  checked(H5Awrite(attribute.get(), type.get(), padded.data()), what);
}

void File::set_text_attribute(const std::string& name, const std::string& key, const std::string& value) {
  const std::string what = fmt::format("cannot write attribute {} of {}{}", key, path_, name);
  Handle attribute(checked(H5Aopen_by_name(get(), name.c_str(), key.c_str(), H5P_DEFAULT, H5P_DEFAULT), what),
                   H5Aclose);
  Handle type(checked(H5Aget_type(attribute.get()), what), H5Tclose);
  std::string padded = value;
  padded.resize(H5Tget_size(type.get()), '\0');
  checked(H5Awrite(attribute.get(), type.get(), padded.data()), what);
}

void File::attribute(const std::string& name, const std::string& key, double value) {
  attribute_raw(name, key, &value, 1, H5T_NATIVE_DOUBLE);
}

void File::attribute_raw(const std::string& name, const std::string& key, const void* values, std::size_t count,
                         hid_t type) {
  const std::string what = fmt::format("cannot write attribute {} of {}{}", key, path_, name);
  if (checked(H5Aexists_by_name(get(), name.c_str(), key.c_str(), H5P_DEFAULT), what) > 0)
    checked(H5Adelete_by_name(get(), name.c_str(), key.c_str(), H5P_DEFAULT), what);
  const hsize_t size = count;
  Handle space(checked(count == 1 ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &size, nullptr), what), H5Sclose);
  Handle attribute(checked(H5Acreate_by_name(get(), name.c_str(), key.c_str(), type, space.get(), H5P_DEFAULT,
                                             H5P_DEFAULT, H5P_DEFAULT),
                           what),
                   H5Aclose);
  checked(H5Awrite(attribute.get(), type, values), what);
}

void File::attribute(const std::string& name, const std::string& key, const std::vector<std::string>& values) {
  std::size_t longest = 1;
  for (const std::string& value : values) longest = std::max(longest, value.size());
  std::string padded;
  for (const std::string& value : values) padded += value + std::string(longest - value.size(), '\0');
  const std::string what = fmt::format("cannot write attribute {} of {}{}", key, path_, name);
  const Handle type = fixed_text_type(longest);
  const hsize_t size = values.size();
  Handle space(checked(H5Screate_simple(1, &size, nullptr), what), H5Sclose);
  Handle attribute(checked(H5Acreate_by_name(get(), name.c_str(), key.c_str(), type.get(), space.get(), H5P_DEFAULT,
                                             H5P_DEFAULT, H5P_DEFAULT),
                           what),
                   H5Aclose);
  checked(H5Awrite(attribute.get(), type.get(), padded.data()), what);
}

void File::sorting_by_time(const std::string& name) {
  const std::string what = fmt::format("cannot write attribute sorting of {}{}", path_, name);
  Handle type(checked(H5Tenum_create(H5T_NATIVE_UINT8), what), H5Tclose);
  const std::pair<const char*, std::uint8_t> members[] = {{"none", 0}, {"by_id", 1}, {"by_time", 2}};
  for (const auto& [member, value] : members) checked(H5Tenum_insert(type.get(), member, &value), what);
  Handle space(checked(H5Screate(H5S_SCALAR), what), H5Sclose);
  Handle attribute(checked(H5Acreate_by_name(get(), name.c_str(), "sorting", type.get(), space.get(), H5P_DEFAULT,
                                             H5P_DEFAULT, H5P_DEFAULT),
                           what),
                   H5Aclose);
  const std::uint8_t by_time = 2;
  checked(H5Awrite(attribute.get(), type.get(), &by_time), what);
}

void File::remove(const std::string& name) {
  checked(H5Ldelete(get(), name.c_str(), H5P_DEFAULT), fmt::format("cannot remove {}{}", path_, name));
}

void File::check_place() const {
  const std::string place = in_place_ ? path_ : name_before_flush();
  if (written_ && identity_of(place) != written_)
    throw IoError(fmt::format("{}: was removed or replaced while this run was writing it", place));
}

void File::flush() {
  check_place();
  checked(H5Fflush(get(), H5F_SCOPE_GLOBAL), fmt::format("cannot flush {}", path_));
  if (in_place_) return;
  if (std::rename(name_before_flush().c_str(), path_.c_str()) != 0)
    throw IoError(fmt::format("cannot create {}: {}", path_, std::strerror(errno)));
  in_place_ = true;
}

FileState File::sync() {
  flush();
  return synced_state(get());
}

void File::close() {
  if (get() < 0) return;
  flush();
  file_ = Handle();
}

void File::abandon() {
  file_.leak();
  if (!in_place_) std::remove(name_before_flush().c_str());
}

}  // namespace lpl::h5
