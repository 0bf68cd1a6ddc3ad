// The cosine similarity of positives against that of different samples.
#include "rate/objectives/objective.hpp"

namespace lpl::rate {
namespace {

class Contrastive final : public Objective {
 public:
  Contrastive(double predictive, double hebbian)
      : Objective({.predictive = predictive, .hebbian = hebbian, .decorrelation = 0}) {}

  Needs needs() const override { return {.pairs = true}; }
  std::vector<LossTerm> terms() const override { return {kPull, kPush}; }
  std::string needs_pooling() const override {
    return "the contrastive rule compares whole samples, not positions; set network.pooling = true";
  }
  HookLoss loss(const HookBatch& hook) const override { return ContrastiveLoss{weights(), hook.rounded}; }
};

}  // namespace

std::shared_ptr<const Objective> read_contrastive(Table& table) {
  refuse_rate_terms(table, "contrastive");
  Table predictive = table.table_or_defaults("predictive");
  const double pull = predictive.number("strength", kStrength, 1.0);
  predictive.finish();
  Table hebbian = table.table_or_defaults("hebbian");
  const double push = hebbian.number("strength", kStrength, 1.0);
  hebbian.finish();
  Table decorrelation = table.table_or_defaults("decorrelation");
  if (decorrelation.number("strength", kStrength, 0.0) != 0)
    decorrelation.fail("strength",
                       "the contrastive rule has no decorrelation term: different samples already repel; "
                       "set 'strength' to 0");
  decorrelation.finish();
  return std::make_shared<Contrastive>(pull, push);
}

}  // namespace lpl::rate
