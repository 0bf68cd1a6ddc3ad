// A network with its data, as described: what training and readouts of a finished run share.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "core/progress.hpp"
#include "rate/description.hpp"
#include "rate/history.hpp"
#include "rate/pairs.hpp"
#include "rate/run.hpp"
#include "rate/trainer.hpp"

namespace lpl::rate {

class Session {
 public:
  // `description`, `backend` and `comm` must outlive the session.
  Session(const TrainingDescription& description, Backend& backend, Communicator& comm);

 protected:
  // Collective, before the first sample.
  void load_data(ProgressStyle style);

  std::vector<Parameter*> parameters() { return trainer_->encoder().parameters(); }
  std::vector<NamedArray*> network() { return trainer_->encoder().state(); }

  // Of training.initial.
  void load_initial_parameters();
  // Values of an array that belongs to `p`, named GROUP/NAME, in PyTorch's order.
  NamedValues stored(const std::string& group, const NamedArray& p, const Array& array);

  // Collective.
  std::vector<LayerEvaluation> evaluate_layers(Judged judged);
  void show(const std::vector<LayerEvaluation>& layers, AccuracyTable& table) const;

  const TrainingDescription& description_;
  Backend& backend_;
  Communicator& comm_;
  std::unique_ptr<PairSource> pairs_;
  EncoderDescription encoder_;
  std::unique_ptr<Trainer> trainer_;
  HistoryLayout layout_;
};

}  // namespace lpl::rate
