#include <fmt/format.h>
#include <mpi.h>
#include <unistd.h>

#include <algorithm>
#include <boost/mpi.hpp>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <optional>
#include <utility>

#include "comm/communicator.hpp"
#include "comm/launcher.hpp"
#include "comm/shared_gather.hpp"
#include "comm/shared_memory.hpp"
#include "comm/watchdog.hpp"
#include "core/cores.hpp"
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

// Whether ranks of this host share cores.
bool crowded(const mpi::communicator& host) {
  const Cores own = allowed_cores();
  std::vector<std::string> masks;
  mpi::all_gather(host, own.to_string(), masks);
  return crowded_cores({masks.begin(), masks.end()}) != nullptr;
}

// Where there are more ranks than cores, those that wait inside of MPI give theirs away, too. Open MPI sees to that by
// itself only where it was told of the cores that there are.
void let_waiting_ranks_yield() {
  const char* const ranks = std::getenv("OMPI_COMM_WORLD_LOCAL_SIZE");
  if (ranks && std::atol(ranks) > sysconf(_SC_NPROCESSORS_ONLN)) setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0);
}

class MpiCommunicator final : public Communicator {
 public:
  MpiCommunicator(int& argc, char**& argv)
      : environment_(argc, argv, mpi::threading::funneled, /*abort_on_exception=*/true) {}
  ~MpiCommunicator() override { ended_.emplace(watchdog_, "MPI_Finalize"); }

  // Collective, once, before any other call. Throws Error, the same on all ranks.
  void connect() {
    // A library of another kind than the launcher's makes n identical runs of one rank each.
    const char* launched = std::getenv("OMPI_COMM_WORLD_SIZE");
    if (launched && std::atoi(launched) != world_.size())
      throw CommError(
          fmt::format("the launcher started {} ranks but this program sees {}; start it with the mpirun "
                      "of the MPI library it was built with ({})",
                      launched, world_.size(), mpi_library()));
    MPI_Comm same_host = MPI_COMM_NULL;
    MPI_Comm_split_type(world_, MPI_COMM_TYPE_SHARED, rank(), MPI_INFO_NULL, &same_host);
    const mpi::communicator host(same_host, mpi::comm_take_ownership);
    std::exception_ptr error;
    try {
      board_.emplace(host, sizeof(Watchdog::Entry) * static_cast<std::size_t>(host.size()));
      if (size() > 1 && host.size() == size()) shared_.emplace(host, crowded(host));
    } catch (const Error&) {
      error = std::current_exception();
    }
    agree(*this, error);
    std::vector<int> ranks;
    mpi::all_gather(host, rank(), ranks);
    watchdog_.place({static_cast<Watchdog::Entry*>(board_->data()), host.rank(), std::move(ranks), size()});
  }

  int rank() const override { return world_.rank(); }
  int size() const override { return world_.size(); }

  void end_when_stalled(double timeout, const std::string& program) override {
    if (size() > 1) watchdog_.start(timeout, program, [this] { MPI_Abort(world_, 1); });
  }
  void before_a_stall_ends(std::function<void()> act) override { watchdog_.set_last_act(std::move(act)); }

  void begin_all_gather(const std::uint32_t* send, std::size_t words) override {
    if (shared_ && words <= SharedGather::kCapacity) shared_->begin(send, words);
  }
  void end_all_gather(const std::uint32_t* send, std::size_t words, std::uint32_t* receive) override {
    const Watchdog::Waiting waiting(watchdog_, "the exchange");
    if (shared_ && words <= SharedGather::kCapacity) return shared_->end(words, receive);
    const int count = static_cast<int>(words);
    check(MPI_Allgather(send, count, MPI_UINT32_T, receive, count, MPI_UINT32_T, world_), "MPI_Allgather");
  }
  void begin_letters(const std::vector<Letter>& to) override {
    sending_.assign(to.size(), MPI_REQUEST_NULL);
    for (std::size_t i = 0; i < to.size(); ++i)
      check(MPI_Isend(to[i].words.data(), static_cast<int>(to[i].words.size()), MPI_UINT32_T, to[i].rank, kLetter,
                      world_, &sending_[i]),
            "MPI_Isend");
  }
  void end_letters(std::vector<Letter>& from) override {
    const Watchdog::Waiting waiting(watchdog_, "the exchange");
    for (Letter& letter : from) {
      MPI_Status status;
      check(MPI_Probe(letter.rank, kLetter, world_, &status), "MPI_Probe");
      int words = 0;
      MPI_Get_count(&status, MPI_UINT32_T, &words);
      letter.words.resize(static_cast<std::size_t>(words));
      check(MPI_Recv(letter.words.data(), words, MPI_UINT32_T, letter.rank, kLetter, world_, MPI_STATUS_IGNORE),
            "MPI_Recv");
    }
    check(MPI_Waitall(static_cast<int>(sending_.size()), sending_.data(), MPI_STATUSES_IGNORE), "MPI_Waitall");
  }
  void all_gather(const std::uint32_t* send, const std::vector<int>& words, std::uint32_t* receive) override {
    const Watchdog::Waiting waiting(watchdog_, "the exchange");
    std::vector<int> offsets(words.size(), 0);
    std::partial_sum(words.begin(), words.end() - 1, offsets.begin() + 1);
    check(MPI_Allgatherv(send, words[static_cast<std::size_t>(rank())], MPI_UINT32_T, receive, words.data(),
                         offsets.data(), MPI_UINT32_T, world_),
          "MPI_Allgatherv");
  }
  std::vector<std::string> gather(std::string bytes) override {
    const Watchdog::Waiting waiting(watchdog_, "a gather");
    if (rank() != 0) {
      send(bytes, 0);
      return {};
    }
    std::vector<std::string> all;
    all.push_back(std::move(bytes));
    for (int r = 1; r < size(); ++r) all.push_back(receive(r));
    return all;
  }
  std::string scatter(const std::vector<std::string>& parts) override {
    const Watchdog::Waiting waiting(watchdog_, "a scatter");
    if (rank() != 0) return receive(0);
    for (int r = 1; r < size(); ++r) send(parts[static_cast<std::size_t>(r)], r);
    return parts.front();
  }
  std::string broadcast(const std::string& text, int root) override {
    const Watchdog::Waiting waiting(watchdog_, "a broadcast");
    std::string result = text;
    mpi::broadcast(world_, result, root);
    return result;
  }
  void sum(std::vector<std::int64_t>& values) override {
    const Watchdog::Waiting waiting(watchdog_, "a sum");
    check(MPI_Allreduce(MPI_IN_PLACE, values.data(), static_cast<int>(values.size()), MPI_INT64_T, MPI_SUM, world_),
          "MPI_Allreduce");
  }
  std::int64_t max(std::int64_t value) override {
    const Watchdog::Waiting waiting(watchdog_, "a maximum");
    check(MPI_Allreduce(MPI_IN_PLACE, &value, 1, MPI_INT64_T, MPI_MAX, world_), "MPI_Allreduce");
    return value;
  }
  [[noreturn]] void abort(int exit_code) override {
    MPI_Abort(world_, exit_code);
    std::_Exit(exit_code);
  }
  [[noreturn]] void quit(int exit_code, const std::string& reason) override {
    constexpr int kMilliseconds = 10'000;
    std::fflush(nullptr);
    MPI_Request all = MPI_REQUEST_NULL;
    MPI_Ibarrier(world_, &all);
    int arrived = 0;
    for (int waited = 0; waited < kMilliseconds; ++waited) {
      MPI_Test(&all, &arrived, MPI_STATUS_IGNORE);
      if (arrived) std::_Exit(exit_code);
      usleep(1000);
    }
    fmt::print(stderr, "{}: rank {}, alone: {}\n", program_invocation_short_name, rank(), reason);
    abort(exit_code);
  }

 private:
  // Tags.
  static constexpr int kBytes = 0, kLetter = 1;

  // Messages of any length: MPI counts in int, so they travel in pieces.
  static constexpr std::uint64_t kPiece = std::uint64_t{1} << 30;
  void send(const std::string& bytes, int to) {
    const std::uint64_t length = bytes.size();
    check(MPI_Send(&length, 1, MPI_UINT64_T, to, kBytes, world_), "MPI_Send");
    for (std::uint64_t at = 0; at < length; at += kPiece)
      check(MPI_Send(bytes.data() + at, static_cast<int>(std::min(kPiece, length - at)), MPI_BYTE, to, kBytes, world_),
            "MPI_Send");
  }
  std::string receive(int from) {
    std::uint64_t length = 0;
    check(MPI_Recv(&length, 1, MPI_UINT64_T, from, kBytes, world_, MPI_STATUS_IGNORE), "MPI_Recv");
    std::string bytes(length, '\0');
    for (std::uint64_t at = 0; at < length; at += kPiece)
      check(MPI_Recv(bytes.data() + at, static_cast<int>(std::min(kPiece, length - at)), MPI_BYTE, from, kBytes, world_,
                     MPI_STATUS_IGNORE),
            "MPI_Recv");
    return bytes;
  }

  // The watchdog watches the end of MPI, too.
  std::optional<SharedMemory> board_;
  Watchdog watchdog_;
  std::optional<Watchdog::Waiting> ended_;
  mpi::environment environment_;
  mpi::communicator world_;
  std::optional<SharedGather> shared_;  // where all ranks share one host
  std::vector<MPI_Request> sending_;    // letters
};

}  // namespace

std::unique_ptr<Communicator> make_mpi_communicator(int& argc, char**& argv) {
  check_shared_memory();
  let_waiting_ranks_yield();
  auto comm = std::make_unique<MpiCommunicator>(argc, argv);
  try {
    comm->connect();
  } catch (const Error& error) {
    // Leaving by an exception would abort before anyone has spoken.
    if (comm->rank() == 0) fmt::print(stderr, "{}: {}\n", program_invocation_short_name, error.what());
    comm->quit(1, error.what());
  }
  return comm;
}

std::unique_ptr<Communicator> make_communicator(int& argc, char**& argv) {
  return is_launched() ? make_mpi_communicator(argc, argv) : make_serial_communicator();
}

std::string mpi_library() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING];
  int length = 0;
  MPI_Get_library_version(text, &length);
  const std::string name(text, static_cast<std::size_t>(length));
  return name.substr(0, name.find(','));
}

}  // namespace lpl
