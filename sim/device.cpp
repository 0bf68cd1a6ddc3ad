#include "device.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <string_view>
#include <vector>

#include "core/errors.hpp"
#include "rate/cpu/backend.hpp"
#ifdef LPL_WITH_CUDA
#include "rate/cuda/backend.hpp"
#endif

namespace lpl {
namespace {

#ifdef LPL_WITH_CUDA
constexpr bool kWithCuda = true;
#else
constexpr bool kWithCuda = false;
int cuda_device_count() { return 0; }
std::unique_ptr<Backend> make_cuda_backend(Communicator&, int) {
  throw ConfigError("this lpl_rate was built without CUDA; build it with cmake --preset cuda, or use --device cpu");
}
#endif

// Collective. How many ranks of lower number run on this machine.
int rank_on_machine(Communicator& comm) {
  char name[256] = {};
  gethostname(name, sizeof name - 1);
  const auto own = static_cast<std::uint32_t>(std::hash<std::string_view>{}(name));
  std::vector<std::uint32_t> machines(static_cast<std::size_t>(comm.size()));
  comm.all_gather(&own, std::vector<int>(machines.size(), 1), machines.data());
  return static_cast<int>(std::count(machines.begin(), machines.begin() + comm.rank(), own));
}

// K of "cuda:K".
int device_number(const std::string& device) {
  constexpr std::string_view kPrefix = "cuda:";
  const char* const end = device.data() + device.size();
  int number = -1;
  if (device.starts_with(kPrefix)) {
    const auto [rest, error] = std::from_chars(device.data() + kPrefix.size(), end, number);
    if (error == std::errc() && rest == end && number >= 0) return number;
  }
  throw ConfigError(fmt::format("--device {}: no such device; use cpu, cuda or cuda:K, K = 0, 1, ...", device));
}

}  // namespace

std::string device_kinds() { return kWithCuda ? "CPU and CUDA" : "CPU"; }

std::unique_ptr<Backend> make_backend(const std::string& device, Communicator& comm) {
  const int count = cuda_device_count();
  const bool everywhere = comm.max(count == 0 ? 1 : 0) == 0;
  const int turn = rank_on_machine(comm);
  if (device == "cpu" || (device.empty() && !everywhere)) return make_cpu_backend(comm);
  std::unique_ptr<Backend> backend;
  agree(comm, [&] {
    const int number = device.empty() || device == "cuda" ? turn % std::max(count, 1) : device_number(device);
    backend = make_cuda_backend(comm, number);
  });
  return backend;
}

}  // namespace lpl
