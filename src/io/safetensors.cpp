#include "io/safetensors.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <set>

#include "core/errors.hpp"
#include "io/whole_file.hpp"

namespace lpl {
namespace {

using nlohmann::json;

constexpr std::size_t kLengthBytes = 8;
constexpr std::size_t kMaxHeader = 100'000'000;  // as the format's own library has it
const std::string kMetadata = "__metadata__";

static_assert(std::endian::native == std::endian::little, "tensors are read and written as they lie in memory");

std::string text_of(const std::vector<std::size_t>& shape) { return fmt::format("{}", fmt::join(shape, ", ")); }

// Product of the dimensions; nothing where it exceeds `limit`.
std::optional<std::size_t> elements(const std::vector<std::size_t>& shape, std::size_t limit) {
  if (std::ranges::find(shape, 0u) != shape.end()) return 0;
  std::size_t count = 1;
  for (std::size_t size : shape) {
    if (size > limit / count) return {};
    count *= size;
  }
  return count;
}

float from_half(std::uint16_t half) {
  const int exponent = half >> 10 & 0x1F;
  const auto fraction = static_cast<float>(half & 0x3FF);
  float magnitude;
  if (exponent == 0)
    magnitude = std::ldexp(fraction, -24);
  else if (exponent < 0x1F)
    magnitude = std::ldexp(1024 + fraction, exponent - 25);
  else
    magnitude = fraction == 0 ? std::numeric_limits<float>::infinity() : std::numeric_limits<float>::quiet_NaN();
  return half & 0x8000 ? -magnitude : magnitude;
}

float from_bfloat(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

float from_double(double value) {
  if (std::abs(value) > std::numeric_limits<float>::max()) return std::numeric_limits<float>::infinity();
  return static_cast<float>(value);
}

float from_integer(std::int64_t value) { return static_cast<float>(value); }

template <class Stored, class Convert>
std::vector<float> convert(const char* bytes, std::size_t count, Convert&& to_float) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    Stored stored;
    std::memcpy(&stored, bytes + i * sizeof stored, sizeof stored);
    values[i] = to_float(stored);
  }
  return values;
}

struct Type {
  const char* name;
  std::size_t bytes;
  std::vector<float> (*read)(const char* bytes, std::size_t count);
};
const Type kTypes[] = {
    {"F32", 4, [](const char* bytes, std::size_t n) { return convert<float>(bytes, n, [](float x) { return x; }); }},
    {"F16", 2, [](const char* bytes, std::size_t n) { return convert<std::uint16_t>(bytes, n, from_half); }},
    {"BF16", 2, [](const char* bytes, std::size_t n) { return convert<std::uint16_t>(bytes, n, from_bfloat); }},
    {"F64", 8, [](const char* bytes, std::size_t n) { return convert<double>(bytes, n, from_double); }},
    {"I64", 8, [](const char* bytes, std::size_t n) { return convert<std::int64_t>(bytes, n, from_integer); }},
};

class Reader {
 public:
  explicit Reader(const std::string& path) : path_(path), bytes_(whole_file(path)) {}

  TensorFile read() {
    const json header = parse_header();
    TensorFile file;
    for (const auto& [name, entry] : header.items()) {
      if (name == kMetadata)
        file.metadata = metadata(entry);
      else
        file.tensors.emplace(name, tensor(name, entry));
    }
    check_coverage();
    return file;
  }

 private:
  template <class... Arguments>
  [[noreturn]] void refuse(fmt::format_string<Arguments...> reason, Arguments&&... arguments) const {
    throw ConfigError(fmt::format("{}: ", path_) + fmt::format(reason, std::forward<Arguments>(arguments)...));
  }

  json parse_header() {
    std::uint64_t length = 0;
    if (bytes_.size() < kLengthBytes)
      refuse("has {} bytes; a safetensors file starts with 8 bytes of header length", bytes_.size());
    std::memcpy(&length, bytes_.data(), kLengthBytes);
    if (length > kMaxHeader) refuse("announces a header of {} bytes; at most {} are allowed", length, kMaxHeader);
    if (length > bytes_.size() - kLengthBytes)
      refuse("announces a header of {} bytes but has {} after the length; it is truncated", length,
             bytes_.size() - kLengthBytes);
    data_ = bytes_.data() + kLengthBytes + length;
    data_size_ = bytes_.size() - kLengthBytes - length;

    const std::string_view text(bytes_.data() + kLengthBytes, length);
    if (!text.starts_with('{')) refuse("the header does not start with '{{'");
    std::vector<std::set<std::string>> keys;  // of the objects that are open
    const auto refuse_twins = [&](int, json::parse_event_t event, json& parsed) {
      if (event == json::parse_event_t::object_start) keys.emplace_back();
      if (event == json::parse_event_t::object_end) keys.pop_back();
      if (event == json::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second)
        refuse("the header names '{}' twice", parsed.get<std::string>());
      return true;
    };
    try {
      return json::parse(text, refuse_twins);
    } catch (const json::exception& error) {
      refuse("the header is no JSON: {}", error.what());
    }
  }

  std::map<std::string, std::string> metadata(const json& entry) const {
    if (!entry.is_object()) refuse("{} is {}; it must be an object of texts", kMetadata, entry.type_name());
    std::map<std::string, std::string> texts;
    for (const auto& [key, value] : entry.items()) {
      if (!value.is_string()) refuse("{} '{}' is {}; it must be text", kMetadata, key, value.type_name());
      texts.emplace(key, value.get<std::string>());
    }
    return texts;
  }

  // A list of whole numbers, none negative.
  std::vector<std::size_t> sizes(const std::string& name, const json& entry, const char* key) const {
    const auto found = entry.find(key);
    if (found == entry.end() || !found->is_array() ||
        !std::ranges::all_of(*found, [](const json& size) { return size.is_number_unsigned(); }))
      refuse("tensor '{}': '{}' must be a list of whole numbers", name, key);
    return found->get<std::vector<std::size_t>>();
  }

  const Type& type_of(const std::string& name, const json& entry) const {
    const auto found = entry.find("dtype");
    if (found == entry.end() || !found->is_string()) refuse("tensor '{}': 'dtype' must be text", name);
    const auto text = found->get<std::string>();
    const auto type = std::ranges::find(kTypes, text, &Type::name);
    if (type == std::end(kTypes))
      refuse("tensor '{}' is of type '{}'; F32, F16, BF16, F64 and I64 can be read", name, text);
    return *type;
  }

  StoredTensor tensor(const std::string& name, const json& entry) {
    if (!entry.is_object()) refuse("tensor '{}' is {}; it must be an object", name, entry.type_name());
    const Type& type = type_of(name, entry);
    StoredTensor tensor{.shape = sizes(name, entry, "shape"), .values = {}};
    const auto offsets = sizes(name, entry, "data_offsets");
    if (offsets.size() != 2) refuse("tensor '{}': 'data_offsets' has {} numbers, not 2", name, offsets.size());
    const std::size_t begin = offsets[0], end = offsets[1];
    if (begin > end || end > data_size_)
      refuse("tensor '{}' lies at bytes {} to {} of {}", name, begin, end, data_size_);
    const auto count = elements(tensor.shape, data_size_);
    if (!count || *count * type.bytes != end - begin)
      refuse("tensor '{}' of shape [{}] and type {} does not fit its {} bytes", name, text_of(tensor.shape), type.name,
             end - begin);
    tensor.values = type.read(data_ + begin, *count);
    if (!std::ranges::all_of(tensor.values, [](float value) { return std::isfinite(value); }))
      refuse("tensor '{}' holds values that are not finite in single precision", name);
    extents_.push_back({begin, end, name});
    return tensor;
  }

  // The tensors cover all data, each byte once.
  void check_coverage() {
    std::ranges::sort(extents_, {}, [](const Extent& extent) { return std::pair(extent.begin, extent.end); });
    std::size_t covered = 0;
    for (const auto& [begin, end, name] : extents_) {
      if (begin != covered)
        refuse("tensor '{}' begins at byte {}, but the tensor before it ends at {}; they must follow each other", name,
               begin, covered);
      covered = end;
    }
    if (covered != data_size_) refuse("the tensors cover {} of {} bytes of data", covered, data_size_);
  }

  struct Extent {
    std::size_t begin, end;
    std::string name;
  };

  const std::string& path_;
  const std::string bytes_;
  const char* data_ = nullptr;  // of all tensors, inside bytes_
  std::size_t data_size_ = 0;
  std::vector<Extent> extents_;
};

std::string header_of(const TensorFile& file) {
  json header = json::object();
  if (!file.metadata.empty()) header[kMetadata] = file.metadata;
  std::size_t at = 0;
  for (const auto& [name, tensor] : file.tensors) {
    if (elements(tensor.shape, tensor.values.size()) != tensor.values.size())
      throw Error(
          fmt::format("tensor '{}' of shape [{}] has {} values", name, text_of(tensor.shape), tensor.values.size()));
    const std::size_t end = at + tensor.values.size() * sizeof(float);
    header[name] = {{"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {at, end}}};
    at = end;
  }
  std::string text = header.dump(-1, ' ', false, json::error_handler_t::replace);
  text.resize((text.size() + 7) / 8 * 8, ' ');  // the data that follows is aligned
  return text;
}

}  // namespace

void write_safetensors(const std::string& path, const TensorFile& file) {
  const std::string header = header_of(file);
  const std::uint64_t length = header.size();
  const std::string partial = path + ".new";
  std::ofstream out(partial, std::ios::binary);
  out.write(reinterpret_cast<const char*>(&length), kLengthBytes);
  out << header;
  for (const auto& [name, tensor] : file.tensors)
    out.write(reinterpret_cast<const char*>(tensor.values.data()),
              static_cast<std::streamsize>(tensor.values.size() * sizeof(float)));
  out.close();
  if (!out) throw IoError(fmt::format("{}: cannot be written: {}", partial, std::strerror(errno)));
  std::error_code failure;
  std::filesystem::rename(partial, path, failure);
  if (failure) throw IoError(fmt::format("{}: cannot be renamed to {}: {}", partial, path, failure.message()));
}

TensorFile read_safetensors(const std::string& path) { return Reader(path).read(); }

}  // namespace lpl
