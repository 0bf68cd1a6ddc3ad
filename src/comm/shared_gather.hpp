// All-gather of small messages between the ranks of one host, through shared memory, in two halves: what a rank
// computes between begin() and end() hides the time that messages take from core to core. That time, not the call, is
// what an exchange costs where it happens every microsecond or two.
#pragma once

#include <mpi.h>

#include <cstddef>
#include <cstdint>

#include "comm/shared_memory.hpp"

namespace lpl {

class SharedGather {
 public:
  // Collective over `host`, all ranks of the job. `crowded`: ranks share cores, so one that waits gives its core away
  // at once; else it keeps the core for a while, which is faster. Throws CommError.
  SharedGather(MPI_Comm host, bool crowded);

  // The most words of one message.
  static constexpr std::size_t kCapacity = 1024;

  // Collective. As Communicator::begin_all_gather and end_all_gather, for words <= kCapacity.
  void begin(const std::uint32_t* send, std::size_t words);
  void end(std::size_t words, std::uint32_t* receive);

 private:
  struct Slot;
  struct Round;
  void await(const Slot& slot) const;
  void await_round() const;

  int rank_, ranks_;
  bool crowded_;
  SharedMemory memory_;
  Round* round_;
  Slot* slots_;  // [rank]
  std::uint32_t sequence_ = 0;
};

}  // namespace lpl
