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

// Laps: `lap(a)` charges the time since the previous lap to activity a. Reads the processor's cycle counter,
// because an epoch of a small network lasts under a microsecond.
class Laps {
 public:
  void start() {
    wall_start_ = std::chrono::steady_clock::now();
    tick_start_ = last_ = ticks();
  }
  void lap(Activity activity) {
    const auto now = ticks();
    spent_[static_cast<std::size_t>(activity)] += now - last_;
    last_ = now;
  }
  // Seconds since start().
  double wall() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - wall_start_).count(); }
  // Seconds charged to an activity, by the ratio of ticks to wall time since start().
  double seconds(Activity activity) const {
    const auto all = static_cast<double>(ticks() - tick_start_);
    return all > 0 ? wall() * static_cast<double>(spent_[static_cast<std::size_t>(activity)]) / all : 0.0;
  }

 private:
  static unsigned long long ticks() {
#if defined(__x86_64__)
    return __rdtsc();
#else
    return static_cast<unsigned long long>(std::chrono::steady_clock::now().time_since_epoch().count());
#endif
  }
  std::chrono::steady_clock::time_point wall_start_ = std::chrono::steady_clock::now();
  unsigned long long tick_start_ = ticks();
  unsigned long long last_ = tick_start_;
  std::array<unsigned long long, kActivityNames.size()> spent_{};
};

}  // namespace lpl
