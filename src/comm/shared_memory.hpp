// Memory that the ranks of one host share.
#pragma once

#include <mpi.h>

#include <cstddef>

namespace lpl {

class SharedMemory {
 public:
  // Collective over `host`, the ranks of one host. The memory is zero and begins on a page. Throws CommError on all of
  // them where there is no room for it: all of it is claimed here, for a page that is lacking later is a bus error.
  SharedMemory(MPI_Comm host, std::size_t bytes);
  ~SharedMemory();
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  void* data() const { return data_; }

 private:
  std::size_t bytes_;
  void* data_ = nullptr;
};

// Throws CommError where the folder in which the MPI library keeps its shared memory has too little room for the ranks
// of this host. Before MPI starts: it does not ask, and ends with a bus error.
void check_shared_memory();

}  // namespace lpl
