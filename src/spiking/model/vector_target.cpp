#include "core/vector_targets.hpp"
// The order matters: what is compiled first.
#include <hwy/targets.h>

#include "spiking/model/kernel.hpp"

namespace lpl::spiking {

const char* vector_target() {
  const std::int64_t usable = hwy::SupportedTargets() & HWY_TARGETS;
  return hwy::TargetName(usable & -usable);  // better targets have lower bits
}

}  // namespace lpl::spiking
