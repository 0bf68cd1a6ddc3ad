#include "fuzz/harness.hpp"
#include "io/import.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string path = lpl::fuzz::folder().write("f.ras", lpl::fuzz::text_of(data, size));
  lpl::fuzz::refusable([&] { lpl::read_spikes(path, "", 1000, 1e-4); });
  return 0;
}
