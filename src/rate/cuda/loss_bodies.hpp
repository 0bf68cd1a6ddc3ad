// What one thread does for the losses; formulas are in rate/cpu/losses.hpp. Both views of a batch lie one after the
// other: views x samples x units, where a unit is a position and a channel.
#pragma once

#include <cmath>
#include <cstdint>

#include "rate/cuda/elements.hpp"
#include "rate/objective.hpp"

namespace lpl::rate::cuda {

// ---- Latent predictive learning. Columns are views x units.

// Values of the columns of both views, for their means.
struct ViewColumns {
  const float* z;
  Index samples, units;
  LPL_DEVICE Index at(Index row, Index column) const {
    return (column / units * samples + row) * units + column % units;
  }
  LPL_DEVICE double operator()(Index row, Index column) const { return static_cast<double>(z[at(row, column)]); }
};

// The same, squared: for variances.
struct ViewSquares {
  ViewColumns values;
  LPL_DEVICE double operator()(Index row, Index column) const {
    const double value = values(row, column);
    return value * value;
  }
};

// d = z - mean of the column. One thread an element.
struct Centre {
  const float* z;
  const double* means;  // by column
  Index samples, units;
  float* d;
  LPL_DEVICE void operator()(Index i) const {
    const Index view = i / units / samples;
    d[i] = static_cast<float>(static_cast<double>(z[i]) - means[view * units + i % units]);
  }
};

// Value of the Hebbian loss at one variance, and the factor of (z - mean) in its gradient, before dividing by the
// number of units.
struct Push {
  double loss, factor;
};
LPL_DEVICE inline Push push_of(HebbianForm form, double epsilon, double variance, double samples) {
  switch (form) {
    case HebbianForm::log_variance:
      return {-std::log(variance + epsilon), -2.0 / ((samples - 1) * (variance + epsilon))};
    case HebbianForm::hinge: {
      const double deviation = std::sqrt(variance + 1e-8);
      return deviation >= 1 ? Push{0, 0} : Push{1 - deviation, -1.0 / ((samples - 1) * deviation)};
    }
    case HebbianForm::variance:
      return {-variance, -2.0 / (samples - 1)};
  }
  return {0, 0};
}

// Loss of a column, and the factor of its deviations in the gradient, times `weight`. One thread a column.
struct PushColumns {
  HebbianForm form;
  double epsilon, samples, weight;
  const double* variances;
  double* losses;
  float* factors;
  LPL_DEVICE void operator()(Index column) const {
    const Push push = push_of(form, epsilon, variances[column], samples);
    losses[column] = push.loss;
    factors[column] = static_cast<float>(weight * push.factor);
  }
};

// The same with the variance of the step before; `squares` are sums of squared deviations from the mean of the step
// before.
struct StalePushColumns {
  double epsilon, samples, weight;
  const double* squares;    // by column
  const double* variances;  // by column
  double* losses;
  float* factors;
  LPL_DEVICE void operator()(Index column) const {
    const double scale = 1.0 / ((variances[column] + epsilon) * (samples - 1));
    losses[column] = -squares[column] * scale;
    factors[column] = static_cast<float>(-2.0 * weight * scale);
  }
};

// Mean over the views, in float32. One thread a unit.
struct MeanOfViews {
  const double* columns;
  Index units;
  float* means;
  LPL_DEVICE void operator()(Index unit) const {
    means[unit] = static_cast<float>(0.5 * (columns[unit] + columns[units + unit]));
  }
};

// columns[view, unit] = estimates[unit]. One thread a column.
struct Twice {
  const float* estimates;
  Index units;
  double* columns;
  LPL_DEVICE void operator()(Index column) const { columns[column] = static_cast<double>(estimates[column % units]); }
};

// Squared differences of the pairs: rows are samples of view 1, columns units.
struct PairSquares {
  const float* z;
  const std::int32_t* positives;  // sample of view 2 by sample of view 1; null: the same
  Index samples, units;
  LPL_DEVICE double operator()(Index row, Index unit) const {
    const Index other = positives ? static_cast<Index>(positives[row]) : row;
    const double difference = static_cast<double>(z[row * units + unit] - z[(samples + other) * units + unit]);
    return difference * difference;
  }
};

// dz = pull * difference of the pair + push factor * deviation. One thread an element.
struct LplGradient {
  const float* z;
  const float* deviations;
  const float* factors;           // of the deviations, by column
  const std::int32_t* positives;  // sample of view 2 by sample of view 1, and the inverse; null: the same
  const std::int32_t* pulled_by;
  Index samples, units;
  float pull;
  bool both;  // pull view 1 too
  float* dz;
  LPL_DEVICE void operator()(Index i) const {
    const Index row = i / units, unit = i - row * units;
    const Index view = row / samples, sample = row - view * samples;
    float gradient = 0;
    if (view == 1 || both) {
      const std::int32_t* const partners = view == 0 ? positives : pulled_by;
      const Index other = partners ? static_cast<Index>(partners[sample]) : sample;
      gradient = pull * (z[i] - z[((1 - view) * samples + other) * units + unit]);
    }
    dz[i] = gradient + factors[view * units + unit] * deviations[i];
  }
};

// Squares off the diagonals of the square matrices of both views, for column sums, each entry times `scale` first.
// Columns are views x side.
struct OffDiagonalSquares {
  const float* matrices;
  Index side;
  double scale;
  LPL_DEVICE double operator()(Index row, Index column) const {
    const Index view = column / side, own = column - view * side;
    if (row == own) return 0;
    const double value = scale * static_cast<double>(matrices[(view * side + row) * side + own]);
    return value * value;
  }
};

// matrices *= factor, and their diagonals become 0. One thread an entry of both.
struct ScaleOffDiagonal {
  float* matrices;
  Index side;
  double factor;
  LPL_DEVICE void operator()(Index i) const {
    const Index row = i / side, column = i - row * side;
    matrices[i] = row % side == column ? 0.0f : static_cast<float>(factor * static_cast<double>(matrices[i]));
  }
};

// ---- The contrastive baseline. Rows are views x samples.

// Rows divided by their lengths (never by less than kShortest), and the lengths. One thread a row.
inline constexpr double kShortest = 1e-12;
struct NormaliseRows {
  const float* z;
  Index units;
  float* unit_rows;
  double* lengths;
  LPL_DEVICE void operator()(Index row) const {
    const float* const from = z + row * units;
    double square = 0;
    for (Index c = 0; c < units; ++c) square += static_cast<double>(from[c]) * static_cast<double>(from[c]);
    const double root = std::sqrt(square);
    const double length = root < kShortest ? kShortest : root;
    lengths[row] = length;
    for (Index c = 0; c < units; ++c)
      unit_rows[row * units + c] = static_cast<float>(static_cast<double>(from[c]) / length);
  }
};

// Products of the two views, for the mean cosine: rows are samples, columns units.
struct PairProducts {
  const float* unit_rows;
  Index samples, units;
  LPL_DEVICE double operator()(Index row, Index unit) const {
    return static_cast<double>(unit_rows[row * units + unit]) *
           static_cast<double>(unit_rows[(samples + row) * units + unit]);
  }
};

// gradient = factor * the other view's unit rows. One thread an element; `size` is that of one view.
struct CosinePull {
  const float* unit_rows;
  Index size;
  double factor;
  float* gradient;
  LPL_DEVICE void operator()(Index i) const {
    gradient[i] = static_cast<float>(factor * static_cast<double>(unit_rows[i < size ? i + size : i - size]));
  }
};

// dz = gradient with respect to z, given that with respect to z / |z|. One thread a row.
struct ThroughNormalisation {
  const float* unit_rows;
  const float* gradient;
  const double* lengths;
  Index units;
  float* dz;
  LPL_DEVICE void operator()(Index row) const {
    const float* const a = unit_rows + row * units;
    const float* const g = gradient + row * units;
    double along = 0;
    if (lengths[row] > kShortest)
      for (Index c = 0; c < units; ++c) along += static_cast<double>(a[c]) * static_cast<double>(g[c]);
    for (Index c = 0; c < units; ++c)
      dz[row * units + c] =
          static_cast<float>((static_cast<double>(g[c]) - along * static_cast<double>(a[c])) / lengths[row]);
  }
};

// ---- Supervised learning. Rows are views x samples.

// Cross-entropy of a row, and its gradient times `weight`. One thread a row.
struct CrossEntropy {
  const float* logits;
  const std::int32_t* labels;  // by sample
  Index samples, classes;
  double weight;
  double* losses;
  float* gradient;
  LPL_DEVICE void operator()(Index row) const {
    const float* const from = logits + row * classes;
    const auto label = static_cast<Index>(labels[row % samples]);
    double largest = static_cast<double>(from[0]);
    for (Index c = 1; c < classes; ++c)
      if (static_cast<double>(from[c]) > largest) largest = static_cast<double>(from[c]);
    double sum = 0;
    for (Index c = 0; c < classes; ++c) sum += std::exp(static_cast<double>(from[c]) - largest);
    losses[row] = std::log(sum) + largest - static_cast<double>(from[label]);
    for (Index c = 0; c < classes; ++c) {
      const double probability = std::exp(static_cast<double>(from[c]) - largest) / sum;
      gradient[row * classes + c] = static_cast<float>(weight * (probability - (c == label ? 1.0 : 0.0)));
    }
  }
};

}  // namespace lpl::rate::cuda
