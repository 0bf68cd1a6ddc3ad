// Checkpoint files: what is written is read; everything else is refused by name and reason.
#include "io/checkpoint.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "core/termination.hpp"
#include "support/world.hpp"

namespace lpl {
namespace {

struct State {
  std::int64_t step = 0;
  std::vector<float> weights;
  std::map<std::string, std::vector<double>> by_name;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& step& weights& by_name;
  }
};

const CheckpointKind kKind{.program = "test", .state_version = 3, .description = "a = 1\nb = 2\n"};

std::string refusal(const std::string& path, const CheckpointKind& kind = kKind) {
  try {
    read_checkpoint<State>(path, kind);
  } catch (const IoError& error) {
    return error.what();
  }
  return "accepted";
}

// A payload may claim what it likes: no room is made for more elements than it has bytes.
TEST(CheckpointPayload, AsksForNoMoreMemoryThanItHolds) {
  const std::string whole = to_bytes(State{7, {1, 2, 3}, {{"name", {4}}}});
  EXPECT_THAT(from_bytes<State>(whole).by_name.at("name"), testing::ElementsAre(4));
  std::size_t refused = 0;
  for (std::size_t at = 0; at + 8 <= whole.size(); ++at) {
    std::string bytes = whole;
    const std::uint64_t claim = std::uint64_t{1} << 44;
    std::memcpy(bytes.data() + at, &claim, sizeof claim);
    try {
      from_bytes<State>(bytes);
    } catch (const boost::archive::archive_exception&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 8u);
}

// Boost stops the program at a version of its archives that does not fit in a byte.
TEST(CheckpointPayload, OfAnotherVersionOfArchivesIsRefused) {
  std::string bytes = to_bytes(State{});
  const std::size_t version = archive_header().find("archive") + 7;
  bytes[version + 1] = '\1';
  EXPECT_THROW(from_bytes<State>(bytes), boost::archive::archive_exception);
}

class Checkpoint : public testing::Test {
 protected:
  std::string bytes() const {
    std::ostringstream content;
    content << std::ifstream(path_, std::ios::binary).rdbuf();
    return content.str();
  }
  void put(const std::string& content) const { std::ofstream(path_, std::ios::binary) << content; }

  test::Scratch scratch_;
  std::string path_ = scratch_.path("c");
};

TEST_F(Checkpoint, IsReadAsItWasWrittenAndKeepsTheOneBefore) {
  write_checkpoint(path_, kKind, State{1, {0.5f}, {}});
  EXPECT_FALSE(std::filesystem::exists(previous_generation(path_)));
  for (std::int64_t step = 2; step <= 4; ++step)
    write_checkpoint(path_, kKind, State{step, {0.1f, -0.0f, 3e-42f}, {{"x", {1, 2}}}});
  const auto last = read_checkpoint<State>(path_, kKind);
  EXPECT_EQ(last.step, 4);
  EXPECT_THAT(last.weights, testing::ElementsAre(0.1f, -0.0f, 3e-42f));
  EXPECT_THAT(last.by_name.at("x"), testing::ElementsAre(1, 2));
  EXPECT_EQ(read_checkpoint<State>(previous_generation(path_), kKind).step, 3);
  EXPECT_FALSE(std::filesystem::exists(path_ + ".new"));
}

TEST_F(Checkpoint, FallsBackToTheOneBeforeOnlyWhenToldTo) {
  write_checkpoint(path_, kKind, State{1, {}, {}});
  write_checkpoint(path_, kKind, State{2, {}, {}});
  CheckpointOptions options{.path = {}, .resume_from = path_};
  EXPECT_EQ(resume<State>(options, kKind).step, 2);
  put(bytes().substr(0, 40));
  try {
    resume<State>(options, kKind);
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("c: is damaged"));
    EXPECT_THAT(error.what(), testing::HasSubstr("c.previous is the one before it, --fall-back"));
  }
  options.fall_back = true;
  EXPECT_EQ(resume<State>(options, kKind).step, 1);
}

TEST_F(Checkpoint, RefusesEveryCutAndEveryChangedByte) {
  write_checkpoint(path_, kKind, State{1, {0.5f, 0.25f}, {}});
  const std::string whole = bytes();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    put(whole.substr(0, size));
    ASSERT_THAT(refusal(path_), testing::MatchesRegex(".*: is (no checkpoint|damaged: .*)")) << size;
  }
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 0x10);
    put(changed);
    ASSERT_THAT(refusal(path_), testing::StartsWith(path_ + ": ")) << i;
  }
}

TEST_F(Checkpoint, RefusesBytesAfterItsEnd) {
  write_checkpoint(path_, kKind, State{1, {0.5f}, {}});
  const std::string whole = bytes();
  put(whole + "\n");
  EXPECT_EQ(refusal(path_), path_ + ": is damaged: 1 bytes stand after its end");
  put(whole + whole);
  EXPECT_EQ(refusal(path_), fmt::format("{}: is damaged: {} bytes stand after its end", path_, whole.size()));
  put(whole);
  EXPECT_EQ(refusal(path_), "accepted");
}

TEST_F(Checkpoint, RefusesForeignFilesWithTheReason) {
  write_checkpoint(path_, kKind, State{1, {}, {}});
  CheckpointKind other = kKind;
  other.program = "other";
  EXPECT_THAT(refusal(path_, other), testing::EndsWith("is a checkpoint of test, not of other"));
  other = kKind;
  other.state_version = 4;
  EXPECT_THAT(refusal(path_, other),
              testing::HasSubstr("version 3 of the state of test; this program reads version 4"));
  other = kKind;
  other.description = "a = 1\nb = 5\n";
  EXPECT_THAT(refusal(path_, other), testing::HasSubstr("another description: 'b = 2' there, 'b = 5' here"));
  put("something else");
  EXPECT_THAT(refusal(path_), testing::EndsWith("is no checkpoint"));
  EXPECT_THAT(refusal(scratch_.path("none")), testing::EndsWith("there is no such file"));
  EXPECT_THAT(refusal(scratch_.path(".")), testing::EndsWith("there is no such file"));
}

TEST_F(Checkpoint, ThatCannotBeWrittenLeavesTheOldOne) {
  write_checkpoint(path_, kKind, State{1, {}, {}});
  rlimit unlimited{};
  getrlimit(RLIMIT_FSIZE, &unlimited);
  const rlimit small{.rlim_cur = 4096, .rlim_max = unlimited.rlim_max};
  std::signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  EXPECT_THROW(write_checkpoint(path_, kKind, State{2, std::vector<float>(10000), {}}), IoError);
  setrlimit(RLIMIT_FSIZE, &unlimited);
  EXPECT_EQ(read_checkpoint<State>(path_, kKind).step, 1);
  EXPECT_FALSE(std::filesystem::exists(path_ + ".new"));
}

TEST_F(Checkpoint, IsOfTheDataThatItWasWrittenWith) {
  CheckpointKind kind = kKind;
  kind.inputs = {{"/data/a.ras", "00000000000000a1"}, {"/data/b.mtx", "00000000000000b1"}};
  write_checkpoint(path_, kind, State{});
  EXPECT_EQ(refusal(path_, kind), "accepted");
  kind.inputs[1].checksum = "00000000000000b2";
  EXPECT_THAT(refusal(path_, kind), testing::HasSubstr("/data/b.mtx has changed (checksum 00000000000000b1 then, "
                                                       "00000000000000b2 now)"));
  kind.inputs.pop_back();
  EXPECT_THAT(refusal(path_, kind), testing::HasSubstr("/data/b.mtx is not read any more"));
}

TEST(Checksum, IsCrc64Xz) {
  EXPECT_EQ(crc64("123456789"), 0x995DC9BBDF1939FAu);  // the check value of the catalogue of CRCs
  const test::Scratch scratch;
  const std::string path = scratch.write("a", "123456789");
  EXPECT_EQ(with_checksums({path}).at(0).checksum, "995dc9bbdf1939fa");
  EXPECT_TRUE(with_checksums({scratch.path("none")}).empty());
}

// In a process of its own: what it remembers would end the runs of other tests.
TEST(Termination, IsRememberedAndHarmless) {
  const auto remembers = [] {
    watch_for_termination(false);
    const CheckpointSchedule none(CheckpointOptions{.path = {}, .resume_from = {}});
    const CheckpointSchedule schedule(CheckpointOptions{.path = "c", .resume_from = {}});
    const bool quiet = termination_signal() == 0 && !schedule.due() && !none.due();
    std::raise(SIGUSR1);
    return quiet && termination_signal() == SIGUSR1 && schedule.due() && none.due();
  };
  EXPECT_EXIT(std::_Exit(remembers() ? 0 : 1), testing::ExitedWithCode(0), "");
}

TEST(Termination, ASecondSignalEndsTheProcessWhereAsked) {
  const auto raise_twice = [] {
    watch_for_termination(true);
    std::raise(SIGINT);
    if (termination_signal() != SIGINT) std::_Exit(1);
    std::raise(SIGTERM);
  };
  EXPECT_EXIT(raise_twice(), testing::KilledBySignal(SIGTERM), "");
}

}  // namespace
}  // namespace lpl
