// What losses are made of (rate/losses.hpp has the formulas): what one thread of a device, or one turn of a loop on the
// host, does. T is the type of activities and gradients: float in training, double where tests take differences of
// losses. Both views of a batch lie one after the other: views x samples x columns, where a column is a position and a
// unit. Sums are formed in double precision, of deviations.
#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "rate/device_code.hpp"
#include "rate/loss_terms.hpp"

namespace lpl::rate {

// Losses: each a sum of terms times a factor, 0 without terms.
struct LossSum {
  const double* terms;
  Index count;
  double factor;
};
struct LossSums {
  LossSum losses[kLossTerms];
};

// ---- The Hebbian term at one unit

// Value of the loss at one variance, and the factor of (z - mean) in its gradient, before dividing by the number of
// units and positions.
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
// With mean and variance of the step before; `squares` are the summed squares of deviations from that mean.
LPL_DEVICE inline Push stale_push(double epsilon, double stale_variance, double squares, double samples) {
  const double scale = 1.0 / ((stale_variance + epsilon) * (samples - 1));
  return {-squares * scale, -2.0 * scale};
}

// ---- Latent predictive learning. A block takes neighbouring columns, in phases whose indices it hands to its threads:
//   block.sums<k>(rows, value, to): to[i * kColumns + c] = sum over the rows of what value(row, column, c, terms) adds
//   to terms[i], i < k, formed in an order that depends on the number of rows alone;
//   block.each(rows, body): body(row, column, c) for all rows;
//   block.once(body): body(column, c).
// `column` is that of the matrix, c < Block::kColumns its number in the block. All return to all threads when all are
// done.

inline constexpr Index kMostColumnSums = 4;
// Of the memory of a block, in numbers.
constexpr Index column_memory(Index columns) { return (kMostColumnSums + 6) * columns; }

// Tells a loop a flag before it begins, which leaves its turns without branches.
template <class Loop>
LPL_DEVICE_ONLY void choose(bool flag, const Loop& loop) {
  if (flag)
    loop(std::true_type());
  else
    loop(std::false_type());
}

// Two views of a matrix of rows x columns.
template <class T>
struct TwoViews {
  const T* z;
  Index rows, columns;
  LPL_DEVICE Index at(Index view, Index row, Index column) const { return (view * rows + row) * columns + column; }
  LPL_DEVICE T operator()(Index view, Index row, Index column) const { return z[at(view, row, column)]; }
  // z minus a mean of the column.
  LPL_DEVICE double deviation(Index view, Index row, Index column, double mean) const {
    return static_cast<double>(z[at(view, row, column)]) - mean;
  }
};

// deviations = z - mean of the column.
template <class T>
struct CentreColumns {
  TwoViews<T> z;
  T* deviations;

  // `memory`: column_memory() numbers.
  template <class Block>
  LPL_DEVICE_ONLY void operator()(const Block& block, double* memory) const {
    block.template sums<2>(
        z.rows,
        [&](Index row, Index column, Index, auto&& terms) {
          for (Index view = 0; view < 2; ++view) terms[view] += static_cast<double>(z(view, row, column));
        },
        memory);
    block.once([&](Index, Index c) {
      for (Index view = 0; view < 2; ++view) memory[view * Block::kColumns + c] /= static_cast<double>(z.rows);
    });
    block.each(z.rows, [&](Index row, Index column, Index c) {
      for (Index view = 0; view < 2; ++view)
        deviations[z.at(view, row, column)] =
            static_cast<T>(z.deviation(view, row, column, memory[view * Block::kColumns + c]));
    });
  }
};

// Pull and push: their losses by column, and their gradient.
template <class T>
struct PullAndPush {
  TwoViews<T> z;
  const std::int32_t* positives;  // sample of view 2 by sample of view 1, and the inverse; null: the same
  const std::int32_t* pulled_by;
  T pull;     // what the difference of a pair is multiplied by
  bool both;  // pull view 1 too
  HebbianForm form;
  double epsilon, weight;  // of the push term
  // Estimates of the step before, by column, and whether there are any; null unless they are kept.
  float *mean, *variance;
  bool known;
  T* deviations;  // from the means; may be null
  T* dz;
  double *pull_losses, *push_losses;  // by column; by view and column

  // `memory`: column_memory() numbers.
  template <class Block>
  LPL_DEVICE_ONLY void operator()(const Block& block, double* memory) const {
    constexpr Index kColumns = Block::kColumns;
    double* const sums = memory;
    double* const means = memory + kMostColumnSums * kColumns;  // by view and column, as all that follows
    double* const centres = means + 2 * kColumns;               // of the push term
    double* const factors = centres + 2 * kColumns;             // of deviations from them
    const auto samples = static_cast<double>(z.rows);
    block.template sums<3>(
        z.rows,
        [&](Index row, Index column, Index, auto&& terms) {
          const T earlier = z(0, row, column);
          const T difference = earlier - z(1, partner(positives, row), column);
          terms[0] += static_cast<double>(earlier);
          terms[1] += static_cast<double>(z(1, row, column));
          terms[2] += static_cast<double>(difference) * static_cast<double>(difference);
        },
        sums);
    block.once([&](Index column, Index c) {
      pull_losses[column] = sums[2 * kColumns + c];
      for (Index i = c; i < 2 * kColumns; i += kColumns) {
        means[i] = sums[i] / samples;
        centres[i] = known ? static_cast<double>(mean[column]) : means[i];
      }
    });
    choose(known, [&](auto knows) {
      choose(deviations != nullptr, [&](auto keeps) {
        block.template sums<4>(
            z.rows,
            [&](Index row, Index column, Index c, auto&& terms) {
              for (Index view = 0; view < 2; ++view) {
                const Index i = view * kColumns + c;
                const T deviation = static_cast<T>(z.deviation(view, row, column, means[i]));
                if constexpr (keeps.value) deviations[z.at(view, row, column)] = deviation;
                terms[view] += static_cast<double>(deviation) * static_cast<double>(deviation);
                if constexpr (knows.value) {
                  const double from_estimate = z.deviation(view, row, column, centres[i]);
                  terms[2 + view] += from_estimate * from_estimate;
                }
              }
            },
            sums);
      });
    });
    block.once([&](Index column, Index c) {
      for (Index view = 0; view < 2; ++view) {
        const Index i = view * kColumns + c;
        double& own = sums[i];
        own /= samples - 1;
        const Push push =
            known ? stale_push(epsilon, static_cast<double>(variance[column]), sums[i + 2 * kColumns], samples)
                  : push_of(form, epsilon, own, samples);
        push_losses[view * z.columns + column] = push.loss;
        factors[i] = weight * push.factor / static_cast<double>(z.columns);
      }
      if (!mean) return;
      mean[column] = static_cast<float>(0.5 * (means[c] + means[kColumns + c]));
      variance[column] = static_cast<float>(0.5 * (sums[c] + sums[kColumns + c]));
    });
    choose(known, [&](auto knows) {
      choose(both, [&](auto pulls_both) {
        block.each(z.rows, [&](Index row, Index column, Index c) {
          for (Index view = 0; view < 2; ++view) {
            const Index i = view * kColumns + c;
            T gradient = 0;
            if (view == 1 || pulls_both.value) {
              const Index other = partner(view == 0 ? positives : pulled_by, row);
              gradient = pull * (z(view, row, column) - z(1 - view, other, column));
            }
            const double deviation = z.deviation(view, row, column, centres[i]);
            if constexpr (knows.value)
              gradient += static_cast<T>(factors[i] * deviation);
            else
              gradient += static_cast<T>(factors[i]) * static_cast<T>(deviation);
            dz[z.at(view, row, column)] = gradient;
          }
        });
      });
    });
  }

 private:
  LPL_DEVICE static Index partner(const std::int32_t* partners, Index row) {
    return partners ? static_cast<Index>(partners[row]) : row;
  }
};

// Pushes the squares of the entries of both views' square matrices down, off their diagonals: the value of a column sum
// is the square of scale * entry, and entries become its gradient, factor * scale * entry. Columns are views x side.
template <class T>
struct PushEntriesDown {
  T* matrices;
  Index side;
  double scale, factor;
  LPL_DEVICE double operator()(Index row, Index column) const {
    const Index view = column < side ? 0 : 1, own = column - view * side;
    T& entry = matrices[(static_cast<std::size_t>(view) * side + row) * side + own];
    const double value = row == own ? 0.0 : scale * static_cast<double>(entry);
    entry = static_cast<T>(factor * value);
    return value * value;
  }
};

// ---- The contrastive baseline. Rows are views x samples.

// Rows divided by their lengths (never by less than kShortest), and the lengths. One thread a row.
inline constexpr double kShortest = 1e-12;
template <class T>
struct NormaliseRows {
  const T* z;
  Index units;
  T* unit_rows;
  double* lengths;
  LPL_DEVICE void operator()(Index row) const {
    const T* const from = z + row * units;
    double square = 0;
    for (Index c = 0; c < units; ++c) square += static_cast<double>(from[c]) * static_cast<double>(from[c]);
    const double root = std::sqrt(square);
    const double length = root < kShortest ? kShortest : root;
    lengths[row] = length;
    for (Index c = 0; c < units; ++c)
      unit_rows[row * units + c] = static_cast<T>(static_cast<double>(from[c]) / length);
  }
};

// Products of the two views, for the mean cosine: rows are samples, columns units.
template <class T>
struct PairProducts {
  const T* unit_rows;
  Index samples, units;
  LPL_DEVICE double operator()(Index row, Index unit) const {
    return static_cast<double>(unit_rows[row * units + unit]) *
           static_cast<double>(unit_rows[(samples + row) * units + unit]);
  }
};

// gradient = -weight / samples times the other view's unit rows. One thread an element; `size` is that of one view.
template <class T>
struct CosinePull {
  const T* unit_rows;
  Index size;
  double weight, samples;
  T* gradient;
  LPL_DEVICE void operator()(Index i) const {
    const auto other = static_cast<double>(unit_rows[i < size ? i + size : i - size]);
    gradient[i] = static_cast<T>(-weight * other / samples);
  }
};

// dz = gradient with respect to z, given that with respect to z / |z|. One thread a row.
template <class T>
struct ThroughNormalisation {
  const T* unit_rows;
  const T* gradient;
  const double* lengths;
  Index units;
  T* dz;
  LPL_DEVICE void operator()(Index row) const {
    const T* const a = unit_rows + row * units;
    const T* const g = gradient + row * units;
    double along = 0;
    if (lengths[row] > kShortest)
      for (Index c = 0; c < units; ++c) along += static_cast<double>(a[c]) * static_cast<double>(g[c]);
    for (Index c = 0; c < units; ++c)
      dz[row * units + c] =
          static_cast<T>((static_cast<double>(g[c]) - along * static_cast<double>(a[c])) / lengths[row]);
  }
};

// ---- Supervised learning. Rows are views x samples.

// Cross-entropy of a row, and the gradient of the mean of all rows. One thread a row.
template <class T>
struct CrossEntropy {
  const T* logits;
  const std::int32_t* labels;  // by sample
  Index samples, classes;
  double* losses;
  T* gradient;
  LPL_DEVICE void operator()(Index row) const {
    const T* const from = logits + row * classes;
    const auto label = static_cast<Index>(labels[row % samples]);
    double largest = static_cast<double>(from[0]);
    for (Index c = 1; c < classes; ++c)
      if (static_cast<double>(from[c]) > largest) largest = static_cast<double>(from[c]);
    double sum = 0;
    for (Index c = 0; c < classes; ++c) sum += std::exp(static_cast<double>(from[c]) - largest);
    losses[row] = std::log(sum) + largest - static_cast<double>(from[label]);
    for (Index c = 0; c < classes; ++c) {
      const double probability = std::exp(static_cast<double>(from[c]) - largest) / sum;
      gradient[row * classes + c] =
          static_cast<T>(0.5 * (probability - (c == label ? 1.0 : 0.0)) / static_cast<double>(samples));
    }
  }
};

}  // namespace lpl::rate
