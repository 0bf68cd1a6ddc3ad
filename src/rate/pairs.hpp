// Where a training run gets its pairs of samples from.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/progress.hpp"
#include "rate/backend.hpp"
#include "rate/data/augment.hpp"
#include "rate/data/images.hpp"
#include "rate/description.hpp"

namespace lpl::rate {

// Images that representations and readouts are judged by, each as one view.
class JudgedImages {
 public:
  virtual ~JudgedImages() = default;
  virtual std::int64_t count() const = 0;
  // Which of the data set they are.
  virtual const std::vector<std::int64_t>& images() const = 0;
  // (n, height, width, channels) of the images first .. first + n - 1.
  virtual std::vector<float> make(std::int64_t first, std::int64_t n) = 0;
  virtual const std::vector<LabelColumn>& columns() const = 0;
  // By label column: one label an image.
  virtual const std::vector<std::vector<std::int32_t>>& labels() const = 0;
};

// Readouts learn from `train`, and are tested on `test`, with labels of `columns`.
struct JudgedSets {
  std::vector<LabelColumn> columns;
  std::unique_ptr<JudgedImages> train, test;
};

class PairSource {
 public:
  virtual ~PairSource() = default;
  // Reads what training needs and a check of the description does not; before the first sample. The process that
  // `talks` shows how far it is.
  virtual void load(ProgressStyle, [[maybe_unused]] bool talks) {}
  // Shape of one sample.
  virtual Shape sample() const = 0;
  // Classes of the labels; 0 without labels.
  virtual std::int64_t classes() const = 0;
  virtual std::int64_t batches_per_epoch() const = 0;
  // The number of samples of a batch (from 0, counted over all epochs): as described, but the last batch of an epoch
  // may be smaller.
  virtual std::int64_t batch(std::int64_t batch) const = 0;
  // The samples of a slice, (2 x count, height, width, channels): first all of view 1, then all of view 2; in sequences
  // view 1 is the earlier sample. Depends on the arguments only, so any rank can make any slice.
  virtual std::vector<float> make(std::int64_t batch, const Slice& slice) = 0;
  // Where samples are views of stored images: the images (else null), and what make() makes of them.
  virtual const ViewSource* view_source() const { return nullptr; }
  virtual std::vector<ViewRequest> views(std::int64_t, const Slice&) { return {}; }
  // Labels of the whole batch, of the column that classifiers learn.
  virtual std::vector<std::int32_t> labels(std::int64_t batch) = 0;
  // Null where the data have no labelled images.
  virtual JudgedSets* judged() { return nullptr; }
  // The images of a part as readouts see them, in the order of the data set. Null where the data are no images.
  virtual std::unique_ptr<JudgedImages> unaugmented(Part) { return nullptr; }
  // Pairs of the images held out of training, with epochs of their own length. Null where there are none, or where
  // their losses are not wanted.
  virtual PairSource* validation() { return nullptr; }
  // For view 1's sample b, the sample of view 2 that shuffled positives pair it with.
  virtual std::vector<std::int64_t> shuffled(std::int64_t batch) = 0;
};

// The source that a run describes. Throws ConfigError or IoError where the data cannot be used.
std::unique_ptr<PairSource> make_pairs(const TrainingDescription& description);

// The files that a run reads besides its description: those that it names, and the image files of a named folder.
std::vector<std::string> data_files(const TrainingDescription& description);
std::vector<std::string> image_files(const AugmentedImages& data, const TrainingDescription& description);

// The sources, by kind of data.
std::unique_ptr<PairSource> make_image_pairs(const AugmentedImages& data, const TrainingDescription& description);
std::unique_ptr<PairSource> make_image_pairs(const ImageSets& data, const TrainingDescription& description);
std::unique_ptr<PairSource> make_frame_pairs(const FrameSequences& data, const TrainingDescription& description);
std::unique_ptr<PairSource> make_recorded_batches(const RecordedBatches& data, const TrainingDescription& description);
std::unique_ptr<PairSource> make_cluster_pairs(const ClusterPairs& data, const TrainingDescription& description);
std::unique_ptr<PairSource> make_digit_pairs(const DigitPairs& data, const TrainingDescription& description);

// A permutation of 0 .. n-1 by (seed, step).
std::vector<std::int64_t> shuffled_positives(std::int64_t n, std::uint64_t seed, std::int64_t step);

// For view 2's sample b, the sample of view 1 that is paired with it. Throws Error where `positives` is no permutation.
std::vector<std::int32_t> inverse_positives(const std::vector<std::int64_t>& positives);

}  // namespace lpl::rate
