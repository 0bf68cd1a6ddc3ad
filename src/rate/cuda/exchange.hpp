// What the devices of several ranks tell each other, through NCCL: what rate/exchange.hpp does on the host. Order and
// sums are those of the slices, whoever computed them.
//
// Every call is collective, and is only enqueued on the device's stream: nothing waits for a device, so that a step
// with these calls can be captured into a CUDA graph, on all ranks or on none. A step must have run before: the first
// calls connect the ranks, for which the hosts wait for each other.
#pragma once

#include <nccl.h>

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "comm/communicator.hpp"
#include "rate/backend.hpp"
#include "rate/cuda/device.hpp"

namespace lpl::rate::cuda {

class DeviceExchange {
 public:
  // Collective; for more than one rank, each with a device of its own: NCCL refuses two ranks on one. `device` must
  // outlive this. Throws Error on all ranks.
  DeviceExchange(Communicator& comm, Device& device);

  // all = the counts[r] numbers of every rank r, one rank after the other. `own` are those of this rank.
  void gather(const std::vector<std::int64_t>& counts, const float* own, float* all);

  // to[i] = sum over all slices of part[i], i < size; `own` are the parts of this rank's slices. `to` may be one of
  // them.
  void sum(const Batch& batch, std::int64_t size, const std::vector<const float*>& own, float* to);

 private:
  struct Leave {
    void operator()(ncclComm* nccl) const;
  };

  void check(ncclResult_t status, std::string_view call) const;
  // Adds a call to the open group.
  void send(const float* from, std::int64_t count, int to);
  void receive(float* to, std::int64_t count, int from);
  void broadcast(const float* from, float* to, std::int64_t count, int root);

  Device& device_;
  int rank_, ranks_;
  std::unique_ptr<ncclComm, Leave> nccl_;
};

}  // namespace lpl::rate::cuda
