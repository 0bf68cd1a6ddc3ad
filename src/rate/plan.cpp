#include "rate/plan.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/errors.hpp"
#include "rate/schedule.hpp"

namespace lpl::rate {
namespace {

void refuse_steps_beyond(const TrainingDescription& d, std::int64_t steps) {
  const StepRecords& r = d.record;
  for (const auto& [key, wanted] : {std::pair{"gradients", &r.gradients},
                                    {"parameters", &r.parameters},
                                    {"estimates", &r.estimates},
                                    {"hooks", &r.hooks}})
    for (const std::int64_t step : *wanted)
      if (step > steps)
        throw ConfigError(fmt::format("{}: '{}' names step {}; this training has the steps 1 to {}",
                                      d.places.at(fmt::format("record.{}", key)), key, step, steps));
}

// What a run of so many epochs learns by the schedule, where that is less than it says.
std::string too_short_for_schedule(const TrainingDescription& d, std::int64_t epochs) {
  const OptimizerDescription& o = d.optimizer;
  if (!o.scheduled || epochs >= o.warmup_epochs) return {};
  const Schedule schedule{d.epochs, o.warmup_epochs, o.start_rate, o.learning_rate, o.final_rate};
  double fastest = 0;
  for (std::int64_t epoch = 0; epoch < epochs; ++epoch) fastest = std::max(fastest, schedule.rate(epoch));
  const std::string way_out = "set optimizer.warmup_epochs = 0, or optimizer.schedule = \"constant\"";
  if (fastest == 0)
    return fmt::format(
        "{}: nothing is learned: the only epoch of the training runs at the learning rate 0, with which the schedule "
        "\"cosine\" starts (optimizer.start_rate = {}); {}",
        d.name, o.start_rate, way_out);
  if (fastest >= o.learning_rate) return {};
  return fmt::format(
      "{}: the training ends after {} epochs, in the warm-up of {}: its learning rate does not exceed {:.3g} of "
      "{:.3g}; {}",
      d.name, epochs, o.warmup_epochs, fastest, o.learning_rate, way_out);
}

}  // namespace

std::int64_t planned_steps(const TrainingDescription& d, std::int64_t steps_per_epoch) {
  const std::int64_t all = d.epochs * steps_per_epoch;
  return d.steps > 0 ? std::min(all, d.steps) : all;
}

std::vector<std::string> check_readout(const TrainingDescription& d, PairSource& pairs) {
  const JudgedSets* const sets = pairs.judged();
  const bool read_out = sets && (d.readout.wanted || d.only_judged);
  if (!read_out || !d.readout.stated_batch || d.readout.batch <= sets->train->count()) return {};
  return {fmt::format("{}; readouts learn from {} images, which make one batch: one step an epoch",
                      d.stated.at("readout.batch"), sets->train->count())};
}

std::vector<std::string> check_plan(const TrainingDescription& d, PairSource& pairs) {
  const std::int64_t per_epoch = Steps{pairs.batches_per_epoch(), d.accumulate}.per_epoch();
  const std::int64_t steps = planned_steps(d, per_epoch);
  refuse_steps_beyond(d, steps);
  std::vector<std::string> warnings = check_readout(d, pairs);
  if (std::string text = too_short_for_schedule(d, (steps + per_epoch - 1) / per_epoch); !text.empty())
    warnings.push_back(std::move(text));
  if (d.steps > steps)
    warnings.push_back(fmt::format("{}; the training ends after {} epochs of {} steps, {} in all: give more epochs",
                                   d.stated.at("training.steps"), d.epochs, per_epoch, steps));
  return warnings;
}

}  // namespace lpl::rate
