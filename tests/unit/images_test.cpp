#include "rate/data/images.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "core/errors.hpp"
#include "core/random.hpp"
#include "support/world.hpp"

namespace lpl::rate {
namespace {

using test::refusal;

using testing::HasSubstr;

// Bytes of the images (count, side, side, 3) that files are written from.
std::vector<std::uint8_t> noise(std::size_t n, std::uint32_t number) {
  Random random(2, Draw::toy, 0, number);
  std::vector<std::uint8_t> bytes(n);
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random.bits());
  return bytes;
}

std::string cifar(const std::vector<std::uint8_t>& pixels, const std::vector<int>& labels) {
  std::string bytes;
  for (std::size_t r = 0; r < labels.size(); ++r) {
    bytes += static_cast<char>(labels[r]);
    for (std::size_t c = 0; c < 3; ++c)
      for (std::size_t i = 0; i < 1024; ++i) bytes += static_cast<char>(pixels[(r * 1024 + i) * 3 + c]);
  }
  return bytes;
}

std::string stl(const std::vector<std::uint8_t>& pixels) {
  std::string bytes;
  for (std::size_t r = 0; r < pixels.size() / 27648; ++r)
    for (std::size_t c = 0; c < 3; ++c)
      for (std::size_t x = 0; x < 96; ++x)
        for (std::size_t y = 0; y < 96; ++y) bytes += static_cast<char>(pixels[((r * 96 + y) * 96 + x) * 3 + c]);
  return bytes;
}

std::vector<std::uint8_t> fetch(const ImageStore& store, const std::vector<std::int64_t>& images) {
  std::vector<std::uint8_t> pixels(images.size() * store.bytes_per_image());
  store.fetch(images, pixels.data());
  return pixels;
}

TEST(Images, ReadsCifar10) {
  const test::Scratch scratch;
  const auto first = noise(2 * 3072, 0), second = noise(2 * 3072, 1);
  const ImageRecords images =
      read_cifar10({scratch.write("a.bin", cifar(first, {3, 0})), scratch.write("b.bin", cifar(second, {9, 1}))});
  EXPECT_EQ(images.side, 32);
  EXPECT_THAT(images.labels, testing::ElementsAre(3, 0, 9, 1));
  auto both = first;
  both.insert(both.end(), second.begin(), second.end());
  EXPECT_EQ(images.pixels, both);
}

TEST(Images, RefusesDamagedCifar10) {
  const test::Scratch scratch;
  const std::string good = cifar(noise(2 * 3072, 0), {3, 0});
  const auto read = [&](const std::string& bytes) {
    return refusal([&] { read_cifar10({scratch.write("good.bin", good), scratch.write("bad.bin", bytes)}); });
  };
  EXPECT_THAT(read(good.substr(0, 4000)),
              testing::AllOf(HasSubstr("bad.bin: has 4000 bytes"), HasSubstr("whole records of 3073 bytes")));
  EXPECT_THAT(read(""), HasSubstr("has 0 bytes"));
  EXPECT_THAT(read(good.substr(0, 3073)), HasSubstr("has 1 records; expected 2, as in"));
  EXPECT_THAT(read(cifar(noise(2 * 3072, 0), {3, 10})), HasSubstr("record 1 has label 10; labels are 0 to 9"));
  EXPECT_THAT(refusal([&] { read_cifar10({scratch.path("none.bin")}); }), HasSubstr("there is no file "));
  EXPECT_THAT(refusal([&] { read_cifar10({scratch.path(".")}); }), HasSubstr(": is a folder"));
}

TEST(Images, NamesOtherVersionsOfCifar) {
  const test::Scratch scratch;
  const auto read = [&] { return refusal([&] { read_cifar10({scratch.path("data_batch_1.bin")}); }); };
  scratch.write("train", "pickled");
  EXPECT_THAT(read(), testing::AllOf(HasSubstr("there is no file"), HasSubstr("the Python version of CIFAR-100")));
  scratch.write("train.bin", std::string(3074, '\0'));
  EXPECT_THAT(read(), testing::AllOf(HasSubstr("train.bin is the binary version of CIFAR-100")));
  scratch.write("data_batch_1", "pickled");
  EXPECT_THAT(read(), testing::AllOf(HasSubstr("data_batch_1 is the Python version of CIFAR-10")));
  scratch.write("data_batch_1.bin", std::string(5 * 3074, '\0'));
  EXPECT_THAT(read(), testing::AllOf(HasSubstr("has 15370 bytes"), HasSubstr("it is CIFAR-100")));
  scratch.write("data_batch_1.bin", "\x80\x02}q\x01U");
  EXPECT_THAT(read(), testing::AllOf(HasSubstr("has 6 bytes"), HasSubstr("it is pickled by Python")));
}

TEST(Images, ReadsStl10) {
  const test::Scratch scratch;
  const auto pixels = noise(2 * 27648, 0);
  const std::string path = scratch.write("X.bin", stl(pixels));
  const ImageRecords labelled = read_stl10(path, scratch.write("y.bin", "\x0a\x01"));
  EXPECT_EQ(labelled.side, 96);
  EXPECT_EQ(labelled.pixels, pixels);
  EXPECT_THAT(labelled.labels, testing::ElementsAre(9, 0));
  EXPECT_TRUE(read_stl10(path, "").labels.empty());
}

TEST(Images, RefusesDamagedStl10) {
  const test::Scratch scratch;
  const std::string good = stl(noise(2 * 27648, 0));
  const auto read = [&](const std::string& images, const std::string& labels) {
    return refusal([&] { read_stl10(scratch.write("X.bin", images), scratch.write("y.bin", labels)); });
  };
  EXPECT_THAT(read(good + "x", "\x01\x02"), HasSubstr("X.bin: has 55297 bytes"));
  EXPECT_THAT(read(good, "\x01"), HasSubstr("y.bin: has 1 labels; expected 2, one for each image of"));
  EXPECT_THAT(read(good, "\x01\x0b"), HasSubstr("y.bin: record 1 has label 11; labels are 1 to 10"));
  EXPECT_THAT(read(good, std::string("\x01\x00", 2)), HasSubstr("has label 0"));
}

TEST(Images, SplitsCifar10OnceBySeed) {
  const test::Scratch scratch;
  for (int i = 1; i <= 5; ++i)
    scratch.write("data_batch_" + std::to_string(i) + ".bin",
                  cifar(noise(4 * 3072, static_cast<std::uint32_t>(i)), {0, 1, 2, 3}));
  scratch.write("test_batch.bin", cifar(noise(3 * 3072, 9), {7, 8, 9}));
  const std::string folder = scratch.path(".");
  const ImageDataSet set = open_cifar10(folder, 1);
  EXPECT_EQ(set.train.images.size(), 16u);
  EXPECT_EQ(set.validation.images.size(), 4u);
  EXPECT_EQ(set.readout_train.images, set.validation.images);
  EXPECT_EQ(set.test.images.size(), 3u);
  EXPECT_EQ(set.test.store->label(2, 0), 9);
  std::set<std::int64_t> all(set.train.images.begin(), set.train.images.end());
  all.insert(set.validation.images.begin(), set.validation.images.end());
  EXPECT_EQ(all.size(), 20u);
  EXPECT_EQ(open_cifar10(folder, 1).train.images, set.train.images);
  EXPECT_NE(open_cifar10(folder, 2).train.images, set.train.images);
}

TEST(Images, SplitsStl10ByTraining) {
  const test::Scratch scratch;
  scratch.write("unlabeled_X.bin", std::string(40 * 27648, 'u'));
  scratch.write("train_X.bin", std::string(20 * 27648, 't'));
  scratch.write("train_y.bin", std::string(20, 4));
  scratch.write("test_X.bin", std::string(2 * 27648, 'e'));
  scratch.write("test_y.bin", std::string(2, 5));
  const ImageDataSet unlabelled = open_stl10(scratch.path("."), Stl10Training::unlabelled, 1);
  EXPECT_EQ(unlabelled.train.images.size(), 38u);
  EXPECT_EQ(unlabelled.validation.images.size(), 2u);
  EXPECT_TRUE(unlabelled.train.store->columns().empty());
  EXPECT_EQ(unlabelled.readout_train.images.size(), 18u);
  EXPECT_EQ(unlabelled.readout_train.store->label(0, 0), 3);
  EXPECT_EQ(unlabelled.test.images.size(), 2u);
  const ImageDataSet labelled = open_stl10(scratch.path("."), Stl10Training::labelled, 1);
  EXPECT_EQ(labelled.train.images, unlabelled.readout_train.images);
  EXPECT_EQ(labelled.validation.images.size(), 2u);
}

// An image of one colour for every label, so that both can be told from each other.
void write_shapes_file(const std::string& path, const std::vector<std::int64_t>& images) {
  ShapesWriter writer(path, static_cast<std::int64_t>(images.size()), 4);
  for (const std::int64_t image : images) {
    const ShapesLevels levels = shapes_levels(image);
    writer.append(std::vector<std::uint8_t>(48, static_cast<std::uint8_t>(image % 251)),
                  std::vector<std::int32_t>(levels.begin(), levels.end()));
  }
  writer.close();
}

TEST(Images, ShapesIndexRunsOverTheGridWithTheLastFactorFastest) {
  EXPECT_EQ(shapes_levels(0), (ShapesLevels{0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(shapes_levels(16), (ShapesLevels{0, 0, 0, 0, 1, 1}));
  EXPECT_EQ(shapes_levels(kShapesCount - 1), (ShapesLevels{9, 9, 9, 7, 3, 14}));
  for (std::int64_t image = 0; image < kShapesCount; image += 7) ASSERT_EQ(shapes_index(shapes_levels(image)), image);
}

TEST(Images, ReadsWhatItWroteAs3dShapes) {
  const test::Scratch scratch;
  const std::vector<std::int64_t> written{0, 16, 480, 123456, 479999};
  write_shapes_file(scratch.path("s.h5"), written);
  const ShapesFileImages store(scratch.path("s.h5"));
  EXPECT_EQ(store.count(), 5);
  EXPECT_EQ(store.side(), 4);
  EXPECT_EQ(store.columns()[5].name, "orientation");
  EXPECT_EQ(store.columns()[5].classes, 15);
  for (std::size_t i = 0; i < written.size(); ++i)
    for (std::size_t f = 0; f < 6; ++f)
      EXPECT_EQ(store.label(static_cast<std::int64_t>(i), f), shapes_levels(written[i])[f]);
  const auto pixels = fetch(store, {4, 0, 1, 2, 0});  // single images and a run
  for (const auto& [place, image] : {std::pair(0, 479999), {1, 0}, {2, 16}, {3, 480}, {4, 0}})
    EXPECT_EQ(pixels[static_cast<std::size_t>(48 * place + 47)], image % 251);

  // Through another store, in another order.
  write_shapes(scratch.path("copy.h5"), store, std::vector<std::int64_t>{3, 1});
  const ShapesFileImages copy(scratch.path("copy.h5"));
  EXPECT_EQ(fetch(copy, {0, 1}), fetch(store, {3, 1}));
  EXPECT_EQ(copy.label(0, 0), store.label(3, 0));
  const auto values = h5::File::open_read_only(scratch.path("copy.h5")).read<double>("/labels");
  EXPECT_DOUBLE_EQ(values[3], 0.75 + 0.5 * shapes_levels(123456)[3] / 7);
}

// As the published file has them: compressed chunks of many images, few pixels, one channel.
TEST(Images, HoldsImagesThatShareChunks) {
  const test::Scratch scratch;
  constexpr hsize_t kImages = 7, kSide = 5;
  const auto pixels = noise(kImages * kSide * kSide * 3, 4);
  {
    h5::File file = h5::File::create(scratch.path("s.h5"));
    const hsize_t extent[] = {kImages, kSide, kSide, 3}, chunk[] = {3, 2, 4, 1};
    const h5::Handle space(H5Screate_simple(4, extent, nullptr), H5Sclose);
    const h5::Handle layout(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    H5Pset_chunk(layout.get(), 4, chunk);
    H5Pset_deflate(layout.get(), 4);
    const h5::Handle images(
        H5Dcreate2(file.get(), "/images", H5T_NATIVE_UINT8, space.get(), H5P_DEFAULT, layout.get(), H5P_DEFAULT),
        H5Dclose);
    H5Dwrite(images.get(), H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, pixels.data());
    std::vector<double> labels;
    for (hsize_t i = 0; i < kImages; ++i) labels.insert(labels.end(), {0, 0, 0, 0.75, 0, -30});
    file.write("/labels", labels, {kImages, 6});
    file.close();
  }
  ShapesFileImages store(scratch.path("s.h5"));
  const std::vector<std::int64_t> wanted{5, 0, 2, 5};
  const auto before = fetch(store, wanted);
  std::vector<std::int64_t> told;
  store.hold(wanted, [&](std::int64_t done) { told.push_back(done); });
  EXPECT_THAT(told, testing::ElementsAre(3, 6));
  EXPECT_EQ(fetch(store, wanted), before);
  EXPECT_EQ(fetch(store, {6, 0})[0], pixels[6 * kSide * kSide * 3]);  // one that is not held
  const auto image = pixels.begin() + 5 * kSide * kSide * 3;
  EXPECT_TRUE(std::equal(image, image + kSide * kSide * 3, before.begin()));
}

TEST(Images, RefusesDamaged3dShapes) {
  const test::Scratch scratch;
  const auto path = scratch.path("s.h5");
  const auto open = [&] { return refusal([&] { ShapesFileImages{path}; }); };
  const auto write = [&](hsize_t width, hsize_t factors, double value) {
    h5::File file = h5::File::create(path);
    std::vector<std::uint8_t> pixels(2 * 4 * width * 3);
    file.create_dataset<std::uint8_t>("/images", {2, 4, width, 3}).write_rows(0, 2, pixels.data());
    std::vector<double> labels(2 * factors, 0.75);
    for (std::size_t i = 0; i < labels.size(); ++i)
      if (i % 6 != 3) labels[i] = 0;
    labels.back() = value;
    file.create_dataset<double>("/labels", {2, factors}).write_rows(0, 2, labels.data());
    file.close();
  };
  write(4, 6, -30);
  EXPECT_EQ(open(), "accepted");
  write(5, 6, -30);
  EXPECT_THAT(open(), HasSubstr("s.h5/images: is uint8 (2, 4, 5, 3); expected uint8 (images, side, side, 3)"));
  write(4, 5, 0);
  EXPECT_THAT(open(), HasSubstr("s.h5/labels: is float64 (2, 5); expected (2, 6)"));
  write(4, 6, 31);
  EXPECT_THAT(open(), HasSubstr("image 1 has orientation 31; expected one of 15 even steps from -30 to 30"));
  write(4, 6, std::nan(""));
  EXPECT_THAT(open(), HasSubstr("orientation nan"));
  {
    h5::File file = h5::File::create(path);
    file.write("/images", std::vector<float>{1});
    file.close();
  }
  EXPECT_THAT(open(), HasSubstr("has no /labels"));
  write_shapes_file(path, {0, 1, 2});
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  EXPECT_THAT(open(), HasSubstr("s.h5: truncated file"));
  EXPECT_THROW(ShapesWriter(path, 3, 4).close(), Error);
}

TEST(Images, MeasuresTheNormalisation) {
  const auto pixels = noise(5 * 3072, 3);
  const MemoryImages store({.side = 32, .pixels = pixels, .labels = {}}, {});
  const ChannelNormalisation measured = measure_normalisation(store, std::vector<std::int64_t>{0, 2, 3, 4});
  for (std::size_t c = 0; c < 3; ++c) {
    double mean = 0, square = 0;
    const double n = 4 * 1024;
    for (std::size_t i = c; i < pixels.size(); i += 3)
      if (i / 3072 != 1) mean += pixels[i] / 255.0 / n;
    for (std::size_t i = c; i < pixels.size(); i += 3)
      if (i / 3072 != 1) square += std::pow(pixels[i] / 255.0 - mean, 2) / (n - 1);
    EXPECT_NEAR(measured.mean[c], mean, 1e-7);
    EXPECT_NEAR(measured.deviation[c], std::sqrt(square), 1e-7);
  }
}

TEST(Images, OrdersOfEpochsArePermutationsBySeedAndEpoch) {
  const auto order = epoch_order(1000, 1, 0);
  auto sorted = order;
  std::sort(sorted.begin(), sorted.end());
  for (std::size_t i = 0; i < sorted.size(); ++i) ASSERT_EQ(sorted[i], static_cast<std::int64_t>(i));
  EXPECT_NE(order, sorted);
  EXPECT_EQ(order, epoch_order(1000, 1, 0));
  EXPECT_NE(order, epoch_order(1000, 1, 1));
  EXPECT_NE(order, epoch_order(1000, 2, 0));
}

}  // namespace
}  // namespace lpl::rate
