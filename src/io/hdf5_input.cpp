// What is read from HDF5 files, and the checks of files that others wrote.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <utility>

#include "io/hdf5.hpp"
#include "io/hdf5_errors.hpp"

namespace lpl::h5 {
namespace {

// What data may grow to as they are read: filters make bytes smaller, deflate at most 1032 times.
constexpr std::uint64_t kGrowth = 1100;
constexpr std::uint64_t kAlwaysRead = 64 << 20;  // [bytes]

[[noreturn]] void refuse_dataset(const std::string& name, const std::string& reason) {
  throw IoError(fmt::format("{}: {}", name, reason));
}

// The product, or the largest number where it is larger than that.
std::uint64_t product(const std::vector<hsize_t>& sizes, std::uint64_t first = 1) {
  std::uint64_t total = first;
  for (const hsize_t size : sizes)
    if (size == 0) return 0;
  for (const hsize_t size : sizes)
    if (__builtin_mul_overflow(total, size, &total)) return std::numeric_limits<std::uint64_t>::max();
  return total;
}

std::string words_of(hid_t type) {
  const std::size_t bytes = H5Tget_size(type), bits = 8 * bytes;
  switch (H5Tget_class(type)) {
    case H5T_INTEGER:
      return fmt::format("{}int{}", H5Tget_sign(type) == H5T_SGN_NONE ? "u" : "", bits);
    case H5T_FLOAT:
      return fmt::format("float{}", bits);
    case H5T_STRING:
      return H5Tis_variable_str(type) > 0 ? "text of variable length" : fmt::format("text of {} bytes", bytes);
    case H5T_ENUM:
      return "an enumeration";
    case H5T_COMPOUND:
      return "a compound type";
    default:
      return "of a type that holds no numbers";
  }
}

Handle creation_properties(hid_t dataset, const std::string& name) {
  return Handle(checked(H5Dget_create_plist(dataset), name), H5Pclose);
}

void refuse_foreign_filters(hid_t properties, const std::string& name) {
  const int filters = checked(H5Pget_nfilters(properties), name);
  for (int i = 0; i < filters; ++i) {
    unsigned flags = 0, config = 0;
    std::size_t values = 0;
    char filter[64] = "";
    const H5Z_filter_t id = checked(
        H5Pget_filter2(properties, static_cast<unsigned>(i), &flags, &values, nullptr, sizeof filter, filter, &config),
        name);
    if (id > H5Z_FILTER_SCALEOFFSET || H5Zfilter_avail(id) <= 0)
      refuse_dataset(name, fmt::format("is stored with filter {} ('{}'), which is no part of HDF5; gzip, shuffle, szip "
                                       "and fletcher32 can be read: rewrite the file with h5repack -f GZIP=4",
                                       id, filter));
  }
}

// Each chunk takes bytes of the file, so there are not more of them than bytes.
void refuse_unwritten_chunks(hid_t dataset, const std::vector<hsize_t>& shape, const std::vector<hsize_t>& chunk,
                             std::uint64_t file_bytes, const std::string& name) {
  std::vector<hsize_t> grid;
  for (std::size_t d = 0; d < shape.size(); ++d) grid.push_back(shape[d] / chunk[d] + (shape[d] % chunk[d] != 0));
  const std::uint64_t announced = product(grid);
  hsize_t stored = 0;
  if (announced <= file_bytes) {
    Handle space(checked(H5Dget_space(dataset), name), H5Sclose);
    checked(H5Dget_num_chunks(dataset, space.get(), &stored), name);
  }
  if (announced > file_bytes || stored < announced)
    refuse_dataset(name, fmt::format("announces ({}) values in chunks of ({}), but not all of these were written",
                                     fmt::join(shape, ", "), fmt::join(chunk, ", ")));
}

std::vector<hsize_t> chunk_of(hid_t properties, std::size_t rank, const std::string& name) {
  if (H5Pget_layout(properties) != H5D_CHUNKED) return {};
  std::vector<hsize_t> chunk(rank);
  checked(H5Pget_chunk(properties, static_cast<int>(rank), chunk.data()), name);
  return chunk;
}

// Refuses what lies elsewhere, what only foreign code can read, and what the file cannot hold.
void check_storage(hid_t dataset, std::uint64_t file_bytes, const std::string& name) {
  const Handle properties = creation_properties(dataset, name);
  const H5D_layout_t layout = H5Pget_layout(properties.get());
  if (layout == H5D_VIRTUAL)
    refuse_dataset(name, "is a virtual dataset, made of other files' data; copy the data into one file");
  if (H5Pget_external_count(properties.get()) > 0)
    refuse_dataset(name, "keeps its data in other files (external storage); copy the data into one file");
  refuse_foreign_filters(properties.get(), name);

  const std::vector<hsize_t> shape = Dataset::extent(dataset, name);
  const std::vector<hsize_t> chunk = chunk_of(properties.get(), shape.size(), name);
  Handle type(checked(H5Dget_type(dataset), name), H5Tclose);
  const std::uint64_t width = H5Tget_size(type.get());
  if (product(shape) == 0) return;
  if (layout == H5D_CHUNKED) refuse_unwritten_chunks(dataset, shape, chunk, file_bytes, name);
  const std::uint64_t stored = std::min<std::uint64_t>(H5Dget_storage_size(dataset), file_bytes);
  const std::uint64_t read = std::max(product(shape, width), product(chunk, width));
  const std::uint64_t limit = layout == H5D_CHUNKED ? std::max(kAlwaysRead, product({stored}, kGrowth)) : stored;
  if (read > limit)
    refuse_dataset(name, fmt::format("announces ({}) values of {}, {}, but the file holds {} bytes of them; at most {} "
                                     "bytes are read from these",
                                     fmt::join(shape, ", "), words_of(type.get()),
                                     chunk.empty() ? "one after the other"
                                                   : fmt::format("in chunks of ({})", fmt::join(chunk, ", ")),
                                     stored, limit));
}

// Access that follows links within the file only.
Handle within_file(hid_t properties_class) {
  Handle access(H5Pcreate(properties_class), H5Pclose);
  const auto refuse_traversal = [](const char*, const char*, const char*, const char*, unsigned*, hid_t,
                                   void*) -> herr_t { return -1; };
  H5Pset_elink_cb(access.get(), refuse_traversal, nullptr);
  return access;
}

// Walks down a path, of which each part must be in this file. False where one is missing.
bool lies_in_file(hid_t file, const std::string& path, const std::string& name) {
  const Handle access = within_file(H5P_LINK_ACCESS);
  for (std::size_t slash = name.find('/', 1);; slash = name.find('/', slash + 1)) {
    const std::string part = name.substr(0, slash);
    if (part != "/") {
      if (H5Lexists(file, part.c_str(), access.get()) <= 0) return false;
      H5L_info_t link;
      checked(H5Lget_info(file, part.c_str(), &link, access.get()), path + part);
      if (link.type != H5L_TYPE_HARD && link.type != H5L_TYPE_SOFT)
        refuse_dataset(path + part, "is a link into another file; only one file is read: copy the data into it");
    }
    if (slash == std::string::npos) return true;
  }
}

// What H5Dread or H5Aread gives for one text.
template <class Read>
std::string text_by(hid_t type, Read&& read, const std::string& name) {
  if (H5Tis_variable_str(type) <= 0) {
    std::string text(H5Tget_size(type), '\0');
    checked(read(type, text.data()), name);
    return text.substr(0, text.find('\0'));
  }
  Handle memory(checked(H5Tcopy(H5T_C_S1), name), H5Tclose);
  H5Tset_size(memory.get(), H5T_VARIABLE);
  H5Tset_cset(memory.get(), H5Tget_cset(type));
  char* text = nullptr;
  checked(read(memory.get(), &text), name);
  std::string copy = text ? text : "";
  H5free_memory(text);
  return copy;
}

void refuse_unless_one_text(hid_t type, hid_t space, const std::string& name) {
  const hssize_t count = checked(H5Sget_simple_extent_npoints(space), name);
  const int dimensions = checked(H5Sget_simple_extent_ndims(space), name);
  if (H5Tget_class(type) != H5T_STRING || count != 1 || dimensions > 1)
    refuse_dataset(name, fmt::format("holds {} values in {} dimensions, {}; expected one text", count, dimensions,
                                     words_of(type)));
}

}  // namespace

Dataset::Dataset(Handle dataset, std::string name)
    : dataset_(std::move(dataset)), shape_(extent(dataset_.get(), name)), name_(std::move(name)) {}

std::vector<hsize_t> Dataset::extent(hid_t dataset, const std::string& what) {
  Handle space(checked(H5Dget_space(dataset), what), H5Sclose);
  if (H5Sget_simple_extent_type(space.get()) == H5S_NULL) return {0};
  std::vector<hsize_t> extent(static_cast<std::size_t>(checked(H5Sget_simple_extent_ndims(space.get()), what)));
  checked(H5Sget_simple_extent_dims(space.get(), extent.data(), nullptr), what);
  return extent;
}

std::size_t Dataset::size() const { return product(shape_); }

std::vector<hsize_t> Dataset::chunk() const {
  return chunk_of(creation_properties(dataset_.get(), name_).get(), shape_.size(), name_);
}

std::uint64_t Dataset::offset() const {
  const haddr_t address = H5Dget_offset(dataset_.get());
  if (address == HADDR_UNDEF) throw IoError(fmt::format("{}: its values do not lie one after the other", name_));
  return address;
}

bool Dataset::holds_raw(hid_t type) const {
  Handle stored(checked(H5Dget_type(dataset_.get()), name_), H5Tclose);
  return checked(H5Tequal(stored.get(), type), name_) > 0;
}

std::string Dataset::type() const {
  return words_of(Handle(checked(H5Dget_type(dataset_.get()), name_), H5Tclose).get());
}

void Dataset::refuse(const std::string& expected) const {
  refuse_dataset(name_, fmt::format("is {} ({}); expected {}", type(), fmt::join(shape_, ", "), expected));
}

Block Dataset::rows(std::size_t first, std::size_t n) const {
  Block block{std::vector<hsize_t>(shape_.size(), 0), shape_};
  block.start.at(0) = first;
  block.size.at(0) = n;
  return block;
}

Dataset::Selection Dataset::select(const Block& block, const std::string& what) const {
  Handle file_space(checked(H5Dget_space(dataset_.get()), what), H5Sclose);
  if (shape_.empty()) return {std::move(file_space), Handle(checked(H5Screate(H5S_SCALAR), what), H5Sclose)};
  checked(
      H5Sselect_hyperslab(file_space.get(), H5S_SELECT_SET, block.start.data(), nullptr, block.size.data(), nullptr),
      what);
  Handle memory_space(checked(H5Screate_simple(static_cast<int>(block.size.size()), block.size.data(), nullptr), what),
                      H5Sclose);
  return {std::move(file_space), std::move(memory_space)};
}

void Dataset::read_raw(const Block& block, void* values, hid_t type) const {
  const std::string what = "cannot read " + name_;
  const Selection selection = select(block, what);
  checked(H5Dread(dataset_.get(), type, selection.in_memory.get(), selection.in_file.get(), H5P_DEFAULT, values), what);
}

namespace {

template <class T>
constexpr std::string_view kLimits = "numbers of double precision";
template <>
constexpr std::string_view kLimits<float> = "numbers of single precision";

template <class T>
std::string allowed() {
  if constexpr (std::is_integral_v<T>)
    return fmt::format("whole numbers from {} to {}", std::numeric_limits<T>::min(), std::numeric_limits<T>::max());
  else
    return std::string(kLimits<T>);
}

// Up to here a floating-point type holds every whole number.
template <class T>
constexpr std::int64_t kExact = std::int64_t{1} << std::numeric_limits<T>::digits;

// Numbers that are not finite stay what they are.
template <class T, class Stored>
bool fits(Stored stored) {
  if constexpr (std::is_integral_v<T>)
    return std::in_range<T>(stored);
  else if constexpr (std::is_integral_v<Stored>)
    return std::cmp_less_equal(stored, kExact<T>) && std::cmp_greater_equal(stored, -kExact<T>);
  else
    return !std::isfinite(stored) || std::abs(stored) <= static_cast<double>(std::numeric_limits<T>::max());
}

}  // namespace

template <class Stored, class T>
void Dataset::read_converted(const Block& block, T* values) const {
  std::vector<Stored> stored(product(block.size));
  read_raw(block, stored.data(), type_of<Stored>());
  for (std::size_t i = 0; i < stored.size(); ++i) {
    if (!fits<T>(stored[i]))
      refuse_dataset(name_, fmt::format("entry {} is {}; expected {}", i, stored[i], allowed<T>()));
    values[i] = static_cast<T>(stored[i]);
  }
}

template <class T>
void Dataset::read_block(const Block& block, T* values) const {
  if (product(block.size) == 0) return;
  if (holds<T>()) return read_raw(block, values, type_of<T>());
  Handle stored(checked(H5Dget_type(dataset_.get()), name_), H5Tclose);
  const H5T_class_t kind = H5Tget_class(stored.get());
  if (H5Tget_size(stored.get()) <= 8) {
    if constexpr (!std::is_integral_v<T>)
      if (kind == H5T_FLOAT) return read_converted<double>(block, values);
    if (kind == H5T_INTEGER)
      return H5Tget_sign(stored.get()) == H5T_SGN_NONE ? read_converted<std::uint64_t>(block, values)
                                                       : read_converted<std::int64_t>(block, values);
  }
  refuse(std::is_integral_v<T> ? "whole numbers of at most 64 bits" : "numbers of at most 64 bits");
}

template void Dataset::read_block(const Block&, float*) const;
template void Dataset::read_block(const Block&, double*) const;
template void Dataset::read_block(const Block&, std::uint8_t*) const;
template void Dataset::read_block(const Block&, std::uint32_t*) const;
template void Dataset::read_block(const Block&, std::uint64_t*) const;
template void Dataset::read_block(const Block&, std::int32_t*) const;
template void Dataset::read_block(const Block&, std::int64_t*) const;

bool File::exists(const std::string& name) const { return lies_in_file(get(), path_, name); }

// Opened, and fit to be read.
Handle File::open_checked(const std::string& name) const {
  const std::string place = path_ + name;
  if (!exists(name)) refuse_dataset(place, "there is no such dataset");
  const Handle access = within_file(H5P_DATASET_ACCESS);
  Handle dataset(checked(H5Dopen2(get(), name.c_str(), access.get()), "cannot read " + place), H5Dclose);
  check_storage(dataset.get(), std::filesystem::file_size(path_), place);
  return dataset;
}

Dataset File::open_dataset(const std::string& name) const { return Dataset(open_checked(name), path_ + name); }

std::vector<std::uint64_t> File::shape(const std::string& name) const {
  const Dataset dataset = open_dataset(name);
  return {dataset.shape().begin(), dataset.shape().end()};
}

std::string File::read_text(const std::string& name) const {
  const std::string place = path_ + name;
  const Handle dataset = open_checked(name);
  Handle type(checked(H5Dget_type(dataset.get()), place), H5Tclose);
  Handle space(checked(H5Dget_space(dataset.get()), place), H5Sclose);
  refuse_unless_one_text(type.get(), space.get(), place);
  const auto read = [&](hid_t memory, void* text) {
    return H5Dread(dataset.get(), memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, text);
  };
  return text_by(type.get(), read, "cannot read " + place);
}

std::optional<std::string> File::text_attribute(const std::string& name, const std::string& key) const {
  const std::string place = fmt::format("{}{} attribute '{}'", path_, name, key);
  const Handle access = within_file(H5P_LINK_ACCESS);
  if (!exists(name) || checked(H5Aexists_by_name(get(), name.c_str(), key.c_str(), access.get()), place) == 0)
    return {};
  Handle attribute(checked(H5Aopen_by_name(get(), name.c_str(), key.c_str(), H5P_DEFAULT, access.get()), place),
                   H5Aclose);
  Handle type(checked(H5Aget_type(attribute.get()), place), H5Tclose);
  Handle space(checked(H5Aget_space(attribute.get()), place), H5Sclose);
  refuse_unless_one_text(type.get(), space.get(), place);
  return text_by(
      type.get(), [&](hid_t memory, void* text) { return H5Aread(attribute.get(), memory, text); }, place);
}

std::vector<double> File::number_attribute(const std::string& name, const std::string& key) const {
  constexpr hssize_t kMost = 1 << 16;
  const std::string place = fmt::format("{}{} attribute '{}'", path_, name, key);
  const Handle access = within_file(H5P_LINK_ACCESS);
  if (!exists(name) || checked(H5Aexists_by_name(get(), name.c_str(), key.c_str(), access.get()), place) == 0)
    return {};
  const Handle attribute(checked(H5Aopen_by_name(get(), name.c_str(), key.c_str(), H5P_DEFAULT, access.get()), place),
                         H5Aclose);
  const Handle type(checked(H5Aget_type(attribute.get()), place), H5Tclose);
  const Handle space(checked(H5Aget_space(attribute.get()), place), H5Sclose);
  const H5T_class_t kind = H5Tget_class(type.get());
  const hssize_t count = H5Sget_simple_extent_npoints(space.get());
  if ((kind != H5T_INTEGER && kind != H5T_FLOAT) || count < 0 || count > kMost)
    throw IoError(fmt::format("{}: holds no numbers", place));
  std::vector<double> numbers(static_cast<std::size_t>(count));
  checked(H5Aread(attribute.get(), H5T_NATIVE_DOUBLE, numbers.data()), place);
  return numbers;
}

std::vector<std::string> File::children(const std::string& group) const {
  const std::string what = fmt::format("cannot list {}{}", path_, group);
  if (!exists(group)) refuse_dataset(path_ + group, "there is no such group");
  Handle handle(checked(H5Gopen2(get(), group.c_str(), within_file(H5P_GROUP_ACCESS).get()), what), H5Gclose);
  std::vector<std::string> names;
  checked(H5Literate(
              handle.get(), H5_INDEX_NAME, H5_ITER_INC, nullptr,
              [](hid_t, const char* name, const H5L_info_t*, void* out) -> herr_t {
                static_cast<std::vector<std::string>*>(out)->emplace_back(name);
                return 0;
              },
              &names),
          what);
  return names;
}

}  // namespace lpl::h5
