// Latent predictive learning (Halvagal & Zenke 2023).
#include "rate/objectives/objective.hpp"
#include "rule/rule.hpp"

namespace lpl::rate {
namespace {

class Lpl final : public Objective {
 public:
  explicit Lpl(const LplRule& rule)
      : Objective({rule.predictive_strength, rule.hebbian_strength, rule.rate.decorrelation_strength, rule.rate.form,
                   rule.rate.epsilon, rule.rate.gradient}),
        stale_(rule.rate.stale_estimates) {}

  Needs needs() const override { return {.pairs = true, .estimates = stale_}; }
  std::vector<LossTerm> terms() const override { return {kPull, kPush, kDecorrelation}; }
  std::string needs_pooling() const override {
    if (!stale_) return {};
    return "stale estimates are kept by unit, not by position; set network.pooling = true or "
           "rate.estimates = \"batch\" in the rule";
  }
  HookLoss loss(const HookBatch& hook) const override {
    return LplLoss{weights(), hook.positives, hook.estimates, hook.rounded};
  }

 private:
  bool stale_;
};

}  // namespace

std::shared_ptr<const Objective> read_lpl_objective(Table& table) { return std::make_shared<Lpl>(read_lpl(table)); }

}  // namespace lpl::rate
