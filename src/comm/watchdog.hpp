// Ends a job whose ranks wait for one that no longer comes: stopped, or lost with its host or the link to it.
//
// Ranks count the calls in which they may wait for each other, on a board that the ranks of a host share; a thread of
// each rank looks at it a few times within the timeout. Work of any length is no stall as far as the board reaches: a
// waiting rank is patient while a rank of its host that has yet to come shows, by its own thread, that it is alive. Of
// other hosts it knows nothing but that they have not come.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace lpl {

class Watchdog {
 public:
  // What a rank shows to those of its host; zero at first.
  struct alignas(64) Entry {
    std::atomic<std::uint64_t> calls;  // twice those made; odd while one waits
    std::atomic<std::uint32_t> beats;  // of the thread
    std::atomic<std::int32_t> process;
    std::atomic<bool> ending;  // the thread ends the job
  };
  struct Host {
    Entry* board;            // [rank of this host]
    int own;                 // place on the board
    std::vector<int> ranks;  // of the job, by place on the board
    int job_size;
  };

  Watchdog() : host_{&alone_, 0, {0}, 1} {}
  ~Watchdog() { stop(); }
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  // Before start(); until then the calls are counted, but not on the board.
  void place(Host host);

  // Ends the job, with exit status 1, after about `timeout` seconds in one call. `abort` ends all ranks; where it does
  // not return within seconds, this process ends without it.
  void start(double timeout, const std::string& program, std::function<void()> abort);
  void stop();
  // What the thread does first, while the rank waits; empty: nothing.
  void set_last_act(std::function<void()> act);

  // A call in which this rank may wait for others.
  class Waiting {
   public:
    Waiting(Watchdog& watchdog, const char* call) : entry_(watchdog.host_.board[watchdog.host_.own]) {
      watchdog.call_.store(call, std::memory_order_relaxed);
      count();
    }
    ~Waiting() {
      count();
      if (entry_.ending.load(std::memory_order_relaxed)) sleep_until_the_end();
    }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

   private:
    // Only this thread writes.
    void count() { entry_.calls.store(entry_.calls.load(std::memory_order_relaxed) + 1, std::memory_order_release); }
    [[noreturn]] static void sleep_until_the_end();
    Entry& entry_;
  };

 private:
  Entry& own() { return host_.board[host_.own]; }
  void watch();
  std::uint32_t beats_at(std::size_t place) const;
  bool someone_works(std::uint64_t call) const;
  std::string cause() const;
  [[noreturn]] void end(std::uint64_t call);

  Entry alone_{};
  Host host_;
  std::atomic<const char*> call_ = "";
  double timeout_ = 0;  // [s]
  std::string program_;
  std::function<void()> abort_;
  std::vector<std::uint32_t> beats_;  // by place on the board: before the stall began
  std::mutex mutex_;                  // of what follows
  std::condition_variable stopping_;
  bool stop_ = false;
  std::function<void()> last_act_;
  std::thread thread_;
};

}  // namespace lpl
