// Which neurons live where.
#pragma once

#include <cstdint>

#include "core/types.hpp"

namespace lpl::spiking {

// The neurons of a population that live on one rank: a contiguous range.
struct LocalRange {
  NeuronId first = 0;
  NeuronId count = 0;
  bool holds(NeuronId id) const { return id - first < count; }
};

inline LocalRange local_range(NeuronId size, int rank, int ranks) {
  const auto edge = [&](int r) {
    return static_cast<NeuronId>(static_cast<std::uint64_t>(size) * static_cast<std::uint64_t>(r) /
                                 static_cast<std::uint64_t>(ranks));
  };
  return {edge(rank), edge(rank + 1) - edge(rank)};
}

}  // namespace lpl::spiking
