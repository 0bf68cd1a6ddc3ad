// Products of matrices on the host.
#pragma once

#include <cstdint>

namespace lpl::rate {

// c (rows x columns) = beta c + op(a) b, row-major, in a fixed order whatever the number of threads; a is stored
// rows x inner, or inner x rows where transposed_a; b inner x columns, or columns x inner where transposed_b. T: float
// or double.
template <class T>
void multiply(bool transposed_a, bool transposed_b, std::int64_t rows, std::int64_t columns, std::int64_t inner,
              const T* a, const T* b, T beta, T* c);

}  // namespace lpl::rate
