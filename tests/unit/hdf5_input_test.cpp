// Files that others wrote: what is read, and what is refused before it is.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include "io/hdf5.hpp"
#include "support/world.hpp"

namespace lpl::h5 {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr hsize_t kHuge = 3'074'457'345'618'258'603;  // x 6 passes 2^64

class Hdf5Input : public testing::Test {
 protected:
  // A file whose content `fill` makes.
  template <class Fill>
  std::string made(Fill&& fill) {
    const std::string path = scratch_.path(fmt::format("f{}.h5", ++files_));
    {
      const Handle file(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose);
      fill(file.get());
    }
    return path;
  }
  // The message with which `read` of such a file is refused, or "accepted".
  template <class Fill, class Read>
  std::string refused(Fill&& fill, Read&& read) {
    const std::string path = made(fill);
    try {
      read(File::open_read_only(path));
    } catch (const IoError& error) {
      EXPECT_THAT(error.what(), HasSubstr(path));
      return error.what();
    }
    return "accepted";
  }
  test::Scratch scratch_;

 private:
  int files_ = 0;
};

Handle space_of(const std::vector<hsize_t>& extent) {
  return Handle(extent.empty() ? H5Screate(H5S_SCALAR)
                               : H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr),
                H5Sclose);
}

// Makes /d; writes `values` where there are any.
void dataset(hid_t file, hid_t type, const std::vector<hsize_t>& extent, const void* values = nullptr,
             hid_t layout = H5P_DEFAULT) {
  const Handle space = space_of(extent);
  const Handle made(H5Dcreate2(file, "/d", type, space.get(), H5P_DEFAULT, layout, H5P_DEFAULT), H5Dclose);
  ASSERT_GE(made.get(), 0);
  if (values != nullptr) {
    ASSERT_GE(H5Dwrite(made.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values), 0);
  }
}

Handle layout_of_chunks(const std::vector<hsize_t>& chunk) {
  Handle layout(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  H5Pset_chunk(layout.get(), static_cast<int>(chunk.size()), chunk.data());
  return layout;
}

template <class T>
auto reads() {
  return [](const File& file) { file.read<T>("/d"); };
}

TEST_F(Hdf5Input, ConvertsWhatTheTypeCanHold) {
  const std::vector<std::int16_t> small{0, 7, 255};
  const auto integers = [&](hid_t file) { dataset(file, H5T_NATIVE_INT16, {3}, small.data()); };
  EXPECT_THAT(File::open_read_only(made(integers)).read<std::uint8_t>("/d"), ElementsAre(0, 7, 255));
  EXPECT_THAT(File::open_read_only(made(integers)).read<std::uint64_t>("/d"), ElementsAre(0u, 7u, 255u));
  EXPECT_THAT(File::open_read_only(made(integers)).read<float>("/d"), ElementsAre(0.f, 7.f, 255.f));
  const std::vector<double> numbers{0.1, -1e30, std::numeric_limits<double>::infinity()};
  const auto doubles = [&](hid_t file) { dataset(file, H5T_IEEE_F64BE, {3}); };
  EXPECT_THAT(refused(doubles, reads<double>()), HasSubstr("the file holds 0 bytes"));
  const auto written = [&](hid_t file) { dataset(file, H5T_NATIVE_DOUBLE, {3}, numbers.data()); };
  EXPECT_THAT(File::open_read_only(made(written)).read<float>("/d"),
              ElementsAre(0.1f, -1e30f, std::numeric_limits<float>::infinity()));
}

TEST_F(Hdf5Input, RefusesValuesThatTheTypeCannotHold) {
  const std::int64_t negative[] = {3, -1};
  const auto signed_ids = [&](hid_t file) { dataset(file, H5T_NATIVE_INT64, {2}, negative); };
  EXPECT_THAT(refused(signed_ids, reads<std::uint64_t>()),
              HasSubstr("/d: entry 1 is -1; expected whole numbers from 0 to 18446744073709551615"));
  EXPECT_THAT(refused(signed_ids, reads<std::uint8_t>()),
              HasSubstr("entry 1 is -1; expected whole numbers from 0 to 255"));
  const std::uint64_t large[] = {std::uint64_t{1} << 63};
  const auto unsigned_ids = [&](hid_t file) { dataset(file, H5T_NATIVE_UINT64, {1}, large); };
  EXPECT_THAT(refused(unsigned_ids, reads<std::int64_t>()), HasSubstr("entry 0 is 9223372036854775808"));
  EXPECT_THAT(refused(unsigned_ids, reads<double>()), HasSubstr("expected numbers of double precision"));
  const std::int64_t odd[] = {(std::int64_t{1} << 53) + 1};
  EXPECT_THAT(refused([&](hid_t file) { dataset(file, H5T_NATIVE_INT64, {1}, odd); }, reads<double>()),
              HasSubstr("entry 0 is 9007199254740993"));
  const double vast[] = {1e300};
  EXPECT_THAT(refused([&](hid_t file) { dataset(file, H5T_NATIVE_DOUBLE, {1}, vast); }, reads<float>()),
              HasSubstr("entry 0 is 1e+300; expected numbers of single precision"));
  const double fraction[] = {3};
  EXPECT_THAT(refused([&](hid_t file) { dataset(file, H5T_NATIVE_DOUBLE, {1}, fraction); }, reads<std::int64_t>()),
              HasSubstr("/d: is float64 (1); expected whole numbers"));
}

TEST_F(Hdf5Input, RefusesWhatIsNoNumber) {
  const Handle text(H5Tcopy(H5T_C_S1), H5Tclose), names(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(text.get(), 8);
  H5Tset_size(names.get(), H5T_VARIABLE);
  const char* const name = "exc";
  EXPECT_THAT(refused([&](hid_t file) { dataset(file, text.get(), {1}, "exc\0\0\0\0"); }, reads<double>()),
              HasSubstr("/d: is text of 8 bytes (1); expected numbers"));
  EXPECT_THAT(refused([&](hid_t file) { dataset(file, names.get(), {1}, &name); }, reads<float>()),
              HasSubstr("/d: is text of variable length (1); expected numbers"));
  const Handle pair(H5Tcreate(H5T_COMPOUND, 8), H5Tclose);
  H5Tinsert(pair.get(), "a", 0, H5T_NATIVE_DOUBLE);
  const double one = 1;
  EXPECT_THAT(refused([&](hid_t file) { dataset(file, pair.get(), {1}, &one); }, reads<double>()),
              HasSubstr("a compound type"));
  const long double wide[] = {1};
  EXPECT_THAT(refused([&](hid_t file) { dataset(file, H5T_NATIVE_LDOUBLE, {1}, wide); }, reads<double>()),
              HasSubstr("is float128 (1); expected numbers of at most 64 bits"));
  EXPECT_THAT(refused([](hid_t) {}, reads<double>()), HasSubstr("/d: there is no such dataset"));
  EXPECT_THAT(
      refused([](hid_t file) { Handle group(H5Gcreate2(file, "/d", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Gclose); },
              reads<double>()),
      HasSubstr("/d: not a dataset"));
}

TEST_F(Hdf5Input, ReadsOneTextOfEitherKind) {
  const auto read = [](const File& file) { return file.read_text("/d"); };
  const Handle fixed(H5Tcopy(H5T_C_S1), H5Tclose), variable(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(fixed.get(), 5);
  H5Tset_size(variable.get(), H5T_VARIABLE);
  H5Tset_cset(variable.get(), H5T_CSET_UTF8);
  const char* const text = "a = \"ü\"";
  EXPECT_EQ(read(File::open_read_only(made([&](hid_t file) { dataset(file, fixed.get(), {}, "a = 1"); }))), "a = 1");
  EXPECT_EQ(read(File::open_read_only(made([&](hid_t file) { dataset(file, variable.get(), {}, &text); }))), text);
  EXPECT_EQ(read(File::open_read_only(made([&](hid_t file) { dataset(file, variable.get(), {1}, &text); }))), text);

  const std::string many(5000, 'x');
  EXPECT_THAT(refused([&](hid_t file) { dataset(file, fixed.get(), {1000}, many.data()); }, read),
              HasSubstr("/d: holds 1000 values in 1 dimensions, text of 5 bytes; expected one text"));
  const double number = 1;
  EXPECT_THAT(refused([&](hid_t file) { dataset(file, H5T_NATIVE_DOUBLE, {}, &number); }, read),
              HasSubstr("float64; expected one text"));
  EXPECT_THAT(refused([&](hid_t file) { dataset(file, fixed.get(), {}); }, read), HasSubstr("the file holds 0 bytes"));
  const Handle vast(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(vast.get(), std::size_t{3} << 30);
  EXPECT_THAT(refused([&](hid_t file) { dataset(file, vast.get(), {}); }, read), HasSubstr("the file holds 0 bytes"));
}

TEST_F(Hdf5Input, ReadsTextAttributes) {
  const auto with = [&](hid_t type, const std::vector<hsize_t>& extent, const void* value) {
    return File::open_read_only(made([&](hid_t file) {
      const Handle space = space_of(extent);
      const Handle made(H5Acreate2(file, "units", type, space.get(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
      ASSERT_GE(H5Awrite(made.get(), type, value), 0);
    }));
  };
  const Handle fixed(H5Tcopy(H5T_C_S1), H5Tclose), variable(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(fixed.get(), 4);
  H5Tset_size(variable.get(), H5T_VARIABLE);
  const char* const text = "ms";
  EXPECT_EQ(with(fixed.get(), {}, "ms\0").text_attribute("/", "units"), "ms");
  EXPECT_EQ(with(variable.get(), {1}, &text).text_attribute("/", "units"), "ms");
  EXPECT_EQ(with(variable.get(), {}, &text).text_attribute("/", "unit"), std::nullopt);
  const double number = 1;
  EXPECT_THROW(with(H5T_NATIVE_DOUBLE, {}, &number).text_attribute("/", "units"), IoError);
  EXPECT_THROW(with(fixed.get(), {2}, "ms\0\0ms\0").text_attribute("/", "units"), IoError);
}

// Whatever a file claims, no more is asked of the memory than its bytes can stand for.
TEST_F(Hdf5Input, RefusesExtentsThatTheFileCannotHold) {
  const auto double_of = reads<double>();
  EXPECT_THAT(refused([](hid_t file) { dataset(file, H5T_NATIVE_DOUBLE, {1'000'000'000'000}); }, double_of),
              AllOf(HasSubstr("/d: announces (1000000000000) values of float64"), HasSubstr("holds 0 bytes")));
  const auto chunked = [&](const std::vector<hsize_t>& extent, const std::vector<hsize_t>& chunk) {
    return refused(
        [&](hid_t file) { dataset(file, H5T_NATIVE_DOUBLE, extent, nullptr, layout_of_chunks(chunk).get()); },
        double_of);
  };
  EXPECT_THAT(chunked({kHuge, 6}, {1000, 6}),
              HasSubstr("values in chunks of (1000, 6), but not all of these were written"));
  EXPECT_THAT(chunked({10, 6}, {5, 6}), HasSubstr("not all of these were written"));

  // 72 MB of zeros, packed twice to some hundred bytes.
  const std::vector<double> zeros(9'000'000);
  const Handle layout = layout_of_chunks({zeros.size()});
  H5Pset_deflate(layout.get(), 1);
  H5Pset_deflate(layout.get(), 9);
  const auto packed = [&](hid_t file) { dataset(file, H5T_NATIVE_DOUBLE, {zeros.size()}, zeros.data(), layout.get()); };
  EXPECT_THAT(refused(packed, double_of),
              AllOf(HasSubstr("in chunks of (9000000), but the file holds"), HasSubstr("at most 67108864 bytes")));
  const auto partly = [&](hid_t file) {
    dataset(file, H5T_NATIVE_DOUBLE, {8}, nullptr, layout_of_chunks({4}).get());
    const Handle d(H5Dopen2(file, "/d", H5P_DEFAULT), H5Dclose), all(H5Dget_space(d.get()), H5Sclose);
    const hsize_t start = 0, count = 4;
    H5Sselect_hyperslab(all.get(), H5S_SELECT_SET, &start, nullptr, &count, nullptr);
    const Handle four = space_of({4});
    H5Dwrite(d.get(), H5T_NATIVE_DOUBLE, four.get(), all.get(), H5P_DEFAULT, zeros.data());
  };
  EXPECT_THAT(refused(partly, double_of), HasSubstr("not all of these were written"));
}

TEST_F(Hdf5Input, RefusesDataThatLieInOtherFiles) {
  const double two[] = {1, 2};
  const std::string other = made([&](hid_t file) { dataset(file, H5T_NATIVE_DOUBLE, {2}, two); });
  const auto read = reads<double>();
  EXPECT_THAT(
      refused([&](hid_t file) { H5Lcreate_external(other.c_str(), "/d", file, "/d", H5P_DEFAULT, H5P_DEFAULT); }, read),
      HasSubstr("/d: is a link into another file"));
  const auto group = [&](hid_t file) { H5Lcreate_external(other.c_str(), "/", file, "/g", H5P_DEFAULT, H5P_DEFAULT); };
  EXPECT_THAT(refused(group, [](const File& file) { file.read<double>("/g/d"); }),
              HasSubstr("/g: is a link into another file"));
  EXPECT_THAT(refused(group, [](const File& file) { file.children("/g"); }),
              HasSubstr("/g: is a link into another file"));
  EXPECT_THAT(refused(group, [](const File& file) { file.exists("/g/d"); }),
              HasSubstr("/g: is a link into another file"));
  // By way of a link within the file.
  const auto detour = [&](hid_t file) {
    group(file);
    H5Lcreate_soft("/g/d", file, "/d", H5P_DEFAULT, H5P_DEFAULT);
  };
  EXPECT_THAT(refused(detour, read), HasSubstr("cannot read"));

  const Handle external(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  H5Pset_external(external.get(), other.c_str(), 0, 16);
  EXPECT_THAT(refused([&](hid_t file) { dataset(file, H5T_NATIVE_DOUBLE, {2}, nullptr, external.get()); }, read),
              HasSubstr("/d: keeps its data in other files (external storage)"));

  const Handle map(H5Pcreate(H5P_DATASET_CREATE), H5Pclose), space = space_of({2});
  H5Pset_virtual(map.get(), space.get(), other.c_str(), "/d", space.get());
  EXPECT_THAT(refused([&](hid_t file) { dataset(file, H5T_NATIVE_DOUBLE, {2}, nullptr, map.get()); }, read),
              HasSubstr("/d: is a virtual dataset"));
}

TEST_F(Hdf5Input, FollowsLinksWithinTheFile) {
  const double two[] = {1, 2};
  const std::string path = made([&](hid_t file) {
    dataset(file, H5T_NATIVE_DOUBLE, {2}, two);
    H5Lcreate_soft("/d", file, "/soft", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_hard(file, "/d", file, "/hard", H5P_DEFAULT, H5P_DEFAULT);
  });
  const File file = File::open_read_only(path);
  EXPECT_THAT(file.read<double>("/soft"), ElementsAre(1, 2));
  EXPECT_THAT(file.read<double>("/hard"), ElementsAre(1, 2));
}

// A filter of somebody's own, which only foreign code could undo.
TEST_F(Hdf5Input, RefusesForeignFilters) {
  const H5Z_class2_t filter{
      H5Z_CLASS_T_VERS,
      32000,
      1,
      1,
      "lzf",
      nullptr,
      nullptr,
      [](unsigned, std::size_t, const unsigned*, std::size_t bytes, std::size_t*, void**) { return bytes; }};
  ASSERT_GE(H5Zregister(&filter), 0);
  const std::string path = made([](hid_t file) {
    const Handle layout = layout_of_chunks({2});
    H5Pset_filter(layout.get(), 32000, 0, 0, nullptr);
    const double two[] = {1, 2};
    dataset(file, H5T_NATIVE_DOUBLE, {2}, two, layout.get());
  });
  H5Zunregister(32000);
  try {
    File::open_read_only(path).read<double>("/d");
    FAIL() << "was read";
  } catch (const IoError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("/d: is stored with filter 32000 ('lzf')"), HasSubstr("h5repack")));
  }
}

TEST_F(Hdf5Input, NamesWhatIsNoHdf5File) {
  const auto open = [&](const std::string& path) -> std::string {
    try {
      File::open_read_only(path);
    } catch (const IoError& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_THAT(open(scratch_.path("none.h5")), HasSubstr("there is no file"));
  EXPECT_THAT(open(scratch_.path(".")), HasSubstr("is a folder"));
  EXPECT_THAT(open(scratch_.write("text.h5", "no HDF5")), HasSubstr("text.h5: is no HDF5 file"));
  EXPECT_THAT(open(scratch_.write("lfs.h5", "version https://git-lfs.github.com/spec/v1\n")),
              HasSubstr("is no HDF5 file; it is a pointer of git-lfs"));
}

}  // namespace
}  // namespace lpl::h5
