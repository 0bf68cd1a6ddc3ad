#include "device.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <vector>

#include "core/errors.hpp"
#include "core/host.hpp"
#include "rate/cpu/backend.hpp"
#ifdef LPL_WITH_CUDA
#include "rate/cuda/backend.hpp"
#endif

namespace lpl {

using rate::Backend;
using rate::make_cpu_backend;

namespace {

#ifdef LPL_WITH_CUDA
constexpr bool kWithCuda = true;
using rate::cuda_device_address;
using rate::cuda_device_count;
using rate::make_cuda_backend;
#else
constexpr bool kWithCuda = false;
int cuda_device_count() { return 0; }
std::string cuda_device_address(int) { return ""; }
std::unique_ptr<Backend> make_cuda_backend(Communicator&, int) {
  throw ConfigError("this lpl_rate was built without CUDA; build it with cmake --preset cuda, or use --device cpu");
}
#endif

// Collective. The texts of all ranks, in their order.
std::vector<std::string> of_all_ranks(Communicator& comm, const std::string& own) {
  std::vector<std::string> all;
  all.reserve(static_cast<std::size_t>(comm.size()));
  for (int r = 0; r < comm.size(); ++r) all.push_back(comm.broadcast(own, r));
  return all;
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
  if (device == "cpu") return make_cpu_backend(comm);
  const std::string machine = host_name();
  const std::vector<std::string> machines = of_all_ranks(comm, machine);
  const auto turn = std::count(machines.begin(), machines.begin() + comm.rank(), machine);
  int count = 0, number = 0;
  agree(comm, [&] {
    count = cuda_device_count();
    const bool dealt = device.empty() || device == "cuda";
    number = dealt ? static_cast<int>(turn % std::max(count, 1)) : device_number(device);
  });

  // A launcher may let every rank see other devices, so numbers do not tell which are the same.
  const std::string address = cuda_device_address(number), own = machine + ' ' + address;
  const std::vector<std::string> devices = of_all_ranks(comm, own);
  const bool shared = !address.empty() && std::count(devices.begin(), devices.end(), own) > 1;
  if (device.empty() && comm.max(count == 0 || shared ? 1 : 0) > 0) return make_cpu_backend(comm);
  agree(comm, [&] {
    if (shared)
      throw ConfigError(fmt::format(
          "--device {}: {} ranks on {} (devices: {}), but every rank needs a device of its own; start at most "
          "one rank a device and use --device cuda, or use --device cpu",
          device, std::count(machines.begin(), machines.end(), machine), machine, count));
  });
  return make_cuda_backend(comm, number);
}

}  // namespace lpl
