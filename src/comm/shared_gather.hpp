// All-gather of small messages between the ranks of one node, through shared memory, in two halves: what a rank
// computes between begin() and end() hides the time that messages take from core to core. That time, not the call, is
// what an exchange costs where it happens every microsecond or two.
#pragma once

#include <mpi.h>

#include <cstddef>
#include <cstdint>
#include <memory>

namespace lpl {

class SharedGather {
 public:
  // Collective over `world`. Returns nullptr on all ranks where they do not share one node's memory.
  static std::unique_ptr<SharedGather> create(MPI_Comm world);
  ~SharedGather();
  SharedGather(const SharedGather&) = delete;
  SharedGather& operator=(const SharedGather&) = delete;

  // The most words of one message.
  static constexpr std::size_t kCapacity = 1024;

  // Collective. As Communicator::begin_all_gather and end_all_gather, for words <= kCapacity.
  void begin(const std::uint32_t* send, std::size_t words);
  void end(std::size_t words, std::uint32_t* receive);

 private:
  struct Slot;
  SharedGather() = default;

  MPI_Comm node_ = MPI_COMM_NULL;
  MPI_Win window_ = MPI_WIN_NULL;
  Slot* slots_ = nullptr;  // [rank]
  int rank_ = 0, ranks_ = 1;
  std::uint64_t sequence_ = 0;
};

}  // namespace lpl
