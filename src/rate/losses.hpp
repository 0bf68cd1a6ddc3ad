// The losses of a batch at one hook and their gradients, for every backend: the local losses of Halvagal & Zenke 2023
// (Methods, "Learning rule"; decorrelation as in the erratum), and those of the baselines. Everything is computed
// centred.
//
// A loss is a sequence of loops, which a backend has for its own memory (HostLoops of rate/cpu/loops.hpp, DeviceLoops
// of rate/cuda/loops.hpp), over the bodies of rate/loss_bodies.hpp; `what` names them in errors:
//   allocate<N>(count), array(size)     memory, which holds anything
//   each(what, count, body)             body(i), i < count, in any order
//   columns(what, body)                 body(block, memory) for all columns of body.z
//   sums(what, rows, columns, value)    terms whose sum is that of value(row, column) over all rows and columns
//   multiply(coarse, transposed_a, transposed_b, rows, columns, inner, a, b, beta, c)
//                                       c = beta c + op(a) op(b) for both views, whose matrices lie one after the other
//                                       by rows; op(a) is rows x inner. Factors may be rounded to TF32 where `coarse`
//   add_up(sums, count, to)             to[i] = the i-th loss, i < count
// The order of a sum is that of the loops, and depends on shapes alone.
#pragma once

#include <memory>
#include <string>
#include <variant>

#include "core/errors.hpp"
#include "rate/arrays.hpp"
#include "rate/loss_bodies.hpp"

namespace lpl::rate {

// Activities of both views of a batch: views x samples x positions x units. Pooled hooks have one position.
struct HookShape {
  std::int64_t samples, positions, units;
  std::int64_t columns() const { return positions * units; }
  std::int64_t view() const { return samples * columns(); }
};

// T: float in training, double where tests compare with finite differences.
template <class T>
struct Hook {
  HookShape shape;
  const T* z;
  T* dz;      // receives the gradient of the weighted sum of the terms
  T* losses;  // receives the terms, by LossTerm
};

// Shuffled positives: the sample of view 2 that each sample of view 1 is pulled to, and the other way round.
struct Partners {
  Indices of_first, of_second;
};

// Stale estimates in the memory of a backend; without numbers before the first step.
struct EstimateArrays {
  Array mean, variance;
};

// Pull, push and decorrelation:
//   pull            mean over samples, positions and units of (z1 - z2)^2
//   push            by form, var unbiased over samples at each position, its batch mean held constant:
//                   -mean log(var + eps) | mean max(0, 1 - sqrt(var + 1e-8)) | -mean var; averaged over the views
//   push, stale     -(1/(B-1)) mean_c sum_b (z - m_c)^2 / (v_c + eps)
//   decorrelation   sum_{i != k} cov_ik^2 / (C^2 - C), positions taken as samples; 0 for one unit; views averaged
struct LplLoss {
  LossWeights weights;
  const Partners* positives = nullptr;  // null: the samples of a pair
  EstimateArrays* stale = nullptr;  // used where filled, then replaced by those of this step; null: the ordinary form
  bool coarse = false;              // activities were rounded to bfloat16: products of them may be as coarse

  template <class T, class Loops>
  void evaluate(const Loops& loops, const Hook<T>& hook) const;
};

// The contrastive baseline: pull = -mean cosine(z1, z2); push = mean over ordered pairs of different samples of the
// squared cosine, averaged over the views. One position only.
struct ContrastiveLoss {
  LossWeights weights;
  bool coarse = false;  // as above

  template <class T, class Loops>
  void evaluate(const Loops& loops, const Hook<T>& hook) const;
};

// Mean cross-entropy of both views, whose activities are logits of classes.
struct CrossEntropyLoss {
  const std::int32_t* labels;  // by sample, in the memory of the loops

  template <class T, class Loops>
  void evaluate(const Loops& loops, const Hook<T>& hook) const;
};

using HookLoss = std::variant<LplLoss, ContrastiveLoss, CrossEntropyLoss>;

// Terms of a sum.
struct SumTerms {
  std::shared_ptr<double> memory;
  Index count;
  LossSum times(double factor) const { return {memory.get(), count, factor}; }
};

// The mean of the squares of scale * entry off the diagonals of both views' square matrices; the matrices become its
// gradient with respect to scale * entry, times `weight` and once more `scale`.
struct PushedEntries {
  SumTerms squares;
  LossSum loss;
};
template <class T, class Loops>
PushedEntries push_entries_down(const Loops& loops, T* matrices, std::int64_t side, double scale, double weight) {
  const auto pairs = static_cast<double>(side * side - side);
  PushedEntries pushed;
  pushed.squares =
      loops.sums("the kernel of squared entries", side, 2 * side,
                 PushEntriesDown<T>{matrices, static_cast<Index>(side), scale, 0.5 * weight * 4.0 * scale / pairs});
  pushed.loss = pushed.squares.times(0.5 / pairs);
  return pushed;
}

template <class T, class Loops>
void LplLoss::evaluate(const Loops& loops, const Hook<T>& hook) const {
  const HookShape& shape = hook.shape;
  const std::int64_t columns = shape.columns(), rows = shape.samples * shape.positions, units = shape.units;
  const double scale = 1.0 / static_cast<double>(shape.view());
  const bool known = stale && stale->mean.size > 0;
  if (known && stale->mean.size != columns)
    throw IoError("the checkpoint holds estimates of " + std::to_string(stale->mean.size) + " units for a layer of " +
                  std::to_string(columns));
  if (stale && !known) *stale = {loops.array(columns), loops.array(columns)};
  // Units that stand alone are not decorrelated.
  const auto deviations = units > 1 ? loops.template allocate<T>(2 * shape.view()) : nullptr;
  const auto by_column = loops.template allocate<double>(3 * columns);
  PullAndPush<T> local;
  local.z = {hook.z, static_cast<Index>(shape.samples), static_cast<Index>(columns)};
  local.positives = positives ? positives->of_first.at() : nullptr;
  local.pulled_by = positives ? positives->of_second.at() : nullptr;
  local.pull = static_cast<T>(weights.predictive * 2.0 * scale);
  local.both = weights.gradient == PredictiveGradient::both;
  local.form = weights.form;
  local.epsilon = weights.epsilon;
  local.weight = 0.5 * weights.hebbian;
  local.mean = stale ? stale->mean.at() : nullptr;
  local.variance = stale ? stale->variance.at() : nullptr;
  local.known = known;
  local.deviations = shape.positions == 1 ? deviations.get() : nullptr;
  local.dz = hook.dz;
  local.pull_losses = by_column.get();
  local.push_losses = by_column.get() + columns;
  loops.columns("the kernel of pull and push", local);

  LossSums sums{};
  sums.losses[kPull] = {local.pull_losses, local.z.columns, scale};
  sums.losses[kPush] = {local.push_losses, 2 * local.z.columns, 0.5 / static_cast<double>(columns)};
  PushedEntries pushed;
  if (units > 1) {
    // Positions are samples here.
    if (shape.positions > 1)
      loops.columns("the centring kernel",
                    CentreColumns<T>{{hook.z, static_cast<Index>(rows), static_cast<Index>(units)}, deviations.get()});
    const auto covariances = loops.template allocate<T>(2 * units * units);
    loops.multiply(coarse, true, false, units, units, rows, deviations.get(), deviations.get(), T(0),
                   covariances.get());
    pushed =
        push_entries_down(loops, covariances.get(), units, 1.0 / static_cast<double>(rows - 1), weights.decorrelation);
    loops.multiply(coarse, false, false, rows, units, units, deviations.get(), covariances.get(), T(1), hook.dz);
    sums.losses[kDecorrelation] = pushed.loss;
  }
  loops.add_up(sums, kLossTerms, hook.losses);
}

template <class T, class Loops>
void ContrastiveLoss::evaluate(const Loops& loops, const Hook<T>& hook) const {
  const std::int64_t samples = hook.shape.samples, units = hook.shape.units, size = hook.shape.view();
  const auto rows = static_cast<Index>(samples), width = static_cast<Index>(units);
  const auto unit_rows = loops.template allocate<T>(2 * size), gradient = loops.template allocate<T>(2 * size);
  const auto lengths = loops.template allocate<double>(2 * samples);
  loops.each("the kernel of cosines", 2 * samples, NormaliseRows<T>{hook.z, width, unit_rows.get(), lengths.get()});
  const SumTerms products =
      loops.sums("the kernel of cosines", samples, units, PairProducts<T>{unit_rows.get(), rows, width});
  loops.each("the kernel of cosines", 2 * size,
             CosinePull<T>{unit_rows.get(), static_cast<Index>(size), weights.predictive, static_cast<double>(samples),
                           gradient.get()});

  const auto cosines = loops.template allocate<T>(2 * samples * samples);
  loops.multiply(coarse, false, true, samples, samples, units, unit_rows.get(), unit_rows.get(), T(0), cosines.get());
  const PushedEntries pushed = push_entries_down(loops, cosines.get(), samples, 1.0, weights.hebbian);
  loops.multiply(coarse, false, false, samples, units, samples, cosines.get(), unit_rows.get(), T(1), gradient.get());
  loops.each("the kernel of cosines", 2 * samples,
             ThroughNormalisation<T>{unit_rows.get(), gradient.get(), lengths.get(), width, hook.dz});
  LossSums sums{};
  sums.losses[kPull] = products.times(-1.0 / static_cast<double>(samples));
  sums.losses[kPush] = pushed.loss;
  loops.add_up(sums, kLossTerms, hook.losses);
}

template <class T, class Loops>
void CrossEntropyLoss::evaluate(const Loops& loops, const Hook<T>& hook) const {
  const std::int64_t rows = 2 * hook.shape.samples;
  const SumTerms losses{loops.template allocate<double>(rows), static_cast<Index>(rows)};
  loops.each("the kernel of the cross-entropy", rows,
             CrossEntropy<T>{hook.z, labels, static_cast<Index>(hook.shape.samples),
                             static_cast<Index>(hook.shape.units), losses.memory.get(), hook.dz});
  LossSums sums{};
  sums.losses[kCrossEntropy] = losses.times(1.0 / static_cast<double>(rows));
  loops.add_up(sums, kLossTerms, hook.losses);
}

}  // namespace lpl::rate
