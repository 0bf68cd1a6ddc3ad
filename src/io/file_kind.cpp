#include "io/file_kind.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "core/text.hpp"
#include "io/checkpoint.hpp"

namespace lpl {
namespace {

using namespace std::string_view_literals;

struct Kind {
  std::string_view start;
  const char* words;
};
constexpr Kind kKinds[] = {
    {"\x89HDF\r\n\x1a\n"sv, "an HDF5 file"},
    {"version https://git-lfs"sv, "a pointer of git-lfs, not the file itself: fetch it with git lfs pull"},
    {"\x1f\x8b"sv, "packed by gzip: unpack it first (gunzip, or tar xzf)"},
    {"BZh"sv, "packed by bzip2: unpack it first"},
    {"\xfd\x37zXZ"sv, "packed by xz: unpack it first"},
    {"\x28\xb5\x2f\xfd"sv, "packed by zstd: unpack it first"},
    {"PK\x03\x04"sv, "a zip archive, as PyTorch's .pt, .pth and .ckpt files and NumPy's .npz are"},
    {"\x93NUMPY"sv, "an array of NumPy (.npy)"},
    {"MATLAB"sv, "a file of MATLAB"},
    {"\x80\x02"sv, "pickled by Python"},
    {"\x80\x03"sv, "pickled by Python"},
    {"\x80\x04"sv, "pickled by Python"},
    {"\x80\x05"sv, "pickled by Python"},
    {"<!"sv, "a page of the web, not the file it was to give"},
    {"<html"sv, "a page of the web, not the file it was to give"},
};
constexpr std::size_t kHead = 300;            // tar has its mark at byte 257
constexpr std::size_t kAttributes = 1 << 16;  // where those of an HDF5 file's root lie

std::string head_of(const std::string& path, std::size_t size) {
  std::ifstream in(path, std::ios::binary);
  std::string head(size, '\0');
  in.read(head.data(), static_cast<std::streamsize>(size));
  head.resize(static_cast<std::size_t>(in.gcount()));
  return head;
}

}  // namespace

std::string kind_by_bytes(std::string_view head) {
  for (const auto& [start, words] : kKinds)
    if (head.starts_with(start)) return words;
  if (head.size() > 262 && head.substr(257, 5) == "ustar") return "a tar archive: unpack it first (tar xf)";
  return {};
}

std::string hint_at_kind(const std::string& path) {
  const std::string kind = kind_by_bytes(head_of(path, kHead));
  return kind.empty() ? kind : fmt::format("; it is {}", kind);
}

// By raw bytes: after a kill, HDF5 may be unable to open a result.
std::string what_is(const std::string& path) {
  const std::string head = head_of(path, kAttributes);
  const auto has = [&](std::string_view words) { return head.find(words) != std::string::npos; };
  if (head.empty()) return kNoFile;
  if (head.starts_with(kKinds[0].start)) {
    if (has("git_revision") && (has("lpl_sim") || has("lpl_rate"))) return kResult;
    return has("lpl images ") ? kImageSet : "an HDF5 file of another kind";
  }
  if (is_checkpoint(path)) return kCheckpoint;
  if (head.size() > 8 && head[7] == '\0' && head[8] == '{') return kTensors;
  const std::string line = head.substr(0, std::min(head.find_first_of("\r\n"), kHead));
  return printable(line) == line ? fmt::format("a text that begins {}", in_quotes(line)) : "a file of another kind";
}

}  // namespace lpl
