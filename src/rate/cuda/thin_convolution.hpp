// Layers of a network that see images of one or three channels, in one kernel there and one back
// (rate/cuda/thin_bodies.hpp), where cuDNN would fill channels up and write the unpooled map.
#pragma once

#include <cstdint>

#include "rate/backend.hpp"
#include "rate/cuda/device.hpp"

namespace lpl::rate::cuda {

// Whether this file knows the layer: 3x3 filters on 1 or 3 bfloat16 channels padded by 1, a multiple of 64 outputs, and
// 2x2 pooling that tiles the map.
bool is_thin(const Convolution& layer, const Tensor& x);

// y, its means over space and, unless null, the winners of its windows. `filters` are bfloat16, `bias` may be null.
void thin_forward(Device& device, const Convolution& layer, const Tensor& x, const void* filters, const float* bias,
                  Tensor& y, std::uint8_t* winners);

// Whether add_thin_gradient() knows the gradient: float32, with respect to the means of y over space.
bool is_of_means(const Tensor& dy);

// Adds the gradients of filters and bias.
void add_thin_gradient(Device& device, const Convolution& layer, const Tensor& x, const std::uint8_t* winners,
                       const Tensor& dmeans, Array& weight, Array& bias);

}  // namespace lpl::rate::cuda
