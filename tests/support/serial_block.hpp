// The block of threads of a view (rate/cuda/views.hpp) on the host: its threads run one after the other, forwards in
// one phase and backwards in the next, so that a phase whose result depends on their order shows. Memory is filled with
// what is no value.
#pragma once

#include <vector>

#include "rate/cuda/views.hpp"

namespace lpl::rate::cuda {

struct SerialBlock {
  mutable bool backwards;
  template <class Body>
  void each(Index count, Body body) const {
    for (Index i = 0; i < count; ++i) body(backwards ? count - 1 - i : i);
    backwards = !backwards;
  }
  template <class Value>
  int sum(Index count, Value value, int* total) const {
    *total = 0;
    for (Index i = 0; i < count; ++i) *total += value(i);
    return *total;
  }
};

// `backwards`: in the first phase.
template <class Element>
void make_view(const ViewBatch& batch, Index view, bool backwards, Element* to) {
  const auto bytes = static_cast<std::size_t>(view_memory(batch.side, batch.size));
  std::vector<std::uint8_t> memory(bytes, 0xff);
  const SerialBlock block{backwards};
  ViewCanvas(block, batch, memory.data()).make(view, to);
}

}  // namespace lpl::rate::cuda
