// A training run from description to result file: epochs, schedule, readouts, checkpoints.
#pragma once

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "core/progress.hpp"
#include "io/checkpoint.hpp"
#include "io/result_file.hpp"
#include "rate/backend.hpp"
#include "rate/data/images.hpp"
#include "rate/description.hpp"

namespace lpl::rate {

// Accuracies of readouts, for the summary: rows are layers.
struct AccuracyTable {
  std::vector<LabelColumn> columns;
  std::vector<std::string> layers;
  std::vector<std::vector<double>> trained;
  std::vector<std::vector<double>> training;   // of the same readouts, on the images that they learned from
  std::vector<std::vector<double>> untrained;  // empty if not asked for
  std::vector<double> pixels;                  // by column; empty if not asked for
  // Of readouts that have not converged: of the trained network ("" where all have), and of what it is compared with.
  std::string warning;
  std::vector<std::string> baseline_warnings;
};

struct TrainingSummary {
  bool interrupted = false;  // by a signal
  std::int64_t parameters = 0;
  std::int64_t steps = 0;
  std::int64_t epochs = 0;
  std::int64_t samples = 0;
  double wall_seconds = 0;
  double training_seconds = 0;                                    // of them without readouts
  double final_total = std::numeric_limits<double>::quiet_NaN();  // none before the end of an epoch, or of this rule
  AccuracyTable accuracy;
};

// Where results go besides the result file; "": nowhere.
struct TrainingOutputs {
  std::string result;      // HDF5
  std::string events;      // folder of TensorBoard event files
  std::string parameters;  // safetensors
  bool overwrite = false;  // a resumed run replaces the result file, whatever it is
};

// Trains and writes the result file. A run that is resumed may have more epochs now. Collective. Throws Error; a loss
// that is not finite ends the run with layer, step and term named, and leaves the last checkpoint as it is.
TrainingSummary run_training(const TrainingDescription& description, Backend& backend, Communicator& comm,
                             const RunFacts& facts, const TrainingOutputs& outputs, ProgressStyle progress,
                             const CheckpointOptions& checkpoint);

// Readouts of a finished run, whose parameters are read from its result file `trained`, or where that is "" of a
// network with its initial parameters; written to a result file of their own, on request with the activity that the
// images of a part of the data cause. Collective. Throws Error.
AccuracyTable evaluate_run(const TrainingDescription& description, Backend& backend, Communicator& comm,
                           const RunFacts& facts, const std::string& trained, const std::string& out,
                           std::optional<Part> activity);

}  // namespace lpl::rate
