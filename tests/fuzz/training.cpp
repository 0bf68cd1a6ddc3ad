#include "fuzz/harness.hpp"
#include "rate/description.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  lpl::fuzz::refusable([&] {
    lpl::rate::read_training_text(std::string(lpl::fuzz::text_of(data, size)), lpl::fuzz::folder().path("f.rate"), {});
  });
  return 0;
}
