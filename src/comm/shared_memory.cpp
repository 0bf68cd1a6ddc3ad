#include "comm/shared_memory.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <random>

#include "core/errors.hpp"
#include "core/host.hpp"

namespace lpl {
namespace {

constexpr double kMebi = 1 << 20;

constexpr const char* kWaysOut =
    "free some of it, enlarge it (mount -o remount,size=1g /dev/shm; docker run --shm-size=1g; a memory volume in "
    "Kubernetes) or use fewer ranks on this host";

// Maps the object `name`, which its maker creates and fills; 0 or errno.
int map_object(const char* name, bool maker, std::size_t bytes, void** data) {
  const int file = shm_open(name, maker ? O_RDWR | O_CREAT | O_EXCL : O_RDWR, 0600);
  if (file < 0) return errno;
  int error = maker ? posix_fallocate(file, 0, static_cast<off_t>(bytes)) : 0;
  if (error == 0) {
    *data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (*data == MAP_FAILED) {
      error = errno;
      *data = nullptr;
    }
  }
  close(file);
  return error;
}

double free_bytes(const char* folder) {
  struct statvfs space {};
  if (statvfs(folder, &space) != 0) return 0;
  return static_cast<double>(space.f_bavail) * static_cast<double>(space.f_frsize);
}

}  // namespace

// Open MPI gives every rank a segment of 4 MiB in the folder, wants to see that much free, and fills it as messages
// need it: some 100 KiB a rank in small runs.
void check_shared_memory() {
  constexpr double kSegment = 4 * kMebi, kUsed = kMebi / 4;
  const char* const ranks = std::getenv("OMPI_COMM_WORLD_LOCAL_SIZE");
  if (!ranks || std::atoi(ranks) < 2) return;
  const char* const chosen = std::getenv("OMPI_MCA_btl_vader_backing_directory");
  const char* const folder = chosen ? chosen : "/dev/shm";
  const double least = kSegment + std::atoi(ranks) * kUsed, there = free_bytes(folder);
  if (there >= least) return;
  // One rank of the host speaks; its end takes the others with it.
  if (const char* const place = std::getenv("OMPI_COMM_WORLD_LOCAL_RANK"); place && std::atoi(place) != 0) sleep(5);
  throw CommError(fmt::format(
      "{} of {} has {:.1f} MiB free, and {} ranks share at least {:.1f} MiB there ({:.0f} MiB at most); {}", folder,
      host_name(), there / kMebi, ranks, least / kMebi, std::atoi(ranks) * kSegment / kMebi, kWaysOut));
}

SharedMemory::SharedMemory(MPI_Comm host, std::size_t bytes) : bytes_(bytes) {
  int rank = 0;
  MPI_Comm_rank(host, &rank);
  std::random_device random;
  std::array<char, 32> name{};
  fmt::format_to_n(name.data(), name.size() - 1, "/lpl-{:08x}{:08x}", random(), random());
  MPI_Bcast(name.data(), static_cast<int>(name.size()), MPI_CHAR, 0, host);
  int error = rank == 0 ? map_object(name.data(), true, bytes, &data_) : 0;
  MPI_Bcast(&error, 1, MPI_INT, 0, host);
  if (rank != 0 && error == 0) error = map_object(name.data(), false, bytes, &data_);
  MPI_Allreduce(MPI_IN_PLACE, &error, 1, MPI_INT, MPI_MAX, host);
  if (rank == 0) shm_unlink(name.data());  // goes with the last rank that has it
  if (error == 0) return;
  if (data_) munmap(data_, bytes);
  throw CommError(fmt::format("the ranks on {} cannot share {} KiB of memory in /dev/shm: {}; {}", host_name(),
                              (bytes + 1023) / 1024, std::strerror(error), kWaysOut));
}

SharedMemory::~SharedMemory() { munmap(data_, bytes_); }

}  // namespace lpl
