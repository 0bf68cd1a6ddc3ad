// The instruction sets that the vector kernels can be run with here.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <vector>

#include "core/vector_targets.hpp"
// The order matters: what is compiled first.
#include <hwy/targets.h>

namespace lpl::test {

// Runs `body` with each of them; the best is the last, and stays.
template <class Body>
void with_every_target(Body&& body) {
  std::vector<std::int64_t> targets = hwy::SupportedAndGeneratedTargets();
  std::ranges::sort(targets, std::greater<>());  // better targets have lower bits
  for (const std::int64_t target : targets) {
    hwy::SetSupportedTargetsForTest(target);
    SCOPED_TRACE(hwy::TargetName(target));
    body();
  }
  hwy::SetSupportedTargetsForTest(0);
}

}  // namespace lpl::test
