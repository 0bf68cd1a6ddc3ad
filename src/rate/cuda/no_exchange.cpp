// In a build without NCCL.
#include "core/errors.hpp"
#include "rate/cuda/exchange.hpp"

namespace lpl::rate::cuda {

std::unique_ptr<DeviceExchange> make_device_exchange(Communicator&, Device&) {
  throw ConfigError(
      "several ranks on devices exchange through NCCL, and this lpl_rate was built without it; build it where "
      "NCCL is (set NCCL_HOME to the folder above its lib and include), start one rank, or use --device cpu");
}

}  // namespace lpl::rate::cuda
