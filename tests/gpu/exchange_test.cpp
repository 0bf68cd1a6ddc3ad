// The exchange between the devices of several ranks, against the literal sum and the literal order; the same assertions
// on any number of ranks. Where there are fewer devices than ranks, everything is skipped but the same tests pass as
// cuda_twin_exchange, on the host (fake_cuda.cpp, fake_nccl.cpp).
#include "rate/cuda/exchange.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <memory>
#include <random>
#include <string>

#include "core/errors.hpp"
#include "rate/cuda/backend.hpp"
#include "rate/cuda/launch.hpp"
#include "support/world.hpp"

namespace lpl::rate::cuda {
namespace {

// Numbers of very different sizes, so that the order of a sum shows in its bits.
std::vector<float> draw(std::int64_t count, std::size_t seed) {
  std::mt19937 random(static_cast<unsigned>(seed));
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& v : values) v = std::exp(3 * normal(random)) * normal(random);
  return values;
}

std::vector<std::uint32_t> bits(const std::vector<float>& values) {
  std::vector<std::uint32_t> words;
  for (const float value : values) words.push_back(std::bit_cast<std::uint32_t>(value));
  return words;
}

class CudaExchange : public testing::Test {
 protected:
  void SetUp() override {
    const int count = cuda_device_count();
    if (count == 0) GTEST_SKIP() << "skipped: no device";
    if (count < comm_.size()) GTEST_SKIP() << "fewer devices than ranks";
    device_ = Device::open(comm_.rank());
    exchange_ = make_device_exchange(comm_, *device_);
  }

  std::vector<float> download(const std::shared_ptr<float>& values, std::int64_t count) {
    std::vector<float> copy(static_cast<std::size_t>(count));
    device_->download(copy.data(), values.get(), count * 4);
    return copy;
  }

  // The sum of parts of `size` numbers over the slices of a batch, in `to` or, without one, in this rank's first part.
  std::vector<float> sum(const Batch& batch, const std::vector<std::vector<float>>& parts, std::shared_ptr<float> to) {
    const auto size = static_cast<std::int64_t>(parts[0].size());
    std::vector<std::shared_ptr<float>> memory;
    std::vector<const float*> own;
    for (std::size_t s = batch.first_slice(comm_.rank()); s < batch.first_slice(comm_.rank() + 1); ++s)
      own.push_back(memory.emplace_back(copy_of(*device_, parts[s])).get());
    if (!to) to = memory.empty() ? allocate<float>(*device_, size) : memory[0];
    exchange_->sum(batch, size, own, to.get());
    return download(to, size);
  }

  Communicator& comm_ = test::world();
  std::shared_ptr<Device> device_;
  std::unique_ptr<DeviceExchange> exchange_;
};

TEST_F(CudaExchange, GathersInTheOrderOfTheRanks) {
  const auto ranks = static_cast<std::size_t>(comm_.size()), rank = static_cast<std::size_t>(comm_.rank());
  // Unequal counts; then a rank after the other with nothing; then nothing at all.
  for (std::size_t turn = 0; turn < ranks + 2; ++turn) {
    std::vector<std::int64_t> counts;
    std::vector<float> expected;
    for (std::size_t r = 0; r < ranks; ++r) {
      counts.push_back(turn == r + 1 || turn == ranks + 1 ? 0
                                                          : static_cast<std::int64_t>(1 + 37 * r * r + 1000 * turn));
      const std::vector<float> of_rank = draw(counts[r], 10 * turn + r);
      expected.insert(expected.end(), of_rank.begin(), of_rank.end());
    }
    const std::shared_ptr<float> own = copy_of(*device_, draw(counts[rank], 10 * turn + rank));
    const auto total = static_cast<std::int64_t>(expected.size());
    const std::shared_ptr<float> all = allocate<float>(*device_, total);
    exchange_->gather(counts, own.get(), all.get());
    EXPECT_EQ(bits(download(all, total)), bits(expected)) << "turn " << turn;
  }
}

// 2 slices, so that some of 3 ranks have none; 5, and the most there are.
TEST_F(CudaExchange, SumsInTheOrderOfTheSlices) {
  for (const std::int64_t samples : {10, 40, 700})
    for (const std::int64_t size : {0, 1, 3, 10, 64, 100003}) {
      const Batch batch(samples, comm_.rank(), comm_.size(), 16);
      std::vector<std::vector<float>> parts;
      for (std::size_t s = 0; s < batch.slices().size(); ++s) parts.push_back(draw(size, s));
      std::vector<float> expected(static_cast<std::size_t>(size), 0.0f), reversed = expected;
      for (std::size_t i = 0; i < expected.size(); ++i)
        for (std::size_t s = 0; s < parts.size(); ++s) {
          expected[i] += parts[s][i];
          reversed[i] += parts[parts.size() - 1 - s][i];
        }
      EXPECT_EQ(bits(sum(batch, parts, nullptr)), bits(expected)) << samples << " samples, " << size << " numbers";
      EXPECT_EQ(bits(sum(batch, parts, allocate<float>(*device_, size))), bits(expected)) << "elsewhere";
      if (size > 1000 && parts.size() > 2) {
        EXPECT_NE(bits(expected), bits(reversed)) << "any order would pass";
      }
    }
}

TEST_F(CudaExchange, SumsOfZerosHaveNoSign) {
  const Batch batch(40, comm_.rank(), comm_.size(), 16);
  const std::vector<std::vector<float>> parts(batch.slices().size(), std::vector<float>(100, -0.0f));
  EXPECT_EQ(bits(sum(batch, parts, nullptr)), std::vector<std::uint32_t>(100, 0u));
}

// On the host NCCL wants all ranks of the program.
TEST_F(CudaExchange, ErrorsNameTheCallAndTheDevice) {
  const std::string name = fmt::format("CUDA device {} (host)", comm_.rank());
  if (comm_.size() == 1 || device_->name() != name) GTEST_SKIP() << "nothing is wrong here";
  const std::unique_ptr<Communicator> alone = make_serial_communicator();
  try {
    make_device_exchange(*alone, *device_);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr(name + ": ncclCommInitRank failed: an error"));
  }
}

}  // namespace
}  // namespace lpl::rate::cuda
