#include "rate/cpu/losses.hpp"

#include <dnnl.h>

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "rate/push.hpp"

namespace lpl::rate {
namespace {

constexpr std::int64_t kPanel = 64;  // rows or columns of a product that one thread computes

void multiply_panel(bool transposed_a, bool transposed_b, std::int64_t rows, std::int64_t columns, std::int64_t inner,
                    const float* a, std::int64_t lda, const float* b, std::int64_t ldb, float beta, float* c,
                    std::int64_t ldc) {
  if (dnnl_sgemm(transposed_a ? 'T' : 'N', transposed_b ? 'T' : 'N', rows, columns, inner, 1.0f, a, lda, b, ldb, beta,
                 c, ldc) != dnnl_success)
    throw std::runtime_error("oneDNN refused a matrix product");
}

void multiply_panel(bool transposed_a, bool transposed_b, std::int64_t rows, std::int64_t columns, std::int64_t inner,
                    const double* a, std::int64_t lda, const double* b, std::int64_t ldb, double beta, double* c,
                    std::int64_t ldc) {
  using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using View = Eigen::Map<const Matrix, 0, Eigen::OuterStride<>>;
  const View left(a, transposed_a ? inner : rows, transposed_a ? rows : inner, Eigen::OuterStride<>(lda));
  const View right(b, transposed_b ? columns : inner, transposed_b ? inner : columns, Eigen::OuterStride<>(ldb));
  Eigen::Map<Matrix, 0, Eigen::OuterStride<>> out(c, rows, columns, Eigen::OuterStride<>(ldc));
  Matrix product;
  if (transposed_a && transposed_b)
    product = left.transpose() * right.transpose();
  else if (transposed_a)
    product = left.transpose() * right;
  else if (transposed_b)
    product = left * right.transpose();
  else
    product = left * right;
  if (beta == 0.0)
    out = product;
  else
    out = beta * out + product;
}

// Activities minus their mean over the rows; rows x columns.
template <class T>
std::vector<T> centred(std::int64_t rows, std::int64_t columns, const T* z, std::vector<double>* mean = nullptr) {
  std::vector<double> centre(static_cast<std::size_t>(columns), 0.0);
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c) centre[static_cast<std::size_t>(c)] += z[r * columns + c];
  for (double& m : centre) m /= static_cast<double>(rows);
  std::vector<T> out(static_cast<std::size_t>(rows * columns));
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c)
      out[static_cast<std::size_t>(r * columns + c)] =
          static_cast<T>(static_cast<double>(z[r * columns + c]) - centre[static_cast<std::size_t>(c)]);
  if (mean) *mean = std::move(centre);
  return out;
}

// Unbiased variance by column of centred values.
template <class T>
std::vector<double> variance(std::int64_t rows, std::int64_t columns, const std::vector<T>& z) {
  std::vector<double> sum(static_cast<std::size_t>(columns), 0.0);
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c) {
      const double value = z[static_cast<std::size_t>(r * columns + c)];
      sum[static_cast<std::size_t>(c)] += value * value;
    }
  for (double& s : sum) s /= static_cast<double>(rows - 1);
  return sum;
}

template <class T>
double add_push(const LossWeights& weights, const HookShape& shape, const std::vector<T>& deviations,
                const std::vector<double>& variances, double weight, T* dz) {
  const std::int64_t columns = shape.positions * shape.units;
  const auto n = static_cast<double>(columns);
  double loss = 0;
  std::vector<T> factors(variances.size());
  for (std::size_t c = 0; c < variances.size(); ++c) {
    const Push push = push_of(weights.form, weights.epsilon, variances[c], static_cast<double>(shape.samples));
    loss += push.loss;
    factors[c] = static_cast<T>(weight * push.factor / n);
  }
  for (std::int64_t b = 0; b < shape.samples; ++b)
    for (std::int64_t c = 0; c < columns; ++c)
      dz[b * columns + c] +=
          factors[static_cast<std::size_t>(c)] * deviations[static_cast<std::size_t>(b * columns + c)];
  return loss / n;
}

template <class T>
double add_stale_push(const LossWeights& weights, const HookShape& shape, const StaleEstimates& stale, const T* z,
                      double weight, T* dz) {
  const double scale = 1.0 / (static_cast<double>(shape.samples - 1) * static_cast<double>(shape.units));
  double loss = 0;
  for (std::int64_t b = 0; b < shape.samples; ++b)
    for (std::int64_t c = 0; c < shape.units; ++c) {
      const auto unit = static_cast<std::size_t>(c);
      const double deviation = static_cast<double>(z[b * shape.units + c]) - static_cast<double>(stale.mean[unit]);
      const double precision = 1.0 / (static_cast<double>(stale.variance[unit]) + weights.epsilon);
      loss -= deviation * deviation * precision * scale;
      dz[b * shape.units + c] -= static_cast<T>(weight * 2.0 * deviation * precision * scale);
    }
  return loss;
}

template <class T>
double add_decorrelation(std::int64_t rows, std::int64_t units, const T* z, double weight, T* dz) {
  if (units < 2) return 0;
  const std::vector<T> deviations = centred(rows, units, z);
  std::vector<T> covariance(static_cast<std::size_t>(units * units));
  multiply(true, false, units, units, rows, deviations.data(), deviations.data(), T(0), covariance.data());
  const double norm = 1.0 / static_cast<double>(rows - 1);
  const auto pairs = static_cast<double>(units * units - units);
  double loss = 0;
  for (std::int64_t i = 0; i < units; ++i)
    for (std::int64_t k = 0; k < units; ++k) {
      T& entry = covariance[static_cast<std::size_t>(i * units + k)];
      const double value = i == k ? 0 : static_cast<double>(entry) * norm;
      loss += value * value;
      entry = static_cast<T>(weight * 4.0 * norm / pairs * value);
    }
  multiply(false, false, rows, units, units, deviations.data(), covariance.data(), T(1), dz);
  return loss / pairs;
}

template <class T>
double add_pull(const LossWeights& weights, const HookShape& shape, const T* z1, const T* z2,
                const std::int32_t* positives, T* dz1, T* dz2) {
  const std::int64_t columns = shape.positions * shape.units;
  const double scale = 1.0 / static_cast<double>(shape.size());
  const auto factor = static_cast<T>(weights.predictive * 2.0 * scale);
  double loss = 0;
  for (std::int64_t b = 0; b < shape.samples; ++b) {
    const std::int64_t other = positives ? positives[b] : b;
    for (std::int64_t c = 0; c < columns; ++c) {
      const T difference = z1[b * columns + c] - z2[other * columns + c];
      loss += static_cast<double>(difference) * static_cast<double>(difference);
      if (weights.gradient == PredictiveGradient::both) dz1[b * columns + c] += factor * difference;
      dz2[other * columns + c] -= factor * difference;
    }
  }
  return loss * scale;
}

// Rows divided by their lengths (never by less than 1e-12), and the lengths.
template <class T>
std::vector<T> normalised(std::int64_t rows, std::int64_t units, const T* z, std::vector<double>& lengths) {
  std::vector<T> out(static_cast<std::size_t>(rows * units));
  lengths.resize(static_cast<std::size_t>(rows));
  for (std::int64_t r = 0; r < rows; ++r) {
    double square = 0;
    for (std::int64_t c = 0; c < units; ++c)
      square += static_cast<double>(z[r * units + c]) * static_cast<double>(z[r * units + c]);
    const double length = std::max(std::sqrt(square), 1e-12);
    lengths[static_cast<std::size_t>(r)] = length;
    for (std::int64_t c = 0; c < units; ++c)
      out[static_cast<std::size_t>(r * units + c)] = static_cast<T>(static_cast<double>(z[r * units + c]) / length);
  }
  return out;
}

// dz += gradient with respect to z, given that with respect to z / |z|.
template <class T>
void add_through_normalisation(std::int64_t rows, std::int64_t units, const std::vector<T>& unit_rows,
                               const std::vector<double>& lengths, const std::vector<T>& gradient, T* dz) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const T* a = unit_rows.data() + r * units;
    const T* g = gradient.data() + r * units;
    const double length = lengths[static_cast<std::size_t>(r)];
    double along = 0;
    if (length > 1e-12)
      for (std::int64_t c = 0; c < units; ++c) along += static_cast<double>(a[c]) * static_cast<double>(g[c]);
    for (std::int64_t c = 0; c < units; ++c)
      dz[r * units + c] += static_cast<T>((static_cast<double>(g[c]) - along * static_cast<double>(a[c])) / length);
  }
}

// Adds the gradient of mean_{i != k} cos^2 with respect to the unit rows.
template <class T>
double add_cosine_push(std::int64_t rows, std::int64_t units, const std::vector<T>& a, double weight,
                       std::vector<T>& gradient) {
  std::vector<T> cosine(static_cast<std::size_t>(rows * rows));
  multiply(false, true, rows, rows, units, a.data(), a.data(), T(0), cosine.data());
  const auto pairs = static_cast<double>(rows * rows - rows);
  double loss = 0;
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t k = 0; k < rows; ++k) {
      T& entry = cosine[static_cast<std::size_t>(i * rows + k)];
      const double value = i == k ? 0 : static_cast<double>(entry);
      loss += value * value;
      entry = static_cast<T>(weight * 4.0 / pairs * value);
    }
  multiply(false, false, rows, units, rows, cosine.data(), a.data(), T(1), gradient.data());
  return loss / pairs;
}

template <class T>
double add_cross_entropy(const HookShape& shape, const T* logits, const std::int32_t* labels, double weight, T* d) {
  double loss = 0;
  for (std::int64_t b = 0; b < shape.samples; ++b) {
    const T* row = logits + b * shape.units;
    const double largest = static_cast<double>(*std::max_element(row, row + shape.units));
    double sum = 0;
    for (std::int64_t c = 0; c < shape.units; ++c) sum += std::exp(static_cast<double>(row[c]) - largest);
    loss += std::log(sum) + largest - static_cast<double>(row[labels[b]]);
    for (std::int64_t c = 0; c < shape.units; ++c) {
      const double probability = std::exp(static_cast<double>(row[c]) - largest) / sum;
      d[b * shape.units + c] =
          static_cast<T>(weight * (probability - (c == labels[b] ? 1 : 0)) / static_cast<double>(shape.samples));
    }
  }
  return loss / static_cast<double>(shape.samples);
}

}  // namespace

template <class T>
void multiply(bool transposed_a, bool transposed_b, std::int64_t rows, std::int64_t columns, std::int64_t inner,
              const T* a, const T* b, T beta, T* c) {
  const std::int64_t lda = transposed_a ? rows : inner;
  const std::int64_t ldb = transposed_b ? inner : columns;
  // Panels depend on the shape alone; inside a parallel region oneDNN computes each with one thread.
  const bool by_columns = columns >= rows;
  const std::int64_t panels = ((by_columns ? columns : rows) + kPanel - 1) / kPanel;
#pragma omp parallel for schedule(static)
  for (std::int64_t p = 0; p < panels; ++p) {
    const std::int64_t first = p * kPanel;
    if (by_columns) {
      const std::int64_t width = std::min(kPanel, columns - first);
      multiply_panel(transposed_a, transposed_b, rows, width, inner, a, lda, b + (transposed_b ? first * ldb : first),
                     ldb, beta, c + first, columns);
    } else {
      const std::int64_t height = std::min(kPanel, rows - first);
      multiply_panel(transposed_a, transposed_b, height, columns, inner, a + (transposed_a ? first : first * lda), lda,
                     b, ldb, beta, c + first * columns, columns);
    }
  }
}

template <class T>
LossTerms lpl_loss(const LossWeights& weights, const HookShape& shape, const T* z1, const T* z2,
                   const std::int32_t* positives, StaleEstimates* stale, T* dz1, T* dz2) {
  const std::int64_t columns = shape.positions * shape.units;
  std::fill(dz1, dz1 + shape.size(), T(0));
  std::fill(dz2, dz2 + shape.size(), T(0));
  LossTerms terms{};
  terms[kPull] = add_pull(weights, shape, z1, z2, positives, dz1, dz2);

  std::vector<double> means[2], variances[2];
  for (const int view : {0, 1}) {
    const T* z = view == 0 ? z1 : z2;
    T* dz = view == 0 ? dz1 : dz2;
    const std::vector<T> deviations = centred(shape.samples, columns, z, &means[view]);
    variances[view] = variance(shape.samples, columns, deviations);
    const double weight = 0.5 * weights.hebbian;
    terms[kPush] +=
        0.5 * (stale && !stale->mean.empty() ? add_stale_push(weights, shape, *stale, z, weight, dz)
                                             : add_push(weights, shape, deviations, variances[view], weight, dz));
    terms[kDecorrelation] +=
        0.5 * add_decorrelation(shape.samples * shape.positions, shape.units, z, 0.5 * weights.decorrelation, dz);
  }
  if (stale) {
    stale->mean.resize(static_cast<std::size_t>(columns));
    stale->variance.resize(static_cast<std::size_t>(columns));
    for (std::size_t c = 0; c < stale->mean.size(); ++c) {
      stale->mean[c] = static_cast<float>(0.5 * (means[0][c] + means[1][c]));
      stale->variance[c] = static_cast<float>(0.5 * (variances[0][c] + variances[1][c]));
    }
  }
  return terms;
}

template <class T>
LossTerms contrastive_loss(const LossWeights& weights, const HookShape& shape, const T* z1, const T* z2, T* dz1,
                           T* dz2) {
  std::vector<double> length1, length2;
  const std::vector<T> a = normalised(shape.samples, shape.units, z1, length1);
  const std::vector<T> b = normalised(shape.samples, shape.units, z2, length2);
  const auto samples = static_cast<double>(shape.samples);
  std::vector<T> da(a.size()), db(b.size());
  LossTerms terms{};
  for (std::size_t i = 0; i < a.size(); ++i) {
    terms[kPull] -= static_cast<double>(a[i]) * static_cast<double>(b[i]) / samples;
    da[i] = static_cast<T>(-weights.predictive * static_cast<double>(b[i]) / samples);
    db[i] = static_cast<T>(-weights.predictive * static_cast<double>(a[i]) / samples);
  }
  const double weight = 0.5 * weights.hebbian;
  terms[kPush] = 0.5 * (add_cosine_push(shape.samples, shape.units, a, weight, da) +
                        add_cosine_push(shape.samples, shape.units, b, weight, db));
  std::fill(dz1, dz1 + shape.size(), T(0));
  std::fill(dz2, dz2 + shape.size(), T(0));
  add_through_normalisation(shape.samples, shape.units, a, length1, da, dz1);
  add_through_normalisation(shape.samples, shape.units, b, length2, db, dz2);
  return terms;
}

template <class T>
double cross_entropy(const HookShape& shape, const T* logits1, const T* logits2, const std::int32_t* labels, T* d1,
                     T* d2) {
  return 0.5 *
         (add_cross_entropy(shape, logits1, labels, 0.5, d1) + add_cross_entropy(shape, logits2, labels, 0.5, d2));
}

template void multiply(bool, bool, std::int64_t, std::int64_t, std::int64_t, const float*, const float*, float, float*);
template void multiply(bool, bool, std::int64_t, std::int64_t, std::int64_t, const double*, const double*, double,
                       double*);
template LossTerms lpl_loss(const LossWeights&, const HookShape&, const float*, const float*, const std::int32_t*,
                            StaleEstimates*, float*, float*);
template LossTerms lpl_loss(const LossWeights&, const HookShape&, const double*, const double*, const std::int32_t*,
                            StaleEstimates*, double*, double*);
template LossTerms contrastive_loss(const LossWeights&, const HookShape&, const float*, const float*, float*, float*);
template LossTerms contrastive_loss(const LossWeights&, const HookShape&, const double*, const double*, double*,
                                    double*);
template double cross_entropy(const HookShape&, const float*, const float*, const std::int32_t*, float*, float*);
template double cross_entropy(const HookShape&, const double*, const double*, const std::int32_t*, double*, double*);

}  // namespace lpl::rate
