#include "io/packed.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include "core/errors.hpp"
#include "core/whole_file.hpp"
#include "io/file_kind.hpp"

namespace lpl {
namespace {

static_assert(std::endian::native == std::endian::little, "arrays are read as little-endian ones");

// Reads on from a place in the bytes of a file.
class Cursor {
 public:
  Cursor(const std::string& path, std::string_view bytes, std::size_t at = 0) : path_(path), bytes_(bytes), at_(at) {}

  std::string_view take(std::size_t n) {
    if (at_ > bytes_.size() || n > bytes_.size() - at_)
      fail(fmt::format("ends at byte {}, where {} more are expected", bytes_.size(), n));
    at_ += n;
    return bytes_.substr(at_ - n, n);
  }
  template <class T>
  T little() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }
  std::uint32_t big() {
    std::uint32_t value = 0;
    for (const char c : take(4)) value = value << 8 | static_cast<unsigned char>(c);
    return value;
  }
  std::string_view rest() const { return bytes_.substr(std::min(at_, bytes_.size())); }
  [[noreturn]] void fail(const std::string& what) const { throw ConfigError(fmt::format("{}: {}", path_, what)); }

 private:
  const std::string& path_;
  std::string_view bytes_;
  std::size_t at_;
};

std::size_t size_of(const std::vector<std::int64_t>& shape, const Cursor& in) {
  std::int64_t size = 1;
  for (const std::int64_t extent : shape)
    if (extent < 0 || __builtin_mul_overflow(size, extent, &size)) in.fail("the extents of its array are too large");
  return static_cast<std::size_t>(size);
}

// The numbers of an array, each of type T, to those that arrays hold.
template <class T>
void convert(Cursor& in, std::size_t size, NumberArray& array) {
  const std::string_view bytes = in.take(size * sizeof(T));
  if constexpr (std::is_same_v<T, std::uint8_t>) {
    array.bytes.assign(bytes.begin(), bytes.end());
  } else {
    array.numbers.resize(size);
    for (std::size_t i = 0; i < size; ++i) {
      T value;
      std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
      if (!std::in_range<std::int32_t>(value)) in.fail(fmt::format("its number {} is {}, too large", i, value));
      array.numbers[i] = static_cast<std::int32_t>(+value);
    }
  }
}

NumberArray read_idx(Cursor in) {
  const std::uint32_t magic = in.big();
  if (magic >> 8 != 0x08) in.fail("is an idx file of other numbers than unsigned bytes");
  NumberArray array;
  for (std::uint32_t d = 0; d < (magic & 0xff); ++d) array.shape.push_back(in.big());
  const std::size_t size = size_of(array.shape, in);
  convert<std::uint8_t>(in, size, array);
  if (!in.rest().empty()) in.fail(fmt::format("has {} bytes after its array", in.rest().size()));
  return array;
}

// What stands between two letters after `key`.
std::optional<std::string_view> between(std::string_view text, std::string_view key, char open, char close) {
  const std::size_t after = text.find(key);
  if (after == std::string_view::npos) return {};
  const std::size_t begin = text.find(open, after + key.size());
  const std::size_t end = begin == std::string_view::npos ? begin : text.find(close, begin + 1);
  if (end == std::string_view::npos) return {};
  return text.substr(begin + 1, end - begin - 1);
}

NumberArray read_npy(Cursor in) {
  in.take(6);
  const auto version = in.little<std::uint16_t>() & 0xff;
  const std::size_t length = version == 1 ? in.little<std::uint16_t>() : in.little<std::uint32_t>();
  const std::string header(in.take(length));
  const auto of = between(header, "'descr':", '\'', '\''), extents = between(header, "'shape':", '(', ')');
  if (!of || !extents || extents->find_first_not_of("0123456789, ") != std::string_view::npos)
    in.fail("its header is none that NumPy writes for an array of whole numbers");
  if (header.find("'fortran_order': True") != std::string::npos)
    in.fail("its array is stored by columns; save np.ascontiguousarray of it");
  NumberArray array;
  for (std::size_t at = 0; (at = extents->find_first_of("0123456789", at)) != std::string_view::npos;) {
    const std::size_t end = std::min(extents->find_first_not_of("0123456789", at), extents->size());
    array.shape.push_back(std::stoll(std::string(extents->substr(at, std::min<std::size_t>(end - at, 18)))));
    at = end;
  }
  const std::size_t size = size_of(array.shape, in);
  if (of == "|u1" || of == "|b1")
    convert<std::uint8_t>(in, size, array);
  else if (of == "|i1")
    convert<std::int8_t>(in, size, array);
  else if (of == "<u2")
    convert<std::uint16_t>(in, size, array);
  else if (of == "<i2")
    convert<std::int16_t>(in, size, array);
  else if (of == "<u4")
    convert<std::uint32_t>(in, size, array);
  else if (of == "<i4")
    convert<std::int32_t>(in, size, array);
  else if (of == "<u8")
    convert<std::uint64_t>(in, size, array);
  else if (of == "<i8")
    convert<std::int64_t>(in, size, array);
  else
    in.fail(fmt::format("its numbers are of NumPy's type {}; whole numbers are read, images as uint8", *of));
  return array;
}

std::string inflated(const std::string& path, std::string_view packed, int window, std::size_t expected) {
  z_stream stream{};
  if (inflateInit2(&stream, window) != Z_OK) throw Error(path + ": zlib cannot be used");
  const std::unique_ptr<z_stream, int (*)(z_stream*)> owner(&stream, inflateEnd);
  constexpr std::size_t kPortion = 1 << 24;  // zlib counts in 32 bits
  std::string bytes(std::max<std::size_t>(expected, kPortion), '\0');
  std::size_t done = 0;
  for (int status = Z_OK; status != Z_STREAM_END;) {
    if (done == bytes.size()) bytes.resize(2 * done);
    if (stream.avail_in == 0) {
      const std::string_view next = packed.substr(0, kPortion);
      packed.remove_prefix(next.size());
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(next.data()));
      stream.avail_in = static_cast<uInt>(next.size());
    }
    const auto room = static_cast<uInt>(std::min(kPortion, bytes.size() - done));
    stream.next_out = reinterpret_cast<Bytef*>(bytes.data() + done);
    stream.avail_out = room;
    status = inflate(&stream, Z_NO_FLUSH);
    done += room - stream.avail_out;
    if (status != Z_OK && status != Z_STREAM_END)
      throw ConfigError(path + ": what is packed in it is cut off or broken");
  }
  bytes.resize(done);
  return bytes;
}

// Where a zip archive ends: PK\5\6 and 18 more bytes, before a comment.
std::size_t end_of_directory(const std::string& path, const std::string& bytes) {
  const std::size_t at = bytes.rfind("PK\x05\x06");
  if (at == std::string::npos) throw ConfigError(path + ": is a zip archive that is cut off");
  return at;
}

std::vector<NumberArray> read_npz(const std::string& path, const std::string& bytes) {
  Cursor end(path, bytes, end_of_directory(path, bytes) + 10);
  const auto members = end.little<std::uint16_t>();
  end.take(4);
  const auto first = end.little<std::uint32_t>();
  if (first == std::numeric_limits<std::uint32_t>::max())
    end.fail("is an archive of more than 4 GB; save its arrays as .npy files");
  std::vector<NumberArray> arrays;
  Cursor entry(path, bytes, first);
  for (int m = 0; m < members; ++m) {
    if (entry.take(4) != "PK\x01\x02") entry.fail("is a broken zip archive");
    entry.take(6);
    const auto method = entry.little<std::uint16_t>();
    if (entry.take(8).empty() || (method != 0 && method != 8)) entry.fail("is packed in another way than NumPy's");
    const auto packed = entry.little<std::uint32_t>(), size = entry.little<std::uint32_t>();
    const auto name_length = entry.little<std::uint16_t>(), extra = entry.little<std::uint16_t>(),
               comment = entry.little<std::uint16_t>();
    entry.take(8);
    const auto header = entry.little<std::uint32_t>();
    const std::string name(entry.take(name_length));
    entry.take(static_cast<std::size_t>(extra) + comment);

    Cursor local(path, bytes, header + std::size_t{26});
    const auto local_name = local.little<std::uint16_t>(), local_extra = local.little<std::uint16_t>();
    local.take(static_cast<std::size_t>(local_name) + local_extra);
    const std::string_view stored = local.take(packed);
    const std::string member = method == 8 ? inflated(path, stored, -MAX_WBITS, size) : std::string(stored);
    const std::string where = fmt::format("{}/{}", path, name);
    if (!member.starts_with("\x93NUMPY")) Cursor(where, member).fail("is no array of NumPy");
    try {
      arrays.push_back(read_npy(Cursor(where, member)));
    } catch (const ConfigError&) {
      continue;  // of other numbers: no images and no labels
    }
    arrays.back().name = name.ends_with(".npy") ? name.substr(0, name.size() - 4) : name;
  }
  return arrays;
}

bool is_idx(const std::string& bytes) {
  return bytes.size() >= 4 && bytes[0] == 0 && bytes[1] == 0 && bytes[2] >= 8 && bytes[2] <= 14 && bytes[3] >= 1 &&
         bytes[3] <= 4;
}

}  // namespace

std::string unpacked_file(const std::string& path) {
  std::string bytes = whole_file(path);
  if (!bytes.starts_with("\x1f\x8b")) return bytes;
  return inflated(path, bytes, 16 + MAX_WBITS, 4 * bytes.size());
}

bool is_array_file(const std::string& bytes) {
  return is_idx(bytes) || bytes.starts_with("\x93NUMPY") || bytes.starts_with("PK\x03\x04");
}

std::vector<NumberArray> read_arrays(const std::string& path, const std::string& bytes) {
  std::vector<NumberArray> arrays;
  if (is_idx(bytes))
    arrays.push_back(read_idx(Cursor(path, bytes)));
  else if (bytes.starts_with("\x93NUMPY"))
    arrays.push_back(read_npy(Cursor(path, bytes)));
  else if (bytes.starts_with("PK\x03\x04"))
    arrays = read_npz(path, bytes);
  else
    throw ConfigError(fmt::format("{}: is neither idx nor an array of NumPy{}", path, hint_at_kind(path)));
  return arrays;
}

}  // namespace lpl
