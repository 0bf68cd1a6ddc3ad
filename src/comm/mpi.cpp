#include <fmt/format.h>
#include <mpi.h>

#include <boost/mpi.hpp>
#include <cstdio>
#include <cstdlib>
#include <numeric>

#include "comm/communicator.hpp"
#include "comm/shared_gather.hpp"
#include "core/errors.hpp"

namespace lpl {
namespace {

namespace mpi = boost::mpi;

void check(int status, const char* call) {
  if (status == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(status, text, &length);
  throw CommError(fmt::format("{}: {}", call, std::string(text, static_cast<std::size_t>(length))));
}

class MpiCommunicator final : public Communicator {
 public:
  MpiCommunicator(int& argc, char**& argv) : environment_(argc, argv, /*abort_on_exception=*/true) {
    // A library of another kind than the launcher's makes n identical runs of one rank each.
    const char* launched = std::getenv("OMPI_COMM_WORLD_SIZE");
    if (launched && std::atoi(launched) != world_.size())
      throw CommError(
          fmt::format("the launcher started {} ranks but this program sees {}; start it with the mpirun "
                      "of the MPI library it was built with ({})",
                      launched, world_.size(), mpi_library()));
    shared_ = SharedGather::create(world_);
  }
  int rank() const override { return world_.rank(); }
  int size() const override { return world_.size(); }

  void begin_all_gather(const std::uint32_t* send, std::size_t words) override {
    if (shared_ && words <= SharedGather::kCapacity) shared_->begin(send, words);
  }
  void end_all_gather(const std::uint32_t* send, std::size_t words, std::uint32_t* receive) override {
    if (shared_ && words <= SharedGather::kCapacity) return shared_->end(words, receive);
    const int count = static_cast<int>(words);
    check(MPI_Allgather(send, count, MPI_UINT32_T, receive, count, MPI_UINT32_T, world_), "MPI_Allgather");
  }
  void all_gather(const std::uint32_t* send, const std::vector<int>& words, std::uint32_t* receive) override {
    std::vector<int> offsets(words.size(), 0);
    std::partial_sum(words.begin(), words.end() - 1, offsets.begin() + 1);
    check(MPI_Allgatherv(send, words[static_cast<std::size_t>(rank())], MPI_UINT32_T, receive, words.data(),
                         offsets.data(), MPI_UINT32_T, world_),
          "MPI_Allgatherv");
  }
  std::vector<std::string> gather(const std::string& bytes) override {
    std::vector<std::string> all;
    if (rank() == 0)
      mpi::gather(world_, bytes, all, 0);
    else
      mpi::gather(world_, bytes, 0);
    return all;
  }
  std::string broadcast(const std::string& text, int root) override {
    std::string result = text;
    mpi::broadcast(world_, result, root);
    return result;
  }
  void sum(std::vector<std::int64_t>& values) override {
    check(MPI_Allreduce(MPI_IN_PLACE, values.data(), static_cast<int>(values.size()), MPI_INT64_T, MPI_SUM, world_),
          "MPI_Allreduce");
  }
  std::int64_t max(std::int64_t value) override {
    check(MPI_Allreduce(MPI_IN_PLACE, &value, 1, MPI_INT64_T, MPI_MAX, world_), "MPI_Allreduce");
    return value;
  }
  [[noreturn]] void abort(int exit_code) override {
    MPI_Abort(world_, exit_code);
    std::_Exit(exit_code);
  }
  [[noreturn]] void quit(int exit_code) override {
    std::fflush(nullptr);
    MPI_Barrier(world_);
    std::_Exit(exit_code);
  }

 private:
  mpi::environment environment_;
  mpi::communicator world_;
  std::unique_ptr<SharedGather> shared_;  // where all ranks share one node
};

}  // namespace

std::unique_ptr<Communicator> make_mpi_communicator(int& argc, char**& argv) {
  return std::make_unique<MpiCommunicator>(argc, argv);
}

std::string mpi_library() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING];
  int length = 0;
  MPI_Get_library_version(text, &length);
  const std::string name(text, static_cast<std::size_t>(length));
  return name.substr(0, name.find(','));
}

}  // namespace lpl
