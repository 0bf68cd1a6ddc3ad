#include "io/import.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <limits>
#include <tuple>

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
              testing::HasSubstr("b.ras:1:5: \"zero\" is not a number"));
  EXPECT_THAT(refusal([&] { read_spikes(scratch.write("c.ras", "-0.1 0\n"), "", 2, 1e-4); }),
              testing::HasSubstr("is negative"));
  EXPECT_THAT(refusal([&] { read_spikes(scratch.write("d.txt", ""), "", 2, 1e-4); }),
              testing::HasSubstr("format is not known"));
}

TEST(Import, RefusesWhatIsNoTextInLines) {
  const test::Scratch scratch;
  const auto refused = [&](std::string_view bytes) {
    return refusal([&] { read_spikes(scratch.write("a.ras", std::string(bytes)), "", 2, 1e-4); });
  };
  using namespace std::string_view_literals;
  EXPECT_THAT(refused("# time neuron\r0.0005 1\r"), testing::HasSubstr("a.ras: byte 13 is a carriage return"));
  EXPECT_THAT(refused("\x1f\x8b\x08rest"), testing::HasSubstr("a.ras: is no text; it is packed by gzip"));
  EXPECT_THAT(refused("0\0.\0"sv), testing::HasSubstr("a.ras: is no text: its byte 1 is zero"));
  EXPECT_EQ(read_spikes(scratch.write("b.ras", "# time neuron\r\n0.0005 1\r\n"), "", 2, 1e-4).step.size(), 1u);
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
  EXPECT_THAT(read(head + "2 2 1\n1 1\n"),
              testing::HasSubstr("m.wmat:3:3: the line has 2 numbers; expected 3: pre, post and weight"));
  EXPECT_THAT(read(head + "2 2 2\n1 1 1\n1 1 2\n"), testing::HasSubstr("stands twice"));
}

// Writes a SONATA file of three spikes; `more` may add to it or replace what it has.
class Sonata {
 public:
  template <class More>
  SpikeTrain read(More&& more, const std::string& population = "") const {
    {
      h5::File file = h5::File::create(scratch_.path("s.h5"));
      more(file);
      file.close();
    }
    return read_spikes(scratch_.path("s.h5"), population, 10, 1e-4);
  }

 private:
  test::Scratch scratch_;
};

TEST(Import, HonoursTheUnitsOfSonata) {
  const Sonata sonata;
  const auto with = [&](const std::vector<double>& times, const std::string& units) {
    return sonata.read([&](h5::File& file) {
      file.write("/spikes/a/timestamps", times);
      file.write("/spikes/a/node_ids", std::vector<std::uint64_t>{1, 2, 3});
      if (!units.empty()) file.attribute("/spikes/a/timestamps", "units", units);
    });
  };
  EXPECT_THAT(with({100, 200, 300}, "").step, testing::ElementsAre(1000, 2000, 3000));
  EXPECT_THAT(with({100, 200, 300}, "ms").step, testing::ElementsAre(1000, 2000, 3000));
  EXPECT_THAT(with({0.1, 0.2, 0.3}, "s").step, testing::ElementsAre(1000, 2000, 3000));
  EXPECT_THAT(with({1e5, 2e5, 3e5}, "us").step, testing::ElementsAre(1000, 2000, 3000));
  EXPECT_THAT(refusal([&] {
                with({1, 2, 3}, "fortnights");
              }),
              testing::HasSubstr("/spikes/a/timestamps has the units \"fortnights\"; known are ms, s and us"));
}

TEST(Import, ChecksTheTimesAndNeuronsOfSonataBeforeItConvertsThem) {
  const Sonata sonata;
  const auto with = [&](const std::vector<double>& times, const auto& neurons) {
    return refusal([&] {
      sonata.read([&](h5::File& file) {
        file.write("/spikes/a/timestamps", times);
        file.write("/spikes/a/node_ids", neurons);
      });
    });
  };
  using Integers = std::vector<std::int64_t>;
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(with({1, 2}, Integers{3, 4}), "accepted");
  EXPECT_THAT(with({1, 2}, Integers{3, -1}), testing::HasSubstr("/spikes/a/node_ids[1]: neuron -1 does not exist"));
  EXPECT_THAT(with({1, 2}, std::vector<double>{3, 1.5}), testing::HasSubstr("neuron 1.5 does not exist"));
  EXPECT_THAT(with({1, 2}, std::vector<std::uint64_t>{3, ~std::uint64_t{0}}), testing::Not("accepted"));
  EXPECT_THAT(with({1, infinity}, Integers{3, 4}),
              testing::HasSubstr("timestamps[1]: the spike time inf ms is not finite"));
  EXPECT_THAT(with({1, 1e300}, Integers{3, 4}), testing::HasSubstr("the spike time 1e+300 ms lies after the end"));
  EXPECT_THAT(with({1, -2}, Integers{3, 4}), testing::HasSubstr("the spike time -2 ms is negative"));
  EXPECT_THAT(with({1, 2}, Integers{3}), testing::HasSubstr("have the shapes (2) and (1)"));
}

TEST(Import, HonoursTheUnitsOfGroupsOfSonata) {
  const Sonata sonata;
  for (const char* group : {"/spikes/a", "/spikes"}) {
    const SpikeTrain train = sonata.read([&](h5::File& file) {
      file.write("/spikes/a/timestamps", std::vector<double>{0.5, 1.0});
      file.write("/spikes/a/node_ids", std::vector<std::uint64_t>{4, 2});
      file.attribute(group, "units", "s");
    });
    EXPECT_THAT(train.step, testing::ElementsAre(5000, 10000)) << group;
  }
}

TEST(Import, RefusesSonataSpikesOfBothLayouts) {
  const Sonata sonata;
  EXPECT_THAT(refusal([&] {
                sonata.read([](h5::File& file) {
                  for (const std::string times : {"/spikes/timestamps", "/spikes/exc/timestamps"})
                    file.write(times, std::vector<double>{0.5, 1.0});
                  for (const std::string neurons : {"/spikes/gids", "/spikes/exc/node_ids"})
                    file.write(neurons, std::vector<std::uint64_t>{4, 2});
                });
              }),
              testing::HasSubstr("s.h5: has both /spikes/gids and /spikes/exc;"));
}

TEST(Import, ReadsSonataFilesWithoutPopulations) {
  const Sonata sonata;
  const auto old_layout = [](h5::File& file) {
    file.write("/spikes/timestamps", std::vector<double>{0.5, 1.0});
    file.write("/spikes/gids", std::vector<std::uint64_t>{4, 2});
  };
  const SpikeTrain train = sonata.read(old_layout);
  EXPECT_THAT(train.step, testing::ElementsAre(5, 10));
  EXPECT_THAT(train.neuron, testing::ElementsAre(4u, 2u));
  EXPECT_THAT(refusal([&] { sonata.read(old_layout, "exc"); }), testing::HasSubstr("layout without populations"));
}

TEST(Import, CountsSpikesBetweenTheStepsOfTheGrid) {
  const test::Scratch scratch;
  const SpikeTrain train = read_spikes(scratch.write("a.ras", "0.1 1\n0.10004 2\n0.2 1\n"), "", 3, 1e-4);
  EXPECT_EQ(train.rounded, 1u);
  EXPECT_THAT(train.step, testing::ElementsAre(1000, 1000, 2000));
}

TEST(Import, NamesWhatIsWrongInATextFile) {
  const test::Scratch scratch;
  const auto read = [&](const std::string& text) {
    return refusal([&] { read_spikes(scratch.write("t.ras", text), "", 10, 1e-4); });
  };
  EXPECT_THAT(read("0.1 1\n0,2 1\n"),
              testing::HasSubstr("t.ras:2:1: \"0,2\" is not a number; write decimals with a point"));
  EXPECT_THAT(read("0.1;1\n"), testing::HasSubstr("\"0.1;1\" is not a number; write decimals with a point"));
  EXPECT_THAT(read("  1e999 1\n"), testing::HasSubstr("t.ras:1:3: \"1e999\" lies outside what a number can hold"));
  EXPECT_THAT(read("\x1b[2J 1\n"), testing::HasSubstr("\"\\x1b[2J\" is not a number"));
  EXPECT_THAT(read("0.1 1 2\n"), testing::HasSubstr("t.ras:1:7: the line has 3 numbers; expected 2: time in seconds"));
  EXPECT_THAT(read("0.1 -1\n"), testing::HasSubstr("t.ras:1:5: neuron -1 does not exist"));
  EXPECT_THAT(read("inf 1\n"), testing::HasSubstr("t.ras:1:1: the value is inf"));
  EXPECT_THAT(read("1e300 1\n"), testing::HasSubstr("t.ras:1:1: the spike time 1e+300 s lies after the end"));
  EXPECT_THAT(read("\xff\xfe\x30"), testing::HasSubstr("is text in UTF-16"));
  EXPECT_EQ(read("\xef\xbb\xbf"
                 "0.1 +1\r\n\r\n"),
            "accepted");
}

TEST(Import, NamesOtherFilesOfAuryn) {
  const test::Scratch scratch;
  const auto read = [&](std::uint32_t tag) {
    return refusal([&] { read_spikes(scratch.write("a.spk", auryn({{10000, tag}, {5, 3}})), "", 10, 1e-4); });
  };
  EXPECT_THAT(read(287961080), testing::HasSubstr("a.spk: is an Auryn file of a state variable"));
  EXPECT_THAT(read(std::bit_cast<std::uint32_t>(61082.0f)),
              testing::HasSubstr("a.spk: is an Auryn file of a state variable"));
  EXPECT_THAT(read(287962080), testing::HasSubstr("a.spk: the tag of its header, 287962080, is none of Auryn's"));
  EXPECT_THAT(read(287960123), testing::HasSubstr("a.spk: is of Auryn 1.2.3, whose records are not known here"));
  EXPECT_THAT(read(610930083), testing::HasSubstr("the header is (10000, 610930083)"));
  for (const std::uint32_t known : {287960000u, 287960083u, 287960099u}) EXPECT_EQ(read(known), "accepted");
}

struct Matrix {
  std::string name, text;
  std::vector<std::tuple<NeuronId, NeuronId, float>> entries;
};

class ReadsMatrices : public testing::TestWithParam<Matrix> {};

TEST_P(ReadsMatrices, InEveryForm) {
  const test::Scratch scratch;
  const SparseMatrix m = read_matrix_market(scratch.write("m.mtx", "%%" + GetParam().text));
  std::vector<std::tuple<NeuronId, NeuronId, float>> entries;
  for (std::size_t i = 0; i < m.value.size(); ++i) entries.emplace_back(m.pre[i], m.post[i], m.value[i]);
  EXPECT_EQ(entries, GetParam().entries);
}

INSTANTIATE_TEST_SUITE_P(
    Forms, ReadsMatrices,
    testing::Values(Matrix{"symmetric",
                           "MatrixMarket matrix coordinate real symmetric\n%\n3 3 3\n2 1 .5\n3 3 2\n3 2 1\n",
                           {{0, 1, .5f}, {1, 0, .5f}, {1, 2, 1.f}, {2, 1, 1.f}, {2, 2, 2.f}}},
                    Matrix{"capitals", "MATRIXMARKET Matrix Coordinate Real General\n2 2 1\n1 2 0.5\n", {{0, 1, .5f}}},
                    Matrix{"pattern",
                           "MatrixMarket matrix coordinate pattern general\n2 2 2\n1 2\n2 2\n",
                           {{0, 1, 1.f}, {1, 1, 1.f}}},
                    Matrix{"integer", "MatrixMarket matrix coordinate integer general\n2 3 1\n2 3 4\n", {{1, 2, 4.f}}},
                    Matrix{"blank_lines",
                           "MatrixMarket matrix coordinate real general\n\n% note\n2 2 1\n\n1 1 3\n\n",
                           {{0, 0, 3.f}}},
                    Matrix{"array",
                           "MatrixMarket matrix array real general\n2 3\n1\n0\n3\n4\n0\n6\n",
                           {{0, 0, 1.f}, {0, 1, 3.f}, {1, 1, 4.f}, {1, 2, 6.f}}},
                    Matrix{"symmetric_array",
                           "MatrixMarket matrix array real symmetric\n2 2\n1\n2\n3\n",
                           {{0, 0, 1.f}, {0, 1, 2.f}, {1, 0, 2.f}, {1, 1, 3.f}}}),
    [](const auto& tested) { return tested.param.name; });

TEST(Import, RefusesMatricesThatCannotBeWeightsByName) {
  const test::Scratch scratch;
  const auto read = [&](const std::string& text) {
    return refusal([&] { read_matrix_market(scratch.write("m.mtx", "%%MatrixMarket matrix " + text)); });
  };
  const std::string real = "coordinate real general\n";
  EXPECT_THAT(read("coordinate real skew-symmetric\n2 2 1\n2 1 1\n"),
              testing::HasSubstr("the matrix is \"skew-symmetric\""));
  EXPECT_THAT(read("coordinate complex hermitian\n1 1 1\n1 1 1 0\n"), testing::HasSubstr("the values are \"complex\""));
  EXPECT_THAT(read("coordinate real hermitian\n1 1 1\n1 1 1\n"), testing::HasSubstr("the matrix is \"hermitian\""));
  EXPECT_THAT(read("array pattern general\n1 1\n1\n"), testing::HasSubstr("an array cannot be a pattern"));
  EXPECT_THAT(read("sparse real general\n1 1 0\n"), testing::HasSubstr("the format is \"sparse\""));
  EXPECT_THAT(read("coordinate real\n1 1 0\n"), testing::HasSubstr("the header has 3 words"));
  EXPECT_THAT(read("coordinate real symmetric\n2 3 0\n"), testing::HasSubstr("cannot be 2 x 3"));
  EXPECT_THAT(read("coordinate real symmetric\n2 2 1\n1 2 1\n"), testing::HasSubstr("lies above the diagonal"));
  EXPECT_THAT(read("coordinate integer general\n2 2 1\n1 2 0.5\n"), testing::HasSubstr("the values are integer"));
  EXPECT_THAT(read(real + "2 2 1\n1 2 -1\n"), "accepted");
  EXPECT_THAT(read(real + "2 2 1\n1 2 1e39\n"), testing::HasSubstr("the weight is 1e+39"));
  EXPECT_THAT(read(real + "2 2 1\n1 2 1e-50\n"), testing::HasSubstr("the weight is 1e-50"));
  EXPECT_THAT(read(real + "2 2 1\n1 2 nan\n"), testing::HasSubstr("the value is nan"));
  EXPECT_THAT(read(real + "2 2 1\n1 2 1\n2 2 1\n"), testing::EndsWith("announces 1 entries but holds 2"));
  EXPECT_THAT(read(real + "2 2 5\n"), testing::HasSubstr("5 entries are announced, but a 2 x 2 matrix has 4"));
  EXPECT_THAT(read(real + "4e9 4e9 1e15\n1 1 1\n"),
              testing::HasSubstr("announces 1000000000000000 entries but holds 1"));
  EXPECT_THAT(read(real + "5e9 1 1\n"), testing::HasSubstr("the size line holds 5000000000"));
  EXPECT_THAT(read("array real general\n4000000000 4000000000\n1\n"), testing::HasSubstr("it is truncated"));
  EXPECT_THAT(read("array real general\n1 1\n1\n2\n"), testing::HasSubstr("more than 1 values"));
}

}  // namespace
}  // namespace lpl
