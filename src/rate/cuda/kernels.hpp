// The kernels: six ways to hand the indices of a body (rate/cuda/bodies.hpp) to threads, and the views
// (rate/cuda/views.hpp), of which a block makes one. Each is enqueued on a stream
// and returns the status of the launch.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "rate/cuda/bodies.hpp"
#include "rate/cuda/views.hpp"

namespace lpl::rate::cuda {

// Threads of a block, and blocks of a grid.
inline constexpr Index kBlock = 256;
inline constexpr Index kBlockWarps = 4;
inline constexpr Index kColumns = 32;  // of a block that sums columns: one warp reads neighbouring columns
inline constexpr Index kBlockColumns = 8,
                       kColumnLanes = 128;  // of a block of rate/loss_bodies.hpp: columns, and threads of one
constexpr Index blocks_of(Index count) { return (count + kBlock - 1) / kBlock; }
constexpr Index column_blocks_of(Index columns) { return (columns + kColumns - 1) / kColumns; }

// body(0), ..., body(count - 1), one thread each. count < 2^31.
template <class Body>
cudaError_t for_each(cudaStream_t stream, std::int64_t count, const Body& body);

// A body of rate/cuda/tile_bodies.hpp, one block a sample.
template <class Body>
cudaError_t for_each_sample(cudaStream_t stream, std::int64_t samples, const Body& body);

// A body of rate/cuda/thin_bodies.hpp, for warps 0 to `warps` - 1. warps < 2^31.
template <class Body>
cudaError_t for_each_warp(cudaStream_t stream, std::int64_t warps, const Body& body);

// parts[chunk x columns] = sums over the rows of each chunk of value(row, column), for chunks_of(rows) chunks.
template <class Value>
cudaError_t sum_columns(cudaStream_t stream, Index rows, Index columns, const Value& value, double* parts);

// A body of rate/loss_bodies.hpp, for columns in blocks of kBlockColumns.
template <class Body>
cudaError_t for_each_column(cudaStream_t stream, const Body& body);

// to[i] = the i-th of `count` losses, its terms added in a fixed order.
cudaError_t sum_losses(cudaStream_t stream, const LossSums& sums, Index count, float* to);

// to (views x size x size x 3) = the views that are requested. views > 0. A block needs view_memory() bytes of shared
// memory.
template <class Element>
cudaError_t make_views(cudaStream_t stream, std::int64_t views, const ViewBatch& batch, Element* to);

}  // namespace lpl::rate::cuda
