#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "core/errors.hpp"
#include "io/hdf5.hpp"
#include "rate/pairs.hpp"

namespace lpl::rate {
namespace {

// Given batches (docs/formats.md, Inputs).
class Recorded final : public PairSource {
 public:
  Recorded(const RecordedBatches& data, const TrainingDescription& description)
      : seed_(description.seed), classes_(data.classes) {
    h5::of_user([&] {
      const h5::File file = h5::File::open_read_only(data.file);
      const std::vector<hsize_t> extent = read_images(file);
      if (samples_ != description.batch)
        throw ConfigError(fmt::format("{}; the batches in {} have {} samples; make them equal",
                                      description.stated.at("training.batch"), data.file, samples_));
      labels_ =
          read_whole(file, "/batches/labels", {extent[0], extent[1]}, "(batches, samples), a label each", classes_);
      order_ = read_order(file, extent[0]);
      if (file.exists("/batches/permutations")) read_permutations(file, extent[1]);
    });
  }

  Shape sample() const override { return sample_; }
  std::int64_t classes() const override { return classes_; }
  std::int64_t batches_per_epoch() const override { return static_cast<std::int64_t>(order_.size()); }
  std::int64_t batch(std::int64_t) const override { return samples_; }

  std::vector<float> make(std::int64_t step, const Slice& slice) override {
    std::vector<float> made;
    for (const std::vector<float>& images : images_)
      for (std::int64_t n = slice.first; n < slice.first + slice.count; ++n)
        for (std::int64_t p = 0; p < sample_.positions(); ++p)
          for (std::int64_t c = 0; c < sample_.channels; ++c)
            made.push_back(images[static_cast<std::size_t>(
                ((batch_of(step) * samples_ + n) * sample_.channels + c) * sample_.positions() + p)]);
    return made;
  }

  std::vector<std::int32_t> labels(std::int64_t step) override {
    const auto first = labels_.begin() + batch_of(step) * samples_;
    return {first, first + samples_};
  }

  std::vector<std::int64_t> shuffled(std::int64_t step) override {
    if (permutations_.empty()) return shuffled_positives(samples_, seed_, step);
    const auto first = permutations_.begin() + step % batches_per_epoch() * samples_;
    return {first, first + samples_};
  }

 private:
  // Both views; returns their extent.
  std::vector<hsize_t> read_images(const h5::File& file) {
    const std::string names[] = {"/batches/img_1", "/batches/img_2"};
    const h5::Dataset views[] = {file.open_dataset(names[0]), file.open_dataset(names[1])};
    const std::vector<hsize_t>& extent = views[0].shape();
    if (extent.size() != 5 || views[0].size() == 0)
      views[0].refuse("(batches, samples, channels, rows, columns), none of them 0");
    if (views[1].shape() != extent) views[1].refuse(fmt::format("({}), as img_1", fmt::join(extent, ", ")));
    for (std::size_t view : {0u, 1u}) {
      images_[view] = views[view].read<float>();
      const auto bad = std::ranges::find_if(images_[view], [](float pixel) { return !std::isfinite(pixel); });
      if (bad != images_[view].end())
        throw ConfigError(fmt::format("{}: entry {} is {}; images must be finite", views[view].name(),
                                      bad - images_[view].begin(), *bad));
    }
    const auto size = [&](std::size_t dimension) { return static_cast<std::int64_t>(extent[dimension]); };
    samples_ = size(1);
    sample_ = {1, size(2), size(3), size(4)};
    return extent;
  }

  // Whole numbers from 0, below `limit`.
  static std::vector<std::int64_t> read_whole(const h5::File& file, const std::string& name,
                                              const std::vector<hsize_t>& extent, const std::string& meaning,
                                              std::int64_t limit) {
    const h5::Dataset dataset = file.open_dataset(name);
    if (dataset.shape() != extent)
      dataset.refuse(fmt::format("whole numbers of extent ({}): {}", fmt::join(extent, ", "), meaning));
    std::vector<std::int64_t> values = dataset.read<std::int64_t>();
    for (std::size_t i = 0; i < values.size(); ++i)
      if (values[i] < 0 || values[i] >= limit)
        throw ConfigError(fmt::format("{}: entry {} is {}; expected 0 to {}", dataset.name(), i, values[i], limit - 1));
    return values;
  }

  static std::vector<std::int64_t> read_order(const h5::File& file, hsize_t batches) {
    const h5::Dataset order = file.open_dataset("/batches/order");
    if (order.shape().size() != 1 || order.size() == 0)
      order.refuse("the batch of each step of an epoch, at least one");
    return read_whole(file, "/batches/order", order.shape(), "the batch of each step",
                      static_cast<std::int64_t>(batches));
  }

  void read_permutations(const h5::File& file, hsize_t samples) {
    permutations_ = read_whole(file, "/batches/permutations", {order_.size(), samples},
                               "for each step, the partners of the samples", samples_);
    for (std::int64_t step = 0; step < batches_per_epoch(); ++step) {
      std::vector<std::int64_t> partners = shuffled(step);
      std::ranges::sort(partners);
      if (std::ranges::adjacent_find(partners) != partners.end())
        throw ConfigError(fmt::format("{}/batches/permutations: row {} names a sample twice; expected a permutation",
                                      file.path(), step));
    }
  }

  std::int64_t batch_of(std::int64_t step) const {
    return order_[static_cast<std::size_t>(step % batches_per_epoch())];
  }

  std::uint64_t seed_;
  std::int64_t samples_ = 0, classes_;
  Shape sample_;
  std::vector<float> images_[2];
  std::vector<std::int64_t> labels_, order_, permutations_;
};

}  // namespace

std::unique_ptr<PairSource> make_recorded_batches(const RecordedBatches& data, const TrainingDescription& description) {
  return std::make_unique<Recorded>(data, description);
}

}  // namespace lpl::rate
