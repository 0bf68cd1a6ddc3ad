// Where a training run gets its pairs of samples from.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "rate/backend.hpp"
#include "rate/description.hpp"

namespace lpl {

// The samples of one slice of a batch. In sequences view 1 is the earlier sample.
struct Pairs {
  std::vector<float> views;          // (2 x count, height, width, channels): first all of view 1, then all of view 2
  std::vector<std::int32_t> labels;  // (count), of the column that classifiers learn; empty without labels
};

class PairSource {
 public:
  virtual ~PairSource() = default;
  // Shape of one sample.
  virtual Shape sample() const = 0;
  // Classes of the labels; 0 without labels.
  virtual std::int64_t classes() const = 0;
  virtual std::int64_t steps_per_epoch() const = 0;
  // The number of samples of the batch of a step (from 0, counted over all epochs): as described, but the last batch
  // of an epoch may be smaller.
  virtual std::int64_t batch(std::int64_t step) const = 0;
  // Depends on the arguments only, so any rank can make any slice.
  virtual Pairs make(std::int64_t step, const Slice& slice) = 0;
  // Labels of the whole batch.
  virtual std::vector<std::int32_t> labels(std::int64_t step) = 0;
  // For view 1's sample b, the sample of view 2 that shuffled positives pair it with.
  virtual std::vector<std::int64_t> shuffled(std::int64_t step) = 0;
};

// Throws ConfigError or IoError where the data cannot be used.
std::unique_ptr<PairSource> make_recorded_batches(const RecordedBatches& data, std::int64_t described_batch);

// A permutation of 0 .. n-1 by (seed, step).
std::vector<std::int64_t> shuffled_positives(std::int64_t n, std::uint64_t seed, std::int64_t step);

}  // namespace lpl
