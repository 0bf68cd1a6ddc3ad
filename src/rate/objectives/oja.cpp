// Oja's rule (1982) for a linear layer, every unit on its own: dw = mean over samples of z (x - z w); the optimiser's
// weight decay does the rest.
#include "core/errors.hpp"
#include "rate/description.hpp"

namespace lpl::rate {
namespace {

class Oja final : public Objective {
 public:
  Oja() : Objective({}) {}

  Needs needs() const override { return {}; }
  std::vector<LossTerm> terms() const override { return {}; }
  std::string misfit(const TrainingDescription& d) const override {
    if (d.scope == Scope::layer_local && d.projector.size == 0 && d.net.dense && d.net.blocks.size() == 1 &&
        !d.net.blocks[0].layers[0].convolution.rectified && std::holds_alternative<SgdOptimizer>(d.optimizer.kind))
      return {};
    return "Oja's rule is defined for one linear layer trained by gradient steps; use network.net = "
           "\"linear\", optimizer.type = \"sgd\", learning.scope = \"layer_local\" and no projector";
  }
  HookLoss loss(const HookBatch&) const override { throw Error("Oja's rule has no losses"); }
  std::vector<float> layer_gradient(std::span<const float> weights, std::span<const float> inputs,
                                    std::span<const float> outputs, std::int64_t units, double scale) const override {
    const auto rows = static_cast<std::size_t>(units), columns = weights.size() / rows;
    std::vector<float> gradient(weights.size());
    for (std::size_t n = 0; n < outputs.size() / rows; ++n)
      for (std::size_t o = 0; o < rows; ++o) {
        const double activity = outputs[n * rows + o];
        for (std::size_t i = 0; i < columns; ++i)
          gradient[o * columns + i] -= static_cast<float>(scale * activity *
                                                          (static_cast<double>(inputs[n * columns + i]) -
                                                           activity * static_cast<double>(weights[o * columns + i])));
      }
    return gradient;
  }
};

}  // namespace

std::shared_ptr<const Objective> read_oja(Table&) { return std::make_shared<Oja>(); }

}  // namespace lpl::rate
