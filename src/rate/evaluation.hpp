// What the layers of a network represent: linear readouts of labels and measures of geometry, on labelled images that
// take no part in training (docs/numerics.md: readouts learn from the validation split, and are tested on the test
// split).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "rate/description.hpp"
#include "rate/metrics.hpp"
#include "rate/pairs.hpp"
#include "rate/trainer.hpp"

namespace lpl::rate {

// Of one layer. Measures use the test images and the first label column.
struct LayerEvaluation {
  // By label column, of readouts: on test images, on those they learned from, and how much the latter rose in the last
  // quarter of the readout's training.
  std::vector<double> accuracy, training_accuracy, late_rise;
  std::vector<double> top5_accuracy;  // on test images: the class is among the five likeliest
  double participation_ratio = 0;
  double mean_activity = 0;
  CosineMeasures cosines;
  ManifoldMeasures manifold;
  PushMeasures push;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& accuracy& training_accuracy& late_rise& top5_accuracy& participation_ratio& mean_activity;
    archive& cosines.across_classes& cosines.within_classes& cosines.across_histogram& cosines.within_histogram;
    archive& manifold.class_correlation& manifold.relative_radius& manifold.dimension;
    archive& manifold.classes& manifold.radii& manifold.dimensions& manifold.centroid_spreads;
    archive& push.cosine_push& push.uniformity& push.kl_to_standard_gaussian& push.sliced_wasserstein;
  }
};

// Whether only the readouts of a layer are wanted, or the measures, too.
enum class Judged { readouts, all };

// Of every block, by its activity for both sets (layer_activity), samples x units. Collective: ranks share the blocks,
// and threads what a rank has of them; every rank gets all, the same numbers on any number of them.
std::vector<LayerEvaluation> evaluate_activity(const JudgedSets& sets, const std::vector<std::vector<float>>& train,
                                               const std::vector<std::vector<float>>& test,
                                               const ReadoutDescription& readout, std::uint64_t seed, Judged judged,
                                               Communicator& comm);

// Every block of a network as it is. Collective: ranks share the images.
std::vector<LayerEvaluation> evaluate(Trainer& trainer, JudgedSets& sets, const ReadoutDescription& readout,
                                      std::uint64_t seed, Judged judged, Communicator& comm);

// Pooled activity of every block for all images, samples x units by block, on every rank. Collective: ranks share the
// images.
std::vector<std::vector<float>> layer_activity(Trainer& trainer, JudgedImages& images, Communicator& comm);

// Says it where readouts had not converged, with the one that is farthest from it; "" where all had. Layers are called
// by their names.
std::string convergence_warning(const std::vector<LayerEvaluation>& layers, const std::vector<std::string>& names,
                                const std::vector<LabelColumn>& columns, const ReadoutDescription& readout);

// Readouts straight from the pixels; no measures.
LayerEvaluation evaluate_pixels(JudgedSets& sets, const ReadoutDescription& readout, std::uint64_t seed);

}  // namespace lpl::rate
