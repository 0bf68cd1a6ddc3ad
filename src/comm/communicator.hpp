// What ranks say to each other. Algorithms see this interface only; no other room includes MPI.
//
// Every call but rank(), size(), abort() and those for stalls is collective: all ranks must make the same calls in the
// same order.
//   wrong:  if (!spikes.empty()) comm.all_gather(...);   // ranks without spikes never arrive
//   right:  comm.all_gather(...);                         // an empty contribution is a contribution
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace lpl {

// Words to, or from, another rank.
struct Letter {
  int rank = 0;
  std::vector<std::uint32_t> words;
};

class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;

  // Each rank contributes `words` words; `receive` gets size() * words words, in rank order. In two halves, so that
  // ranks can compute while messages travel; `send` must stay as it is in between, and no other collective call may
  // come between the halves.
  virtual void begin_all_gather(const std::uint32_t* send, std::size_t words) = 0;
  virtual void end_all_gather(const std::uint32_t* send, std::size_t words, std::uint32_t* receive) = 0;
  // A letter to each of some other ranks, and one, of any length, from each of some: `from` names them and gets the
  // words. A rank must be in another's `from` where that is in its `to`. In two halves, as above; `to` must stay as it
  // is in between.
  virtual void begin_letters(const std::vector<Letter>& to) = 0;
  virtual void end_letters(std::vector<Letter>& from) = 0;
  // Contributions of different lengths; `words[r]` is what rank r sends, known on all ranks.
  virtual void all_gather(const std::uint32_t* send, const std::vector<int>& words, std::uint32_t* receive) = 0;
  // Root (rank 0) gets the bytes of every rank, in rank order; the other ranks get nothing.
  virtual std::vector<std::string> gather(std::string bytes) = 0;
  // The reverse: rank r gets parts[r] of root; on the other ranks `parts` does not matter.
  virtual std::string scatter(const std::vector<std::string>& parts) = 0;
  // Every rank gets the text of rank `root`.
  virtual std::string broadcast(const std::string& text, int root) = 0;
  // Element-wise sums over ranks; integers, so the order does not matter.
  virtual void sum(std::vector<std::int64_t>& values) = 0;
  virtual std::int64_t max(std::int64_t value) = 0;

  // From now on a rank that has waited in one call for `timeout` seconds ends all ranks, with a message of `program`
  // and exit status 1; 0: never (watchdog.hpp says what counts).
  virtual void end_when_stalled(double timeout, const std::string& program) = 0;
  // What it does before that, by another thread while it waits in the call; empty: nothing.
  virtual void before_a_stall_ends(std::function<void()> act) = 0;

  // Ends all ranks at once, from any one of them.
  [[noreturn]] virtual void abort(int exit_code) = 0;
  // Collective: ends this process after a failure that all ranks know of, without the clean-up of any library. Where
  // the others do not come within seconds, they do not know of it: then says the reason and ends them, too.
  [[noreturn]] virtual void quit(int exit_code, const std::string& reason) = 0;
};

// Has `act` done before a stall ends the job, as long as this lives.
class LastAct {
 public:
  LastAct(Communicator& comm, std::function<void()> act) : comm_(comm) { comm.before_a_stall_ends(std::move(act)); }
  ~LastAct() { comm_.before_a_stall_ends({}); }
  LastAct(const LastAct&) = delete;
  LastAct& operator=(const LastAct&) = delete;

 private:
  Communicator& comm_;
};

// One process, no MPI.
std::unique_ptr<Communicator> make_serial_communicator();

// Starts MPI; the communicator ends it when destroyed (not while an exception unwinds: the job is aborted then).
std::unique_ptr<Communicator> make_mpi_communicator(int& argc, char**& argv);

// That of the ranks that a launcher has started; of this process alone, without MPI, where none has.
std::unique_ptr<Communicator> make_communicator(int& argc, char**& argv);

// The name of the MPI library, for logs.
std::string mpi_library();

// Collective. Runs `body` on every rank; where it throws on any rank, every rank throws the error of the lowest
// failing rank (a ConfigError stays one), so that no rank waits in a later collective for one that has given up.
// `body` itself must not communicate.
void agree(Communicator& comm, const std::function<void()>& body);

// The same for an error that this rank has already caught (nullptr: this rank is well).
void agree(Communicator& comm, const std::exception_ptr& error);

}  // namespace lpl
