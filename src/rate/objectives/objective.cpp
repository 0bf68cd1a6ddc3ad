#include "rate/objectives/objective.hpp"

#include <array>
#include <limits>

#include "core/errors.hpp"

namespace lpl::rate {

double Objective::total(const LossTerms& t) const {
  if (terms().empty()) return std::numeric_limits<double>::quiet_NaN();
  return weights_.predictive * t[kPull] + weights_.hebbian * t[kPush] + weights_.decorrelation * t[kDecorrelation] +
         t[kCrossEntropy];
}

std::vector<float> Objective::layer_gradient(std::span<const float>, std::span<const float>, std::span<const float>,
                                             std::int64_t, double) const {
  throw Error("this objective learns from losses");
}

std::shared_ptr<const Objective> read_objective(Table table) {
  constexpr std::array kReaders{read_lpl_objective, read_contrastive, read_supervised, read_oja};
  const std::size_t type = table.choice("type", {"lpl", "contrastive", "supervised", "oja"});
  std::shared_ptr<const Objective> objective = kReaders.at(type)(table);
  table.finish();
  return objective;
}

void refuse_rate_terms(Table& table, const std::string& type) {
  if (table.has("rate"))
    table.fail("rate", "the " + type +
                           " rule estimates no variance, so stale estimates, forms and epsilon mean nothing "
                           "to it; remove 'rate'");
}

}  // namespace lpl::rate
