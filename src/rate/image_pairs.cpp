// Pairs of image views: two random views of one image, or neighbouring frames of a sequence.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <optional>

#include "core/errors.hpp"
#include "core/random.hpp"
#include "core/text.hpp"
#include "rate/data/augment.hpp"
#include "rate/data/images.hpp"
#include "rate/data/scenes.hpp"
#include "rate/data/trajectories.hpp"
#include "rate/pairs.hpp"

namespace lpl::rate {
namespace {

Stl10Training stl10_training(const TrainingDescription& d) {
  const bool labelled = d.only_judged || d.objective->needs().labels;
  return labelled ? Stl10Training::labelled : Stl10Training::unlabelled;
}

class StoreImages final : public JudgedImages {
 public:
  // Makes views of n images from their pixels.
  using MakeViews = std::function<void(std::size_t n, const std::uint8_t* pixels, float* views)>;

  StoreImages(ImageSubset subset, std::int64_t side, MakeViews make_views)
      : subset_(std::move(subset)), side_(side), make_views_(std::move(make_views)) {
    labels_.resize(subset_.store->columns().size());
    for (std::size_t column = 0; column < labels_.size(); ++column)
      for (const std::int64_t image : subset_.images) labels_[column].push_back(subset_.store->label(image, column));
  }

  std::int64_t count() const override { return static_cast<std::int64_t>(subset_.images.size()); }
  const std::vector<std::int64_t>& images() const override { return subset_.images; }
  const std::vector<LabelColumn>& columns() const override { return subset_.store->columns(); }
  const std::vector<std::vector<std::int32_t>>& labels() const override { return labels_; }
  std::vector<float> make(std::int64_t first, std::int64_t n) override {
    const auto size = static_cast<std::size_t>(n);
    std::vector<std::uint8_t> pixels(size * subset_.store->bytes_per_image());
    subset_.store->fetch(std::span(subset_.images).subspan(static_cast<std::size_t>(first), size), pixels.data());
    std::vector<float> views(size * static_cast<std::size_t>(3 * side_ * side_));
    make_views_(size, pixels.data(), views.data());
    return views;
  }

 private:
  ImageSubset subset_;
  std::int64_t side_;
  MakeViews make_views_;
  std::vector<std::vector<std::int32_t>> labels_;
};

std::int64_t classes_of(const ImageStore& store, const TrainingDescription& d) {
  const std::vector<LabelColumn>& columns = store.columns();
  if (columns.empty()) return 0;
  if (d.label_column >= columns.size())
    throw ConfigError(
        fmt::format("{}; the data have the label columns 0 to {}", d.stated.at("learning.label"), columns.size() - 1));
  return columns[d.label_column].classes;
}

// The images of a data set, and what is to become of them.
struct ImagesToView {
  ImageDataSet set;
  std::int64_t side;      // of the views
  std::string name;       // for messages
  bool measured = false;  // the normalisation, on the images to train on
  Augmentation augmentation{};
  std::int64_t gap = 0;  // frames from the first to the second of a pair; 0: two views of one image
};

// Channels without variance cannot be normalised.
void refuse_constant_channels(const ChannelNormalisation& normalisation, const std::string& name,
                              const std::string& what) {
  for (std::size_t c = 0; c < 3; ++c)
    if (!(normalisation.deviation[c] > 0))
      throw ConfigError(
          fmt::format("{}: every {} value of the {} to train on is {:.0f}; a channel without "
                      "variance cannot be normalised",
                      name, std::array{"red", "green", "blue"}[c], what, 255 * normalisation.mean[c]));
}

// What is switched off becomes the identity; what else is drawn stays as it is.
AugmentChoices switched(AugmentChoices choices, const Augmentation& on, int side) {
  if (!on.crop) choices.crop = {0, 0, side, side};
  choices.flip &= on.flip;
  choices.jitter &= on.jitter;
  choices.grey &= on.grey;
  choices.blur &= on.blur;
  return choices;
}

// Two random views of each image, or one of each of two frames of a sequence; in a new order every epoch. An incomplete
// last batch is kept as published (lightning-bolts' default), unless it has a single sample.
class Views : public PairSource {
 public:
  // Of `images`, which stand in `data`.
  Views(const ImagesToView& data, const ImageSubset& images, const TrainingDescription& d)
      : source_{images.store, data.side, data.set.normalisation},
        seed_(d.seed),
        augmentation_(data.augmentation),
        gap_(data.gap),
        first_(gap_ > 0 ? with_partner(images, gap_) : images.images),
        batch_(std::clamp<std::int64_t>(this->images(), 1, d.batch)),
        classes_(classes_of(*images.store, d)),
        column_(d.label_column) {}

  // Before the first sample.
  void normalise(const ChannelNormalisation& normalisation) {
    source_.normalisation = normalisation;
    maker_.emplace(source_.store->side(), static_cast<int>(source_.side), normalisation);
  }

  Shape sample() const override { return {1, 3, source_.side, source_.side}; }
  std::int64_t classes() const override { return classes_; }
  std::int64_t batches_per_epoch() const override { return images() / batch_ + (images() % batch_ > 1 ? 1 : 0); }
  std::int64_t batch(std::int64_t step) const override {
    return std::min(batch_, images() - step % batches_per_epoch() * batch_);
  }

  std::vector<float> make(std::int64_t step, const Slice& slice) override {
    const std::vector<ViewRequest> requests = views(step, slice);
    const ImageStore& store = *source_.store;
    std::vector<std::uint8_t> pixels(static_cast<std::size_t>(slice.count) * store.bytes_per_image());
    std::vector<AugmentChoices> choices;
    for (const ViewRequest& request : requests) choices.push_back(request.choices);
    const std::size_t half = requests.size() / 2,
                      size = half * static_cast<std::size_t>(3 * source_.side * source_.side);
    std::vector<float> made(2 * size);
    for (const std::size_t view : {0u, 1u}) {
      if (view == 0 || gap_ > 0) store.fetch(images_of(step, slice, static_cast<std::int64_t>(view)), pixels.data());
      maker_->augment(std::span(choices).subspan(view * half, half), pixels.data(), made.data() + view * size);
    }
    return made;
  }

  const ViewSource* view_source() const override { return &source_; }
  std::vector<ViewRequest> views(std::int64_t step, const Slice& slice) override {
    const auto epoch = static_cast<std::uint32_t>(step / batches_per_epoch());
    std::vector<ViewRequest> requests;
    for (const std::uint32_t view : {0u, 1u})
      for (const std::int64_t image : images_of(step, slice, view)) {
        const auto index = static_cast<std::uint32_t>(image);
        const int side = source_.store->side();
        requests.push_back(
            {index, switched(draw_training_view({seed_, epoch, index, view}, side), augmentation_, side)});
      }
    return requests;
  }

  std::vector<std::int32_t> labels(std::int64_t step) override {
    std::vector<std::int32_t> labels;
    if (classes_ > 0)
      for (const std::int64_t image : images_of(step, {0, batch(step)}, 0))
        labels.push_back(source_.store->label(image, column_));
    return labels;
  }
  std::vector<std::int64_t> shuffled(std::int64_t step) override {
    return shuffled_positives(batch(step), seed_, step);
  }

  std::int64_t images() const { return static_cast<std::int64_t>(first_.size()); }  // that begin a pair

 protected:
  ViewSource source_;

 private:
  std::vector<std::int64_t> images_of(std::int64_t step, const Slice& slice, std::int64_t view) {
    const std::int64_t epoch = step / batches_per_epoch();
    if (epoch != order_epoch_) {
      order_ = epoch_order(images(), seed_, static_cast<std::uint32_t>(epoch));
      order_epoch_ = epoch;
    }
    std::vector<std::int64_t> chosen;
    const std::int64_t first = step % batches_per_epoch() * batch_ + slice.first;
    for (std::int64_t i = first; i < first + slice.count; ++i)
      chosen.push_back(first_[static_cast<std::size_t>(order_[static_cast<std::size_t>(i)])] + view * gap_);
    return chosen;
  }

  std::uint64_t seed_;
  Augmentation augmentation_;
  std::int64_t gap_;
  std::vector<std::int64_t> first_;  // of each pair
  std::int64_t batch_;
  std::int64_t classes_;
  std::size_t column_;
  std::optional<ViewMaker> maker_;
  std::vector<std::int64_t> order_;
  std::int64_t order_epoch_ = -1;
};

// A data set of images: views of those to train on, and of those held out, and what readouts see.
class Augmented final : public Views {
 public:
  Augmented(const ImagesToView& data, const TrainingDescription& d)
      : Views(data, data.set.train, d), set_(data.set), name_(data.name), measured_(data.measured) {
    const char* const what = data.gap > 0 ? "pairs of frames" : "images";
    if (data.gap > 0 && set_.train.store->groups().empty())
      throw ConfigError(fmt::format("{}; {} has no sequences (/groups); lpl_rate import --sequences makes such a set",
                                    d.stated.at("data.gap"), name_));
    if (!d.only_judged && images() < d.batch) {
      const bool far_apart = images() < 2 && data.gap > 0 && set_.train.images.size() > 1;
      throw ConfigError(fmt::format("{}; {} has {} {} to train on: give {}",
                                    d.stated.at(far_apart ? "data.gap" : "training.batch"), name_, images(), what,
                                    images() > 2    ? fmt::format("a batch of 2 to {}", images())
                                    : images() == 2 ? "a batch of 2"
                                    : far_apart     ? "a smaller gap, or longer sequences"
                                                    : more_images(d)));
    }
    if (d.readout.wanted || d.only_judged) check_readouts(d);
    if (d.record.validation_every > 0 && !d.only_judged) {
      validation_.emplace(data, set_.validation, d);
      if (validation_->images() < 2)
        throw ConfigError(fmt::format("{}; {} has {} {} for validation: 2 or more have losses; give {}{}",
                                      d.stated.at("record.validation_every"), name_, validation_->images(), what,
                                      by_fractions(d) ? "a larger data.validation_fraction" : "it more images",
                                      data.gap > 0 ? ", or a smaller data.gap" : ""));
    }
    judged_.columns = set_.test.store->columns();
    judged_.train = judged(set_.readout_train);
    judged_.test = judged(set_.test);
    if (!measured_) make_makers();
  }

  void load(ProgressStyle style, bool talks) override {
    for (const auto& store : set_.to_hold) {
      Progress progress(style, talks, static_cast<double>(store->count()), ProgressUnit::images);
      store->hold({}, [&](std::int64_t done) { progress.show("reading", static_cast<double>(done)); });
      progress.finish();
    }
    if (!measured_) return;
    set_.normalisation = measure_normalisation(*set_.train.store, set_.train.images);
    refuse_constant_channels(set_.normalisation, name_, "images");
    make_makers();
  }

  JudgedSets* judged() override { return &judged_; }
  std::unique_ptr<JudgedImages> unaugmented(Part part) override {
    ImageSubset subset = part == Part::test ? set_.test : part == Part::validation ? set_.validation : set_.train;
    std::ranges::sort(subset.images);
    return judged(subset);
  }
  PairSource* validation() override { return validation_ ? &*validation_ : nullptr; }

 private:
  // Readouts need labelled images of both kinds, with the same labels.
  void check_readouts(const TrainingDescription& d) const {
    const ImageSubset &train = set_.readout_train, &test = set_.test;
    const char* way_out = d.only_judged ? "" : ", or set readout.wanted = false";
    if (train.images.empty() || test.images.empty())
      throw ConfigError(fmt::format(
          "{}: readouts learn from {} images and are tested on {} of {}; give {}{}", d.name, train.images.size(),
          test.images.size(), name_,
          test.images.empty() ? "it images for test (data.test, data.test_fraction or data.folds)" : more_images(d),
          way_out));
    if (train.store->columns().empty() || train.store->columns() != test.store->columns())
      throw ConfigError(
          fmt::format("{}: readouts learn from images labelled by {} and are tested on images labelled by "
                      "{}; both need the same labels{}",
                      d.name, words_of(train.store->columns()), words_of(test.store->columns()), way_out));
  }

  // Whether the description says how many images are held out.
  static bool by_fractions(const TrainingDescription& d) { return std::holds_alternative<ImageSets>(d.data); }

  static const char* more_images(const TrainingDescription& d) {
    return by_fractions(d)
               ? "it more images, or hold fewer of them out (data.test_fraction, data.folds, data.validation_fraction)"
               : "it more images";
  }

  static std::string words_of(const std::vector<LabelColumn>& columns) {
    std::vector<std::string> words;
    words.reserve(columns.size());
    for (const LabelColumn& column : columns)
      words.push_back(fmt::format("{} ({} classes)", column.name, column.classes));
    return words.empty() ? "nothing" : join(words, ", ");
  }

  // Of every side that images have.
  void make_makers() {
    normalise(set_.normalisation);
    if (validation_) validation_->normalise(set_.normalisation);
    for (const ImageSubset* subset : {&set_.train, &set_.readout_train, &set_.test}) {
      const int side = subset->store->side();
      if (!makers_.contains(side))
        makers_.emplace(side, ViewMaker(side, static_cast<int>(source_.side), set_.normalisation));
    }
  }

  std::unique_ptr<JudgedImages> judged(const ImageSubset& subset) const {
    return std::make_unique<StoreImages>(
        subset, source_.side,
        [this, side = subset.store->side()](std::size_t n, const std::uint8_t* pixels, float* views) {
          makers_.at(side).centre(n, pixels, views);
        });
  }

  ImageDataSet set_;
  std::string name_;  // of the data, for messages
  bool measured_;
  std::optional<Views> validation_;  // where its losses are wanted
  std::map<int, ViewMaker> makers_;  // of single views, by the side of the images
  JudgedSets judged_;
};

// Neighbouring frames of walks through the factors of 3D Shapes. Labels are those of the earlier frame.
class FramePairs : public PairSource {
 public:
  // The block of the stream that is a batch.
  using ChooseBlock = std::function<std::int64_t(std::int64_t batch)>;

  FramePairs(std::shared_ptr<const ImageStore> images, std::shared_ptr<const FrameStream> stream, std::int64_t side,
             std::int64_t batches_per_epoch, ChooseBlock choose, const TrainingDescription& d)
      : source_{std::move(images), side, {}},
        stream_(std::move(stream)),
        batch_(d.batch),
        seed_(d.seed),
        batches_per_epoch_(batches_per_epoch),
        choose_(std::move(choose)),
        classes_(classes_of(*source_.store, d)),
        column_(d.label_column) {}

  // Before the first sample.
  void normalise(const ChannelNormalisation& normalisation) {
    source_.normalisation = normalisation;
    maker_.emplace(source_.store->side(), static_cast<int>(source_.side), normalisation);
  }

  Shape sample() const override { return {1, 3, source_.side, source_.side}; }
  std::int64_t classes() const override { return classes_; }
  std::int64_t batches_per_epoch() const override { return batches_per_epoch_; }
  std::int64_t batch(std::int64_t) const override { return batch_; }

  std::vector<float> make(std::int64_t step, const Slice& slice) override {
    const auto frames = frames_of(step, slice);
    const std::size_t size = static_cast<std::size_t>(3 * source_.side * source_.side);
    std::vector<float> images(frames.size() * size);
    std::vector<std::uint8_t> pixels(frames.size() * source_.store->bytes_per_image());
    source_.store->fetch(frames, pixels.data());
    maker_->whole(frames.size(), pixels.data(), images.data());
    const auto one = static_cast<std::ptrdiff_t>(size);
    std::vector<float> made(images.begin(), images.end() - one);
    made.insert(made.end(), images.begin() + one, images.end());
    return made;
  }

  const ViewSource* view_source() const override { return &source_; }
  std::vector<ViewRequest> views(std::int64_t step, const Slice& slice) override {
    const auto frames = frames_of(step, slice);
    const int side = source_.store->side();
    std::vector<ViewRequest> requests;
    for (const auto& view : {frames.first(frames.size() - 1), frames.last(frames.size() - 1)})
      for (const std::int64_t frame : view)
        requests.push_back({static_cast<std::uint32_t>(frame), {.crop = {0, 0, side, side}}});
    return requests;
  }

  std::vector<std::int32_t> labels(std::int64_t step) override {
    std::vector<std::int32_t> labels;
    for (const std::int64_t frame : block_of(step).first(static_cast<std::size_t>(batch_)))
      labels.push_back(source_.store->label(frame, column_));
    return labels;
  }
  std::vector<std::int64_t> shuffled(std::int64_t step) override { return shuffled_positives(batch_, seed_, step); }

 protected:
  ViewSource source_;
  std::shared_ptr<const FrameStream> stream_;
  std::int64_t batch_;
  std::optional<ViewMaker> maker_;  // loaded

 private:
  // All samples of the slice, and the one that follows.
  std::span<const std::int64_t> frames_of(std::int64_t step, const Slice& slice) const {
    return block_of(step).subspan(static_cast<std::size_t>(slice.first), static_cast<std::size_t>(slice.count) + 1);
  }

  std::span<const std::int64_t> block_of(std::int64_t step) const { return stream_->block(choose_(step), batch_); }

  std::uint64_t seed_;
  std::int64_t batches_per_epoch_;
  ChooseBlock choose_;
  std::int64_t classes_;
  std::size_t column_;
};

// An epoch is a number of blocks of the training part of the stream, drawn with replacement, as published.
class Frames final : public FramePairs {
 public:
  Frames(const FrameSequences& data, const TrainingDescription& d)
      : Frames(data, d, open(data),
               std::make_shared<FrameStream>(d.seed, data.trajectories, static_cast<int>(data.frames))) {}

  void load(ProgressStyle style, bool talks) override {
    Progress progress(style, talks, static_cast<double>(images_->count()), ProgressUnit::images);
    images_->hold(stream_->frames(), [&](std::int64_t done) { progress.show("reading", static_cast<double>(done)); });
    progress.finish();
    const ChannelNormalisation normalisation = measured();
    refuse_constant_channels(normalisation, name_, "frames");
    normalise(normalisation);
    validation_.normalise(normalisation);
  }

  JudgedSets* judged() override { return &judged_; }
  std::unique_ptr<JudgedImages> unaugmented(Part part) override {
    switch (part) {
      case Part::training:
        return judged(0, split_.train);
      case Part::validation:
        return judged(split_.train, split_.validation);
      default:
        return judged(split_.train + split_.validation, split_.test);
    }
  }
  PairSource* validation() override { return &validation_; }

 private:
  Frames(const FrameSequences& data, const TrainingDescription& d, const std::shared_ptr<ImageStore>& images,
         const std::shared_ptr<const FrameStream>& stream)
      : FramePairs(
            images, stream, data.side, data.blocks_per_epoch,
            [this, seed = d.seed](std::int64_t step) { return drawn(seed, step); }, d),
        images_(images),
        split_(split(data, d)),
        validation_(
            images, stream, data.side, split_.validation,
            [this](std::int64_t step) { return split_.train + step % split_.validation; }, d),
        name_(data.file.empty() ? d.name : data.file) {
    judged_.columns = source_.store->columns();
    judged_.train = unaugmented(Part::validation);
    judged_.test = unaugmented(Part::test);
  }

  static std::shared_ptr<ImageStore> open(const FrameSequences& data) {
    if (data.file.empty()) return std::make_shared<SceneImages>(static_cast<int>(data.side));
    auto images = std::make_shared<ShapesFileImages>(data.file);
    if (images->count() != kShapesCount)
      throw ConfigError(
          fmt::format("{}: holds {} images; trajectories go through all {} of 3D Shapes, in the order of its grid",
                      data.file, images->count(), kShapesCount));
    return images;
  }

  BlockSplit split(const FrameSequences& data, const TrainingDescription& d) const {
    const std::int64_t blocks = stream_->blocks(d.batch);
    if (data.readout_blocks + data.test_blocks >= blocks)
      throw ConfigError(fmt::format(
          "{}: data.trajectories x data.frames, {} x {}, make {} blocks of training.batch + 1, {}, frames; {} of them "
          "are "
          "for readouts (data.readout_blocks) and {} for test (data.test_blocks), given or by default: none remains "
          "for "
          "training; use more trajectories, smaller batches or fewer blocks for readouts and test",
          d.name, data.trajectories, data.frames, blocks, d.batch + 1, data.readout_blocks, data.test_blocks));
    return split_blocks(blocks, data.readout_blocks, data.test_blocks);
  }

  // z-scores by channel, measured on frames of the training part.
  ChannelNormalisation measured() const {
    constexpr std::size_t kFrames = 4096;
    const auto frames = std::span(stream_->frames()).first(static_cast<std::size_t>(split_.train * (batch_ + 1)));
    return measure_normalisation(*source_.store, frames.first(std::min(kFrames, frames.size())));
  }

  std::unique_ptr<JudgedImages> judged(std::int64_t first, std::int64_t count) const {
    ImageSubset subset{source_.store, {}};
    for (std::int64_t b = first; b < first + count; ++b) {
      const auto frames = stream_->block(b, batch_);
      subset.images.insert(subset.images.end(), frames.begin(), frames.end() - 1);
    }
    return std::make_unique<StoreImages>(
        std::move(subset), source_.side,
        [this](std::size_t n, const std::uint8_t* pixels, float* views) { maker_->whole(n, pixels, views); });
  }

  std::int64_t drawn(std::uint64_t seed, std::int64_t step) const {
    Random random(seed, Draw::epoch_order, static_cast<std::uint32_t>(step), static_cast<std::uint32_t>(step >> 32));
    return random.below(static_cast<std::uint32_t>(split_.train));
  }

  std::shared_ptr<ImageStore> images_;
  BlockSplit split_;
  FramePairs validation_;
  std::string name_;  // of the data, for messages
  JudgedSets judged_;
};

}  // namespace

std::vector<std::string> image_files(const AugmentedImages& data, const TrainingDescription& description) {
  if (data.set == AugmentedImages::Set::cifar10) return cifar10_files(data.folder);
  return stl10_files(data.folder, stl10_training(description));
}

// Images that are larger than the views are made smaller first, as published: crops are then cut out of these.
std::unique_ptr<PairSource> make_image_pairs(const AugmentedImages& data, const TrainingDescription& d) {
  if (data.set == AugmentedImages::Set::cifar10)
    return std::make_unique<Augmented>(ImagesToView{open_cifar10(data.folder, d.seed), data.side, data.folder}, d);
  ImageDataSet set = open_stl10(data.folder, stl10_training(d), d.seed);
  if (data.side < set.train.store->side()) set = resized(set, static_cast<int>(data.side));
  return std::make_unique<Augmented>(ImagesToView{std::move(set), data.side, data.folder}, d);
}

std::unique_ptr<PairSource> make_image_pairs(const ImageSets& data, const TrainingDescription& d) {
  ImageDataSet set = open_image_sets(data.file, data.test, data.readout,
                                     {data.test_fraction, data.folds, data.fold, data.validation_fraction}, d.seed);
  for (std::size_t c = 0; c < data.mean.size(); ++c) {
    set.normalisation.mean[c] = static_cast<float>(data.mean[c]);
    set.normalisation.deviation[c] = static_cast<float>(data.deviation[c]);
  }
  const std::int64_t side = data.side > 0 ? data.side : set.train.store->side();
  return std::make_unique<Augmented>(
      ImagesToView{std::move(set), side, data.file, data.mean.empty(), data.augmentation, data.gap}, d);
}

std::unique_ptr<PairSource> make_frame_pairs(const FrameSequences& data, const TrainingDescription& description) {
  return std::make_unique<Frames>(data, description);
}

}  // namespace lpl::rate
