// Sums in a fixed order. A column sum is cut into chunks of rows; the kLanes threads of a chunk take its rows in turn,
// and their sums are added in their order, and those of the chunks in theirs. All of it depends on the number of rows
// alone.
#pragma once

#include "rate/cuda/elements.hpp"

namespace lpl::rate::cuda {

inline constexpr Index kLanes = 16;
inline constexpr Index kMostChunks = 256;

LPL_DEVICE inline Index chunks_of(Index rows) {
  const Index chunks = (rows + 8 * kLanes - 1) / (8 * kLanes);
  return chunks < kMostChunks ? chunks : kMostChunks;
}

template <class Value>
LPL_DEVICE double lane_sum(const Value& value, Index rows, Index chunks, Index chunk, Index lane, Index column) {
  const Index length = (rows + chunks - 1) / chunks;
  const Index end = (chunk + 1) * length < rows ? (chunk + 1) * length : rows;
  double sum = 0;
  for (Index row = chunk * length + lane; row < end; row += kLanes) sum += value(row, column);
  return sum;
}

// The sums of the chunks of every column: chunks x columns.
struct ColumnParts {
  const double* parts;
  Index chunks, columns;
  LPL_DEVICE double sum(Index column) const {
    double total = 0;
    for (Index chunk = 0; chunk < chunks; ++chunk) total += parts[chunk * columns + column];
    return total;
  }
};

// to[column] += the column's sum.
struct AddSums {
  ColumnParts parts;
  float* to;
  LPL_DEVICE void operator()(Index column) const { to[column] += static_cast<float>(parts.sum(column)); }
};

// The part of a sum over `count` terms that one of `threads` threads takes.
LPL_DEVICE inline double thread_sum(const double* terms, Index count, Index thread, Index threads) {
  double sum = 0;
  for (Index i = thread; i < count; i += threads) sum += terms[i];
  return sum;
}

}  // namespace lpl::rate::cuda
