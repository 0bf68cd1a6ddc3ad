#include "rate/records.hpp"

#include <fmt/format.h>

#include <chrono>

namespace lpl::rate {
namespace {

double unix_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

std::string Records::open(const RunFacts& facts, const TrainingOutputs& outputs, std::int64_t step,
                          std::int64_t epochs) {
  if (!outputs.events.empty()) events_ = std::make_unique<EventFile>(outputs.events, step, unix_time());
  if (!facts.run.empty() && !outputs.overwrite) check_replaceable(outputs.result, facts);
  file_ = std::make_unique<TrainingFile>(outputs.result, facts, layout_);
  file_->add(history_);
  file_->flush();
  if (events_) {
    const History& h = history_;
    if (!h.epochs.empty() && h.epochs.back().epoch + 1 == epochs) say(h.epochs.back(), step);
    if (!h.validation.empty() && h.validation.back().epoch == epochs) say(h.validation.back(), step);
    if (!h.evaluations.empty() && h.evaluations.back().epoch == epochs) say(h.evaluations.back(), step);
  }
  return file_->run();
}

void Records::flush() {
  agree(comm_, [&] {
    if (file_) file_->flush();
  });
}

void Records::say(const EpochRow& row, std::int64_t step) {
  if (!layout_.terms.empty()) say("training/total", step, row.losses.total);
  say("training/learning_rate", step, row.learning_rate);
  say_terms("", row.losses, step);
}

void Records::say(const ValidationRow& row, std::int64_t step) {
  say("validation/total", step, row.losses.total);
  say_terms("validation/", row.losses, step);
}

void Records::say(const EvaluationRow& row, std::int64_t step) {
  for (std::size_t l = 0; l < row.layers.size(); ++l)
    for (std::size_t c = 0; c < layout_.columns.size(); ++c)
      say(fmt::format("readout/{}/{}", layout_.columns[c].name, layout_.layers[l]), step, row.layers[l].accuracy[c]);
}

void Records::say_terms(const std::string& group, const LossRow& losses, std::int64_t step) {
  for (const LossTerm term : layout_.terms)
    for (std::size_t h = 0; h < layout_.hooks.size(); ++h)
      say(fmt::format("{}{}/{}", group, kLossNames[term], layout_.hooks[h]), step, losses.terms[h * kLossTerms + term]);
}

void Records::say(const std::string& tag, std::int64_t step, double value) {
  events_->add_scalar(tag, step, value, unix_time());
}

}  // namespace lpl::rate
