#include "comm/shared_gather.hpp"

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <limits>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace lpl {

// Two messages by parity of the sequence number: a rank can be one exchange ahead of another that still reads, never
// two, because it waits for that other's next number first.
struct alignas(64) SharedGather::Slot {
  std::atomic<std::uint32_t> sequence;  // of the last message
  alignas(64) std::uint32_t message[2][kCapacity];
};

// Where ranks share cores: how far they all are. Numbers wrap round.
struct alignas(64) SharedGather::Round {
  std::atomic<std::uint32_t> arrivals;              // messages so far, of all ranks
  alignas(64) std::atomic<std::uint32_t> complete;  // the last number that all ranks have sent
};

namespace {

using Word = std::atomic<std::uint32_t>;
static_assert(Word::is_always_lock_free && sizeof(Word) == sizeof(std::uint32_t));

// Not std::atomic::wait, which is for the threads of one process.
void sleep_while(const Word& word, std::uint32_t value) {
  syscall(SYS_futex, &word, FUTEX_WAIT, value, nullptr, nullptr, 0);
}
void wake_all(const Word& word) {
  syscall(SYS_futex, &word, FUTEX_WAKE, std::numeric_limits<int>::max(), nullptr, nullptr, 0);
}

int rank_in(MPI_Comm comm) {
  int rank = 0;
  MPI_Comm_rank(comm, &rank);
  return rank;
}

int size_of(MPI_Comm comm) {
  int size = 0;
  MPI_Comm_size(comm, &size);
  return size;
}

}  // namespace

SharedGather::SharedGather(MPI_Comm host, bool crowded)
    : rank_(rank_in(host)),
      ranks_(size_of(host)),
      crowded_(crowded),
      memory_(host, sizeof(Round) + sizeof(Slot) * static_cast<std::size_t>(ranks_)),
      round_(static_cast<Round*>(memory_.data())),
      slots_(reinterpret_cast<Slot*>(round_ + 1)) {}

void SharedGather::begin(const std::uint32_t* send, std::size_t words) {
  ++sequence_;
  Slot& own = slots_[rank_];
  std::copy_n(send, words, own.message[sequence_ & 1]);
  own.sequence.store(sequence_, std::memory_order_release);
  if (!crowded_ || round_->arrivals.fetch_add(1) + 1 != static_cast<std::uint32_t>(ranks_) * sequence_) return;
  round_->complete.store(sequence_);
  wake_all(round_->complete);
}

void SharedGather::end(std::size_t words, std::uint32_t* receive) {
  if (crowded_) await_round();
  for (int r = 0; r < ranks_; ++r) {
    const Slot& slot = slots_[r];
    if (!crowded_) await(slot);
    std::copy_n(slot.message[sequence_ & 1], words, receive + static_cast<std::size_t>(r) * words);
  }
}

// Keeps the core for a while; then others may have it.
void SharedGather::await(const Slot& slot) const {
  constexpr int kSpins = 2000;
  for (int spin = 0; slot.sequence.load(std::memory_order_acquire) - sequence_ > 1; ++spin) {
    if (spin >= kSpins) {
      sched_yield();
      continue;
    }
#if defined(__x86_64__)
    _mm_pause();
#endif
  }
}

// Gives the core away at once, for an awaited rank may be waiting for it. At first by yielding: a core that falls
// asleep takes tens of microseconds to wake up. Then by sleeping: yielding ranks would keep other programs' turns
// coming.
void SharedGather::await_round() const {
  constexpr int kYields = 200;
  for (int turn = 0;; ++turn) {
    const std::uint32_t complete = round_->complete.load();
    if (complete == sequence_) return;
    if (turn < kYields)
      sched_yield();
    else
      sleep_while(round_->complete, complete);
  }
}

}  // namespace lpl
