#include "rate/cuda/losses.hpp"

#include "rate/cuda/launch.hpp"

namespace lpl::rate::cuda {
namespace {

Index index_of(std::int64_t value) { return static_cast<Index>(value); }

void sum_up(const Device& device, const LossSums& sums, Index count, float* to) {
  device.check(sum_losses(device.stream(), sums, count, to), "the kernel that sums losses");
}

// The push of squared entries of both views' square matrices towards 0, off their diagonals: the mean loss in parts,
// and the matrices become its gradient, times `weight`.
struct PushedEntries {
  SummedColumns squares;
  LossSum loss;
};
PushedEntries push_entries_down(Device& device, float* matrices, std::int64_t side, double norm, double weight) {
  const auto pairs = static_cast<double>(side * side - side);
  PushedEntries pushed;
  pushed.squares =
      summed_columns(device, "the kernel of squared entries", side, 2 * side,
                     PushEntriesDown{matrices, index_of(side), norm, 0.5 * weight * 4.0 * norm * norm / pairs});
  const ColumnParts& parts = pushed.squares.parts;
  pushed.loss = {parts.parts, parts.chunks * parts.columns, 0.5 / pairs};
  return pushed;
}

}  // namespace

void lpl_loss(Device& device, const LossWeights& weights, const HookSize& hook, const float* z,
              const Partners* positives, EstimateArrays* stale, float* dz, float* losses) {
  const std::int64_t columns = hook.columns(), rows = hook.samples * hook.positions, units = hook.units;
  const double scale = 1.0 / static_cast<double>(hook.view());
  const bool known = stale && stale->mean.size > 0;
  if (stale && !known)
    *stale = {{columns, allocate<float>(device, columns)}, {columns, allocate<float>(device, columns)}};
  // Units that stand alone are not decorrelated.
  const std::shared_ptr<float> deviations = units > 1 ? allocate<float>(device, 2 * hook.view()) : nullptr;
  const std::shared_ptr<double> by_column = allocate<double>(device, 3 * columns);
  PullAndPush local;
  local.z = {z, index_of(hook.samples), index_of(columns)};
  local.positives = positives ? positives->of_first.data.get() : nullptr;
  local.pulled_by = positives ? positives->of_second.data.get() : nullptr;
  local.pull = static_cast<float>(weights.predictive * 2.0 * scale);
  local.both = weights.gradient == PredictiveGradient::both;
  local.form = weights.form;
  local.epsilon = weights.epsilon;
  local.weight = 0.5 * weights.hebbian / static_cast<double>(columns);
  local.mean = stale ? stale->mean.data.get() : nullptr;
  local.variance = stale ? stale->variance.data.get() : nullptr;
  local.known = known;
  local.deviations = hook.positions == 1 ? deviations.get() : nullptr;
  local.dz = dz;
  local.pull_losses = by_column.get();
  local.push_losses = by_column.get() + columns;
  launch_columns(device, "the kernel of pull and push", local);

  LossSums sums{};
  sums.losses[kPull] = {local.pull_losses, index_of(columns), scale};
  sums.losses[kPush] = {local.push_losses, index_of(2 * columns), 0.5 / static_cast<double>(columns)};
  PushedEntries pushed;
  if (units > 1) {
    // Positions are samples here.
    if (hook.positions > 1)
      launch_columns(device, "the centring kernel",
                     CentreColumns{{z, index_of(rows), index_of(units)}, deviations.get()});
    const bool coarse = weights.rounded;
    const std::shared_ptr<float> covariances = allocate<float>(device, 2 * units * units);
    multiply_views(device, coarse, true, false, units, units, rows, deviations.get(), deviations.get(), 0.0f,
                   covariances.get());
    pushed =
        push_entries_down(device, covariances.get(), units, 1.0 / static_cast<double>(rows - 1), weights.decorrelation);
    multiply_views(device, coarse, false, false, rows, units, units, deviations.get(), covariances.get(), 1.0f, dz);
    sums.losses[kDecorrelation] = pushed.loss;
  }
  sum_up(device, sums, kLossTerms, losses);
}

void contrastive_loss(Device& device, const LossWeights& weights, const HookSize& hook, const float* z, float* dz,
                      float* losses) {
  const std::int64_t samples = hook.samples, units = hook.units, size = hook.view();
  const std::shared_ptr<float> unit_rows = allocate<float>(device, 2 * size);
  const std::shared_ptr<float> gradient = allocate<float>(device, 2 * size);
  const std::shared_ptr<double> lengths = allocate<double>(device, 2 * samples);
  launch(device, "the kernel of cosines", 2 * samples,
         NormaliseRows{z, index_of(units), unit_rows.get(), lengths.get()});
  const SummedColumns products = summed_columns(device, "the kernel of cosines", samples, units,
                                                PairProducts{unit_rows.get(), index_of(samples), index_of(units)});
  launch(
      device, "the kernel of cosines", 2 * size,
      CosinePull{unit_rows.get(), index_of(size), -weights.predictive / static_cast<double>(samples), gradient.get()});

  const std::shared_ptr<float> cosines = allocate<float>(device, 2 * samples * samples);
  const bool coarse = weights.rounded;
  multiply_views(device, coarse, false, true, samples, samples, units, unit_rows.get(), unit_rows.get(), 0.0f,
                 cosines.get());
  const PushedEntries pushed = push_entries_down(device, cosines.get(), samples, 1.0, weights.hebbian);
  multiply_views(device, coarse, false, false, samples, units, samples, cosines.get(), unit_rows.get(), 1.0f,
                 gradient.get());
  launch(device, "the kernel of cosines", 2 * samples,
         ThroughNormalisation{unit_rows.get(), gradient.get(), lengths.get(), index_of(units), dz});
  LossSums sums{};
  sums.losses[kPull] = {products.parts.parts, products.parts.chunks * products.parts.columns,
                        -1.0 / static_cast<double>(samples)};
  sums.losses[kPush] = pushed.loss;
  sum_up(device, sums, kLossTerms, losses);
}

void cross_entropy(Device& device, const HookSize& hook, const float* logits, const std::int32_t* labels,
                   float* dlogits, float* loss) {
  const auto samples = static_cast<double>(hook.samples);
  const std::shared_ptr<double> losses = allocate<double>(device, 2 * hook.samples);
  launch(
      device, "the kernel of the cross-entropy", 2 * hook.samples,
      CrossEntropy{logits, labels, index_of(hook.samples), index_of(hook.units), 0.5 / samples, losses.get(), dlogits});
  sum_up(device, {{{losses.get(), index_of(2 * hook.samples), 0.5 / samples}}}, 1, loss);
}

}  // namespace lpl::rate::cuda
