#include "rate/cuda/exchange.hpp"

#include <fmt/format.h>
#include <nccl.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>

#include "core/errors.hpp"
#include "rate/cuda/launch.hpp"

namespace lpl::rate::cuda {
namespace {

// The numbers of a sum, cut into pieces of `length`, one a rank: that of rank r begins at r * length. The last ones may
// be shorter, or empty.
struct Pieces {
  std::int64_t size, length;
  // Cut where 128 bytes are full: devices copy aligned memory faster.
  Pieces(std::int64_t numbers, int ranks) : size(numbers) {
    const std::int64_t unit = std::int64_t{32} * ranks;
    length = (size + unit - 1) / unit * 32;
  }
  std::int64_t first(int rank) const { return std::min(rank * length, size); }
  std::int64_t count(int rank) const { return first(rank + 1) - first(rank); }
};

class NcclExchange final : public DeviceExchange {
 public:
  NcclExchange(Communicator& comm, Device& device);
  void gather(const std::vector<std::int64_t>& counts, const float* own, float* all) override;
  void sum(const Batch& batch, std::int64_t size, const std::vector<const float*>& own, float* to) override;

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

// Destroying waits until the operations under way are done, here and on the other ranks. Where an exception is on its
// way nobody knows whether they ever will be.
void NcclExchange::Leave::operator()(ncclComm* nccl) const {
  if (std::uncaught_exceptions() > 0)
    ncclCommAbort(nccl);
  else
    ncclCommDestroy(nccl);
}

void NcclExchange::check(ncclResult_t status, std::string_view call) const {
  if (status != ncclSuccess)
    throw DeviceError(fmt::format("{}: {} failed: {} {}", device_.name(), call, ncclGetErrorString(status),
                                  ncclGetLastError(nccl_.get())));
}

NcclExchange::NcclExchange(Communicator& comm, Device& device)
    : device_(device), rank_(comm.rank()), ranks_(comm.size()) {
  // In a graph NCCL would let devices reach into each other's buffers, which memory of the stream does not allow: it
  // may lie elsewhere on every rank.
  setenv("NCCL_GRAPH_REGISTER", "0", 0);
  ncclUniqueId id{};
  agree(comm, [&] {
    if (rank_ == 0) check(ncclGetUniqueId(&id), "ncclGetUniqueId");
  });
  const std::string bytes = comm.broadcast(std::string(id.internal, sizeof id.internal), 0);
  std::memcpy(id.internal, bytes.data(), sizeof id.internal);
  agree(comm, [&] {
    ncclComm_t nccl = nullptr;
    check(ncclCommInitRank(&nccl, ranks_, id, rank_), "ncclCommInitRank");
    nccl_.reset(nccl);
  });
}

void NcclExchange::send(const float* from, std::int64_t count, int to) {
  if (count > 0)
    check(ncclSend(from, static_cast<std::size_t>(count), ncclFloat32, to, nccl_.get(), device_.stream()), "ncclSend");
}

void NcclExchange::receive(float* to, std::int64_t count, int from) {
  if (count > 0)
    check(ncclRecv(to, static_cast<std::size_t>(count), ncclFloat32, from, nccl_.get(), device_.stream()), "ncclRecv");
}

void NcclExchange::broadcast(const float* from, float* to, std::int64_t count, int root) {
  if (count > 0)
    check(ncclBroadcast(from, to, static_cast<std::size_t>(count), ncclFloat32, root, nccl_.get(), device_.stream()),
          "ncclBroadcast");
}

void NcclExchange::gather(const std::vector<std::int64_t>& counts, const float* own, float* all) {
  check(ncclGroupStart(), "ncclGroupStart");
  float* to = all;
  for (int r = 0; r < ranks_; ++r) {
    const std::int64_t count = counts[static_cast<std::size_t>(r)];
    broadcast(own, to, count, r);
    to += count;
  }
  check(ncclGroupEnd(), "ncclGroupEnd");
}

void NcclExchange::sum(const Batch& batch, std::int64_t size, const std::vector<const float*>& own, float* to) {
  const Pieces pieces(size, ranks_);
  const std::size_t slices = batch.slices().size();
  // The parts of this rank's piece, slice by slice.
  const std::shared_ptr<float> parts = allocate<float>(device_, static_cast<std::int64_t>(slices) * pieces.length);

  // Between two ranks calls match in their order, here that of the slices.
  check(ncclGroupStart(), "ncclGroupStart");
  for (int r = 0; r < ranks_; ++r) {
    for (const float* part : own) send(part + pieces.first(r), pieces.count(r), r);
    for (std::size_t s = batch.first_slice(r); s < batch.first_slice(r + 1); ++s)
      receive(parts.get() + static_cast<std::int64_t>(s) * pieces.length, pieces.count(rank_), r);
  }
  check(ncclGroupEnd(), "ncclGroupEnd");

  launch(device_, "the kernel that sums slices", pieces.count(rank_),
         SumParts{parts.get(), static_cast<Index>(slices), pieces.length, to + pieces.first(rank_)});

  check(ncclGroupStart(), "ncclGroupStart");
  for (int r = 0; r < ranks_; ++r) broadcast(to + pieces.first(r), to + pieces.first(r), pieces.count(r), r);
  check(ncclGroupEnd(), "ncclGroupEnd");
}

}  // namespace

std::unique_ptr<DeviceExchange> make_device_exchange(Communicator& comm, Device& device) {
  return std::make_unique<NcclExchange>(comm, device);
}

}  // namespace lpl::rate::cuda
