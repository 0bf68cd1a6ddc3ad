// Rate profiles, as a description names them.
#include "fuzz/harness.hpp"
#include "spiking/description.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lpl;
  static const std::string description = R"(
[simulation]
dt = "0.1 ms"
seed = 1
[[stimulus]]
name = "input"
type = "poisson"
size = 3
profile = "f.txt"
[[phase]]
name = "run"
duration = "5 ms"
)";
  fuzz::folder().write("f.txt", fuzz::text_of(data, size));
  fuzz::refusable([&] { spiking::read_simulation_text(description, fuzz::folder().path("f.sim")); });
  return 0;
}
