// The loops of losses (rate/losses.hpp) on the host. Sums are formed row by row.
#pragma once

#include <algorithm>
#include <memory>
#include <string_view>

#include "core/aligned.hpp"
#include "rate/cpu/products.hpp"
#include "rate/losses.hpp"

namespace lpl::rate {

// Neighbouring columns of a matrix (rate/loss_bodies.hpp).
struct HostColumns {
  static constexpr Index kColumns = 1024;  // rows of as many are read in one go
  Index first, count;

  template <Index kCount, class Value>
  void sums(Index rows, Value value, double* to) const {
    struct Terms {
      double* of_column;
      double& operator[](Index i) const { return of_column[i * kColumns]; }
    };
    double sums[kCount * kColumns] = {};
    for (Index row = 0; row < rows; ++row)
      for (Index c = 0; c < count; ++c) value(row, first + c, c, Terms{sums + c});
    std::copy_n(sums, kCount * kColumns, to);
  }
  template <class Body>
  void each(Index rows, Body body) const {
    for (Index row = 0; row < rows; ++row)
      for (Index c = 0; c < count; ++c) body(row, first + c, c);
  }
  template <class Body>
  void once(Body body) const {
    for (Index c = 0; c < count; ++c) body(first + c, c);
  }
};

struct HostLoops {
  template <class N>
  std::shared_ptr<N> allocate(std::int64_t count) const {
    const auto size = static_cast<std::size_t>(count);
    AlignedAllocator<N> numbers;
    return {numbers.allocate(size), [numbers, size](N* p) mutable { numbers.deallocate(p, size); }};
  }
  Array array(std::int64_t size) const { return {size, allocate<float>(size)}; }

  template <class Body>
  void each(std::string_view, std::int64_t count, const Body& body) const {
    for (Index i = 0; i < count; ++i) body(i);
  }
  template <class Body>
  void columns(std::string_view, const Body& body) const {
    double memory[column_memory(HostColumns::kColumns)];
    for (Index first = 0; first < body.z.columns; first += HostColumns::kColumns)
      body(HostColumns{first, std::min(HostColumns::kColumns, body.z.columns - first)}, memory);
  }
  template <class Value>
  SumTerms sums(std::string_view, std::int64_t rows, std::int64_t columns, const Value& value) const {
    SumTerms sums{allocate<double>(columns), static_cast<Index>(columns)};
    std::fill_n(sums.memory.get(), columns, 0.0);
    for (Index row = 0; row < rows; ++row)
      for (Index column = 0; column < columns; ++column) sums.memory.get()[column] += value(row, column);
    return sums;
  }
  template <class T>
  void multiply(bool, bool transposed_a, bool transposed_b, std::int64_t rows, std::int64_t columns, std::int64_t inner,
                const T* a, const T* b, T beta, T* c) const {
    for (const std::int64_t view : {0, 1})
      rate::multiply(transposed_a, transposed_b, rows, columns, inner, a + view * rows * inner,
                     b + view * inner * columns, beta, c + view * rows * columns);
  }
  template <class T>
  void add_up(const LossSums& sums, Index count, T* to) const {
    for (Index i = 0; i < count; ++i) {
      double sum = 0;
      for (Index k = 0; k < sums.losses[i].count; ++k) sum += sums.losses[i].terms[k];
      to[i] = static_cast<T>(sums.losses[i].factor * sum);
    }
  }
};

}  // namespace lpl::rate
