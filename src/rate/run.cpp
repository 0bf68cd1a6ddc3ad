#include "rate/run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "core/errors.hpp"
#include "core/termination.hpp"
#include "core/timers.hpp"
#include "io/safetensors.hpp"
#include "rate/evaluation.hpp"
#include "rate/plan.hpp"
#include "rate/records.hpp"
#include "rate/schedule.hpp"
#include "rate/session.hpp"
#include "rate/soundness.hpp"
#include "rate/training_state.hpp"

namespace lpl::rate {
namespace {

// The loop of a training: steps, epochs, readouts, checkpoints.
class Run : public Session {
 public:
  Run(const TrainingDescription& description, Backend& backend, Communicator& comm, const RunFacts& facts,
      const TrainingOutputs& outputs, const CheckpointOptions& checkpoint)
      : Session(description, backend, comm),
        facts_(facts),
        outputs_(outputs),
        checkpoint_(checkpoint),
        kind_{facts.program, TrainingState::kVersion, facts.fixed_text, facts.inputs},
        schedule_(checkpoint),
        steps_{pairs_->batches_per_epoch(), description.accumulate},
        records_(comm, layout_, state_.history, !checkpoint.path.empty()) {
    for (const std::string& warning : check_plan(description, *pairs_))
      if (comm.rank() == 0) fmt::print(stderr, "warning: {}\n", warning);
    state_.epoch_sums = no_losses(layout_);
    state_.epochs = description.epochs;
    if (!checkpoint.resume_from.empty())
      go_on(resume<TrainingState>(checkpoint, kind_));
    else if (!description.initial_parameters.empty())
      load_initial_parameters();
  }

  TrainingSummary train(ProgressStyle style) {
    const double start = wall_clock();
    agree(comm_, [&] {
      if (comm_.rank() == 0)
        state_.run = records_.open(facts_, outputs_, state_.step, state_.step / steps_.per_epoch());
    });
    const LastAct mark_as_failed(comm_, [&] { records_.fail(); });
    try {
      load_data(style);
      run_all(style);
      agree(comm_, [&] { finish(wall_clock() - start); });
    } catch (...) {
      records_.fail();
      throw;
    }
    for (const Parameter* p : parameters()) summary_.parameters += p->size();
    summary_.steps = state_.step;
    summary_.wall_seconds = wall_clock() - start;
    summary_.accuracy.columns = layout_.columns;
    summary_.accuracy.layers = layout_.layers;
    return summary_;
  }

 private:
  double rate_of(std::int64_t step) const {
    const OptimizerDescription& o = description_.optimizer;
    if (!o.listed.empty()) return o.listed[static_cast<std::size_t>(step) % o.listed.size()];
    if (!o.scheduled) return o.learning_rate;
    return Schedule{static_cast<int>(description_.epochs), o.warmup_epochs, o.start_rate, o.learning_rate, o.final_rate}
        .rate(static_cast<int>(step / steps_.per_epoch()));
  }

  std::int64_t last_step() const { return planned_steps(description_, steps_.per_epoch()); }

  // Checkpoints at the end of an epoch are of before its readouts, so that the run can be resumed with more epochs.
  void run_all(ProgressStyle style) {
    const std::int64_t per_epoch = steps_.per_epoch(), last = last_step();
    if (state_.step == 0) add_baselines();
    Progress progress(style, comm_.rank() == 0, static_cast<double>(last), ProgressUnit::steps);
    while (!summary_.interrupted) {
      if (state_.step > 0 && (state_.step == last || state_.step % per_epoch == 0)) judge(state_.step == last);
      if (state_.step == last) break;
      const std::int64_t epoch = state_.step / per_epoch;
      const std::int64_t end = std::min(last, (epoch + 1) * per_epoch);
      run_epoch(epoch, end, progress);
      if (state_.step < end) break;  // interrupted
      finish_epoch(epoch, end - epoch * per_epoch, end == last);
    }
    progress.finish();
  }

  void run_epoch(std::int64_t epoch, std::int64_t end, Progress& progress) {
    epoch_start_ = wall_clock();
    epoch_samples_ = 0;
    while (state_.step < end) {
      const std::int64_t first = steps_.first_batch(state_.step);
      for (std::int64_t b = first; b < first + steps_.batches(state_.step); ++b) epoch_samples_ += pairs_->batch(b);
      take_step();
      if (trainer_->losses_due() || state_.step == end) collect_losses();
      progress.show(fmt::format("epoch {}", epoch + 1), static_cast<double>(state_.step));
      if (state_.step == end) return;  // saved with what finish_epoch() adds
      save_if_due();
      if (summary_.interrupted) return;
    }
  }

  void finish_epoch(std::int64_t epoch, std::int64_t steps, bool last) {
    const double seconds = wall_clock() - epoch_start_;
    summary_.training_seconds += seconds;
    EpochRow row{epoch, rate_of(state_.step - 1), static_cast<double>(epoch_samples_) / seconds, state_.epoch_sums};
    row.losses.divide(steps);
    state_.epoch_sums = no_losses(layout_);
    summary_.final_total = row.losses.total;
    summary_.samples += epoch_samples_;
    summary_.epochs = epoch + 1;
    records_.add(row, state_.step);
    refuse_broken_numbers(fmt::format("after epoch {}", epoch + 1));
    if (last) store_network();
    records_.flush();
    save_if_due(last || (checkpoint_.epochs > 0 && (epoch + 1) % checkpoint_.epochs == 0));
  }

  // Losses on the validation split and readouts of the epoch that has just ended, where wanted.
  void judge(bool last) {
    const std::int64_t per_epoch = steps_.per_epoch();
    const std::int64_t epochs = (state_.step + per_epoch - 1) / per_epoch;
    const auto due = [&](std::int64_t every) { return last || (every > 0 && epochs % every == 0); };
    if (layout_.validation && due(description_.record.validation_every)) add_validation(epochs);
    if (!layout_.columns.empty() && due(description_.readout.every)) add_evaluation(epochs);
  }

  void add_baselines() {
    if (layout_.columns.empty()) return;
    const ReadoutDescription& readout = description_.readout;
    if (readout.pixels) {
      const LayerEvaluation pixels = evaluate_pixels(*pairs_->judged(), readout, description_.seed);
      summary_.accuracy.pixels = pixels.accuracy;
      warn({pixels}, {"the pixels"});
      records_.add(Baseline{"pixels", pixels.accuracy});
    }
    if (readout.untrained) {
      Baseline random{"random", {}};
      const std::vector<LayerEvaluation> layers = evaluate_layers(Judged::readouts);
      std::vector<std::string> names;
      for (const std::string& layer : layout_.layers) names.push_back("untrained " + layer);
      warn(layers, names);
      for (const LayerEvaluation& layer : layers) {
        summary_.accuracy.untrained.push_back(layer.accuracy);
        random.accuracy.insert(random.accuracy.end(), layer.accuracy.begin(), layer.accuracy.end());
      }
      records_.add(random);
    }
  }

  // Where readouts of a baseline have not converged.
  void warn(const std::vector<LayerEvaluation>& layers, const std::vector<std::string>& names) {
    const std::string text = convergence_warning(layers, names, layout_.columns, description_.readout);
    if (!text.empty()) summary_.accuracy.baseline_warnings.push_back(text);
  }

  void add_validation(std::int64_t epochs) {
    PairSource& pairs = *pairs_->validation();
    const std::int64_t batches = pairs.batches_per_epoch();
    ValidationRow row{epochs, no_losses(layout_)};
    for (std::int64_t batch = (epochs - 1) * batches; batch < epochs * batches; ++batch)
      row.losses.add(trainer_->judge(batch, pairs));
    row.losses.divide(batches);
    records_.add(row, state_.step);
  }

  void add_evaluation(std::int64_t epochs) {
    const EvaluationRow row{epochs, evaluate_layers(Judged::all)};
    show(row.layers, summary_.accuracy);
    records_.add(row, state_.step);
  }

  void take_step() {
    const std::int64_t step = state_.step;
    const auto wanted = [&](const std::vector<std::int64_t>& steps) {
      return std::find(steps.begin(), steps.end(), step + 1) != steps.end();
    };
    const StepRecords& record = description_.record;
    Inspection inspection;
    const bool inspect = wanted(record.gradients) || wanted(record.hooks);
    trainer_->step(step, rate_of(step), *pairs_, inspect ? &inspection : nullptr);
    const std::string at = fmt::format("step_{}/", step + 1);
    if (wanted(record.gradients))
      for (const Parameter* p : parameters())
        records_.add(NamedValues{"/inspection/gradients/" + at + p->name, inspection.gradients.at(p->name), p->shape});
    if (wanted(record.parameters))
      for (const Parameter* p : parameters()) records_.add(stored("/inspection/parameters/" + at, *p, p->value));
    if (wanted(record.estimates)) add_estimates(at);
    if (wanted(record.hooks)) add_hooks(at, inspection);
    ++state_.step;
  }

  // Losses of the steps since the last call.
  void collect_losses() {
    const std::vector<StepLosses> taken = trainer_->take_losses();
    std::int64_t step = state_.step - static_cast<std::int64_t>(taken.size());
    for (const StepLosses& losses : taken) {
      refuse_infinities(losses, step++);
      state_.epoch_sums.add(losses);
      if (!description_.record.losses) continue;
      LossRow row = no_losses(layout_);
      row.add(losses);
      records_.add(row);
    }
  }

  void add_estimates(const std::string& at) {
    for (std::size_t h = 0; const StaleEstimates& e : trainer_->estimates()) {
      const std::string group = fmt::format("/inspection/estimates/{}{}/", at, h++);
      const auto size = static_cast<std::int64_t>(e.mean.size());
      records_.add(NamedValues{group + "mean", e.mean, {size}});
      records_.add(NamedValues{group + "variance", e.variance, {size}});
    }
  }

  // Ranks hold the activities of their own samples.
  void add_hooks(const std::string& at, const Inspection& inspection) {
    const std::int64_t last = steps_.first_batch(state_.step) + steps_.batches(state_.step) - 1;
    const std::int64_t samples = pairs_->batch(last);
    for (int view = 0; view < 2; ++view)
      for (std::size_t h = 0; h < layout_.hooks.size(); ++h) {
        std::string own;
        if (h < inspection.hooks[view].size()) {
          const std::vector<float>& values = inspection.hooks[view][h];
          own.assign(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
        }
        std::string all;
        for (const std::string& bytes : comm_.gather(own)) all += bytes;
        std::vector<float> values(all.size() / sizeof(float));
        std::copy(all.begin(), all.end(), reinterpret_cast<char*>(values.data()));
        records_.add(NamedValues{fmt::format("/inspection/hooks/{}z_{}/{}", at, view + 1, h),
                                 values,
                                 {samples, static_cast<std::int64_t>(values.size()) / samples}});
      }
  }

  // Every rank holds the same losses, so every rank throws.
  void refuse_infinities(const StepLosses& losses, std::int64_t step) const {
    for (std::size_t h = 0; h < losses.hooks.size(); ++h)
      for (std::size_t t = 0; t < kLossTerms; ++t)
        if (!std::isfinite(losses.hooks[h][t]))
          throw Error(
              fmt::format("the {} loss of {} is {} at step {}; lower optimizer.learning_rate (now {:.3g}) or "
                          "look for extreme values in the data",
                          kLossNames[t], layout_.hooks[h], losses.hooks[h][t], step + 1, rate_of(step)));
  }

  // Every rank holds the same numbers, so every rank throws.
  void refuse_broken_numbers(const std::string& when) {
    const std::string broken = broken_number(trainer_->encoder(), backend_);
    if (!broken.empty())
      throw Error(
          fmt::format("{} {}; lower optimizer.learning_rate (now {:.3g}) or look for extreme values in the data",
                      broken, when, rate_of(state_.step - 1)));
  }

  // Collective. Ends the run where a rank was asked to end; writes a checkpoint then, and where one is due on any rank.
  void save_if_due(bool asked = false) {
    summary_.interrupted = comm_.max(termination_signal()) > 0;
    if (checkpoint_.path.empty()) return;
    if (summary_.interrupted || asked || comm_.max(schedule_.due()) > 0) save();
  }

  void save() {
    collect_losses();
    refuse_broken_numbers(fmt::format("after step {}", state_.step));
    agree(comm_, [&] {
      if (comm_.rank() != 0) return;
      take_network(state_, *trainer_, backend_);
      write_checkpoint(checkpoint_.path, kind_, state_);
    });
    schedule_.restart();
  }

  // From a checkpoint, of a run that may have more epochs now.
  void go_on(TrainingState state) {
    const std::string& path = checkpoint_.resume_from;
    if (state.step > last_step())
      throw ConfigError(fmt::format("{}: has taken {} steps, but this run ends after {}; give training.epochs more",
                                    path, state.step, last_step()));
    const std::size_t whole = static_cast<std::size_t>(state.step / steps_.per_epoch());
    if (state.history.epochs.size() > whole && state.step < last_step())
      throw ConfigError(
          fmt::format("{}: training ended there in the middle of epoch {}, by training.steps, and its "
                      "losses are those of a part; it cannot be continued",
                      path, whole + 1));
    if (state.epochs != description_.epochs && description_.optimizer.scheduled && comm_.rank() == 0)
      fmt::print(
          stderr,
          "warning: {} epochs were to be trained, now {}: the cosine of the learning rate spans all of them, and "
          "goes on at {:.3g}; a run of {} epochs from the start would have had other rates until here\n",
          state.epochs, description_.epochs, rate_of(state.step), description_.epochs);
    facts_.run = state.run;
    restore_network(state, layout_, description_.epochs * steps_.per_epoch(), *trainer_, backend_);
    state_ = std::move(state);
    state_.epochs = description_.epochs;
    for (const Baseline& baseline : state_.history.baselines) recall(baseline);
    if (state_.history.epochs.empty()) return;
    summary_.epochs = static_cast<std::int64_t>(state_.history.epochs.size());
    summary_.final_total = state_.history.epochs.back().losses.total;
  }

  // Baselines of before the checkpoint, for the summary.
  void recall(const Baseline& baseline) {
    const std::size_t columns = layout_.columns.size();
    if (baseline.name == "pixels") summary_.accuracy.pixels = baseline.accuracy;
    for (std::size_t l = 0; baseline.name == "random" && l < layout_.layers.size(); ++l)
      summary_.accuracy.untrained.emplace_back(
          baseline.accuracy.begin() + static_cast<std::ptrdiff_t>(l * columns),
          baseline.accuracy.begin() + static_cast<std::ptrdiff_t>((l + 1) * columns));
  }

  // Collective.
  void store_network() {
    agree(comm_, [&] {
      if (records_.file()) add_network(*records_.file());
    });
    stored_ = true;
  }

  void add_network(TrainingFile& file) {
    for (const NamedArray* p : network()) file.add(stored("/network/", *p, p->value));
    for (const Parameter* p : parameters()) {
      file.add(stored("/optimizer/exp_avg/", *p, p->mean));
      if (std::holds_alternative<AdamOptimizer>(description_.optimizer.kind))
        file.add(stored("/optimizer/exp_avg_sq/", *p, p->square));
    }
  }

  void finish(double wall) {
    TrainingFile* const file = records_.file();
    if (!file) return;
    if (!stored_) add_network(*file);  // of a run that was interrupted, or resumed at its end
    file->finish(summary_.interrupted ? "interrupted" : "complete", wall);
    if (!outputs_.parameters.empty()) export_parameters(outputs_.parameters);
  }

  void export_parameters(const std::string& path) {
    TensorFile file;
    for (const NamedArray* p : network())
      file.tensors[p->name] = {{p->shape.begin(), p->shape.end()}, stored("", *p, p->value).values};
    write_safetensors(path, file);
  }

  RunFacts facts_;
  const TrainingOutputs& outputs_;
  const CheckpointOptions& checkpoint_;
  CheckpointKind kind_;
  CheckpointSchedule schedule_;
  Steps steps_;
  TrainingState state_;
  Records records_;
  bool stored_ = false;  // the network is in the result file
  TrainingSummary summary_;
  double epoch_start_ = 0;
  std::int64_t epoch_samples_ = 0;
};

}  // namespace

TrainingSummary run_training(const TrainingDescription& description, Backend& backend, Communicator& comm,
                             const RunFacts& facts, const TrainingOutputs& outputs, ProgressStyle progress,
                             const CheckpointOptions& checkpoint) {
  std::unique_ptr<Run> run;
  agree(comm, [&] { run = std::make_unique<Run>(description, backend, comm, facts, outputs, checkpoint); });
  return run->train(progress);
}

}  // namespace lpl::rate
