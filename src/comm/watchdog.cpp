#include "comm/watchdog.hpp"

#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>

#include "core/host.hpp"
#include "core/text.hpp"

namespace lpl {
namespace {

constexpr double kLooks = 8;                      // within a timeout
constexpr double kShortest = 0.02, kLongest = 5;  // [s] between looks
constexpr std::chrono::seconds kGrace{1};         // for rank 0 to speak before others do
constexpr unsigned kAbortSeconds = 5;             // for the abort, and again for the launcher to end

bool waits(std::uint64_t calls) { return calls % 2 == 1; }

// The program's handlers run in its own thread.
void block_signals() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

// mpirun waits for its daemons, for ever where a host is lost. A process of its own, for this one ends with the job,
// ends it then. Between fork and exit only calls that do not need the rest of a program with threads.
void end_launcher_that_waits() {
  if (!std::getenv("OMPI_COMM_WORLD_SIZE")) return;  // another launcher
  const auto launcher = static_cast<int>(syscall(SYS_pidfd_open, getppid(), 0));
  if (launcher < 0 || fork() != 0) return;
  setsid();
  dup2(launcher, STDIN_FILENO);
  syscall(SYS_close_range, STDIN_FILENO + 1, ~0U, 0);  // outputs and their locks, too
  sleep(kAbortSeconds);
  syscall(SYS_pidfd_send_signal, STDIN_FILENO, SIGKILL, nullptr, 0);
  _exit(0);
}

std::string seconds(double time) { return time < 10 ? fmt::format("{:.3g} s", time) : fmt::format("{:.0f} s", time); }

}  // namespace

void Watchdog::Waiting::sleep_until_the_end() {
  for (;;) pause();
}

void Watchdog::place(Host host) {
  host_ = std::move(host);
  own().process.store(getpid());
}

void Watchdog::start(double timeout, const std::string& program, std::function<void()> abort) {
  stop();
  if (timeout <= 0) return;
  timeout_ = timeout;
  program_ = program;
  abort_ = std::move(abort);
  beats_.assign(host_.ranks.size(), 0);
  stop_ = false;
  thread_ = std::thread([this] {
    block_signals();
    watch();
  });
}

void Watchdog::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  stopping_.notify_all();
  thread_.join();
}

void Watchdog::set_last_act(std::function<void()> act) {
  const std::lock_guard lock(mutex_);
  last_act_ = std::move(act);
}

// Counts looks, not time: a job that was suspended as a whole has not stalled.
void Watchdog::watch() {
  const double period = std::clamp(timeout_ / kLooks, kShortest, kLongest);
  double stalled = 0;  // [s]
  std::uint64_t last = 0;
  std::unique_lock lock(mutex_);
  while (!stopping_.wait_for(lock, std::chrono::duration<double>(period), [&] { return stop_; })) {
    own().beats.fetch_add(1, std::memory_order_relaxed);
    const std::uint64_t call = own().calls.load(std::memory_order_acquire);
    if (call == last && waits(call) && !someone_works(call)) {
      stalled += period;
    } else {
      stalled = 0;
      for (std::size_t place = 0; place < beats_.size(); ++place) beats_[place] = beats_at(place);
    }
    last = call;
    if (stalled < timeout_) continue;
    const bool first = host_.ranks[static_cast<std::size_t>(host_.own)] == 0;
    if (!first && stopping_.wait_for(lock, kGrace, [&] { return stop_; })) return;
    if (own().calls.load(std::memory_order_acquire) == call) end(call);
  }
}

std::uint32_t Watchdog::beats_at(std::size_t place) const {
  return host_.board[place].beats.load(std::memory_order_relaxed);
}

// Whether a rank of this host that has yet to make this call is alive and does not wait itself.
bool Watchdog::someone_works(std::uint64_t call) const {
  for (std::size_t place = 0; place < beats_.size(); ++place) {
    const std::uint64_t calls = host_.board[place].calls.load(std::memory_order_acquire);
    if (calls < call && !waits(calls) && beats_at(place) != beats_[place]) return true;
  }
  return false;
}

std::string Watchdog::cause() const {
  std::vector<std::string> silent;
  for (std::size_t place = 0; place < beats_.size(); ++place)
    if (beats_at(place) == beats_[place])
      silent.push_back(fmt::format("rank {} (process {})", host_.ranks[place], host_.board[place].process.load()));
  if (!silent.empty())
    return fmt::format("{} on this host has given no sign of life since: is it stopped?", join(silent, ", "));
  if (static_cast<std::size_t>(host_.job_size) > host_.ranks.size())
    return "the ranks on this host are alive: another host, a rank on it or the link to it is lost, or a rank there "
           "has "
           "worked alone for so long";
  return "all ranks are alive and wait: the MPI library does not go on";
}

void Watchdog::end(std::uint64_t call) {
  own().ending.store(true);
  fmt::print(stderr,
             "{}: rank {} on {} has waited for {} for other ranks in {}, its call {}; {}. The run ends here; a longer "
             "--stall-timeout waits longer, 0 for ever\n",
             program_, host_.ranks[static_cast<std::size_t>(host_.own)], host_name(), seconds(timeout_), call_.load(),
             (call + 1) / 2, cause());
  if (last_act_) last_act_();
  std::signal(SIGALRM, SIG_DFL);
  end_launcher_that_waits();
  alarm(kAbortSeconds);
  abort_();
  std::_Exit(1);
}

}  // namespace lpl
