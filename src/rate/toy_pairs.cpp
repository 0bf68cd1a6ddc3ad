// Pairs of the toy experiments: clusters in a plane, digits in corners.
#include <functional>

#include "rate/data/toys.hpp"
#include "rate/pairs.hpp"

namespace lpl::rate {
namespace {

class Toy final : public PairSource {
 public:
  using DrawPairs = std::function<ToyPairs(std::size_t pairs, std::uint32_t step)>;

  Toy(DrawPairs draw, std::int64_t dimensions, std::int64_t classes, std::int64_t steps_per_epoch,
      const TrainingDescription& d)
      : draw_(std::move(draw)),
        dimensions_(dimensions),
        classes_(classes),
        steps_per_epoch_(steps_per_epoch),
        batch_(d.batch),
        seed_(d.seed) {}

  Shape sample() const override { return {1, dimensions_, 1, 1}; }
  std::int64_t classes() const override { return classes_; }
  std::int64_t batches_per_epoch() const override { return steps_per_epoch_; }
  std::int64_t batch(std::int64_t) const override { return batch_; }

  std::vector<float> make(std::int64_t step, const Slice& slice) override {
    const ToyPairs& all = drawn(step);
    const std::int64_t first = slice.first * dimensions_, last = (slice.first + slice.count) * dimensions_;
    std::vector<float> made;
    for (const std::vector<float>* view : {&all.earlier, &all.later})
      made.insert(made.end(), view->begin() + first, view->begin() + last);
    return made;
  }
  std::vector<std::int32_t> labels(std::int64_t step) override { return drawn(step).earlier_class; }
  std::vector<std::int64_t> shuffled(std::int64_t step) override { return shuffled_positives(batch_, seed_, step); }

 private:
  // The pairs of a step, which all its slices share.
  const ToyPairs& drawn(std::int64_t step) {
    if (step != drawn_step_) drawn_ = draw_(static_cast<std::size_t>(batch_), static_cast<std::uint32_t>(step));
    drawn_step_ = step;
    return drawn_;
  }

  DrawPairs draw_;
  std::int64_t dimensions_, classes_, steps_per_epoch_, batch_;
  std::uint64_t seed_;
  ToyPairs drawn_;
  std::int64_t drawn_step_ = -1;
};

}  // namespace

std::unique_ptr<PairSource> make_cluster_pairs(const ClusterPairs& data, const TrainingDescription& description) {
  const TwoClusters clusters{data.sigma_y, data.switching};
  return std::make_unique<Toy>(
      [clusters, seed = description.seed](std::size_t pairs, std::uint32_t step) {
        return draw_pairs(clusters, pairs, seed, step);
      },
      2, 2, data.steps_per_epoch, description);
}

std::unique_ptr<PairSource> make_digit_pairs(const DigitPairs& data, const TrainingDescription& description) {
  const DigitImages images = read_digits(data.file);
  const auto corners = std::make_shared<const CornerDigits>(images, static_cast<std::int32_t>(data.first),
                                                            static_cast<std::int32_t>(data.second));
  const DigitSequence sequence = data.keeps_digit ? DigitSequence::keeps_digit : DigitSequence::keeps_place;
  return std::make_unique<Toy>(
      [corners, sequence, seed = description.seed](std::size_t pairs, std::uint32_t step) {
        return corners->draw_pairs(sequence, pairs, seed, step);
      },
      4 * images.side * images.side, 4, data.steps_per_epoch, description);
}

}  // namespace lpl::rate
