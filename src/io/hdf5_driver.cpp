#include "io/hdf5_driver.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>

#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif

#include "core/errors.hpp"

namespace lpl::h5 {

void Blocks::remove(std::uint64_t address, std::uint64_t size) {
  const std::uint64_t end = address + size;
  auto block = blocks_.upper_bound(address);
  if (block != blocks_.begin()) --block;
  while (block != blocks_.end() && block->first < end) {
    const std::uint64_t begin = block->first, block_end = begin + block->second.size();
    if (block_end <= address) {
      ++block;
      continue;
    }
    const std::string bytes = std::move(block->second);
    block = blocks_.erase(block);
    if (begin < address) blocks_.emplace(begin, bytes.substr(0, address - begin));
    if (block_end > end) blocks_.emplace(end, bytes.substr(end - begin));
  }
}

void Blocks::put(std::uint64_t address, std::string_view bytes) {
  remove(address, bytes.size());
  blocks_.emplace(address, bytes);
}

bool Blocks::overlaps(std::uint64_t address, std::uint64_t size) const {
  const auto after = blocks_.lower_bound(address + size);
  if (after == blocks_.begin()) return false;
  const auto& [begin, bytes] = *std::prev(after);
  return begin + bytes.size() > address;
}

void Blocks::overlay(std::uint64_t address, std::size_t size, char* buffer) const {
  auto block = blocks_.upper_bound(address);
  if (block != blocks_.begin()) --block;
  for (; block != blocks_.end() && block->first < address + size; ++block) {
    const std::uint64_t begin = std::max(block->first, address);
    const std::uint64_t end = std::min(block->first + block->second.size(), address + size);
    if (begin < end)
      std::memcpy(buffer + (begin - address), block->second.data() + (begin - block->first), end - begin);
  }
}

namespace {

// Both return false, with errno set, where they cannot transfer all bytes.
bool write_all(int descriptor, std::uint64_t address, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = pwrite(descriptor, bytes.data(), bytes.size(), static_cast<off_t>(address));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return false;
    address += static_cast<std::uint64_t>(wrote);
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return true;
}

bool read_all(int descriptor, std::uint64_t address, std::size_t size, char* buffer) {
  while (size > 0) {
    const ssize_t got = pread(descriptor, buffer, size, static_cast<off_t>(address));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return false;
    if (got == 0) {  // beyond the end: zeros, as HDF5 expects
      std::fill_n(buffer, size, '\0');
      return true;
    }
    address += static_cast<std::uint64_t>(got);
    buffer += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

struct DriverFile : H5FD_t {
  int descriptor = -1;
  haddr_t allocated = 0;  // the end of what HDF5 uses
  haddr_t on_disk = 0;    // the file's length
  haddr_t flushed = 0;    // its length at the last flush
  Blocks pending;         // metadata since the last flush
  Blocks metadata;        // all of it
};

DriverFile& of(H5FD_t* file) { return *static_cast<DriverFile*>(file); }
const DriverFile& of(const H5FD_t* file) { return *static_cast<const DriverFile*>(file); }

// Leaves the reason on HDF5's error stack.
herr_t failed(int error) {
  H5Epush2(H5E_DEFAULT, __FILE__, __func__, __LINE__, H5E_ERR_CLS, H5E_VFL, H5E_WRITEERROR, "%s", std::strerror(error));
  return -1;
}

H5FD_t* open_file(const char* name, unsigned flags, hid_t, haddr_t) {
  int mode = flags & H5F_ACC_RDWR ? O_RDWR : O_RDONLY;
  if (flags & H5F_ACC_CREAT) mode |= O_CREAT;
  if (flags & H5F_ACC_TRUNC) mode |= O_TRUNC;
  const int descriptor = open(name, mode | O_CLOEXEC, 0666);
  struct stat facts {};
  if (descriptor < 0 || fstat(descriptor, &facts) != 0) {
    failed(errno);
    return nullptr;
  }
  auto* const file = new DriverFile();
  file->descriptor = descriptor;
  file->on_disk = file->flushed = static_cast<haddr_t>(facts.st_size);
  return file;
}

herr_t close_file(H5FD_t* file) {
  const int status = close(of(file).descriptor);
  delete static_cast<DriverFile*>(file);
  return status == 0 ? 0 : failed(errno);
}

herr_t query(const H5FD_t*, unsigned long* features) {
  *features = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_AGGREGATE_SMALLDATA | H5FD_FEAT_DEFAULT_VFD_COMPATIBLE;
  return 0;
}

haddr_t get_eoa(const H5FD_t* file, H5FD_mem_t) { return of(file).allocated; }

herr_t set_eoa(H5FD_t* file, H5FD_mem_t, haddr_t address) {
  of(file).allocated = address;
  return 0;
}

haddr_t get_eof(const H5FD_t* file, H5FD_mem_t) { return of(file).on_disk; }

herr_t get_handle(H5FD_t* file, hid_t, void** handle) {
  *handle = static_cast<DriverFile*>(file);
  return 0;
}

herr_t read(H5FD_t* base, H5FD_mem_t, hid_t, haddr_t address, size_t size, void* buffer) {
  DriverFile& file = of(base);
  if (!read_all(file.descriptor, address, size, static_cast<char*>(buffer))) return failed(errno);
  file.pending.overlay(address, size, static_cast<char*>(buffer));
  return 0;
}

herr_t write(H5FD_t* base, H5FD_mem_t type, hid_t, haddr_t address, size_t size, const void* buffer) {
  DriverFile& file = of(base);
  const std::string_view bytes(static_cast<const char*>(buffer), size);
  try {
    if (type != H5FD_MEM_DRAW) {
      file.pending.put(address, bytes);
      return 0;
    }
    // Room that metadata has left may be used for data.
    file.pending.remove(address, size);
    file.metadata.remove(address, size);
  } catch (const std::bad_alloc&) {
    return failed(ENOMEM);
  }
  if (!write_all(file.descriptor, address, bytes)) return failed(errno);
  file.on_disk = std::max(file.on_disk, address + size);
  return 0;
}

// HDF5 calls this in a flush after it has written (here: handed over) all metadata and before flush().
herr_t reserve(H5FD_t* base, hid_t, hbool_t) {
  DriverFile& file = of(base);
  if (file.allocated > file.flushed) {
    const int error = posix_fallocate(file.descriptor, static_cast<off_t>(file.flushed),
                                      static_cast<off_t>(file.allocated - file.flushed));
    if (error != 0) return failed(error);
  }
  if (ftruncate(file.descriptor, static_cast<off_t>(file.allocated)) != 0) return failed(errno);
  file.on_disk = file.allocated;
  return 0;
}

herr_t flush(H5FD_t* base, hid_t, hbool_t) {
  DriverFile& file = of(base);
  try {
    for (const bool in_use : {false, true})
      for (const auto& [address, bytes] : file.pending.all())
        if (file.metadata.overlaps(address, bytes.size()) == in_use && !write_all(file.descriptor, address, bytes))
          return failed(errno);
    for (const auto& [address, bytes] : file.pending.all()) file.metadata.put(address, bytes);
  } catch (const std::bad_alloc&) {
    return failed(ENOMEM);
  }
  file.pending.clear();
  file.flushed = file.on_disk;
  return 0;
}

hid_t driver() {
  static const H5FD_class_t driver_class = [] {
    H5FD_class_t c{};
#if H5_VERSION_GE(1, 13, 0)
    c.version = H5FD_CLASS_VERSION;
    c.value = static_cast<H5FD_class_value_t>(511);  // of the range for private drivers
#endif
    c.name = "lpl";
    c.maxaddr = (haddr_t{1} << 62) - 1;
    c.fc_degree = H5F_CLOSE_WEAK;
    c.open = open_file;
    c.close = close_file;
    c.query = query;
    c.get_eoa = get_eoa;
    c.set_eoa = set_eoa;
    c.get_eof = get_eof;
    c.get_handle = get_handle;
    c.read = read;
    c.write = write;
    c.flush = flush;
    c.truncate = reserve;
    const H5FD_mem_t apart[] = H5FD_FLMAP_DICHOTOMY;
    std::copy(std::begin(apart), std::end(apart), c.fl_map);
    return c;
  }();
  static const hid_t id = H5FDregister(&driver_class);
  return id;
}

DriverFile& driver_file(hid_t file) {
  void* handle = nullptr;
  if (H5Fget_vfd_handle(file, H5P_DEFAULT, &handle) < 0) throw IoError("HDF5 does not give the file's driver");
  return *static_cast<DriverFile*>(handle);
}

}  // namespace

void use_driver(hid_t access) { H5Pset_driver(access, driver(), nullptr); }

FileState synced_state(hid_t id) {
  const DriverFile& file = driver_file(id);
  if (fdatasync(file.descriptor) != 0) throw IoError(fmt::format("cannot sync the file: {}", std::strerror(errno)));
  return {file.flushed, file.metadata};
}

void restore(const std::string& path, const FileState& state) {
  const int descriptor = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (descriptor < 0) throw IoError(fmt::format("cannot open {}: {}", path, std::strerror(errno)));
  struct stat facts {};
  bool well = fstat(descriptor, &facts) == 0;
  if (well && static_cast<std::uint64_t>(facts.st_size) < state.size) {
    close(descriptor);
    throw IoError(
        fmt::format("{}: has {} bytes, but {} when the checkpoint was written", path, facts.st_size, state.size));
  }
  // In this order a kill in between leaves a file that is too long, which HDF5 reads, not one that is too short.
  for (const auto& [address, bytes] : state.metadata.all()) well = well && write_all(descriptor, address, bytes);
  well = well && ftruncate(descriptor, static_cast<off_t>(state.size)) == 0;
  const int error = errno;
  close(descriptor);
  if (!well) throw IoError(fmt::format("cannot put {} back to the checkpoint: {}", path, std::strerror(error)));
}

void adopt(hid_t file, const FileState& state) { driver_file(file).metadata = state.metadata; }

}  // namespace lpl::h5
