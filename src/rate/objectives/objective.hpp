// What a network learns from, as a rule file describes it: LPL, and baselines, each in a file of its own.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "config/table.hpp"
#include "rate/backend.hpp"

namespace lpl::rate {

struct TrainingDescription;

// What a loss at a hook knows besides the activities.
struct HookBatch {
  const Partners* positives;  // null: the samples of a pair
  EstimateArrays* estimates;  // null: none are kept
  const Indices& labels;
  bool rounded;  // activities are rounded to bfloat16 on their way
};

class Objective {
 public:
  struct Needs {
    bool pairs = false;      // it compares the samples of a pair
    bool labels = false;     // of samples: a linear classifier at every hook learns them
    bool estimates = false;  // of the step before
  };

  virtual ~Objective() = default;
  virtual Needs needs() const = 0;
  // Terms of its losses; none: layers learn without losses, by layer_gradient().
  virtual std::vector<LossTerm> terms() const = 0;
  // Weighted sum of the terms at a hook.
  double total(const LossTerms& terms) const;
  // Coefficients and forms of the terms.
  const LossWeights& weights() const { return weights_; }

  // Why it cannot learn from what is described, and what to do; "" where it can.
  virtual std::string misfit(const TrainingDescription&) const { return {}; }
  // Why it cannot learn from maps that are not pooled; "" where it can.
  virtual std::string needs_pooling() const { return {}; }

  // The loss at a hook, of activities or with labels of the logits of the classifier.
  virtual HookLoss loss(const HookBatch& hook) const = 0;
  // Gradient of the weights (units x inputs) of a linear layer from samples of its inputs and outputs, times `scale`;
  // on the host.
  virtual std::vector<float> layer_gradient(std::span<const float> weights, std::span<const float> inputs,
                                            std::span<const float> outputs, std::int64_t units, double scale) const;

 protected:
  explicit Objective(const LossWeights& weights) : weights_(weights) {}

 private:
  LossWeights weights_;
};

// Reads the table of a rule. Throws ConfigError.
std::shared_ptr<const Objective> read_objective(Table table);

// The same by kind, but for the end of the table.
std::shared_ptr<const Objective> read_lpl_objective(Table& table);
std::shared_ptr<const Objective> read_contrastive(Table& table);
std::shared_ptr<const Objective> read_supervised(Table& table);
std::shared_ptr<const Objective> read_oja(Table& table);

// Rules without a Hebbian term over a batch have no use for its estimates and forms.
void refuse_rate_terms(Table& table, const std::string& type);

}  // namespace lpl::rate
