// The blocks of threads that take columns (rate/loss_bodies.hpp) on the host: their threads run one after the
// other, forwards in one phase and backwards in the next, so that a phase whose result depends on their order shows.
// Memory is filled with what is no number.
#pragma once

#include <algorithm>
#include <limits>
#include <vector>

#include "rate/loss_bodies.hpp"

namespace lpl::rate::cuda {

struct SerialColumns {
  static constexpr Index kColumns = 8;
  Index first, count;
  mutable bool backwards = false;

  template <Index kCount, class Value>
  void sums(Index rows, Value value, double* to) const {
    std::vector<double> terms(kCount * kColumns, 0.0);
    each(rows, [&](Index row, Index column, Index c) { value(row, column, c, terms.data() + c * kCount); });
    for (Index c = 0; c < count; ++c)
      for (Index i = 0; i < kCount; ++i) to[i * kColumns + c] = terms[c * kCount + i];
  }
  template <class Body>
  void each(Index rows, Body body) const {
    for (Index i = 0; i < rows; ++i)
      for (Index c = 0; c < count; ++c) body(backwards ? rows - 1 - i : i, first + c, c);
    backwards = !backwards;
  }
  template <class Body>
  void once(Body body) const {
    for (Index c = 0; c < count; ++c) body(first + c, c);
  }
};

template <class Body>
void walk_columns(const Body& body) {
  const Index columns = body.z.columns;
  for (Index first = 0; first < columns; first += SerialColumns::kColumns) {
    std::vector<double> memory(column_memory(SerialColumns::kColumns), std::numeric_limits<double>::quiet_NaN());
    body(SerialColumns{first, std::min(SerialColumns::kColumns, columns - first)}, memory.data());
  }
}

}  // namespace lpl::rate::cuda
