// Sets of labelled 8-bit RGB images, in memory, in a file or rendered, and how they are split for training and test.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "io/image_files.hpp"
#include "io/image_set.hpp"
#include "io/shapes_file.hpp"

namespace lpl::rate {

// Square images with any number of label columns (none: unlabelled).
class ImageStore {
 public:
  virtual ~ImageStore() = default;
  ImageStore(const ImageStore&) = delete;
  ImageStore& operator=(const ImageStore&) = delete;

  std::int64_t count() const { return count_; }
  int side() const { return side_; }
  std::size_t bytes_per_image() const { return 3 * static_cast<std::size_t>(side_) * static_cast<std::size_t>(side_); }
  const std::vector<LabelColumn>& columns() const { return columns_; }
  std::span<const std::int32_t> labels() const { return labels_; }  // (count, columns), row-major
  std::int32_t label(std::int64_t image, std::size_t column) const {
    return labels_[static_cast<std::size_t>(image) * columns_.size() + column];
  }

  // Of each image, ascending: images of a group belong together, in their order. Empty: each stands alone.
  const std::vector<std::int32_t>& groups() const { return groups_; }

  // Reads the images named into memory where the store reads single ones slowly; tells how many of the set it has gone
  // through.
  virtual void hold(std::span<const std::int64_t>, const std::function<void(std::int64_t)>&) {}
  // Pixels (n, side, side, 3), channels last, of the n images named. One caller at a time.
  virtual void fetch(std::span<const std::int64_t> images, std::uint8_t* pixels) const = 0;

 protected:
  ImageStore(std::int64_t count, int side, std::vector<LabelColumn> columns, std::vector<std::int32_t>&& labels,
             std::vector<std::int32_t> groups = {});

 private:
  std::int64_t count_;
  int side_;
  std::vector<LabelColumn> columns_;
  std::vector<std::int32_t> labels_;
  std::vector<std::int32_t> groups_;
};

class MemoryImages : public ImageStore {
 public:
  MemoryImages(ImageRecords records, const LabelColumn& column);
  void fetch(std::span<const std::int64_t> images, std::uint8_t* pixels) const override;

 private:
  std::vector<std::uint8_t> pixels_;
};

// The images of a file of image sets, read as they are asked for, or all held where the file stores several together.
// Grey ones are given as RGB.
class ImageSetImages : public ImageStore {
 public:
  explicit ImageSetImages(const std::string& path);
  void hold(std::span<const std::int64_t> images, const std::function<void(std::int64_t)>& told) override;
  void fetch(std::span<const std::int64_t> images, std::uint8_t* pixels) const override;

 private:
  explicit ImageSetImages(ImageSetFile file);
  // Images first .. first + n - 1 into pixels (n, side, side, channels of the file).
  void read(std::int64_t first, std::int64_t n, std::uint8_t* pixels) const;
  std::size_t stored_bytes() const;  // of an image

  ImageSetFile file_;
  std::vector<std::uint8_t> held_;
};

// The images of a 3D Shapes file, read as they are asked for or held; six label columns.
class ShapesFileImages : public ImageStore {
 public:
  explicit ShapesFileImages(const std::string& path);
  void hold(std::span<const std::int64_t> images, const std::function<void(std::int64_t)>& told) override;
  void fetch(std::span<const std::int64_t> images, std::uint8_t* pixels) const override;

 private:
  explicit ShapesFileImages(ShapesFile file);
  ShapesFile file_;
  std::vector<std::int64_t> held_;  // ascending
  std::vector<std::uint8_t> held_pixels_;
};

// The six label columns of 3D Shapes.
std::vector<LabelColumn> shapes_columns();

// Writes the images named of a store with the six columns of 3D Shapes as a 3dshapes.h5.
void write_shapes(const std::string& path, const ImageStore& store, std::span<const std::int64_t> images);

// What a network sees of a pixel p of channel c is (p / 255 - mean[c]) / deviation[c].
struct ChannelNormalisation {
  std::array<float, 3> mean;
  std::array<float, 3> deviation;
};
inline constexpr ChannelNormalisation kCifar10Normalisation{{125.3f / 255, 123.0f / 255, 113.9f / 255},
                                                            {63.0f / 255, 62.1f / 255, 66.7f / 255}};
inline constexpr ChannelNormalisation kStl10Normalisation{{0.43f, 0.42f, 0.39f}, {0.27f, 0.26f, 0.27f}};

// Mean and (unbiased) standard deviation of each channel over all pixels of the images named: exact integer sums,
// rounded once.
ChannelNormalisation measure_normalisation(const ImageStore& store, std::span<const std::int64_t> images);

// Some images of a store.
struct ImageSubset {
  std::shared_ptr<const ImageStore> store;
  std::vector<std::int64_t> images;
};

// The parts of a data set, as the published experiments cut it.
struct ImageDataSet {
  ImageSubset train;          // the network learns from these
  ImageSubset validation;     // held out of them
  ImageSubset readout_train;  // linear readouts learn from these
  ImageSubset test;           // and are tested on these
  ChannelNormalisation normalisation;
  std::vector<std::shared_ptr<ImageStore>> to_hold;  // those that read single images slowly
};

// CIFAR-10 from a folder with data_batch_1.bin .. data_batch_5.bin and test_batch.bin. The training images are split
// at random, by the seed, into 4/5 for training and 1/5 for validation (40,000 and 10,000), which is also what the
// readouts learn from; test is the test batch.
std::vector<std::string> cifar10_files(const std::string& folder);
ImageDataSet open_cifar10(const std::string& folder, std::uint64_t seed);

// STL-10 from a folder with unlabeled_X.bin, train_X.bin, train_y.bin, test_X.bin and test_y.bin, split at random by
// the seed. Readouts learn from 9/10 of the labelled training images (4,500), and so do supervised networks, with the
// rest for validation; other networks learn from 19/20 of the unlabelled images (95,000), the rest is for validation.
enum class Stl10Training { unlabelled, labelled };
std::vector<std::string> stl10_files(const std::string& folder, Stl10Training training);
ImageDataSet open_stl10(const std::string& folder, Stl10Training training, std::uint64_t seed);

// How the images of a file are cut: in a random order by the seed, test images are the last `test_fraction` or, with
// folds > 0, the given fold; of the others the last `validation_fraction` are for validation. Groups stay whole: the
// order and the fractions are of groups.
struct SetSplit {
  double test_fraction = 0;
  std::int64_t folds = 0, fold = 0;
  double validation_fraction = 0;
};
// Where a file of test images is named it takes the place of those cut out; readouts learn from the images of
// `readout`, or from the validation split, or, where that is empty, from the images to train on. The normalisation is
// for the caller to set.
ImageDataSet open_image_sets(const std::string& file, const std::string& test, const std::string& readout,
                             const SetSplit& cut, std::uint64_t seed);

// Those of the images that have another `gap` images later in their group.
std::vector<std::int64_t> with_partner(const ImageSubset& images, std::int64_t gap);

// 0 .. n-1 in random order, by (seed, epoch): the order of images or blocks in an epoch.
std::vector<std::int64_t> epoch_order(std::int64_t n, std::uint64_t seed, std::uint32_t epoch);

}  // namespace lpl::rate
