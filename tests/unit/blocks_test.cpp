// Bytes by address, against a plain array of bytes.
#include <gtest/gtest.h>

#include <optional>
#include <random>

#include "io/hdf5_driver.hpp"

namespace lpl::h5 {
namespace {

TEST(Blocks, HoldTheLastBytesOfEveryAddress) {
  constexpr std::size_t kSize = 200;
  std::mt19937 random(3);
  Blocks blocks;
  std::vector<std::optional<char>> plain(kSize);
  for (int turn = 0; turn < 20000; ++turn) {
    const std::size_t address = random() % kSize, size = 1 + random() % std::min<std::size_t>(40, kSize - address);
    bool known = false;
    for (std::size_t i = address; i < address + size; ++i) known = known || plain[i].has_value();
    ASSERT_EQ(blocks.overlaps(address, size), known);
    if (random() % 3 == 0) {
      blocks.remove(address, size);
      for (std::size_t i = address; i < address + size; ++i) plain[i].reset();
    } else {
      const std::string bytes(size, static_cast<char>('a' + turn % 26));
      blocks.put(address, bytes);
      for (std::size_t i = address; i < address + size; ++i) plain[i] = bytes[i - address];
    }
    std::string found(kSize, '.'), expected(kSize, '.');
    blocks.overlay(0, kSize, found.data());
    for (std::size_t i = 0; i < kSize; ++i) expected[i] = plain[i].value_or('.');
    ASSERT_EQ(found, expected) << turn;
    std::string part(size, '.');
    blocks.overlay(address, size, part.data());
    ASSERT_EQ(part, expected.substr(address, size));
  }
  std::uint64_t end = 0;
  for (const auto& [address, bytes] : blocks.all()) {
    EXPECT_GE(address, end);
    EXPECT_FALSE(bytes.empty());
    end = address + bytes.size();
  }
}

}  // namespace
}  // namespace lpl::h5
