// Labels by a linear classifier at every hook.
#include "rate/objectives/objective.hpp"

namespace lpl::rate {
namespace {

class Supervised final : public Objective {
 public:
  Supervised() : Objective({.decorrelation = 0}) {}

  Needs needs() const override { return {.labels = true}; }
  std::vector<LossTerm> terms() const override { return {kCrossEntropy}; }
  std::string needs_pooling() const override {
    return "classifiers judge whole samples, not positions; set network.pooling = true";
  }
  HookLoss loss(const HookBatch& hook) const override { return CrossEntropyLoss{hook.labels.at()}; }
};

}  // namespace

std::shared_ptr<const Objective> read_supervised(Table& table) {
  refuse_rate_terms(table, "supervised");
  return std::make_shared<Supervised>();
}

}  // namespace lpl::rate
