// The layout of result files, as docs/formats.md states it and readers of SONATA expect it.
#include "io/result_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/errors.hpp"
#include "support/world.hpp"

namespace lpl {
namespace {

std::string text_attribute(hid_t file, const char* object, const char* key) {
  const h5::Handle attribute(H5Aopen_by_name(file, object, key, H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
  const h5::Handle type(H5Aget_type(attribute.get()), H5Tclose);
  std::string text(H5Tget_size(type.get()), '\0');
  H5Aread(attribute.get(), type.get(), text.data());
  return text.substr(0, text.find('\0'));
}

template <class T>
std::vector<T> attribute(hid_t file, const char* object, const char* key, std::size_t count) {
  const h5::Handle handle(H5Aopen_by_name(file, object, key, H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
  std::vector<T> values(count);
  H5Aread(handle.get(), h5::type_of<T>(), values.data());
  return values;
}

TEST(ResultFile, FollowsSonata) {
  const test::Scratch scratch;
  const std::string path = scratch.path("r.h5");
  {
    ResultFile file(
        path, {.program = "test", .command_line = "a b", .ranks = 2, .seed = 9, .dt = 1e-4, .description = "x = 1\n"});
    SpikeSeries spikes = file.create_spikes("exc");
    spikes.append({0.1, 0.5}, {3, 1});
    spikes.append({0.5}, {2});
    file.create_spikes("silent");
    SampleSeries report = file.create_report("v", "V", "V", {4, 7}, 0, 1, 0.5);
    report.append<float>({0, 0.5}, {1, 2, 3, 4});
    file.write_snapshot("c", "initial", 0, 5, 6, {0, 1}, {2, 3}, {0.5f, 0.25f});
    file.write_snapshot("c", "end", 1, 5, 6, {0, 1}, {2, 3}, {0.75f, 0.5f});
    file.finish("complete", 2, 1);
  }
  const h5::File file = h5::File::open_read_only(path);
  EXPECT_EQ(text_attribute(file.get(), "/", "status"), "complete");
  EXPECT_EQ(text_attribute(file.get(), "/", "command_line"), "a b");
  EXPECT_THAT(attribute<std::uint32_t>(file.get(), "/", "magic", 1), testing::ElementsAre(0x0A7Au));
  EXPECT_THAT(attribute<std::uint32_t>(file.get(), "/", "version", 2), testing::ElementsAre(0u, 1u));
  EXPECT_THAT(attribute<double>(file.get(), "/", "real_time_factor", 1), testing::ElementsAre(2.0));
  EXPECT_THAT(file.read<double>("/spikes/exc/timestamps"), testing::ElementsAre(0.1, 0.5, 0.5));
  EXPECT_THAT(file.read<std::uint64_t>("/spikes/exc/node_ids"), testing::ElementsAre(3u, 1u, 2u));
  EXPECT_EQ(text_attribute(file.get(), "/spikes/exc/timestamps", "units"), "ms");
  EXPECT_TRUE(file.read<double>("/spikes/silent/timestamps").empty());
  // sorting: an HDF5 enumeration over uint8 whose member by_time is 2.
  const h5::Handle sorting(H5Aopen_by_name(file.get(), "/spikes/exc", "sorting", H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
  const h5::Handle type(H5Aget_type(sorting.get()), H5Tclose);
  EXPECT_EQ(H5Tget_class(type.get()), H5T_ENUM);
  std::uint8_t value = 0;
  H5Aread(sorting.get(), type.get(), &value);
  char name[16];
  H5Tenum_nameof(type.get(), &value, name, sizeof name);
  EXPECT_STREQ(name, "by_time");
  // Reports.
  EXPECT_THAT(file.read<float>("/report/v/data"), testing::ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(text_attribute(file.get(), "/report/v/data", "units"), "V");
  EXPECT_THAT(file.read<std::uint64_t>("/report/v/mapping/node_ids"), testing::ElementsAre(4u, 7u));
  EXPECT_THAT(file.read<std::uint64_t>("/report/v/mapping/index_pointers"), testing::ElementsAre(0u, 1u, 2u));
  EXPECT_THAT(file.read<std::uint64_t>("/report/v/mapping/index_pointer"), testing::ElementsAre(0u, 1u, 2u));
  EXPECT_THAT(file.read<std::uint32_t>("/report/v/mapping/element_ids"), testing::ElementsAre(0u, 0u));
  EXPECT_THAT(file.read<float>("/report/v/mapping/element_pos"), testing::ElementsAre(0, 0));
  EXPECT_THAT(file.read<double>("/report/v/mapping/time"), testing::ElementsAre(0, 1000, 500));
  EXPECT_EQ(text_attribute(file.get(), "/report/v/mapping/time", "units"), "ms");
  // Weights: structure once, linked.
  EXPECT_THAT(file.read<NeuronId>("/weights/c/end/pre"), testing::ElementsAre(0u, 1u));
  EXPECT_THAT(file.read<float>("/weights/c/end/value"), testing::ElementsAre(0.75f, 0.5f));
  EXPECT_THAT(attribute<std::uint64_t>(file.get(), "/weights/c/end", "shape", 2), testing::ElementsAre(5u, 6u));
  H5O_info_t first, second;
  H5Oget_info_by_name(file.get(), "/weights/c/initial/pre", &first, H5P_DEFAULT);
  H5Oget_info_by_name(file.get(), "/weights/c/end/pre", &second, H5P_DEFAULT);
  EXPECT_EQ(first.addr, second.addr);
}

TEST(ResultFile, IsReadableWhileItIsBeingWritten) {
  const test::Scratch scratch;
  ResultFile file(scratch.path("r.h5"), {.program = "test", .command_line = "", .description = ""});
  SpikeSeries spikes = file.create_spikes("exc");
  spikes.append({0.1}, {3});
  file.flush();
  const h5::File reader = h5::File::open_read_only(scratch.path("r.h5"));
  EXPECT_EQ(text_attribute(reader.get(), "/", "status"), "running");
  EXPECT_THAT(reader.read<double>("/spikes/exc/timestamps"), testing::ElementsAre(0.1));
}

TEST(ResultFile, SaysWhatCannotBeCreated) {
  try {
    ResultFile("/nonexistent/r.h5", {.program = "", .command_line = "", .description = ""});
    FAIL();
  } catch (const IoError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("cannot create /nonexistent/r.h5"));
  }
}

}  // namespace
}  // namespace lpl
