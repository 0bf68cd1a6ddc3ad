// What a training run has found so far, and how it stands in the result file (docs/formats.md): /training, one row an
// epoch; /steps, one row a step where asked for; /inspection, what [record] names.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "io/result_file.hpp"
#include "rate/trainer.hpp"

namespace lpl {

// Sums of the losses of the steps of an epoch, or a single step's.
struct LossRow {
  std::vector<double> terms;  // hooks x kLossTerms, unweighted
  double total = 0;
};

struct EpochRow {
  std::int64_t epoch = 0;
  double learning_rate = 0;
  double images_per_second = 0;
  LossRow losses;  // means over the epoch's steps
};

// Writes the rows of a run to its result file. Ranks other than 0 hold none.
class TrainingFile {
 public:
  // `hooks`: names of the layers that losses stand at; `terms`: which of kLossNames the rule has.
  TrainingFile(const std::string& path, const RunFacts& facts, const std::vector<std::string>& hooks,
               const std::vector<LossTerm>& terms, bool steps);
  void add_epoch(const EpochRow& row);
  void add_step(const LossRow& row);
  void add_values(const std::string& name, const std::vector<float>& values, const std::vector<std::int64_t>& shape);
  void flush() { file_.flush(); }
  void finish(const std::string& status, double wall) { file_.finish(status, wall, 0); }
  void fail() { file_.fail(); }

 private:
  struct Losses {
    h5::Series total;
    std::vector<h5::Series> terms;
  };
  Losses create_losses(const std::string& group, const std::vector<std::string>& hooks);
  void append(Losses& losses, const LossRow& row);

  ResultFile file_;
  std::vector<LossTerm> terms_;
  std::size_t hooks_;
  h5::Series epoch_, learning_rate_, speed_;
  Losses epochs_, steps_;
};

}  // namespace lpl
