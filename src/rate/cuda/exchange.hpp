// What the devices of several ranks tell each other, through NCCL: what rate/exchange.hpp does on the host. Order and
// sums are those of the slices, whoever computed them.
//
// Every call is collective, and is only enqueued on the device's stream: nothing waits for a device, so that a step
// with these calls can be captured into a CUDA graph, on all ranks or on none. A step must have run before: the first
// calls connect the ranks, for which the hosts wait for each other.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "comm/communicator.hpp"
#include "rate/backend.hpp"
#include "rate/cuda/device.hpp"

namespace lpl::rate::cuda {

class DeviceExchange {
 public:
  virtual ~DeviceExchange() = default;

  // all = the counts[r] numbers of every rank r, one rank after the other. `own` are those of this rank.
  virtual void gather(const std::vector<std::int64_t>& counts, const float* own, float* all) = 0;

  // to[i] = sum over all slices of part[i], i < size; `own` are the parts of this rank's slices. `to` may be one of
  // them.
  virtual void sum(const Batch& batch, std::int64_t size, const std::vector<const float*>& own, float* to) = 0;
};

// Collective; for more than one rank, each with a device of its own: NCCL refuses two ranks on one. `device` must
// outlive this. Throws Error on all ranks, also where the build has no NCCL.
std::unique_ptr<DeviceExchange> make_device_exchange(Communicator& comm, Device& device);

}  // namespace lpl::rate::cuda
