// The CPU backend: oneDNN for convolutions and products, own kernels where the structure of local learning pays.
//
// The gradient of a block's filters is a sum over the outputs that let gradient through. Behind a rectifier and a
// 2x2 max-pool that is less than a quarter of them, and they are known from the forward pass; so the gradient adds
// input windows of active outputs only, in registers, instead of multiplying matrices that are mostly zero.
#pragma once

#include <memory>

#include "comm/communicator.hpp"
#include "rate/backend.hpp"

namespace lpl::rate {

// From then on this thread and those of OpenMP flush denormal numbers to zero.
std::unique_ptr<Backend> make_cpu_backend(Communicator& comm);

}  // namespace lpl::rate
