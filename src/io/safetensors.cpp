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
#include "core/whole_file.hpp"
#include "core/text.hpp"
#include "io/file_kind.hpp"

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

template <class... Arguments>
[[noreturn]] void refuse(const std::string& path, fmt::format_string<Arguments...> reason, Arguments&&... arguments) {
  throw ConfigError(fmt::format("{}: ", path) + fmt::format(reason, std::forward<Arguments>(arguments)...));
}

[[noreturn]] void refuse_kind(const std::string& path, const std::string& reason) {
  throw ConfigError(fmt::format("{}: is no safetensors file: {}{}; safetensors.torch.save_file() writes such files",
                                path, reason, hint_at_kind(path)));
}

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

// Takes a file's header apart.
class SafetensorsHeader {
 public:
  explicit SafetensorsHeader(SafetensorsFile& file) : file_(file), path_(file.path_) {}

  void read() {
    const json header = parse();
    for (const auto& [name, entry] : header.items()) {
      if (name == kMetadata)
        file_.metadata_ = metadata(entry);
      else
        file_.entries_.emplace(name, tensor(name, entry));
    }
    check_coverage();
  }

 private:
  using Entry = SafetensorsFile::Entry;

  json parse() {
    if (const std::string reason = why_no_file(path_); !reason.empty()) throw ConfigError(reason);
    const std::size_t size = std::filesystem::file_size(path_);
    std::ifstream in(path_, std::ios::binary);
    std::uint64_t length = 0;
    if (size < kLengthBytes)
      refuse_kind(path_, fmt::format("it has {} bytes, not even the 8 of the header's length", size));
    in.read(reinterpret_cast<char*>(&length), kLengthBytes);
    if (length > size - kLengthBytes)
      refuse_kind(path_, fmt::format("it announces a header of {} bytes but has {} after the length (is it truncated?)",
                                     length, size - kLengthBytes));
    if (length > kMaxHeader)
      refuse(path_, "announces a header of {} bytes; at most {} are allowed", length, kMaxHeader);
    file_.data_begin_ = kLengthBytes + length;
    data_size_ = size - file_.data_begin_;
    std::string text(length, '\0');
    if (!in.read(text.data(), static_cast<std::streamsize>(length))) refuse(path_, "cannot be read to its end");
    if (!text.starts_with('{')) refuse_kind(path_, "the header does not start with '{'");
    return parse(text);
  }

  json parse(const std::string& text) {
    constexpr int kDepth = 3;                 // file, tensor, list
    std::vector<std::set<std::string>> keys;  // of the objects that are open
    const auto check = [&](int depth, json::parse_event_t event, json& parsed) {
      if (depth > kDepth) refuse(path_, "the header nests lists or objects more than {} deep", kDepth);
      if (event == json::parse_event_t::object_start) keys.emplace_back();
      if (event == json::parse_event_t::object_end) keys.pop_back();
      if (event == json::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second)
        refuse(path_, "the header names '{}' twice", parsed.get<std::string>());
      return true;
    };
    try {
      return json::parse(text, check);
    } catch (const json::exception& error) {
      refuse(path_, "the header is no JSON: {}", error.what());
    }
  }

  std::map<std::string, std::string> metadata(const json& entry) const {
    if (!entry.is_object()) refuse(path_, "{} is {}; it must be an object of texts", kMetadata, entry.type_name());
    std::map<std::string, std::string> texts;
    for (const auto& [key, value] : entry.items()) {
      if (!value.is_string()) refuse(path_, "{} '{}' is {}; it must be text", kMetadata, key, value.type_name());
      texts.emplace(key, value.get<std::string>());
    }
    return texts;
  }

  // A list of whole numbers, none negative.
  std::vector<std::size_t> sizes(const std::string& name, const json& entry, const char* key) const {
    const auto found = entry.find(key);
    if (found == entry.end() || !found->is_array() ||
        !std::ranges::all_of(*found, [](const json& size) { return size.is_number_unsigned(); }))
      refuse(path_, "tensor '{}': '{}' must be a list of whole numbers", name, key);
    return found->get<std::vector<std::size_t>>();
  }

  Entry tensor(const std::string& name, const json& entry) const {
    if (!entry.is_object()) refuse(path_, "tensor '{}' is {}; it must be an object", name, entry.type_name());
    const auto type = entry.find("dtype");
    if (type == entry.end() || !type->is_string()) refuse(path_, "tensor '{}': 'dtype' must be text", name);
    std::vector<std::size_t> shape = sizes(name, entry, "shape");
    const auto offsets = sizes(name, entry, "data_offsets");
    if (offsets.size() != 2) refuse(path_, "tensor '{}': 'data_offsets' has {} numbers, not 2", name, offsets.size());
    const std::size_t begin = offsets[0], end = offsets[1];
    if (begin > end || end > data_size_)
      refuse(path_, "tensor '{}' lies at bytes {} to {} of {}", name, begin, end, data_size_);
    return {type->get<std::string>(), std::move(shape), begin, end};
  }

  // The tensors cover all data, each byte once.
  void check_coverage() const {
    std::vector<std::pair<const std::string*, const Entry*>> tensors;
    for (const auto& [name, entry] : file_.entries_) tensors.emplace_back(&name, &entry);
    std::ranges::sort(tensors, {},
                      [](const auto& tensor) { return std::pair(tensor.second->begin, tensor.second->end); });
    std::size_t covered = 0;
    for (const auto& [name, entry] : tensors) {
      if (entry->begin != covered)
        refuse(path_, "tensor '{}' begins at byte {}, but the tensor before it ends at {}; they must follow each other",
               *name, entry->begin, covered);
      covered = entry->end;
    }
    if (covered != data_size_) refuse(path_, "the tensors cover {} of {} bytes of data", covered, data_size_);
  }

  SafetensorsFile& file_;
  const std::string& path_;
  std::size_t data_size_ = 0;
};

SafetensorsFile::SafetensorsFile(const std::string& path) : path_(path) { SafetensorsHeader(*this).read(); }

std::vector<std::string> SafetensorsFile::names() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : entries_) names.push_back(name);
  return names;
}

StoredTensor SafetensorsFile::read(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) {
    const std::string near = nearest(name, names());
    refuse(path_, "has no tensor '{}'{}", name, near.empty() ? "" : fmt::format("; the nearest name is '{}'", near));
  }
  const Entry& entry = found->second;
  const auto type = std::ranges::find(kTypes, entry.type, &Type::name);
  if (type == std::end(kTypes))
    refuse(path_, "tensor '{}' is of type '{}'; F32, F16, BF16, F64 and I64 can be read", name, entry.type);
  const std::size_t size = entry.end - entry.begin;
  const auto count = elements(entry.shape, size);
  if (!count || *count * type->bytes != size)
    refuse(path_, "tensor '{}' of shape [{}] and type {} does not fit its {} bytes", name, text_of(entry.shape),
           type->name, size);
  std::ifstream in(path_, std::ios::binary);
  in.seekg(static_cast<std::streamoff>(data_begin_ + entry.begin));
  std::string bytes(size, '\0');
  if (!in.read(bytes.data(), static_cast<std::streamsize>(size))) refuse(path_, "tensor '{}' cannot be read", name);
  StoredTensor tensor{.shape = entry.shape, .values = type->read(bytes.data(), *count)};
  if (!std::ranges::all_of(tensor.values, [](float value) { return std::isfinite(value); }))
    refuse(path_, "tensor '{}' holds values that are not finite in single precision", name);
  return tensor;
}

}  // namespace lpl
