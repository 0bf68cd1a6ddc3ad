#include "rate/run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <utility>

#include "core/errors.hpp"
#include "core/termination.hpp"
#include "core/text.hpp"
#include "core/timers.hpp"
#include "io/event_file.hpp"
#include "io/safetensors.hpp"
#include "rate/evaluation.hpp"
#include "rate/history.hpp"
#include "rate/initial_parameters.hpp"
#include "rate/plan.hpp"
#include "rate/schedule.hpp"
#include "rate/soundness.hpp"
#include "rate/trainer.hpp"

namespace lpl::rate {
namespace {

double unix_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Everything that the rest of a run depends on.
struct TrainingState {
  static constexpr std::uint32_t kVersion = 4;
  std::string run;                               // its name in the result file
  std::int64_t step = 0;                         // steps taken
  std::int64_t epochs = 0;                       // that were to be trained
  std::vector<std::vector<float>> value;         // by array of Encoder::state()
  std::vector<std::vector<float>> mean, square;  // by parameter
  std::vector<StaleEstimates> estimates;
  LossRow epoch_sums;  // of the epoch under way
  History history;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& run& step& epochs& value& mean& square& estimates& epoch_sums& history;
  }
};

// A network with its data, as described.
class Session {
 public:
  Session(const TrainingDescription& description, Backend& backend, Communicator& comm)
      : description_(description), backend_(backend), comm_(comm), pairs_(make_pairs(description)) {
    if (!backend.supports(description.precision))
      throw ConfigError(description.name +
                        ": training.precision is \"bf16\", which this processor does not compute in "
                        "(it takes AVX-512); use \"float32\"");
    encoder_ = fitted_encoder(description, *pairs_);
    trainer_ = std::make_unique<Trainer>(description, encoder_, backend, comm);
    layout_.terms = description.objective->terms();
    layout_.steps = description.record.losses;
    layout_.validation = description.record.validation_every > 0;
    for (std::size_t b = 0; b < encoder_.blocks.size(); ++b) layout_.layers.push_back(fmt::format("block {}", b + 1));
    layout_.hooks = trainer_->hooks() == 1 ? std::vector<std::string>{layout_.layers.back()} : layout_.layers;
    if (description.readout.wanted && pairs_->judged()) layout_.columns = pairs_->judged()->columns;
  }

  // Collective, before the first sample.
  void load_data(ProgressStyle style) {
    agree(comm_, [&] { pairs_->load(style, comm_.rank() == 0); });
  }

  std::vector<Parameter*> parameters() { return trainer_->encoder().parameters(); }
  std::vector<NamedArray*> network() { return trainer_->encoder().state(); }

  // `values` in PyTorch's order. Throws ConfigError where they do not fit.
  void set_array(NamedArray& p, const std::string& file, const std::vector<std::int64_t>& shape,
                 const std::vector<float>& values) {
    if (shape != p.shape)
      throw ConfigError(fmt::format("{}: {} has shape [{}]; the network's has [{}]", file, p.name,
                                    fmt::join(shape, ", "), fmt::join(p.shape, ", ")));
    const auto broken = std::ranges::find_if(values, [](float v) { return !std::isfinite(v); });
    if (broken != values.end())
      throw ConfigError(fmt::format("{}: {} holds {}; every value must be finite", file, p.name, *broken));
    backend_.write(p.value, to_array_order(values, p.shape));
  }

  // Collective.
  std::vector<LayerEvaluation> evaluate_layers(Judged judged) {
    return evaluate(*trainer_, *pairs_->judged(), description_.readout, description_.seed, judged, comm_);
  }

 protected:
  void load_parameters(const std::string& path) {
    const SafetensorsFile file(path);
    std::vector<std::string> parameters;
    for (const NamedArray* p : network()) parameters.push_back(p->name);
    const std::vector<std::string> unused = unused_tensors(path, file.names(), parameters);
    if (!unused.empty() && comm_.rank() == 0)
      fmt::print(stderr, "warning: {}: not used: {}\n", path, join(unused, ", "));
    for (NamedArray* p : network()) {
      const StoredTensor tensor = file.read(p->name);
      set_array(*p, path, {tensor.shape.begin(), tensor.shape.end()}, tensor.values);
    }
  }

  void show(const std::vector<LayerEvaluation>& layers, AccuracyTable& table) const {
    table.trained.clear();
    table.training.clear();
    for (const LayerEvaluation& layer : layers) {
      table.trained.push_back(layer.accuracy);
      table.training.push_back(layer.training_accuracy);
    }
    table.warning = convergence_warning(layers, layout_.layers, layout_.columns, description_.readout);
  }

  const TrainingDescription& description_;
  Backend& backend_;
  Communicator& comm_;
  std::unique_ptr<PairSource> pairs_;
  EncoderDescription encoder_;
  std::unique_ptr<Trainer> trainer_;
  HistoryLayout layout_;
};

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
        steps_{pairs_->batches_per_epoch(), description.accumulate} {
    for (const std::string& warning : check_plan(description, *pairs_))
      if (comm.rank() == 0) fmt::print(stderr, "warning: {}\n", warning);
    state_.epoch_sums = no_losses();
    state_.epochs = description.epochs;
    if (!checkpoint.resume_from.empty())
      go_on(resume<TrainingState>(checkpoint, kind_));
    else if (!description.initial_parameters.empty())
      load_parameters(description.initial_parameters);
  }

  TrainingSummary train(ProgressStyle style) {
    const double start = wall_clock();
    agree(comm_, [&] {
      if (comm_.rank() != 0) return;
      if (!outputs_.events.empty()) events_ = std::make_unique<EventFile>(outputs_.events, state_.step, unix_time());
      if (!facts_.run.empty() && !outputs_.overwrite) check_replaceable(outputs_.result, facts_);
      file_ = std::make_unique<TrainingFile>(outputs_.result, facts_, layout_);
      state_.run = file_->run();
      file_->add(state_.history);
      file_->flush();
      repeat_events();
    });
    const LastAct mark_as_failed(comm_, [&] {
      if (file_) file_->fail();
    });
    try {
      load_data(style);
      run_all(style);
      agree(comm_, [&] { finish(wall_clock() - start); });
    } catch (...) {
      if (file_) file_->fail();
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
  LossRow no_losses() const { return {std::vector<double>(layout_.hooks.size() * kLossTerms), 0}; }

  double rate_of(std::int64_t step) const {
    const OptimizerDescription& o = description_.optimizer;
    if (!o.listed.empty()) return o.listed[static_cast<std::size_t>(step) % o.listed.size()];
    if (!o.scheduled) return o.learning_rate;
    return Schedule{static_cast<int>(description_.epochs), o.warmup_epochs, o.start_rate, o.learning_rate, o.final_rate}
        .rate(static_cast<int>(step / steps_.per_epoch()));
  }

  // Collective: writes a row or values, and remembers them where checkpoints need them.
  template <class Row>
  void add(const Row& row, std::vector<Row>& remembered) {
    agree(comm_, [&] {
      if (file_) file_->add(row);
    });
    if (!checkpoint_.path.empty()) remembered.push_back(row);
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
    divide(row.losses, steps);
    state_.epoch_sums = no_losses();
    summary_.final_total = row.losses.total;
    summary_.samples += epoch_samples_;
    summary_.epochs = epoch + 1;
    add(row, state_.history.epochs);
    agree(comm_, [&] { write_events(row); });
    refuse_broken_numbers(fmt::format("after epoch {}", epoch + 1));
    if (last) store_network();
    agree(comm_, [&] {
      if (file_) file_->flush();
    });
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
      add(Baseline{"pixels", pixels.accuracy}, state_.history.baselines);
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
      add(random, state_.history.baselines);
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
    ValidationRow row{epochs, no_losses()};
    for (std::int64_t batch = (epochs - 1) * batches; batch < epochs * batches; ++batch)
      add_losses(trainer_->judge(batch, pairs), row.losses);
    divide(row.losses, batches);
    add(row, state_.history.validation);
    agree(comm_, [&] { write_events(row); });
  }

  void add_evaluation(std::int64_t epochs) {
    const EvaluationRow row{epochs, evaluate_layers(Judged::all)};
    show(row.layers, summary_.accuracy);
    add(row, state_.history.evaluations);
    agree(comm_, [&] { write_events(row); });
  }

  void write_events(const EvaluationRow& row) {
    if (!events_) return;
    for (std::size_t l = 0; l < row.layers.size(); ++l)
      for (std::size_t c = 0; c < layout_.columns.size(); ++c)
        events_->add_scalar(fmt::format("readout/{}/{}", layout_.columns[c].name, layout_.layers[l]), state_.step,
                            row.layers[l].accuracy[c], unix_time());
  }

  void write_events(const ValidationRow& row) {
    if (!events_) return;
    events_->add_scalar("validation/total", state_.step, row.losses.total, unix_time());
    write_terms("validation/", row.losses);
  }

  // What was said of the step at which a resumed run begins.
  void repeat_events() {
    const History& history = state_.history;
    const std::int64_t epochs = state_.step / steps_.per_epoch();
    if (!history.epochs.empty() && history.epochs.back().epoch + 1 == epochs) write_events(history.epochs.back());
    if (!history.validation.empty() && history.validation.back().epoch == epochs)
      write_events(history.validation.back());
    if (!history.evaluations.empty() && history.evaluations.back().epoch == epochs)
      write_events(history.evaluations.back());
  }

  void write_events(const EpochRow& row) {
    if (!events_) return;
    if (!layout_.terms.empty()) events_->add_scalar("training/total", state_.step, row.losses.total, unix_time());
    events_->add_scalar("training/learning_rate", state_.step, row.learning_rate, unix_time());
    write_terms("", row.losses);
  }

  void write_terms(const std::string& group, const LossRow& losses) {
    for (const LossTerm term : layout_.terms)
      for (std::size_t h = 0; h < layout_.hooks.size(); ++h)
        events_->add_scalar(fmt::format("{}{}/{}", group, kLossNames[term], layout_.hooks[h]), state_.step,
                            losses.terms[h * kLossTerms + term], unix_time());
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
        add({"/inspection/gradients/" + at + p->name, inspection.gradients.at(p->name), p->shape},
            state_.history.values);
    if (wanted(record.parameters))
      for (const Parameter* p : parameters())
        add(stored("/inspection/parameters/" + at, *p, p->value), state_.history.values);
    if (wanted(record.estimates))
      for (std::size_t h = 0; const StaleEstimates& e : trainer_->estimates()) {
        const std::string group = fmt::format("/inspection/estimates/{}{}/", at, h++);
        const auto size = static_cast<std::int64_t>(e.mean.size());
        add({group + "mean", e.mean, {size}}, state_.history.values);
        add({group + "variance", e.variance, {size}}, state_.history.values);
      }
    if (wanted(record.hooks)) add_hooks(inspection);
    ++state_.step;
  }

  // Losses of the steps since the last call.
  void collect_losses() {
    const std::vector<StepLosses> taken = trainer_->take_losses();
    std::int64_t step = state_.step - static_cast<std::int64_t>(taken.size());
    for (const StepLosses& losses : taken) {
      refuse_infinities(losses, step++);
      add_losses(losses, state_.epoch_sums);
      if (!description_.record.losses) continue;
      LossRow row = no_losses();
      add_losses(losses, row);
      add(row, state_.history.steps);
    }
  }

  // Ranks hold the activities of their own samples.
  void add_hooks(const Inspection& inspection) {
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
        const std::int64_t samples = pairs_->batch(steps_.first_batch(state_.step) + steps_.batches(state_.step) - 1);
        add({fmt::format("/inspection/hooks/step_{}/z_{}/{}", state_.step + 1, view + 1, h),
             values,
             {samples, static_cast<std::int64_t>(values.size()) / samples}},
            state_.history.values);
      }
  }
  void add(const NamedValues& values, std::vector<NamedValues>& remembered) { add<NamedValues>(values, remembered); }

  NamedValues stored(const std::string& group, const NamedArray& p, const Array& array) {
    return {group + p.name, to_torch_order(backend_.read(array), p.shape), p.shape};
  }

  static void add_losses(const StepLosses& losses, LossRow& row) {
    for (std::size_t h = 0; h < losses.hooks.size(); ++h)
      for (std::size_t t = 0; t < kLossTerms; ++t) row.terms[h * kLossTerms + t] += losses.hooks[h][t];
    row.total += losses.total;
  }

  static void divide(LossRow& row, std::int64_t steps) {
    for (double& term : row.terms) term /= static_cast<double>(steps);
    row.total /= static_cast<double>(steps);
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
      if (comm_.rank() == 0) write_checkpoint(checkpoint_.path, kind_, snapshot());
    });
    schedule_.restart();
  }

  const TrainingState& snapshot() {
    for (auto* values : {&state_.value, &state_.mean, &state_.square}) values->clear();
    for (const NamedArray* p : network()) state_.value.push_back(backend_.read(p->value));
    for (const Parameter* p : parameters()) {
      state_.mean.push_back(backend_.read(p->mean));
      state_.square.push_back(backend_.read(p->square));
    }
    state_.estimates = trainer_->estimates();
    return state_;
  }

  // Throws IoError where a state is not that of such a run.
  void check_fits(const TrainingState& state) {
    const std::vector<NamedArray*> arrays = network();
    const std::vector<Parameter*> all = parameters();
    const auto fit = [](const auto& described, const std::vector<std::vector<float>>& stored, auto&& size_of) {
      return described.size() == stored.size() &&
             std::ranges::equal(described, stored, [&](const auto* a, const std::vector<float>& values) {
               return static_cast<std::size_t>(size_of(*a)) == values.size();
             });
    };
    const std::int64_t last = description_.epochs * steps_.per_epoch();
    if (state.step < 0 || state.step > last || state.epoch_sums.terms.size() != no_losses().terms.size() ||
        !fit(arrays, state.value, [](const NamedArray& a) { return a.value.size; }) ||
        !fit(all, state.mean, [](const Parameter& p) { return p.mean.size; }) ||
        !fit(all, state.square, [](const Parameter& p) { return p.square.size; }) || !trainer_->fits(state.estimates) ||
        !rate::fits(state.history, layout_))
      throw IoError("the checkpoint is of another network than the description's");
  }

  void restore(TrainingState state) {
    check_fits(state);
    state_ = std::move(state);
    const std::vector<NamedArray*> arrays = network();
    for (std::size_t i = 0; i < arrays.size(); ++i) backend_.write(arrays[i]->value, state_.value.at(i));
    const std::vector<Parameter*> all = parameters();
    for (std::size_t i = 0; i < all.size(); ++i) {
      backend_.write(all[i]->mean, state_.mean.at(i));
      backend_.write(all[i]->square, state_.square.at(i));
    }
    trainer_->set_estimates(state_.estimates);
    for (const Baseline& baseline : state_.history.baselines) recall(baseline);
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
    restore(std::move(state));
    state_.epochs = description_.epochs;
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
      if (file_) add_network();
    });
    stored_ = true;
  }

  void add_network() {
    for (const NamedArray* p : network()) file_->add(stored("/network/", *p, p->value));
    for (const Parameter* p : parameters()) {
      file_->add(stored("/optimizer/exp_avg/", *p, p->mean));
      if (std::holds_alternative<AdamOptimizer>(description_.optimizer.kind))
        file_->add(stored("/optimizer/exp_avg_sq/", *p, p->square));
    }
  }

  void finish(double wall) {
    if (!file_) return;
    if (!stored_) add_network();  // of a run that was interrupted, or resumed at its end
    file_->finish(summary_.interrupted ? "interrupted" : "complete", wall);
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
  std::unique_ptr<TrainingFile> file_;  // on rank 0
  bool stored_ = false;                 // the network is in it
  std::unique_ptr<EventFile> events_;   // on rank 0, where asked for
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

AccuracyTable evaluate_run(const TrainingDescription& description, Backend& backend, Communicator& comm,
                           const RunFacts& facts, const std::string& trained, const std::string& out, bool activity) {
  struct Evaluation : Session {
    using Session::Session;
    // Of a result file, or where that is "", of training.initial.
    void load(const std::string& path) {
      if (path.empty())
        load_parameters(description_.initial_parameters);
      else
        load_result(path);
      // Readouts are what is asked for, whether the run itself wanted any.
      if (!pairs_->judged())
        throw ConfigError(description_.name +
                          ": its data set has no labelled images to read out; name one that has, such as --set "
                          "data.set=cifar10 --set data.folder=FOLDER");
      layout_.columns = pairs_->judged()->columns;
    }
    void load_result(const std::string& path) {
      h5::of_user([&] {
        const h5::File file = h5::File::open_read_only(path);
        const std::string status = file.text_attribute("/", "status").value_or("unknown");
        if (status != "complete" && comm_.rank() == 0)
          fmt::print(stderr, "warning: {}: its status is '{}': the network has not been trained to the end\n", path,
                     status);
        for (NamedArray* p : network()) {
          const std::string name = "/network/" + p->name;
          if (!file.exists(name)) throw ConfigError(fmt::format("{}: has no {}; has the run finished?", path, name));
          const h5::Dataset values = file.open_dataset(name);
          set_array(*p, path, {values.shape().begin(), values.shape().end()}, values.read<float>());
        }
      });
    }
    void warn() const {
      for (const std::string& warning : check_readout(description_, *pairs_))
        if (comm_.rank() == 0) fmt::print(stderr, "warning: {}\n", warning);
    }
    AccuracyTable run(const RunFacts& run_facts, const std::string& path, bool with_activity) {
      const double start = wall_clock();
      load_data(ProgressStyle::automatic);
      AccuracyTable table{layout_.columns, layout_.layers, {}, {}, {}, {}, {}, {}};
      JudgedSets& sets = *pairs_->judged();
      const auto train = layer_activity(*trainer_, *sets.train, comm_);
      auto test = layer_activity(*trainer_, *sets.test, comm_);
      EvaluationRow row{
          0, evaluate_activity(sets, train, test, description_.readout, description_.seed, Judged::all, comm_)};
      show(row.layers, table);
      agree(comm_, [&] {
        if (comm_.rank() != 0) return;
        layout_.hooks.clear();
        TrainingFile file(path, run_facts, layout_);
        file.add(row);
        if (with_activity)
          file.add({encoder_.input, sets.test->make(0, sets.test->count()), std::move(test), sets.test->labels()});
        file.finish("complete", wall_clock() - start);
      });
      return table;
    }
  };
  std::unique_ptr<Evaluation> evaluation;
  agree(comm, [&] {
    evaluation = std::make_unique<Evaluation>(description, backend, comm);
    evaluation->load(trained);
    evaluation->warn();
  });
  return evaluation->run(facts, out, activity);
}

}  // namespace lpl::rate
