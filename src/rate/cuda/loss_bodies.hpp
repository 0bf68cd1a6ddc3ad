// What the losses are made of; formulas are in rate/cpu/losses.hpp. Both views of a batch lie one after the other:
// views x samples x units, where a unit is a position and a channel.
#pragma once

#include <cmath>
#include <cstdint>

#include "rate/cuda/elements.hpp"
#include "rate/push.hpp"

namespace lpl::rate::cuda {

// ---- Latent predictive learning. A block of threads takes kBlockColumns neighbouring units, in phases whose indices
// it hands to its threads:
//   block.sums<k>(rows, value, to): to[i * kBlockColumns + c] = sum over the rows of what value(row, column, c, terms)
//   adds to terms[i], i < k, formed in an order that depends on the number of rows alone;
//   block.each(rows, body): body(row, column, c) for all rows;
//   block.once(body): body(column, c).
// `column` is that of the matrix, c < kBlockColumns its number in the block. All return to all threads when all are
// done.

inline constexpr Index kBlockColumns = 8, kMostColumnSums = 4;
// Of the memory of a block, in numbers.
inline constexpr Index kColumnMemory = (kMostColumnSums + 6) * kBlockColumns;

// Two views of a matrix of rows x columns.
struct TwoViews {
  const float* z;
  Index rows, columns;
  LPL_DEVICE Index at(Index view, Index row, Index column) const { return (view * rows + row) * columns + column; }
  LPL_DEVICE float operator()(Index view, Index row, Index column) const { return z[at(view, row, column)]; }
  // z minus a mean of the column.
  LPL_DEVICE float deviation(Index view, Index row, Index column, double mean) const {
    return static_cast<float>(static_cast<double>(z[at(view, row, column)]) - mean);
  }
};

// deviations = z - mean of the column.
struct CentreColumns {
  TwoViews z;
  float* deviations;

  // `memory`: kColumnMemory numbers.
  template <class Block>
  LPL_DEVICE_ONLY void operator()(const Block& block, double* memory) const {
    block.template sums<2>(
        z.rows,
        [&](Index row, Index column, Index, double* terms) {
          for (Index view = 0; view < 2; ++view) terms[view] += static_cast<double>(z(view, row, column));
        },
        memory);
    block.each(z.rows, [&](Index row, Index column, Index c) {
      for (Index view = 0; view < 2; ++view)
        deviations[z.at(view, row, column)] =
            z.deviation(view, row, column, memory[view * kBlockColumns + c] / static_cast<double>(z.rows));
    });
  }
};

// Pull and push: their losses by column, and their gradient.
struct PullAndPush {
  TwoViews z;
  const std::int32_t* positives;  // sample of view 2 by sample of view 1, and the inverse; null: the same
  const std::int32_t* pulled_by;
  float pull;  // what the difference of a pair is multiplied by
  bool both;   // pull view 1 too
  HebbianForm form;
  double epsilon, weight;  // of the push term
  // Estimates of the step before, by column, and whether there are any; null unless they are kept.
  float *mean, *variance;
  bool known;
  float* deviations;  // from the means; may be null
  float* dz;
  double *pull_losses, *push_losses;  // by column; by view and column

  // `memory`: kColumnMemory numbers.
  template <class Block>
  LPL_DEVICE_ONLY void operator()(const Block& block, double* memory) const {
    double* const sums = memory;
    double* const means = memory + kMostColumnSums * kBlockColumns;  // by view and column, as all that follows
    double* const centres = means + 2 * kBlockColumns;               // of the push term
    double* const factors = centres + 2 * kBlockColumns;             // of deviations from them
    const auto samples = static_cast<double>(z.rows);
    block.template sums<3>(
        z.rows,
        [&](Index row, Index column, Index, double* terms) {
          const auto earlier = static_cast<double>(z(0, row, column));
          const double difference = earlier - static_cast<double>(z(1, partner(positives, row), column));
          terms[0] += earlier;
          terms[1] += static_cast<double>(z(1, row, column));
          terms[2] += difference * difference;
        },
        sums);
    block.once([&](Index column, Index c) {
      pull_losses[column] = sums[2 * kBlockColumns + c];
      for (Index i = c; i < 2 * kBlockColumns; i += kBlockColumns) {
        means[i] = sums[i] / samples;
        centres[i] = known ? static_cast<double>(mean[column]) : means[i];
      }
    });
    block.template sums<4>(
        z.rows,
        [&](Index row, Index column, Index c, double* terms) {
          for (Index view = 0; view < 2; ++view) {
            const Index i = view * kBlockColumns + c;
            const float deviation = z.deviation(view, row, column, means[i]);
            if (deviations) deviations[z.at(view, row, column)] = deviation;
            terms[view] += static_cast<double>(deviation) * static_cast<double>(deviation);
            if (!known) continue;
            const auto from_estimate = static_cast<double>(z.deviation(view, row, column, centres[i]));
            terms[2 + view] += from_estimate * from_estimate;
          }
        },
        sums);
    block.once([&](Index column, Index c) {
      for (Index view = 0; view < 2; ++view) {
        const Index i = view * kBlockColumns + c;
        const Push push = known ? stale_push(sums[i + 2 * kBlockColumns], static_cast<double>(variance[column]))
                                : push_of(form, epsilon, sums[i] / (samples - 1), samples);
        push_losses[view * z.columns + column] = push.loss;
        factors[i] = weight * push.factor;
      }
      if (!mean) return;
      mean[column] = static_cast<float>(0.5 * (means[c] + means[kBlockColumns + c]));
      variance[column] = static_cast<float>(0.5 * (sums[c] + sums[kBlockColumns + c]) / (samples - 1));
    });
    block.each(z.rows, [&](Index row, Index column, Index c) {
      for (Index view = 0; view < 2; ++view) {
        const Index i = view * kBlockColumns + c;
        float gradient = 0;
        if (view == 1 || both) {
          const Index other = partner(view == 0 ? positives : pulled_by, row);
          gradient = pull * (z(view, row, column) - z(1 - view, other, column));
        }
        dz[z.at(view, row, column)] =
            gradient + static_cast<float>(factors[i]) * z.deviation(view, row, column, centres[i]);
      }
    });
  }

 private:
  LPL_DEVICE static Index partner(const std::int32_t* partners, Index row) {
    return partners ? static_cast<Index>(partners[row]) : row;
  }
  // With the variance of the step before; `squares` are of deviations from the mean of the step before.
  LPL_DEVICE Push stale_push(double squares, double stale_variance) const {
    const double scale = 1.0 / ((stale_variance + epsilon) * (static_cast<double>(z.rows) - 1));
    return {-squares * scale, -2.0 * scale};
  }
};

// Pushes the squares of the entries of both views' square matrices down, off their diagonals: entries become their
// gradients, factor * entry, and the value of a column sum is the square of scale * entry. Columns are views x side.
struct PushEntriesDown {
  float* matrices;
  Index side;
  double scale, factor;
  LPL_DEVICE double operator()(Index row, Index column) const {
    const Index view = column < side ? 0 : 1, own = column - view * side;
    float& entry = matrices[(view * side + row) * side + own];
    const auto value = static_cast<double>(entry);
    entry = row == own ? 0.0f : static_cast<float>(factor * value);
    return row == own ? 0.0 : scale * value * (scale * value);
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
