#include "io/import.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "core/errors.hpp"
#include "io/hdf5.hpp"
#include "support/world.hpp"

namespace lpl {
namespace {

using test::refusal;

std::string auryn(const std::vector<std::pair<std::uint32_t, std::uint32_t>>& records) {
  std::string bytes;
  for (const auto& [first, second] : records) {
    bytes.append(reinterpret_cast<const char*>(&first), 4);
    bytes.append(reinterpret_cast<const char*>(&second), 4);
  }
  return bytes;
}

TEST(Import, ReadsAurynSpikesSortedByTime) {
  const test::Scratch scratch;
  const auto path = scratch.write("a.spk", auryn({{10000, 287960083}, {5, 3}, {2, 9}, {5, 1}}));
  const SpikeTrain train = read_spikes(path, "", 10, 1e-4);
  EXPECT_THAT(train.step, testing::ElementsAre(2, 5, 5));
  EXPECT_THAT(train.neuron, testing::ElementsAre(9u, 1u, 3u));
}

TEST(Import, RefusesDamagedAurynSpikes) {
  const test::Scratch scratch;
  const auto read = [&](const std::string& bytes) {
    return refusal([&] { read_spikes(scratch.write("a.spk", bytes), "", 10, 1e-4); });
  };
  EXPECT_THAT(read(auryn({{10000, 287960083}, {5, 3}}).substr(0, 13)), testing::HasSubstr("has 13 bytes"));
  EXPECT_THAT(read(auryn({{10000, 17}, {5, 3}})), testing::HasSubstr("the header is (10000, 17)"));
  EXPECT_THAT(read(auryn({{10000, 287960083}, {5, 10}})), testing::HasSubstr("record 1: neuron 10 does not exist"));
  EXPECT_THAT(read(auryn({{10000, 287960083}, {5, 3}, {5, 3}})), testing::HasSubstr("neuron 3 spikes twice in step 5"));
}

TEST(Import, ReadsRasterText) {
  const test::Scratch scratch;
  const SpikeTrain train = read_spikes(scratch.write("a.ras", "# time neuron\n0.0005 1\n0.0002 0\n"), "", 2, 1e-4);
  EXPECT_THAT(train.step, testing::ElementsAre(2, 5));
  EXPECT_THAT(refusal([&] { read_spikes(scratch.write("b.ras", "0.1 zero\n"), "", 2, 1e-4); }),
              testing::HasSubstr("b.ras:1:5: is not a number"));
  EXPECT_THAT(refusal([&] { read_spikes(scratch.write("c.ras", "-0.1 0\n"), "", 2, 1e-4); }),
              testing::HasSubstr("is negative"));
  EXPECT_THAT(refusal([&] { read_spikes(scratch.write("d.txt", ""), "", 2, 1e-4); }),
              testing::HasSubstr("format is not known"));
}

TEST(Import, ReadsSonataSpikesAlsoOfAnEmptyPopulation) {
  const test::Scratch scratch;
  {
    h5::File file = h5::File::create(scratch.path("s.h5"));
    file.write("/spikes/a/timestamps", std::vector<double>{0.5, 1.0});
    file.write("/spikes/a/node_ids", std::vector<std::uint64_t>{4, 2});
    file.write("/spikes/b/timestamps", std::vector<double>{});
    file.write("/spikes/b/node_ids", std::vector<std::uint64_t>{});
    file.close();
  }
  EXPECT_THAT(read_spikes(scratch.path("s.h5"), "a", 5, 1e-4).step, testing::ElementsAre(5, 10));
  EXPECT_TRUE(read_spikes(scratch.path("s.h5"), "b", 5, 1e-4).step.empty());
  EXPECT_THAT(refusal([&] { read_spikes(scratch.path("s.h5"), "", 5, 1e-4); }),
              testing::HasSubstr("has 2 populations"));
  EXPECT_THAT(refusal([&] { read_spikes(scratch.path("s.h5"), "c", 5, 1e-4); }),
              testing::HasSubstr("no /spikes/c/timestamps"));
  EXPECT_THAT(refusal([&] { read_spikes(scratch.write("t.h5", "not hdf5"), "", 5, 1e-4); }),
              testing::HasSubstr("is no HDF5 file"));
}

TEST(Import, ReadsMatrixMarketSorted) {
  const test::Scratch scratch;
  const auto m = read_matrix_market(
      scratch.write("m.wmat", "%%MatrixMarket matrix coordinate real general\n%\n3 4 3\n3 1 0.5\n1 4 1.5\n1 2 2\n"));
  EXPECT_EQ(m.rows, 3u);
  EXPECT_EQ(m.columns, 4u);
  EXPECT_THAT(m.pre, testing::ElementsAre(0u, 0u, 2u));
  EXPECT_THAT(m.post, testing::ElementsAre(1u, 3u, 0u));
  EXPECT_THAT(m.value, testing::ElementsAre(2.0f, 1.5f, 0.5f));
}

TEST(Import, RefusesDamagedMatrices) {
  const test::Scratch scratch;
  const std::string head = "%%MatrixMarket matrix coordinate real general\n";
  const auto read = [&](const std::string& text) {
    return refusal([&] { read_matrix_market(scratch.write("m.wmat", text)); });
  };
  EXPECT_THAT(read("1 2 3\n"), testing::HasSubstr("is not a MatrixMarket"));
  EXPECT_THAT(read(head + "2 2 2\n1 1 1\n"), testing::HasSubstr("announces 2 entries but holds 1"));
  EXPECT_THAT(read(head + "2 2 1\n0 1 1\n"), testing::HasSubstr("lies outside the 2 x 2 matrix"));
  EXPECT_THAT(read(head + "2 2 1\n1 1\n"), testing::HasSubstr("has 2 numbers; expected 3"));
  EXPECT_THAT(read(head + "2 2 2\n1 1 1\n1 1 2\n"), testing::HasSubstr("stands twice"));
}

}  // namespace
}  // namespace lpl
