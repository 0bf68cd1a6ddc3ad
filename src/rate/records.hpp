// Where the rows of a training go: its result file, TensorBoard events, and the history that checkpoints hold.
#pragma once

#include <memory>
#include <string>

#include "comm/communicator.hpp"
#include "io/event_file.hpp"
#include "rate/history.hpp"
#include "rate/run.hpp"

namespace lpl::rate {

class Records {
 public:
  // Rows are remembered in `history` where checkpoints are written; it and `comm` must outlive this.
  Records(Communicator& comm, const HistoryLayout& layout, History& history, bool remembers)
      : comm_(comm), layout_(layout), history_(history), remembers_(remembers) {}

  // On rank 0: creates the files, with the history in them; what was said of `step`, the last of `epochs` epochs, is
  // said again to a new event file. Returns the name of the run.
  std::string open(const RunFacts& facts, const TrainingOutputs& outputs, std::int64_t step, std::int64_t epochs);

  // Collective. Rows of an epoch are those after `step` steps.
  void add(const LossRow& row) { keep(row, history_.steps); }
  void add(const NamedValues& values) { keep(values, history_.values); }
  void add(const Baseline& baseline) { keep(baseline, history_.baselines); }
  void add(const EpochRow& row, std::int64_t step) { keep(row, history_.epochs, step); }
  void add(const ValidationRow& row, std::int64_t step) { keep(row, history_.validation, step); }
  void add(const EvaluationRow& row, std::int64_t step) { keep(row, history_.evaluations, step); }
  void flush();

  TrainingFile* file() { return file_.get(); }  // null but on rank 0
  // The run did not end as it should.
  void fail() {
    if (file_) file_->fail();
  }

 private:
  template <class Row>
  void keep(const Row& row, std::vector<Row>& remembered) {
    agree(comm_, [&] {
      if (file_) file_->add(row);
    });
    if (remembers_) remembered.push_back(row);
  }
  template <class Row>
  void keep(const Row& row, std::vector<Row>& remembered, std::int64_t step) {
    keep(row, remembered);
    agree(comm_, [&] {
      if (events_) say(row, step);
    });
  }
  void say(const EpochRow& row, std::int64_t step);
  void say(const ValidationRow& row, std::int64_t step);
  void say(const EvaluationRow& row, std::int64_t step);
  void say_terms(const std::string& group, const LossRow& losses, std::int64_t step);
  void say(const std::string& tag, std::int64_t step, double value);

  Communicator& comm_;
  HistoryLayout layout_;
  History& history_;
  bool remembers_;
  std::unique_ptr<TrainingFile> file_;
  std::unique_ptr<EventFile> events_;  // where asked for
};

}  // namespace lpl::rate
