// The CUDA backend: cuDNN for convolutions (docs/decisions/0006-cudnn.md), cuBLAS for products, own kernels for the
// rest.
//
// Everything is enqueued on one stream. What a device computes is the same on every run: sums have a fixed order, and
// of cuDNN only deterministic engines are taken. In float32 nothing is rounded to TF32 on the way.
#pragma once

#include <memory>
#include <string>

#include "comm/communicator.hpp"
#include "rate/backend.hpp"

namespace lpl::rate {

// How many devices this process sees; 0 where there is no driver. Throws Error where the driver fails.
int cuda_device_count();

// Where the device is on this machine's bus, the same for every process that sees it; "" where there is no such device.
std::string cuda_device_address(int device);

// Collective, each rank with a device of its own. Throws ConfigError where there is no such device, Error where the
// driver fails.
std::unique_ptr<Backend> make_cuda_backend(Communicator& comm, int device);

}  // namespace lpl::rate
