// What a training run has found so far, and how it stands in the result file (docs/formats.md): /training, one row an
// epoch; /steps, one row a step, and /validation, where asked for; /readout and /metrics, one row an evaluation;
// /inspection, what [record] names.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "io/result_file.hpp"
#include "rate/evaluation.hpp"
#include "rate/trainer.hpp"

namespace lpl::rate {

// Summed or mean losses of the steps of an epoch, or those of a single step.
struct LossRow {
  std::vector<double> terms;  // hooks x kLossTerms, unweighted
  double total = 0;

  void add(const StepLosses& losses);
  void divide(std::int64_t count);

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& terms& total;
  }
};

struct EpochRow {
  std::int64_t epoch = 0;
  double learning_rate = 0;
  double images_per_second = 0;
  LossRow losses;  // means over the epoch's steps

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& epoch& learning_rate& images_per_second& losses;
  }
};

// Mean losses over the batches of the validation split.
struct ValidationRow {
  std::int64_t epoch = 0;  // epochs trained before it
  LossRow losses;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& epoch& losses;
  }
};

struct EvaluationRow {
  std::int64_t epoch = 0;  // epochs trained before it
  std::vector<LayerEvaluation> layers;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& epoch& layers;
  }
};

struct Baseline {
  std::string name;
  std::vector<double> accuracy;  // (columns) or (layers, columns)

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& name& accuracy;
  }
};

struct NamedValues {
  std::string name;
  std::vector<float> values;
  std::vector<std::int64_t> shape;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& name& values& shape;
  }
};

// What layers say to the images of a part of the data, for analyses of one's own.
struct ImageActivity {
  Part part;
  JudgedImages& images;
  Shape image;                             // of one of them
  std::vector<std::vector<float>> layers;  // (images, units), pooled
};

// All that a run has written, for a checkpoint: the result file is written anew from it.
struct History {
  std::vector<EpochRow> epochs;
  std::vector<LossRow> steps;
  std::vector<ValidationRow> validation;
  std::vector<EvaluationRow> evaluations;
  std::vector<Baseline> baselines;
  std::vector<NamedValues> values;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& epochs& steps& validation& evaluations& baselines& values;
  }
};

struct HistoryLayout;
// Whether rows are of the sizes that the layout says.
bool fits(const History& history, const HistoryLayout& layout);

// What the rows of a run belong to.
struct HistoryLayout {
  std::vector<std::string> hooks;    // layers that losses stand at; empty: nothing is trained
  std::vector<LossTerm> terms;       // that the rule has
  std::vector<std::string> layers;   // that are evaluated
  std::vector<LabelColumn> columns;  // of the labels that readouts learn
  bool steps;                        // losses of every step are kept
  bool validation = false;           // and those on the validation split
};

LossRow no_losses(const HistoryLayout& layout);

// Writes the rows of a run to its result file.
class TrainingFile {
 public:
  TrainingFile(const std::string& path, const RunFacts& facts, const HistoryLayout& layout);
  void add(const EpochRow& row);
  void add(const LossRow& row);  // of a step
  void add(const ValidationRow& row);
  void add(const EvaluationRow& row);
  void add(const Baseline& baseline);
  void add(const NamedValues& values);
  void add(const ImageActivity& activity);
  void add(const History& history);
  void flush() { file_.flush(); }
  void finish(const std::string& status, double wall) { file_.finish(status, wall, 0); }
  void fail() { file_.fail(); }
  // The name of the run, by which it knows its file again.
  const std::string& run() const { return file_.run(); }

 private:
  struct Losses {
    h5::Series total;
    std::vector<h5::Series> terms;
  };
  Losses create_losses(const std::string& group);
  void create_training();
  void create_evaluations();
  void append(Losses& losses, const LossRow& row);
  void write_pixels(const ImageActivity& activity);

  ResultFile file_;
  HistoryLayout layout_;
  h5::Series epoch_, learning_rate_, speed_;
  h5::Series validation_epoch_;
  Losses epochs_, steps_, validation_;
  h5::Series readout_epoch_, accuracy_, training_accuracy_, late_rise_, top5_accuracy_, metrics_epoch_;
  std::vector<h5::Series> metrics_;  // in the order of kMetrics
  h5::Series within_histogram_, across_histogram_;
};

}  // namespace lpl::rate
