#include "io/file_kind.hpp"

#include <fmt/format.h>

#include <fstream>

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
constexpr std::size_t kHead = 300;  // tar has its mark at byte 257

}  // namespace

std::string kind_by_bytes(std::string_view head) {
  for (const auto& [start, words] : kKinds)
    if (head.starts_with(start)) return words;
  if (head.size() > 262 && head.substr(257, 5) == "ustar") return "a tar archive: unpack it first (tar xf)";
  return {};
}

std::string hint_at_kind(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string head(kHead, '\0');
  in.read(head.data(), kHead);
  head.resize(static_cast<std::size_t>(in.gcount()));
  const std::string kind = kind_by_bytes(head);
  return kind.empty() ? kind : fmt::format("; it is {}", kind);
}

}  // namespace lpl
