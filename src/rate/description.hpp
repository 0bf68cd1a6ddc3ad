// A training run as described by a .rate file (docs/language.md): typed, checked, in SI units.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "config/table.hpp"
#include "rate/encoder.hpp"
#include "rate/objectives/objective.hpp"

namespace lpl::rate {

enum class Scope { layer_local, end_to_end };
enum class Positives { next, shuffled };

struct AdamOptimizer {
  double beta1, beta2, epsilon;
};
struct SgdOptimizer {
  double momentum;
};

struct OptimizerDescription {
  std::variant<AdamOptimizer, SgdOptimizer> kind;
  double learning_rate;
  double weight_decay;
  // Rate by epoch: warm-up from start_rate, then a cosine to final_rate; without a schedule it is constant; `listed`
  // gives the rate of every step.
  bool scheduled;
  int warmup_epochs;
  double start_rate, final_rate;
  std::vector<double> listed;
};

// Where the pairs of samples come from.
struct AugmentedImages {  // two random views of an image
  enum class Set { cifar10, stl10 } set;
  std::string folder;
  std::int64_t side;  // of the views [pixels]
};
// What random views of images are made by; what is off is left out.
struct Augmentation {
  bool crop = true, flip = true, jitter = true, grey = true, blur = true;
};
struct ImageSets {  // the same of images in files of one layout (io/image_set.hpp)
  std::string file;
  std::string test;                     // another such file; "": images of `file`,
  double test_fraction;                 // so many of them,
  std::int64_t folds, fold;             // or, with folds > 0, one of its equal parts, 0 .. folds - 1
  std::string readout;                  // what readouts learn from; "": the validation split
  double validation_fraction;           // of the images to train on
  std::int64_t side;                    // of the views [pixels]; 0: that of the images
  std::int64_t gap;                     // frames from the first to the second of a pair; 0: two views of one image
  std::vector<double> mean, deviation;  // by channel, of values from 0 to 1; empty: measured on the images to train on
  Augmentation augmentation;
};
struct FrameSequences {  // neighbouring frames of trajectories through the factors of 3D Shapes
  std::string file;      // a 3dshapes.h5; "": the built-in renderer
  std::int64_t side;     // [pixels]
  std::int64_t trajectories;
  std::int64_t frames;  // of a trajectory
  std::int64_t blocks_per_epoch;
  std::int64_t readout_blocks, test_blocks;
};
struct RecordedBatches {  // given batches, for comparison with a reference
  std::string file;
  std::int64_t classes;
};
struct ClusterPairs {  // two clusters in a plane
  double sigma_y, switching;
  std::int64_t steps_per_epoch;
};
struct DigitPairs {  // two digits in two corners
  std::string file;
  std::int64_t first, second;
  bool keeps_digit;
  std::int64_t steps_per_epoch;
};
using DataDescription =
    std::variant<AugmentedImages, ImageSets, FrameSequences, RecordedBatches, ClusterPairs, DigitPairs>;

// What the images of a data set are for.
enum class Part { training, validation, test };
std::string name_of(Part part);
std::optional<Part> part_of(const std::string& name);

struct ReadoutDescription {
  bool wanted;
  std::int64_t every;  // [epochs] during training; 0: after it only
  int epochs;
  std::int64_t batch;
  bool stated_batch;  // not by default
  double learning_rate;
  bool pixels, untrained;  // baselines to compare with
};

struct StepRecords {
  bool losses;                           // of every step
  std::vector<std::int64_t> gradients;   // at these steps (1, 2, ...)
  std::vector<std::int64_t> parameters;  // after these steps
  std::vector<std::int64_t> estimates;   // stale estimates held after these steps
  std::vector<std::int64_t> hooks;       // activities at these steps
  std::int64_t validation_every;         // [epochs] between losses on the validation split; 0: never
};

struct TrainingDescription {
  std::string name;  // of the file, for messages
  std::uint64_t seed;
  std::int64_t batch, epochs;
  std::int64_t accumulate;  // batches a step
  std::int64_t steps;       // at most so many in all; 0: as many as the epochs have
  Precision precision;
  NetDescription net;
  bool biases;
  bool pooled;  // hooks average over space
  Projector projector;
  std::shared_ptr<const Objective> objective;
  Scope scope;
  Positives positives;
  std::size_t label_column;  // that classifiers learn
  OptimizerDescription optimizer;
  DataDescription data;
  bool only_judged = false;  // of the data, only what readouts need is opened; nothing is trained
  ReadoutDescription readout;
  StepRecords record;
  std::string initial_parameters;  // safetensors file; "": drawn
  std::string canonical_text;
  std::string fixed_text;  // the same without the number of epochs and steps, which a resumed run may change
  DescriptionFiles files;
  // Where keys stand that only the data can judge, by "TABLE.KEY", for messages: Table::place(), and with stated().
  std::map<std::string, std::string> places, stated;
  std::vector<std::string> warnings;  // of what is allowed, but hardly meant
};

TrainingDescription read_training(const std::string& path, const std::vector<std::string>& overrides,
                                  std::optional<std::uint64_t> seed);
TrainingDescription read_training_text(const std::string& text, const std::string& name,
                                       const std::vector<std::string>& overrides);

// The description that a finished run has stored, to judge its network. Where an override names another data.set, none
// of the keys of the run's own data is left.
TrainingDescription read_trained(const std::string& text, const std::string& name, std::vector<std::string> overrides);

// A description whose network has the parameters of training.initial, to judge it. Throws ConfigError where it names
// none.
TrainingDescription read_imported(const std::string& path, const std::vector<std::string>& overrides,
                                  std::optional<std::uint64_t> seed);

// The --set that makes a description read its data from `path`, a folder or a file.
std::string data_override(const std::string& path);

}  // namespace lpl::rate
