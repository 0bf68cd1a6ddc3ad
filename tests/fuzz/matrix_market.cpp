#include "fuzz/harness.hpp"
#include "io/import.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string path = lpl::fuzz::folder().write("f.wmat", lpl::fuzz::text_of(data, size));
  lpl::fuzz::refusable([&] { lpl::read_matrix_market(path); });
  return 0;
}
