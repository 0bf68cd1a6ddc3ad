#include "io/safetensors.hpp"

#include "fuzz/harness.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string path = lpl::fuzz::folder().write("f.safetensors", lpl::fuzz::text_of(data, size));
  lpl::fuzz::refusable([&] {
    const lpl::SafetensorsFile file(path);
    for (const std::string& name : file.names()) lpl::fuzz::refusable([&] { file.read(name); });
  });
  return 0;
}
