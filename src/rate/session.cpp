#include "rate/session.hpp"

#include <fmt/format.h>

#include "core/errors.hpp"
#include "rate/evaluation.hpp"
#include "rate/initial_parameters.hpp"

namespace lpl::rate {

Session::Session(const TrainingDescription& description, Backend& backend, Communicator& comm)
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

void Session::load_data(ProgressStyle style) {
  agree(comm_, [&] { pairs_->load(style, comm_.rank() == 0); });
}

void Session::load_initial_parameters() {
  const std::string warning = load_parameters(description_.initial_parameters, network(), backend_);
  if (!warning.empty() && comm_.rank() == 0) fmt::print(stderr, "warning: {}\n", warning);
}

NamedValues Session::stored(const std::string& group, const NamedArray& p, const Array& array) {
  return {group + p.name, to_torch_order(backend_.read(array), p.shape), p.shape};
}

std::vector<LayerEvaluation> Session::evaluate_layers(Judged judged) {
  return evaluate(*trainer_, *pairs_->judged(), description_.readout, description_.seed, judged, comm_);
}

void Session::show(const std::vector<LayerEvaluation>& layers, AccuracyTable& table) const {
  table.trained.clear();
  table.training.clear();
  for (const LayerEvaluation& layer : layers) {
    table.trained.push_back(layer.accuracy);
    table.training.push_back(layer.training_accuracy);
  }
  table.warning = convergence_warning(layers, layout_.layers, layout_.columns, description_.readout);
}

}  // namespace lpl::rate
