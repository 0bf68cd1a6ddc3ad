// The blocks of threads that take samples (rate/cuda/tile_bodies.hpp) on the host: their threads run one after the
// other.
#pragma once

#include <algorithm>
#include <vector>

#include "rate/cuda/tile_bodies.hpp"

namespace lpl::rate::cuda {

template <class Body>
void walk_samples(Index samples, const Body& body) {
  const Index groups = body.tiles.channels / Body::kGroup;
  const SampleBlock block = sample_block(groups, body.tiles.positions);
  for (Index sample = 0; sample < samples; ++sample)
    for (Index group = 0; group < groups; ++group) {
      float totals[Body::kSums] = {};
      for (Index lane = 0; lane < block.lanes; ++lane) {
        float sums[Body::kSums] = {};
        body.lane(sample, group, lane, block.lanes, sums);
        for (Index k = 0; k < Body::kSums; ++k) totals[k] += sums[k];
      }
      for (Index k = 0; k < Body::kSums; ++k) body.finish(sample, group, k, totals[k]);
    }
}

}  // namespace lpl::rate::cuda
