#include "comm/shared_gather.hpp"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <new>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace lpl {

// Two messages by parity of the sequence number: a rank can be one exchange ahead of another that still reads, never
// two, because it waits for that other's next number first.
struct alignas(64) SharedGather::Slot {
  std::atomic<std::uint64_t> sequence;
  alignas(64) std::uint32_t message[2][kCapacity];
};

namespace {

// Spins shortly, then lets other ranks have the core: with more ranks than cores the awaited one may be waiting for it.
template <class Ready>
void wait_until(Ready&& ready) {
  constexpr int kSpins = 2000;
  for (int spin = 0; !ready(); ++spin) {
    if (spin >= kSpins) {
      sched_yield();
      continue;
    }
#if defined(__x86_64__)
    _mm_pause();
#endif
  }
}

}  // namespace

std::unique_ptr<SharedGather> SharedGather::create(MPI_Comm world) {
  static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
  int size = 0, rank = 0, node_size = 0;
  MPI_Comm_size(world, &size);
  MPI_Comm_rank(world, &rank);
  MPI_Comm node = MPI_COMM_NULL;
  MPI_Comm_split_type(world, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &node);
  MPI_Comm_size(node, &node_size);
  if (size == 1 || node_size != size) {
    MPI_Comm_free(&node);
    return nullptr;
  }
  auto gather = std::unique_ptr<SharedGather>(new SharedGather);
  gather->node_ = node;
  gather->rank_ = rank;
  gather->ranks_ = size;
  // Rank 0 holds all slots. The window need not begin on a cache line, but processes map it page by page, so all of
  // them find the same first whole line.
  void* base = nullptr;
  const MPI_Aint room = rank == 0 ? static_cast<MPI_Aint>(sizeof(Slot)) * (size + 1) : 0;
  MPI_Win_allocate_shared(room, 1, MPI_INFO_NULL, node, &base, &gather->window_);
  MPI_Aint bytes = 0;
  int unit = 0;
  MPI_Win_shared_query(gather->window_, 0, &bytes, &unit, &base);
  auto space = static_cast<std::size_t>(bytes);
  std::align(alignof(Slot), sizeof(Slot), base, space);
  gather->slots_ = static_cast<Slot*>(base);
  new (&gather->slots_[rank].sequence) std::atomic<std::uint64_t>(0);
  MPI_Barrier(node);
  return gather;
}

SharedGather::~SharedGather() {
  MPI_Win_free(&window_);
  MPI_Comm_free(&node_);
}

void SharedGather::begin(const std::uint32_t* send, std::size_t words) {
  ++sequence_;
  Slot& own = slots_[rank_];
  std::copy_n(send, words, own.message[sequence_ & 1]);
  own.sequence.store(sequence_, std::memory_order_release);
}

void SharedGather::end(std::size_t words, std::uint32_t* receive) {
  for (int r = 0; r < ranks_; ++r) {
    const Slot& slot = slots_[r];
    wait_until([&] { return slot.sequence.load(std::memory_order_acquire) >= sequence_; });
    std::copy_n(slot.message[sequence_ & 1], words, receive + static_cast<std::size_t>(r) * words);
  }
}

}  // namespace lpl
