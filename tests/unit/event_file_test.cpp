#include "io/event_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/errors.hpp"
#include "core/whole_file.hpp"
#include "support/world.hpp"

namespace lpl {
namespace {

// Vectors of RFC 3720, appendix B.4, and the customary check value.
TEST(Crc32c, GivesTheKnownVectors) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43u);
}

TEST(EventFile, IsNamedByTimeAndStartsWithTheVersionAndItsFirstStep) {
  const test::Scratch scratch;
  const EventFile events(scratch.path("run/train"), 300, 1234567890.75);
  EXPECT_THAT(events.path(), testing::StartsWith(scratch.path("run/train/events.out.tfevents.1234567890.")));
  const std::string bytes = whole_file(events.path());
  ASSERT_EQ(bytes.size(), 8u + 4 + 24 + 4 + 8 + 4 + 16 + 4);
  EXPECT_EQ(bytes.substr(8 + 4 + 9, 15),
            "\x1A\x0D"
            "brain.Event:2");
  // Step 300, and a session log with the status 1, START.
  EXPECT_EQ(bytes.substr(40 + 8 + 4 + 9, 7), "\x10\xAC\x02\x3A\x02\x08\x01");
}

// The bytes of one record, worked out by hand: step 300 and tag "a" with value 1.5.
TEST(EventFile, EncodesAScalar) {
  const test::Scratch scratch;
  EventFile events(scratch.path("run"), 0, 1);
  const std::size_t header = whole_file(events.path()).size();
  events.add_scalar("a", 300, 1.5, 2);
  const std::string record = whole_file(events.path()).substr(header);
  using namespace std::string_literals;
  EXPECT_EQ(record.substr(0, 8), "\x18\0\0\0\0\0\0\0"s);
  EXPECT_EQ(record.substr(12, 24),
            "\x09\0\0\0\0\0\0\0\x40"s
            "\x10\xAC\x02"s
            "\x2A\x0A\x0A\x08\x0A\x01\x61\x15\0\0\xC0\x3F"s);
}

TEST(EventFile, RefusesAFolderThatCannotBe) {
  const test::Scratch scratch;
  EXPECT_THROW(EventFile(scratch.write("file", "x"), 0, 1), IoError);
}

}  // namespace
}  // namespace lpl
