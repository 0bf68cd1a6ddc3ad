#include "fuzz/harness.hpp"
#include "spiking/description.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  lpl::fuzz::refusable([&] {
    lpl::spiking::read_simulation_text(std::string(lpl::fuzz::text_of(data, size)), lpl::fuzz::folder().path("f.sim"));
  });
  return 0;
}
