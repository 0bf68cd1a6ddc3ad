// Where the pieces of a step's memory lie (rate/cuda/layout.hpp), and what is held against a step that is done again
// (rate/cuda/step_memory.hpp).
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>

#include "rate/cuda/layout.hpp"
#include "rate/cuda/step_memory.hpp"

namespace lpl::rate::cuda {
namespace {

std::int64_t room_of(const Lifetime& piece) { return std::max<std::int64_t>(256, (piece.bytes + 255) / 256 * 256); }

// Of pieces that come and go at random, or as those of nested calls do.
std::vector<Lifetime> draw(unsigned seed) {
  std::mt19937 random(seed);
  const auto below = [&](std::int64_t end) { return std::uniform_int_distribution<std::int64_t>(0, end - 1)(random); };
  std::vector<Lifetime> pieces;
  for (std::int64_t count = below(60); count > 0; --count) {
    const std::int64_t first = below(100), largest = std::int64_t{1} << below(20);
    pieces.push_back({below(largest), first, first + 1 + below(seed % 2 == 0 ? 20 : 100)});
  }
  return pieces;
}

// Moment by moment.
std::int64_t literally_at_once(const std::vector<Lifetime>& pieces) {
  std::int64_t most = 0;
  for (std::int64_t now = 0; now < 300; ++now) {
    std::int64_t there = 0;
    for (const Lifetime& piece : pieces)
      if (piece.first <= now && now < piece.end) there += room_of(piece);
    most = std::max(most, there);
  }
  return most;
}

TEST(Layout, PiecesThatAreThereTogetherDoNotOverlap) {
  double worst = 1, sum = 0;
  constexpr int kTimes = 2000;
  for (unsigned seed = 0; seed < kTimes; ++seed) {
    const std::vector<Lifetime> pieces = draw(seed);
    const Layout layout = lay_out(pieces);
    ASSERT_EQ(layout.offsets.size(), pieces.size());
    std::int64_t end = 0;
    for (std::size_t a = 0; a < pieces.size(); ++a) {
      ASSERT_EQ(layout.offsets[a] % 256, 0);
      ASSERT_GE(layout.offsets[a], 0);
      end = std::max(end, layout.offsets[a] + room_of(pieces[a]));
      for (std::size_t b = 0; b < a; ++b) {
        const bool together = pieces[a].first < pieces[b].end && pieces[b].first < pieces[a].end;
        const bool apart = layout.offsets[a] + room_of(pieces[a]) <= layout.offsets[b] ||
                           layout.offsets[b] + room_of(pieces[b]) <= layout.offsets[a];
        ASSERT_TRUE(!together || apart) << "pieces " << a << " and " << b << " of seed " << seed;
      }
    }
    EXPECT_EQ(layout.bytes, end);
    const std::int64_t least = literally_at_once(pieces);
    EXPECT_EQ(most_at_once(pieces), least);
    EXPECT_GE(layout.bytes, least);
    const double excess = pieces.empty() ? 1 : static_cast<double>(layout.bytes) / static_cast<double>(least);
    worst = std::max(worst, excess);
    sum += excess;
  }
  RecordProperty("worst", std::to_string(worst));
  RecordProperty("mean", std::to_string(sum / kTimes));
  EXPECT_LE(worst, 1.5);
  EXPECT_LE(sum / kTimes, 1.02);
}

// One that ends when another begins leaves its place to it.
TEST(Layout, PlacesAreUsedAgain) {
  const Layout layout = lay_out(std::vector<Lifetime>{{1000, 0, 2}, {300, 1, 4}, {900, 2, 4}, {1, 3, 4}});
  EXPECT_EQ(layout.offsets, (std::vector<std::int64_t>{0, 1024, 0, 1536}));
  EXPECT_EQ(layout.bytes, 1792);
  EXPECT_EQ(lay_out({}).bytes, 0);
}

// A step that takes and gives back as it is told: bytes are taken, -n gives back the n-th piece.
class Steps : public testing::Test {
 protected:
  void note(const std::vector<int>& calls) {
    for (const int call : calls)
      if (call >= 0)
        memory_.note(call);
      else
        memory_.note_return(static_cast<std::size_t>(-call - 1));
    memory_.lay_out();
  }
  // The offsets, or what went wrong.
  std::vector<std::int64_t> again(const std::vector<int>& calls) {
    memory_.begin();
    std::vector<std::int64_t> offsets;
    for (const int call : calls)
      if (call < 0)
        memory_.give_back(static_cast<std::size_t>(-call - 1));
      else if (const auto place = memory_.take(call))
        offsets.push_back(place->offset);
    memory_.end();
    return offsets;
  }
  std::string deviation(const std::vector<int>& calls) {
    again(calls);
    return memory_.deviation();
  }

  StepMemory memory_;
};

TEST_F(Steps, FindTheirPiecesWhereTheyWere) {
  note({1000, 300, -1, 900, -3, -2});
  EXPECT_EQ(memory_.pieces(), 3u);
  EXPECT_EQ(memory_.bytes(), 1536);
  EXPECT_EQ(memory_.at_once(), 1536);
  for (int time = 0; time < 2; ++time) {
    EXPECT_EQ(again({1000, 300, -1, 900, -3, -2}), (std::vector<std::int64_t>{0, 1024, 0}));
    EXPECT_EQ(memory_.deviation(), "");
  }
}

// What the first time alone makes to stay has no place in the arena.
TEST_F(Steps, LeaveOutWhatStays) {
  note({5000, 1000, 300, -2, -3});
  memory_.note_return(0);  // much later
  EXPECT_EQ(memory_.pieces(), 2u);
  EXPECT_EQ(memory_.bytes(), 1536);
  EXPECT_EQ(again({1000, 300, -2, -3}), (std::vector<std::int64_t>{0, 1024}));
  EXPECT_EQ(memory_.deviation(), "");
}

TEST_F(Steps, ThatDeviateAreFound) {
  note({1000, 300, -1, -2});
  EXPECT_EQ(deviation({1000, 300, -1, -2}), "");
  EXPECT_EQ(deviation({1000, 301, -1, -2}), "301 bytes are taken where the first time 300 bytes were taken");
  EXPECT_EQ(deviation({1000, 300, -2, -1}),
            "piece 1 of 300 bytes is given back where the first time piece 0 of 1000 bytes was given back");
  EXPECT_EQ(deviation({1000, -1, 300, -2}),
            "piece 0 of 1000 bytes is given back where the first time 300 bytes were taken");
  EXPECT_EQ(deviation({1000, 300, -1}), "nothing follows where the first time piece 1 of 300 bytes was given back");
  EXPECT_EQ(deviation({1000, 300, -1, -2, 5}), "5 bytes are taken where the first time nothing followed");
  EXPECT_EQ(deviation({1000, 300, -1, -2}), "");
}

}  // namespace
}  // namespace lpl::rate::cuda
