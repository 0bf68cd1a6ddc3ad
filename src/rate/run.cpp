#include "rate/run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>

#include "core/errors.hpp"
#include "io/safetensors.hpp"
#include "rate/history.hpp"
#include "rate/schedule.hpp"
#include "rate/trainer.hpp"

namespace lpl {
namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

std::vector<LossTerm> terms_of(const Rule& rule) {
  if (std::holds_alternative<LplRule>(rule)) return {kPull, kPush, kDecorrelation};
  if (std::holds_alternative<ContrastiveRule>(rule)) return {kPull, kPush};
  if (std::holds_alternative<SupervisedRule>(rule)) return {kCrossEntropy};
  return {};
}

class Run {
 public:
  Run(const TrainingDescription& description, Backend& backend, Communicator& comm)
      : description_(description), backend_(backend), comm_(comm), pairs_(make_pairs(description)) {
    const bool supervised = std::holds_alternative<SupervisedRule>(description.rule);
    if (supervised && pairs_->classes() == 0)
      throw ConfigError(description.name + ": supervised learning needs labels, and this data set has none");
    encoder_ =
        make_encoder(description.net, pairs_->sample(), description.biases, description.scope == Scope::end_to_end,
                     description.projector, supervised ? pairs_->classes() : 0);
    trainer_ = std::make_unique<Trainer>(description, encoder_, backend, comm);
    if (!description.initial_parameters.empty()) load_parameters(description.initial_parameters);
    for (std::size_t h = 0; h < trainer_->hooks(); ++h)
      hooks_.push_back(fmt::format("block {}", trainer_->hooks() == 1 ? encoder_.blocks.size() : h + 1));
  }

  TrainingSummary train(const RunFacts& facts, const std::string& out, ProgressStyle style) {
    const double start = now();
    agree(comm_, [&] {
      if (comm_.rank() == 0)
        file_ =
            std::make_unique<TrainingFile>(out, facts, hooks_, terms_of(description_.rule), description_.record.losses);
    });
    try {
      run_epochs(style);
    } catch (...) {
      if (file_) file_->fail();
      throw;
    }
    agree(comm_, [&] {
      if (!file_) return;
      for (const Parameter* p : trainer_->encoder().parameters()) {
        add_parameter("/network/", *p, p->value);
        add_parameter("/optimizer/exp_avg/", *p, p->mean);
        if (std::holds_alternative<AdamOptimizer>(description_.optimizer.kind))
          add_parameter("/optimizer/exp_avg_sq/", *p, p->square);
      }
      file_->finish("complete", now() - start);
    });
    summary_.wall_seconds = now() - start;
    for (const Parameter* p : trainer_->encoder().parameters()) summary_.parameters += p->size();
    return summary_;
  }

 private:
  static std::unique_ptr<PairSource> make_pairs(const TrainingDescription& d) {
    return make_recorded_batches(std::get<RecordedBatches>(d.data), d.batch);
  }

  void load_parameters(const std::string& path) {
    TensorFile file = read_safetensors(path);
    for (Parameter* p : trainer_->encoder().parameters()) {
      const auto found = file.tensors.find(p->name);
      if (found == file.tensors.end()) throw ConfigError(fmt::format("{}: has no parameter {}", path, p->name));
      const std::vector<std::size_t>& shape = found->second.shape;
      if (!std::equal(shape.begin(), shape.end(), p->shape.begin(), p->shape.end(),
                      [](std::size_t a, std::int64_t b) { return static_cast<std::int64_t>(a) == b; }))
        throw ConfigError(fmt::format("{}: {} has shape [{}]; the network's has [{}]", path, p->name,
                                      fmt::join(shape, ", "), fmt::join(p->shape, ", ")));
      backend_.write(p->value, to_array_order(found->second.values, p->shape));
    }
  }

  double rate_of(std::int64_t step, std::int64_t epoch) const {
    const OptimizerDescription& o = description_.optimizer;
    if (!o.listed.empty()) return o.listed[static_cast<std::size_t>(step) % o.listed.size()];
    if (!o.scheduled) return o.learning_rate;
    return Schedule{static_cast<int>(description_.epochs), o.warmup_epochs, o.start_rate, o.learning_rate, o.final_rate}
        .rate(static_cast<int>(epoch));
  }

  void run_epochs(ProgressStyle style) {
    const std::int64_t per_epoch = pairs_->steps_per_epoch();
    std::int64_t last = description_.epochs * per_epoch;
    if (description_.steps > 0) last = std::min(last, description_.steps);
    Progress progress(style, comm_.rank() == 0, static_cast<double>(last), ProgressUnit::steps);
    for (std::int64_t step = 0; step < last;) {
      const std::int64_t epoch = step / per_epoch;
      const double begin = now();
      std::int64_t samples = 0;
      EpochRow row{epoch, rate_of(step, epoch), 0, {std::vector<double>(hooks_.size() * kLossTerms), 0}};
      const std::int64_t first = step, end = std::min(last, (epoch + 1) * per_epoch);
      for (; step < end; ++step) {
        add(take_step(step, epoch), row.losses);
        samples += pairs_->batch(step);
        progress.show(fmt::format("epoch {}", epoch + 1), static_cast<double>(step + 1));
      }
      for (double& term : row.losses.terms) term /= static_cast<double>(end - first);
      row.losses.total /= static_cast<double>(end - first);
      row.images_per_second = static_cast<double>(samples) / (now() - begin);
      summary_.final_total = row.losses.total;
      summary_.samples += samples;
      summary_.epochs = epoch + 1;
      agree(comm_, [&] {
        if (!file_) return;
        file_->add_epoch(row);
        file_->flush();
      });
    }
    summary_.steps = last;
    progress.finish();
  }

  StepLosses take_step(std::int64_t step, std::int64_t epoch) {
    const auto wanted = [&](const std::vector<std::int64_t>& steps) {
      return std::find(steps.begin(), steps.end(), step + 1) != steps.end();
    };
    const StepRecords& record = description_.record;
    Inspection inspection;
    const bool inspect = wanted(record.gradients) || wanted(record.hooks);
    const StepLosses losses = trainer_->step(step, rate_of(step, epoch), *pairs_, inspect ? &inspection : nullptr);
    refuse_infinities(losses, step);
    agree(comm_, [&] {
      if (!file_) return;
      if (record.losses) {
        LossRow row{std::vector<double>(hooks_.size() * kLossTerms), 0};
        add(losses, row);
        file_->add_step(row);
      }
      const std::string at = fmt::format("step_{}/", step + 1);
      if (wanted(record.gradients))
        for (const Parameter* p : trainer_->encoder().parameters())
          file_->add_values("/inspection/gradients/" + at + p->name, inspection.gradients.at(p->name), p->shape);
      if (wanted(record.parameters))
        for (const Parameter* p : trainer_->encoder().parameters())
          add_parameter("/inspection/parameters/" + at, *p, p->value);
      if (wanted(record.estimates))
        for (std::size_t h = 0; h < trainer_->estimates().size(); ++h) {
          const StaleEstimates& e = trainer_->estimates()[h];
          const std::string group = fmt::format("/inspection/estimates/{}{}/", at, h);
          file_->add_values(group + "mean", e.mean, {static_cast<std::int64_t>(e.mean.size())});
          file_->add_values(group + "variance", e.variance, {static_cast<std::int64_t>(e.variance.size())});
        }
    });
    if (wanted(record.hooks)) write_hooks(inspection, step);
    return losses;
  }

  // Collective: ranks hold the activities of their own samples.
  void write_hooks(const Inspection& inspection, std::int64_t step) {
    for (int view = 0; view < 2; ++view)
      for (std::size_t h = 0; h < hooks_.size(); ++h) {
        std::string own;
        if (h < inspection.hooks[view].size()) {
          const std::vector<float>& values = inspection.hooks[view][h];
          own.assign(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
        }
        std::string all;
        for (const std::string& bytes : comm_.gather(own)) all += bytes;
        agree(comm_, [&] {
          if (!file_) return;
          std::vector<float> values(all.size() / sizeof(float));
          std::copy(all.begin(), all.end(), reinterpret_cast<char*>(values.data()));
          const std::int64_t samples = pairs_->batch(step);
          file_->add_values(fmt::format("/inspection/hooks/step_{}/z_{}/{}", step + 1, view + 1, h), values,
                            {samples, static_cast<std::int64_t>(values.size()) / samples});
        });
      }
  }

  void add_parameter(const std::string& group, const Parameter& p, const Array& array) {
    file_->add_values(group + p.name, to_torch_order(backend_.read(array), p.shape), p.shape);
  }

  static void add(const StepLosses& losses, LossRow& row) {
    for (std::size_t h = 0; h < losses.hooks.size(); ++h)
      for (std::size_t t = 0; t < kLossTerms; ++t) row.terms[h * kLossTerms + t] += losses.hooks[h][t];
    row.total += losses.total;
  }

  // Every rank holds the same losses, so every rank throws.
  void refuse_infinities(const StepLosses& losses, std::int64_t step) const {
    for (std::size_t h = 0; h < losses.hooks.size(); ++h)
      for (std::size_t t = 0; t < kLossTerms; ++t)
        if (!std::isfinite(losses.hooks[h][t]))
          throw Error(fmt::format(
              "the {} loss of {} is {} at step {}; lower optimizer.learning_rate (now {:.3g}) or look "
              "for extreme values in the data",
              kLossNames[t], hooks_[h], losses.hooks[h][t], step + 1, rate_of(step, step / pairs_->steps_per_epoch())));
  }

  const TrainingDescription& description_;
  Backend& backend_;
  Communicator& comm_;
  std::unique_ptr<PairSource> pairs_;
  EncoderDescription encoder_;
  std::unique_ptr<Trainer> trainer_;
  std::vector<std::string> hooks_;
  std::unique_ptr<TrainingFile> file_;  // on rank 0
  TrainingSummary summary_;
};

}  // namespace

TrainingSummary run_training(const TrainingDescription& description, Backend& backend, Communicator& comm,
                             const RunFacts& facts, const std::string& out, ProgressStyle progress) {
  std::unique_ptr<Run> run;
  agree(comm, [&] { run = std::make_unique<Run>(description, backend, comm); });
  return run->train(facts, out, progress);
}

}  // namespace lpl
