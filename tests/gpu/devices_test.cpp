// Which rank takes which device; the same assertions on any number of ranks and devices.
#include "device.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rate/cuda/backend.hpp"
#include "support/world.hpp"

namespace lpl::rate {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class Devices : public testing::Test {
 protected:
  void SetUp() override {
    if (count_ == 0) GTEST_SKIP() << "skipped: no device";
  }
  // What a refusal must say: that no rank may share, and how many ranks and devices there are.
  void expect_refusal(const std::string& device) {
    const std::string text = test::refusal([&] { make_backend(device, comm_); });
    EXPECT_THAT(text, StartsWith(fmt::format("--device {}: {} ranks on ", device, comm_.size())));
    EXPECT_THAT(text, HasSubstr(fmt::format("(devices: {}), but every rank needs a device of its own", count_)));
  }

  Communicator& comm_ = test::world();
  int count_ = cuda_device_count();
};

TEST_F(Devices, AreDealtToTheRanks) {
  if (comm_.size() > count_) GTEST_SKIP() << "not one a rank";
  for (const char* const device : {"cuda", ""})
    EXPECT_THAT(make_backend(device, comm_)->description(), StartsWith(fmt::format("CUDA device {} ", comm_.rank())));
}

TEST_F(Devices, AreNotShared) {
  if (comm_.size() > 1)
    expect_refusal("cuda:0");
  else
    EXPECT_THAT(make_backend("cuda:0", comm_)->description(), StartsWith("CUDA device 0 "));
  if (comm_.size() <= count_) return;
  expect_refusal("cuda");
  EXPECT_THAT(make_backend("", comm_)->description(), StartsWith("CPU"));
}

TEST_F(Devices, ThatAreNotThereAreRefused) {
  EXPECT_THAT(test::refusal([&] { make_backend("cuda:1000", comm_); }), HasSubstr("no CUDA device 1000"));
  EXPECT_THAT(test::refusal([&] { make_backend("cuda:x", comm_); }), HasSubstr("no such device"));
}

}  // namespace
}  // namespace lpl::rate
