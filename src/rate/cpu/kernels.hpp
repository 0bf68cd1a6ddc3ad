// Vector kernels of the CPU backend, for the widest vectors that the processor has (Highway). Activity maps lie as
// samples x blocks of 16 channels x rows x columns x 16 (oneDNN's nChw16c), absent channels zero.
#pragma once

#include <cstdint>

#include "rate/backend.hpp"

namespace lpl::rate {

inline constexpr std::int64_t kLanes = 16;  // channels of a block

inline std::int64_t blocks(std::int64_t channels) { return (channels + kLanes - 1) / kLanes; }

// Which output of a pooling window won, or that no output of it was active: where the gradient goes.
inline constexpr std::uint8_t kSilent = 255;

// One output through which gradient flows: where its window lies in the padded input, and dLoss/d(output).
struct ActiveOutput {
  std::int32_t offset;
  float gradient;
};

struct PoolShape {
  std::int64_t maps;  // samples x blocks
  std::int64_t height, width, side, stride;
};

// x = max(0, x) for `blocks` of kLanes elements, float32 or bfloat16 by their size. What is no number stays none, so
// that the losses show it (oneDNN's rectifier makes it 0).
void rectify_blocks(std::int64_t blocks, float* x);
void rectify_blocks(std::int64_t blocks, std::uint16_t* x);

// Max-pooling of max(0, x); winners (may be null) receive the index of each window's first largest element, or kSilent
// where that is not positive. What is no number is larger than any; then a winner may be any.
void pool_max(const PoolShape& shape, const float* x, float* y, std::uint8_t* winners);
void pool_max(const PoolShape& shape, const std::uint16_t* x, std::uint16_t* y, std::uint8_t* winners);

// Copies one map into the middle of a zeroed one that is `padding` wider on each side, as float32.
void pad_map(std::int64_t height, std::int64_t width, std::int64_t padding, const float* x, float* padded);
void pad_map(std::int64_t height, std::int64_t width, std::int64_t padding, const std::uint16_t* x, float* padded);

// to[tap * stride ... + 16] += sum over outputs of gradient * padded[offset + taps[tap] ... + 16]: the gradient of the
// filters of one output unit and 16 input channels.
void add_windows(const float* padded, const ActiveOutput* outputs, std::int64_t count, const std::int32_t* taps,
                 std::int64_t tap_count, std::int64_t stride, float* to);

// Filters from out x tap x in to oneDNN's blocks of 16 x 16 channels (OIhw16i16o), for channels in whole blocks.
void block_filters(std::int64_t out, std::int64_t taps, std::int64_t in, const float* filters, float* blocked);

// Means over positions: sums of samples x blocks maps.
void mean_over_positions(std::int64_t maps, std::int64_t positions, const float* x, float* means);
void mean_over_positions(std::int64_t maps, std::int64_t positions, const std::uint16_t* x, float* means);

void adam_update(const AdamForm& form, const float* rates, std::int64_t size, const float* gradient, float* value,
                 float* mean, float* square);

// The vector instructions in use.
std::string rate_vector_target();

}  // namespace lpl::rate
