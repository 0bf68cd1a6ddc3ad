#include "rate/pairs.hpp"

#include <fmt/format.h>

#include <numeric>
#include <utility>

#include "core/errors.hpp"
#include "core/random.hpp"

namespace lpl::rate {

std::unique_ptr<PairSource> make_pairs(const TrainingDescription& description) {
  struct Make {
    const TrainingDescription& d;
    auto operator()(const AugmentedImages& data) const { return make_image_pairs(data, d); }
    auto operator()(const ImageSets& data) const { return make_image_pairs(data, d); }
    auto operator()(const FrameSequences& data) const { return make_frame_pairs(data, d); }
    auto operator()(const RecordedBatches& data) const { return make_recorded_batches(data, d); }
    auto operator()(const ClusterPairs& data) const { return make_cluster_pairs(data, d); }
    auto operator()(const DigitPairs& data) const { return make_digit_pairs(data, d); }
  };
  return std::visit(Make{description}, description.data);
}

std::vector<std::string> data_files(const TrainingDescription& description) {
  std::vector<std::string> files = description.files.data;
  if (const auto* images = std::get_if<AugmentedImages>(&description.data)) {
    const auto of_set = image_files(*images, description);
    files.insert(files.end(), of_set.begin(), of_set.end());
  }
  return files;
}

std::vector<std::int64_t> shuffled_positives(std::int64_t n, std::uint64_t seed, std::int64_t step) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  Random random(seed, Draw::positives, static_cast<std::uint32_t>(step), static_cast<std::uint32_t>(step >> 32));
  for (std::size_t i = order.size(); i > 1; --i)
    std::swap(order[i - 1], order[random.below(static_cast<std::uint32_t>(i))]);
  return order;
}

std::vector<std::int32_t> inverse_positives(const std::vector<std::int64_t>& positives) {
  std::vector<std::int32_t> inverse(positives.size(), -1);
  for (std::size_t b = 0; b < positives.size(); ++b) {
    const auto other = static_cast<std::size_t>(positives[b]);
    if (other >= inverse.size() || inverse[other] != -1)
      throw Error(fmt::format("positives of {} samples are no permutation: sample {} of view 1 is pulled to sample {}",
                              positives.size(), b, positives[b]));
    inverse[other] = static_cast<std::int32_t>(b);
  }
  return inverse;
}

}  // namespace lpl::rate
