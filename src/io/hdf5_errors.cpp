#include "io/hdf5_errors.hpp"

#include <fmt/format.h>

#include <string_view>

#include "core/errors.hpp"

namespace lpl::h5 {
namespace {

// The innermost reason on HDF5's error stack.
std::string reason() {
  std::string text;
  H5Ewalk2(
      H5E_DEFAULT, H5E_WALK_UPWARD,
      [](unsigned depth, const H5E_error2_t* error, void* out) -> herr_t {
        if (depth == 0 && error->desc) *static_cast<std::string*>(out) = error->desc;
        return 0;
      },
      &text);
  H5Eclear2(H5E_DEFAULT);
  if (text.empty()) return "unknown reason";
  // Of the system's errors HDF5 tells much, on two lines; the user needs what strerror says.
  constexpr std::string_view kMark = "error message = '";
  const std::size_t mark = text.find(kMark);
  if (mark == std::string::npos) return text;
  text.erase(0, mark + kMark.size());
  return text.substr(0, text.find('\''));
}

}  // namespace

void prepare_library() {
  // HDF5 prints its error stack to stderr by default; the messages here carry the reason instead.
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  H5PLset_loading_state(0);
}

void fail(const std::string& what) { throw IoError(fmt::format("{}: {}", what, reason())); }

}  // namespace lpl::h5
