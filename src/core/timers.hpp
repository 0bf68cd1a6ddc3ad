// Wall-clock time by phase of the engine loop.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <string_view>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace lpl {

enum class Activity : std::size_t { stimulate, deliver, update, plasticity, exchange, record };
inline constexpr std::array<std::string_view, 6> kActivityNames = {"stimulate",  "deliver",  "update",
                                                                   "plasticity", "exchange", "record"};

// Seconds of a clock that only runs forwards.
inline double wall_clock() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Where the time of a loop goes. Reading the clock costs some 10 ns and an iteration may last under a microsecond, so
// only one iteration in kSampled is looked at and stands for all. Rare, long work inside an iteration is charged by
// itself.
class Laps {
 public:
  static constexpr unsigned kSampled = 17;  // a prime: other things recur every 16 epochs
  using Ticks = unsigned long long;

  void start() {
    wall_start_ = std::chrono::steady_clock::now();
    tick_start_ = ticks();
  }
  // Begins iteration number `index` of the loop.
  void begin(std::size_t index) {
    sampling_ = index % kSampled == 0;
    if (sampling_) last_ = ticks();
  }
  // Charges the time since the previous lap, or begin(), to `activity`.
  void lap(Activity activity) {
    if (!sampling_) return;
    const Ticks now = ticks();
    spent_[static_cast<std::size_t>(activity)] += (now - last_) * kSampled;
    last_ = now;
  }
  // Charges rare work that began at `mark` in full, and keeps it out of the sampled laps.
  static Ticks mark() { return ticks(); }
  void charge(Activity activity, Ticks mark) {
    const Ticks took = ticks() - mark;
    spent_[static_cast<std::size_t>(activity)] += took;
    last_ += took;
  }
  // Seconds since start().
  double wall() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - wall_start_).count(); }
  // Estimate of the seconds spent on an activity, by the ratio of ticks to wall time since start().
  double seconds(Activity activity) const {
    const auto all = static_cast<double>(ticks() - tick_start_);
    return all > 0 ? wall() * static_cast<double>(spent_[static_cast<std::size_t>(activity)]) / all : 0.0;
  }

 private:
  static Ticks ticks() {
#if defined(__x86_64__)
    return __rdtsc();
#else
    return static_cast<Ticks>(std::chrono::steady_clock::now().time_since_epoch().count());
#endif
  }
  std::chrono::steady_clock::time_point wall_start_ = std::chrono::steady_clock::now();
  Ticks tick_start_ = ticks();
  Ticks last_ = tick_start_;
  bool sampling_ = false;
  std::array<Ticks, kActivityNames.size()> spent_{};
};

}  // namespace lpl
