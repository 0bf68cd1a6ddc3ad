#include "rate/cuda/losses.hpp"

#include "rate/cuda/launch.hpp"

namespace lpl::rate::cuda {
namespace {

Index index_of(std::int64_t value) { return static_cast<Index>(value); }

// *to = factor * sum of the terms.
void add_up(const Device& device, const double* terms, std::int64_t count, double factor, float* to) {
  device.check(sum_terms(device.stream(), terms, index_of(count), factor, to), "the kernel that sums a loss");
}

std::shared_ptr<float> centred(Device& device, std::int64_t samples, std::int64_t columns, const float* z,
                               const double* means) {
  const std::shared_ptr<float> deviations = allocate<float>(device, 2 * samples * columns);
  launch(device, "the centring kernel", 2 * samples * columns,
         Centre{z, means, index_of(samples), index_of(columns), deviations.get()});
  return deviations;
}

// What both views deviate from, and how much.
struct Statistics {
  std::shared_ptr<double> means;  // by column of both views
  std::shared_ptr<float> deviations;
};

Statistics statistics(Device& device, std::int64_t samples, std::int64_t columns, const float* z) {
  Statistics s;
  s.means = column_sums(device, "the kernel of means", samples, 2 * columns,
                        ViewColumns{z, index_of(samples), index_of(columns)}, 1.0 / static_cast<double>(samples));
  s.deviations = centred(device, samples, columns, z, s.means.get());
  return s;
}

std::shared_ptr<double> sums_of_squares(Device& device, std::int64_t samples, std::int64_t columns,
                                        const float* deviations, double factor) {
  return column_sums(device, "the kernel of variances", samples, 2 * columns,
                     ViewSquares{{deviations, index_of(samples), index_of(columns)}}, factor);
}

// Estimates of the step before, for the columns of both views.
std::shared_ptr<double> twice(Device& device, const Array& estimates) {
  const std::shared_ptr<double> columns = allocate<double>(device, 2 * estimates.size);
  launch(device, "the kernel of stale estimates", 2 * estimates.size,
         Twice{estimates.data.get(), index_of(estimates.size), columns.get()});
  return columns;
}

// Means over both views, to be the estimates of the next step.
void keep(Device& device, const std::shared_ptr<double>& columns, std::int64_t units, Array& estimates) {
  if (estimates.size == 0) estimates = {units, allocate<float>(device, units)};
  launch(device, "the kernel of stale estimates", units,
         MeanOfViews{columns.get(), index_of(units), estimates.data.get()});
}

// What the gradient of the push term multiplies.
struct PushGradient {
  std::shared_ptr<float> factors;  // by column of both views
  std::shared_ptr<float> deviations;
};

PushGradient push(Device& device, const LplObjective& objective, const HookSize& hook, const float* z,
                  const Statistics& own, EstimateArrays* stale, float* loss) {
  const std::int64_t columns = hook.columns();
  const auto samples = static_cast<double>(hook.samples);
  const double weight = 0.5 * objective.hebbian / static_cast<double>(columns);
  const std::shared_ptr<double> variances =
      sums_of_squares(device, hook.samples, columns, own.deviations.get(), 1.0 / (samples - 1));
  PushGradient gradient{allocate<float>(device, 2 * columns), own.deviations};
  const std::shared_ptr<double> losses = allocate<double>(device, 2 * columns);
  if (stale && stale->mean.size > 0) {
    gradient.deviations = centred(device, hook.samples, columns, z, twice(device, stale->mean).get());
    const std::shared_ptr<double> squares =
        sums_of_squares(device, hook.samples, columns, gradient.deviations.get(), 1.0);
    launch(device, "the kernel of the stale push term", 2 * columns,
           StalePushColumns{objective.epsilon, samples, weight, squares.get(), twice(device, stale->variance).get(),
                            losses.get(), gradient.factors.get()});
  } else {
    launch(device, "the kernel of the push term", 2 * columns,
           PushColumns{objective.form, objective.epsilon, samples, weight, variances.get(), losses.get(),
                       gradient.factors.get()});
  }
  add_up(device, losses.get(), 2 * columns, 0.5 / static_cast<double>(columns), loss);
  if (stale) {
    keep(device, own.means, columns, stale->mean);
    keep(device, variances, columns, stale->variance);
  }
  return gradient;
}

// The push of squared entries of both views' square matrices towards 0, off their diagonals: the mean loss, and the
// matrices become its gradient, times `weight`.
void push_entries_down(Device& device, float* matrices, std::int64_t side, double norm, double weight, float* loss) {
  const auto pairs = static_cast<double>(side * side - side);
  const std::shared_ptr<double> losses = column_sums(device, "the kernel of squared entries", side, 2 * side,
                                                     OffDiagonalSquares{matrices, index_of(side), norm}, 1.0 / pairs);
  add_up(device, losses.get(), 2 * side, 0.5, loss);
  launch(device, "the kernel of squared entries", 2 * side * side,
         ScaleOffDiagonal{matrices, index_of(side), 0.5 * weight * 4.0 * norm * norm / pairs});
}

// `own`: statistics of the hook, with positions as units.
void add_decorrelation(Device& device, const LplObjective& objective, const HookSize& hook, const float* z,
                       const Statistics& own, float* dz, float* loss) {
  const std::int64_t rows = hook.samples * hook.positions, units = hook.units;
  if (units < 2) return device.clear(loss, 4);
  const Statistics positions_as_samples = hook.positions == 1 ? own : statistics(device, rows, units, z);
  const float* const deviations = positions_as_samples.deviations.get();
  const std::shared_ptr<float> covariances = allocate<float>(device, 2 * units * units);
  multiply_views(device, true, false, units, units, rows, deviations, deviations, 0.0f, covariances.get());
  push_entries_down(device, covariances.get(), units, 1.0 / static_cast<double>(rows - 1), objective.decorrelation,
                    loss);
  multiply_views(device, false, false, rows, units, units, deviations, covariances.get(), 1.0f, dz);
}

}  // namespace

void lpl_loss(Device& device, const LplObjective& objective, const HookSize& hook, const float* z,
              const Partners* positives, EstimateArrays* stale, float* dz, float* losses) {
  const std::int64_t columns = hook.columns();
  const double scale = 1.0 / static_cast<double>(hook.view());
  const std::int32_t* const partner = positives ? positives->of_first.data.get() : nullptr;
  const std::int32_t* const pulled_by = positives ? positives->of_second.data.get() : nullptr;
  const std::shared_ptr<double> squares =
      column_sums(device, "the kernel of the pull term", hook.samples, columns,
                  PairSquares{z, partner, index_of(hook.samples), index_of(columns)}, 1.0);
  add_up(device, squares.get(), columns, scale, losses + kPull);

  const Statistics own = statistics(device, hook.samples, columns, z);
  const PushGradient pushed = push(device, objective, hook, z, own, stale, losses + kPush);
  launch(device, "the kernel of the local gradient", 2 * hook.view(),
         LplGradient{z, pushed.deviations.get(), pushed.factors.get(), partner, pulled_by, index_of(hook.samples),
                     index_of(columns), static_cast<float>(objective.predictive * 2.0 * scale),
                     objective.gradient == PredictiveGradient::both, dz});
  add_decorrelation(device, objective, hook, z, own, dz, losses + kDecorrelation);
  device.clear(losses + kCrossEntropy, 4);
}

void contrastive_loss(Device& device, const LplObjective& objective, const HookSize& hook, const float* z, float* dz,
                      float* losses) {
  const std::int64_t samples = hook.samples, units = hook.units, size = hook.view();
  const std::shared_ptr<float> unit_rows = allocate<float>(device, 2 * size);
  const std::shared_ptr<float> gradient = allocate<float>(device, 2 * size);
  const std::shared_ptr<double> lengths = allocate<double>(device, 2 * samples);
  launch(device, "the kernel of cosines", 2 * samples,
         NormaliseRows{z, index_of(units), unit_rows.get(), lengths.get()});
  const std::shared_ptr<double> products =
      column_sums(device, "the kernel of cosines", samples, units,
                  PairProducts{unit_rows.get(), index_of(samples), index_of(units)}, 1.0);
  add_up(device, products.get(), units, -1.0 / static_cast<double>(samples), losses + kPull);
  launch(device, "the kernel of cosines", 2 * size,
         CosinePull{unit_rows.get(), index_of(size), -objective.predictive / static_cast<double>(samples),
                    gradient.get()});

  const std::shared_ptr<float> cosines = allocate<float>(device, 2 * samples * samples);
  multiply_views(device, false, true, samples, samples, units, unit_rows.get(), unit_rows.get(), 0.0f, cosines.get());
  push_entries_down(device, cosines.get(), samples, 1.0, objective.hebbian, losses + kPush);
  multiply_views(device, false, false, samples, units, samples, cosines.get(), unit_rows.get(), 1.0f, gradient.get());
  launch(device, "the kernel of cosines", 2 * samples,
         ThroughNormalisation{unit_rows.get(), gradient.get(), lengths.get(), index_of(units), dz});
  device.clear(losses + kDecorrelation, 4);
  device.clear(losses + kCrossEntropy, 4);
}

void cross_entropy(Device& device, const HookSize& hook, const float* logits, const std::int32_t* labels,
                   float* dlogits, float* loss) {
  const auto samples = static_cast<double>(hook.samples);
  const std::shared_ptr<double> losses = allocate<double>(device, 2 * hook.samples);
  launch(
      device, "the kernel of the cross-entropy", 2 * hook.samples,
      CrossEntropy{logits, labels, index_of(hook.samples), index_of(hook.units), 0.5 / samples, losses.get(), dlogits});
  add_up(device, losses.get(), 2 * hook.samples, 0.5 / samples, loss);
}

}  // namespace lpl::rate::cuda
