#include "spiking/model/propagator.hpp"

#include <algorithm>
#include <cmath>

namespace lpl::spiking {
namespace {

using Matrix = std::vector<double>;

Matrix product(const Matrix& a, const Matrix& b, std::size_t n) {
  Matrix c(n * n, 0);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t k = 0; k < n; ++k)
      if (const double factor = a[i * n + k]; factor != 0)
        for (std::size_t j = 0; j < n; ++j) c[i * n + j] += factor * b[k * n + j];
  return c;
}

// Powers of two that bring coefficients of different units to one size: rows of D^-1 A D.
std::vector<double> balanced(Matrix& a, std::size_t n) {
  std::vector<double> scale(n, 1);
  for (int round = 0; round < 20; ++round)
    for (std::size_t i = 0; i < n; ++i) {
      double row = 0, column = 0;
      for (std::size_t j = 0; j < n; ++j)
        if (j != i) {
          row += std::abs(a[i * n + j]);
          column += std::abs(a[j * n + i]);
        }
      // A row or a column alone is brought to the size of the diagonal.
      const double own = std::max(std::abs(a[i * n + i]), 1e-3);
      const double ratio = row == 0      ? (column == 0 ? 1 : own / column)
                           : column == 0 ? row / own
                                         : std::sqrt(row / column);
      if (ratio > 0.5 && ratio < 2) continue;
      const double factor = std::exp2(std::round(std::clamp(std::log2(ratio), -200.0, 200.0)));
      scale[i] *= factor;
      for (std::size_t j = 0; j < n; ++j)
        if (j != i) {
          a[i * n + j] /= factor;
          a[j * n + i] *= factor;
        }
    }
  return scale;
}

}  // namespace

std::vector<double> propagator_minus_one(Matrix A, std::size_t n, double h) {
  for (double& element : A) element *= h;
  const std::vector<double> scale = balanced(A, n);
  double norm = 0;
  for (std::size_t i = 0; i < n; ++i) {
    double row = 0;
    for (std::size_t j = 0; j < n; ++j) row += std::abs(A[i * n + j]);
    norm = std::max(norm, row);
  }
  // exp(A) = exp(A / 2^s)^(2^s), the inner one by its series.
  const int doublings = norm > 0.5 && std::isfinite(norm) ? static_cast<int>(std::ceil(std::log2(norm))) + 1 : 0;
  for (double& element : A) element = std::ldexp(element, -doublings);
  Matrix result(n * n, 0);
  constexpr int kTerms = 16;  // 0.5^17 / 17! is below the last digit
  for (int k = kTerms; k >= 1; --k) {
    result = product(A, result, n);  // A (1 + (A/2) (1 + ...)) in the form of its excess over 1
    for (std::size_t i = 0; i < n * n; ++i) result[i] = (result[i] + A[i]) / k;
  }
  for (int d = 0; d < doublings; ++d) {
    const Matrix square = product(result, result, n);  // (1 + E)^2 - 1
    for (std::size_t i = 0; i < n * n; ++i) result[i] = 2 * result[i] + square[i];
  }
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) result[i * n + j] *= scale[i] / scale[j];
  return result;
}

}  // namespace lpl::spiking
