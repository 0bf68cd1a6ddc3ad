#include "rate/training_state.hpp"

#include <algorithm>

#include "core/errors.hpp"

namespace lpl::rate {
namespace {

// Whether there are as many values as each array has.
template <class Described, class Size>
bool fit(const Described& arrays, const std::vector<std::vector<float>>& stored, Size&& size_of) {
  return arrays.size() == stored.size() &&
         std::ranges::equal(arrays, stored, [&](const auto* array, const std::vector<float>& values) {
           return static_cast<std::size_t>(size_of(*array)) == values.size();
         });
}

}  // namespace

void take_network(TrainingState& state, Trainer& trainer, Backend& backend) {
  for (auto* values : {&state.value, &state.mean, &state.square}) values->clear();
  for (const NamedArray* p : trainer.encoder().state()) state.value.push_back(backend.read(p->value));
  for (const Parameter* p : trainer.encoder().parameters()) {
    state.mean.push_back(backend.read(p->mean));
    state.square.push_back(backend.read(p->square));
  }
  state.estimates = trainer.estimates();
}

void restore_network(const TrainingState& state, const HistoryLayout& layout, std::int64_t last, Trainer& trainer,
                     Backend& backend) {
  const std::vector<NamedArray*> arrays = trainer.encoder().state();
  const std::vector<Parameter*> parameters = trainer.encoder().parameters();
  if (state.step < 0 || state.step > last || state.epoch_sums.terms.size() != no_losses(layout).terms.size() ||
      !fit(arrays, state.value, [](const NamedArray& a) { return a.value.size; }) ||
      !fit(parameters, state.mean, [](const Parameter& p) { return p.mean.size; }) ||
      !fit(parameters, state.square, [](const Parameter& p) { return p.square.size; }) ||
      !trainer.fits(state.estimates) || !fits(state.history, layout))
    throw IoError("the checkpoint is of another network than the description's");
  for (std::size_t i = 0; i < arrays.size(); ++i) backend.write(arrays[i]->value, state.value[i]);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    backend.write(parameters[i]->mean, state.mean[i]);
    backend.write(parameters[i]->square, state.square[i]);
  }
  trainer.set_estimates(state.estimates);
}

}  // namespace lpl::rate
