// A build without NCCL, on the host: one rank has its device, several are told what they lack.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "device.hpp"
#include "support/world.hpp"

namespace lpl {
namespace {

TEST(WithoutNccl, OneRankHasADeviceAndSeveralAreRefused) {
  Communicator& comm = test::world();
  for (const char* const device : {"", "cuda"}) {
    if (comm.size() == 1)
      EXPECT_THAT(make_backend(device, comm)->description(), testing::StartsWith("CUDA device 0 "));
    else
      EXPECT_THAT(test::refusal([&] { make_backend(device, comm); }),
                  testing::AllOf(testing::HasSubstr("this lpl_rate was built without it"),
                                 testing::HasSubstr("set NCCL_HOME"), testing::HasSubstr("--device cpu")));
  }
}

}  // namespace
}  // namespace lpl
