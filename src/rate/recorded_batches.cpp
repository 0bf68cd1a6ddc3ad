#include <fmt/format.h>

#include "core/errors.hpp"
#include "io/hdf5.hpp"
#include "rate/pairs.hpp"

namespace lpl::rate {
namespace {

// Given batches: batches/img_1, img_2 (batches x samples x channels x rows x columns), labels (batches x samples),
// order (steps), permutations (steps x samples, optional).
class Recorded final : public PairSource {
 public:
  Recorded(const RecordedBatches& data, const TrainingDescription& description) {
    const h5::File file = h5::File::open_read_only(data.file);
    const std::vector<std::uint64_t> shape = file.shape("/batches/img_1");
    if (shape.size() != 5 || file.shape("/batches/img_2") != shape)
      throw ConfigError(data.file +
                        ": batches/img_1 and img_2 must have the same shape: batches x samples x channels x "
                        "rows x columns");
    samples_ = static_cast<std::int64_t>(shape[1]);
    if (samples_ != description.batch)
      throw ConfigError(fmt::format("{}: its batches have {} samples, training.batch is {}; make them equal", data.file,
                                    samples_, description.batch));
    sample_ = {1, static_cast<std::int64_t>(shape[2]), static_cast<std::int64_t>(shape[3]),
               static_cast<std::int64_t>(shape[4])};
    images_[0] = file.read<float>("/batches/img_1");
    images_[1] = file.read<float>("/batches/img_2");
    labels_ = file.read<std::int64_t>("/batches/labels");
    order_ = file.read<std::int64_t>("/batches/order");
    classes_ = data.classes;
    seed_ = description.seed;
    for (const std::int64_t label : labels_)
      if (label < 0 || label >= classes_)
        throw ConfigError(fmt::format("{}: a label is {}; data.classes is {}", data.file, label, classes_));
    if (file.exists("/batches/permutations")) permutations_ = file.read<std::int64_t>("/batches/permutations");
    for (const std::int64_t batch : order_)
      if (batch < 0 || batch >= static_cast<std::int64_t>(shape[0]))
        throw ConfigError(fmt::format("{}: batches/order names batch {}; there are {}", data.file, batch, shape[0]));
  }

  Shape sample() const override { return sample_; }
  std::int64_t classes() const override { return classes_; }
  std::int64_t steps_per_epoch() const override { return static_cast<std::int64_t>(order_.size()); }
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
    const auto first = permutations_.begin() + step % steps_per_epoch() * samples_;
    return {first, first + samples_};
  }

 private:
  std::int64_t batch_of(std::int64_t step) const { return order_[static_cast<std::size_t>(step % steps_per_epoch())]; }

  std::uint64_t seed_ = 0;
  std::int64_t samples_ = 0, classes_ = 0;
  Shape sample_;
  std::vector<float> images_[2];
  std::vector<std::int64_t> labels_, order_, permutations_;
};

}  // namespace

std::unique_ptr<PairSource> make_recorded_batches(const RecordedBatches& data, const TrainingDescription& description) {
  return std::make_unique<Recorded>(data, description);
}

}  // namespace lpl::rate
