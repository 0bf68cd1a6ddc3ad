#include "rate/cpu/products.hpp"

#include <dnnl.h>

#include <Eigen/Core>
#include <algorithm>
#include <stdexcept>

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

}  // namespace

template <class T>
void multiply(bool transposed_a, bool transposed_b, std::int64_t rows, std::int64_t columns, std::int64_t inner,
              const T* a, const T* b, T beta, T* c) {
  const std::int64_t lda = transposed_a ? rows : inner;
  const std::int64_t ldb = transposed_b ? inner : columns;
  // Panels depend on the shape alone; inside a parallel region oneDNN computes each with one thread.
  const bool by_columns = columns >= rows;
  const std::int64_t panels = ((by_columns ? columns : rows) + kPanel - 1) / kPanel;
#pragma omp parallel for schedule(static) if (panels > 1)
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

template void multiply(bool, bool, std::int64_t, std::int64_t, std::int64_t, const float*, const float*, float, float*);
template void multiply(bool, bool, std::int64_t, std::int64_t, std::int64_t, const double*, const double*, double,
                       double*);

}  // namespace lpl::rate
