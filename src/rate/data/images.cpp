#include "rate/data/images.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>

#include "core/errors.hpp"
#include "core/random.hpp"
#include "core/text.hpp"

namespace lpl::rate {
namespace {

// Stores are read in portions of this many images where a whole set passes through.
constexpr std::size_t kPortion = 1024;

template <class Use>
void for_each_portion(const ImageStore& store, std::span<const std::int64_t> images, Use&& use) {
  std::vector<std::uint8_t> pixels(std::min(kPortion, images.size()) * store.bytes_per_image());
  for (std::size_t begin = 0; begin < images.size(); begin += kPortion) {
    const auto portion = images.subspan(begin, std::min(kPortion, images.size() - begin));
    store.fetch(portion, pixels.data());
    use(portion, std::span<const std::uint8_t>(pixels.data(), portion.size() * store.bytes_per_image()));
  }
}

// The first image of every group, and the number of images.
std::vector<std::int64_t> borders_of(const ImageStore& store) {
  std::vector<std::int64_t> borders;
  const std::vector<std::int32_t>& groups = store.groups();
  for (std::int64_t i = 0; i < store.count(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    if (groups.empty() || i == 0 || groups[at] != groups[at - 1]) borders.push_back(i);
  }
  borders.push_back(store.count());
  return borders;
}

std::int64_t share(double fraction, std::int64_t n) { return std::llround(fraction * static_cast<double>(n)); }

std::vector<std::int64_t> permutation(std::int64_t n, Random random) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  for (std::size_t i = order.size(); i > 1; --i)
    std::swap(order[i - 1], order[random.below(static_cast<std::uint32_t>(i))]);
  return order;
}

// The images of a store split in two at random: the last `held_out` of a random order, and the others.
std::pair<ImageSubset, ImageSubset> split(const std::shared_ptr<const ImageStore>& store, std::int64_t held_out,
                                          std::uint64_t seed, std::string_view name) {
  const auto order = permutation(store->count(), Random(seed, Draw::split, hash_name(name), 0));
  const auto border = order.end() - held_out;
  return {{store, {order.begin(), border}}, {store, {border, order.end()}}};
}

ImageSubset all_of(std::shared_ptr<const ImageStore> store) {
  std::vector<std::int64_t> images(static_cast<std::size_t>(store->count()));
  std::iota(images.begin(), images.end(), 0);
  return {std::move(store), std::move(images)};
}

}  // namespace

ImageStore::ImageStore(std::int64_t count, int side, std::vector<LabelColumn> columns,
                       std::vector<std::int32_t>&& labels, std::vector<std::int32_t> groups)
    : count_(count),
      side_(side),
      columns_(std::move(columns)),
      labels_(std::move(labels)),
      groups_(std::move(groups)) {}

MemoryImages::MemoryImages(ImageRecords records, const LabelColumn& column)
    : ImageStore(static_cast<std::int64_t>(records.pixels.size()) / (std::int64_t{3} * records.side * records.side),
                 records.side, records.labels.empty() ? std::vector<LabelColumn>{} : std::vector{column},
                 std::move(records.labels)),
      pixels_(std::move(records.pixels)) {}

void MemoryImages::fetch(std::span<const std::int64_t> images, std::uint8_t* pixels) const {
  const std::size_t bytes = bytes_per_image();
  for (std::size_t i = 0; i < images.size(); ++i)
    std::copy_n(pixels_.data() + static_cast<std::size_t>(images[i]) * bytes, bytes, pixels + i * bytes);
}

ImageSetImages::ImageSetImages(const std::string& path) : ImageSetImages(ImageSetFile(path)) {}

ImageSetImages::ImageSetImages(ImageSetFile file)
    : ImageStore(file.layout().count, file.layout().side, file.layout().columns, std::vector(file.layout().labels),
                 file.layout().groups),
      file_(std::move(file)) {}

std::size_t ImageSetImages::stored_bytes() const {
  return bytes_per_image() / 3 * static_cast<std::size_t>(file_.layout().channels);
}

void ImageSetImages::hold(std::span<const std::int64_t>, const std::function<void(std::int64_t)>& told) {
  const std::int64_t together = file_.images_a_chunk();
  if (together == 1) return;
  std::vector<std::uint8_t> all(static_cast<std::size_t>(count()) * stored_bytes());
  for (std::int64_t first = 0; first < count(); first += together) {
    const std::int64_t n = std::min(together, count() - first);
    file_.read(first, n, all.data() + static_cast<std::size_t>(first) * stored_bytes());
    told(first + n);
  }
  held_ = std::move(all);
}

void ImageSetImages::read(std::int64_t first, std::int64_t n, std::uint8_t* pixels) const {
  if (held_.empty()) return file_.read(first, n, pixels);
  std::copy_n(held_.data() + static_cast<std::size_t>(first) * stored_bytes(),
              static_cast<std::size_t>(n) * stored_bytes(), pixels);
}

void ImageSetImages::fetch(std::span<const std::int64_t> images, std::uint8_t* pixels) const {
  const bool grey = file_.layout().channels == 1;
  std::vector<std::uint8_t> stored(grey ? images.size() * stored_bytes() : 0);
  std::uint8_t* const to = grey ? stored.data() : pixels;
  for (std::size_t i = 0, run = 0; i < images.size(); i += run) {
    run = 1;
    while (i + run < images.size() && images[i + run] == images[i] + static_cast<std::int64_t>(run)) ++run;
    read(images[i], static_cast<std::int64_t>(run), to + i * stored_bytes());
  }
  for (std::size_t i = 0; i < stored.size(); ++i) std::fill_n(pixels + 3 * i, 3, stored[i]);
}

ShapesFileImages::ShapesFileImages(const std::string& path) : ShapesFileImages(ShapesFile(path)) {}

ShapesFileImages::ShapesFileImages(ShapesFile file)
    : ImageStore(file.count(), file.side(), shapes_columns(), std::vector(file.levels())), file_(std::move(file)) {}

void ShapesFileImages::hold(std::span<const std::int64_t> images, const std::function<void(std::int64_t)>& told) {
  if (!file_.images_share_chunks()) return;
  held_.assign(images.begin(), images.end());
  std::ranges::sort(held_);
  held_.erase(std::unique(held_.begin(), held_.end()), held_.end());
  held_pixels_ = file_.read_some(held_, told);
}

void ShapesFileImages::fetch(std::span<const std::int64_t> images, std::uint8_t* pixels) const {
  const std::size_t bytes = bytes_per_image();
  for (std::size_t i = 0, run = 0; i < images.size(); i += run) {
    run = 1;
    if (const auto held = std::ranges::lower_bound(held_, images[i]); held != held_.end() && *held == images[i]) {
      std::copy_n(held_pixels_.data() + static_cast<std::size_t>(held - held_.begin()) * bytes, bytes,
                  pixels + i * bytes);
      continue;
    }
    while (i + run < images.size() && images[i + run] == images[i] + static_cast<std::int64_t>(run)) ++run;
    file_.read(images[i], static_cast<std::int64_t>(run), pixels + i * bytes);
  }
}

std::vector<LabelColumn> shapes_columns() {
  std::vector<LabelColumn> columns;
  columns.reserve(kShapesFactors.size());
  for (const ShapesFactor& factor : kShapesFactors) columns.push_back({factor.name, factor.levels});
  return columns;
}

void write_shapes(const std::string& path, const ImageStore& store, std::span<const std::int64_t> images) {
  const std::size_t factors = kShapesFactors.size();
  if (store.columns().size() != factors)
    throw ConfigError(path + ": only images with the six factors of 3D Shapes can be written as such a file");
  ShapesWriter writer(path, static_cast<std::int64_t>(images.size()), store.side());
  for_each_portion(store, images, [&](std::span<const std::int64_t> portion, std::span<const std::uint8_t> pixels) {
    std::vector<std::int32_t> levels;
    for (const std::int64_t image : portion)
      for (std::size_t f = 0; f < factors; ++f) levels.push_back(store.label(image, f));
    writer.append(pixels, levels);
  });
  writer.close();
}

ChannelNormalisation measure_normalisation(const ImageStore& store, std::span<const std::int64_t> images) {
  std::array<std::int64_t, 3> sum{}, squares{};
  for_each_portion(store, images, [&](std::span<const std::int64_t>, std::span<const std::uint8_t> pixels) {
    for (std::size_t i = 0; i < pixels.size(); i += 3)
      for (std::size_t c = 0; c < 3; ++c) {
        const std::int64_t p = pixels[i + c];
        sum[c] += p;
        squares[c] += p * p;
      }
  });
  const std::size_t values = images.size() * (store.bytes_per_image() / 3);  // of one channel
  const auto n = static_cast<long double>(values);
  ChannelNormalisation result{};
  for (std::size_t c = 0; c < 3; ++c) {
    const long double mean = static_cast<long double>(sum[c]) / n;
    const long double variance = (static_cast<long double>(squares[c]) - n * mean * mean) / (n - 1);
    result.mean[c] = static_cast<float>(mean / 255);
    result.deviation[c] = static_cast<float>(std::sqrt(variance) / 255);
  }
  return result;
}

std::vector<std::string> cifar10_files(const std::string& folder) {
  std::vector<std::string> files;
  for (int i = 1; i <= 5; ++i) files.push_back(folder + "/data_batch_" + std::to_string(i) + ".bin");
  files.push_back(folder + "/test_batch.bin");
  return files;
}

std::vector<std::string> stl10_files(const std::string& folder, Stl10Training training) {
  std::vector<std::string> files;
  for (const char* name : {"train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin"})
    files.push_back(folder + "/" + name);
  if (training == Stl10Training::unlabelled) files.push_back(folder + "/unlabeled_X.bin");
  return files;
}

ImageDataSet open_cifar10(const std::string& folder, std::uint64_t seed) {
  const LabelColumn column{"class", 10};
  std::vector<std::string> batches = cifar10_files(folder);
  const std::string test_batch = batches.back();
  batches.pop_back();
  const auto images = std::make_shared<const MemoryImages>(read_cifar10(batches), column);
  auto [train, validation] = split(images, images->count() / 5, seed, "cifar10");
  const auto test = std::make_shared<const MemoryImages>(read_cifar10({test_batch}), column);
  return {.train = std::move(train),
          .validation = validation,
          .readout_train = validation,
          .test = all_of(test),
          .normalisation = kCifar10Normalisation,
          .to_hold = {}};
}

ImageDataSet open_stl10(const std::string& folder, Stl10Training training, std::uint64_t seed) {
  const LabelColumn column{"class", 10};
  const auto read = [&](const std::string& images, const std::string& labels) {
    return std::make_shared<const MemoryImages>(
        read_stl10(folder + "/" + images, labels.empty() ? "" : folder + "/" + labels), column);
  };
  const auto labelled = read("train_X.bin", "train_y.bin");
  const auto [readout_train, rest] = split(labelled, labelled->count() / 10, seed, "stl10 labelled");
  ImageDataSet set{.train = readout_train,
                   .validation = rest,
                   .readout_train = readout_train,
                   .test = all_of(read("test_X.bin", "test_y.bin")),
                   .normalisation = kStl10Normalisation,
                   .to_hold = {}};
  if (training == Stl10Training::unlabelled) {
    const auto unlabelled = read("unlabeled_X.bin", "");
    std::tie(set.train, set.validation) = split(unlabelled, unlabelled->count() / 20, seed, "stl10 unlabelled");
  }
  return set;
}

ImageDataSet open_image_sets(const std::string& file, const std::string& test, const std::string& readout,
                             const SetSplit& cut, std::uint64_t seed) {
  ImageDataSet set;
  const auto open = [&](const std::string& path) {
    set.to_hold.push_back(std::make_shared<ImageSetImages>(path));
    return set.to_hold.back();
  };
  const auto images = open(file);
  const std::vector<std::int64_t> borders = borders_of(*images);
  const auto n = static_cast<std::int64_t>(borders.size()) - 1;  // groups
  auto order = permutation(n, Random(seed, Draw::split, hash_name("images"), 0));
  const auto part = [&](std::int64_t first, std::int64_t last) {
    ImageSubset subset{images, {}};
    for (std::int64_t g = first; g < last; ++g) {
      const auto group = static_cast<std::size_t>(order[static_cast<std::size_t>(g)]);
      for (std::int64_t i = borders[group]; i < borders[group + 1]; ++i) subset.images.push_back(i);
    }
    return subset;
  };
  const std::int64_t begin = cut.folds > 0 ? n * cut.fold / cut.folds : n - share(cut.test_fraction, n);
  const std::int64_t end = cut.folds > 0 ? n * (cut.fold + 1) / cut.folds : n;
  set.test = test.empty() ? part(begin, end) : all_of(open(test));
  order.erase(order.begin() + begin, order.begin() + end);
  const auto left = static_cast<std::int64_t>(order.size());
  const std::int64_t border = left - share(cut.validation_fraction, left);
  set.train = part(0, border);
  set.validation = part(border, left);
  if (!readout.empty())
    set.readout_train = all_of(open(readout));
  else
    set.readout_train = set.validation.images.empty() ? set.train : set.validation;
  return set;
}

std::vector<std::int64_t> with_partner(const ImageSubset& images, std::int64_t gap) {
  const std::vector<std::int32_t>& groups = images.store->groups();
  std::vector<std::int64_t> first;
  for (const std::int64_t image : images.images) {
    const std::int64_t partner = image + gap;
    if (partner < images.store->count() && !groups.empty() &&
        groups[static_cast<std::size_t>(image)] == groups[static_cast<std::size_t>(partner)])
      first.push_back(image);
  }
  return first;
}

std::vector<std::int64_t> epoch_order(std::int64_t n, std::uint64_t seed, std::uint32_t epoch) {
  return permutation(n, Random(seed, Draw::epoch_order, epoch, 0));
}

}  // namespace lpl::rate
