// The layout of result files, as docs/formats.md states it and readers of SONATA expect it.
#include "io/result_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "core/errors.hpp"
#include "io/checkpoint.hpp"
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

std::vector<std::string> text_attributes(hid_t file, const char* object, const char* key) {
  const h5::Handle attribute(H5Aopen_by_name(file, object, key, H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
  const h5::Handle type(H5Aget_type(attribute.get()), H5Tclose), space(H5Aget_space(attribute.get()), H5Sclose);
  const std::size_t width = H5Tget_size(type.get());
  const auto count = static_cast<std::size_t>(H5Sget_simple_extent_npoints(space.get()));
  std::string bytes(width * count, '\0');
  H5Aread(attribute.get(), type.get(), bytes.data());
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < count; ++i) texts.emplace_back(bytes.substr(i * width, width).c_str());
  return texts;
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
    ReportSeries report = file.create_report({.group = "exc",
                                              .population = "exc",
                                              .record = "v",
                                              .variable = "V",
                                              .units = "V",
                                              .neurons = {4, 7},
                                              .start = 0.1,
                                              .step = 0.1});
    report.append({0.1, 0.2}, {1, 2, 3, 4});
    report.append({0.3}, {5, 6});
    file.write_source("in", 5, {"a,b", "µ", "c"}, {0, 1, 3}, {1, 2, 2});
    file.create_weight_columns("c", "means", "nS", {{"groups", {"a,b", "c"}}});
    RateSeries rates = file.create_rates("exc", 0.5);
    rates.append({0, 0.5}, {0.5, 0.7}, {1, 2});
    file.write_snapshot("c", "initial", "nS", 0, 5, 6, {0, 1}, {2, 3}, {0.5f, 0.25f});
    file.write_snapshot("c", "end", "nS", 1, 5, 6, {0, 1}, {2, 3}, {0.75f, 0.5f});
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
  // Reports, named by their population.
  EXPECT_THAT(file.shape("/report/exc/data"), testing::ElementsAre(3u, 2u));
  EXPECT_THAT(file.read<float>("/report/exc/data"), testing::ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_EQ(text_attribute(file.get(), "/report/exc/data", "units"), "V");
  EXPECT_EQ(text_attribute(file.get(), "/report/exc/data", "variable"), "V");
  EXPECT_EQ(text_attribute(file.get(), "/report/exc", "record"), "v");
  EXPECT_EQ(text_attribute(file.get(), "/report/exc", "population"), "exc");
  EXPECT_THAT(file.read<std::uint64_t>("/report/exc/mapping/node_ids"), testing::ElementsAre(4u, 7u));
  EXPECT_THAT(attribute<std::uint8_t>(file.get(), "/report/exc/mapping/node_ids", "sorted", 1),
              testing::ElementsAre(1u));
  EXPECT_THAT(file.read<std::uint64_t>("/report/exc/mapping/index_pointers"), testing::ElementsAre(0u, 1u, 2u));
  EXPECT_THAT(file.read<std::uint64_t>("/report/exc/mapping/index_pointer"), testing::ElementsAre(0u, 1u, 2u));
  EXPECT_THAT(file.read<std::uint32_t>("/report/exc/mapping/element_ids"), testing::ElementsAre(0u, 0u));
  EXPECT_THAT(file.read<float>("/report/exc/mapping/element_pos"), testing::ElementsAre(0, 0));
  EXPECT_EQ(text_attribute(file.get(), "/report/exc/mapping/time", "units"), "ms");
  // Start, stop and step of the three samples; bmtk takes the whole part of (stop - start) / step for their number.
  const auto axis = file.read<double>("/report/exc/mapping/time");
  EXPECT_THAT(axis, testing::Pointwise(testing::DoubleNear(1e-9), {100, 400, 100}));
  EXPECT_EQ(static_cast<int>((axis[1] - axis[0]) / axis[2]), 3);
  EXPECT_THAT(file.read<double>("/report/exc/time"), testing::ElementsAre(0.1, 0.2, 0.3));
  // Names are texts of their own, whatever stands in them.
  EXPECT_THAT(text_attributes(file.get(), "/network/in", "groups"), testing::ElementsAre("a,b", "µ", "c"));
  EXPECT_THAT(text_attributes(file.get(), "/weights/c/means", "groups"), testing::ElementsAre("a,b", "c"));
  EXPECT_THAT(file.read<double>("/rates/exc/time"), testing::ElementsAre(0, 0.5));
  EXPECT_THAT(file.read<double>("/rates/exc/end"), testing::ElementsAre(0.5, 0.7));
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
  ReportSeries report = file.create_report(
      {.group = "exc", .population = "exc", .record = "v", .variable = "V", .units = "V", .neurons = {0}, .step = 1});
  report.append({0}, {1});
  file.flush();
  report.append({1}, {1});  // not flushed
  const h5::File reader = h5::File::open_read_only(scratch.path("r.h5"));
  EXPECT_EQ(text_attribute(reader.get(), "/", "status"), "running");
  EXPECT_THAT(reader.read<double>("/spikes/exc/timestamps"), testing::ElementsAre(0.1));
  EXPECT_THAT(reader.shape("/report/exc/data"), testing::ElementsAre(1u, 1u));
  EXPECT_THAT(reader.read<double>("/report/exc/mapping/time"), testing::ElementsAre(0, 1000, 1000));
}

// Whatever happens to the file after a sync, resuming brings it back to there and goes on.
TEST(ResultFile, GoesOnFromASyncWhateverCameAfterIt) {
  const test::Scratch scratch;
  const std::string path = scratch.path("r.h5");
  const RunFacts facts{.program = "test", .command_line = "", .description = "x = 1\n"};
  const auto spikes_of = [](double from) {
    std::vector<double> times(30000);
    std::vector<std::uint64_t> ids(times.size());
    for (std::size_t i = 0; i < times.size(); ++i) {
      times[i] = from + static_cast<double>(i);
      ids[i] = i % 7;
    }
    return std::pair(times, ids);
  };
  const auto part = [&](ResultFile& file, int number) {
    SpikeSeries spikes = file.create_spikes("exc");
    ReportSeries report = file.create_report({.group = "exc",
                                              .population = "exc",
                                              .record = "v",
                                              .variable = "V",
                                              .units = "V",
                                              .neurons = {4, 7},
                                              .step = 1});
    const auto [times, ids] = spikes_of(30000.0 * number);
    spikes.append(times, ids);
    report.append({1.0 * number}, {1.0f + static_cast<float>(number), 2});
    file.write_snapshot("c", fmt::format("part_{}", number), "1", number, 5, 6, {0, 1}, {2, 3},
                        {0.5f, static_cast<float>(number)});
  };
  std::string state;
  {
    ResultFile file(path, facts);
    part(file, 0);
    state = to_bytes(file.sync());
  }
  for (const char* what : {"nothing", "more data", "torn metadata"}) {
    SCOPED_TRACE(what);
    {
      ResultFile file(path, facts, from_bytes<ResultFileState>(state));
      part(file, 1);
      if (std::string(what) == "more data") part(file, 2);
      file.finish("complete", 2, 1);
    }
    if (std::string(what) == "torn metadata") {
      std::fstream bytes(path, std::ios::in | std::ios::out | std::ios::binary);
      bytes << std::string(8, '\0');  // HDF5's signature
      bytes.close();
      EXPECT_THROW(h5::File::open_read_only(path), IoError);
    }
    ResultFile file(path, facts, from_bytes<ResultFileState>(state));
    part(file, 1);
    file.finish("complete", 2, 1);
    const h5::File read = h5::File::open_read_only(path);
    std::vector<double> expected = spikes_of(0).first;
    const auto second = spikes_of(30000).first;
    expected.insert(expected.end(), second.begin(), second.end());
    EXPECT_EQ(read.read<double>("/spikes/exc/timestamps"), expected);
    EXPECT_EQ(read.read<std::uint64_t>("/spikes/exc/node_ids").size(), 60000u);
    EXPECT_THAT(read.read<float>("/report/exc/data"), testing::ElementsAre(1, 2, 2, 2));
    EXPECT_THAT(read.read<double>("/report/exc/mapping/time"), testing::ElementsAre(0, 2000, 1000));
    EXPECT_THAT(read.children("/weights/c"), testing::ElementsAre("part_0", "part_1"));
    EXPECT_THAT(read.read<float>("/weights/c/part_1/value"), testing::ElementsAre(0.5f, 1));
    EXPECT_EQ(text_attribute(read.get(), "/", "status"), "complete");
  }
}

TEST(ResultFile, RefusesToGoOnInAnotherRunsFile) {
  const test::Scratch scratch;
  const std::string path = scratch.path("r.h5");
  const RunFacts facts{.program = "test", .command_line = "", .description = ""};
  const ResultFileState state = ResultFile(path, facts).sync();
  const auto refusal = [&] {
    try {
      ResultFile(path, facts, state);
    } catch (const IoError& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  EXPECT_EQ(refusal(), "accepted");
  std::filesystem::resize_file(path, 700);
  EXPECT_THAT(refusal(), testing::MatchesRegex(".*r.h5: (has 700 bytes, but|is not the result file).*"));
  std::filesystem::remove(path);
  EXPECT_THAT(refusal(),
              testing::HasSubstr("r.h5: the result file of the checkpoint is not there; name it with --out"));
  ResultFile(path, facts).flush();
  EXPECT_THAT(refusal(), testing::HasSubstr("r.h5: is not the result file of the run that wrote the checkpoint"));
}

TEST(ResultFile, SaysWhatCannotBeCreated) {
  const test::Scratch scratch;
  const std::string path = scratch.path("absent/r.h5");
  try {
    const ResultFile file(path, {.program = "", .command_line = "", .description = ""});
    FAIL();
  } catch (const IoError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("cannot create " + path));
  }
}

}  // namespace
}  // namespace lpl
