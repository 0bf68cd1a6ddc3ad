// Wall-clock time by phase of the engine loop.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <numeric>
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
// only one iteration in kSampled is looked at. Rare, long work inside an iteration is charged by itself; what is left
// of the time is shared as in the iterations that were looked at.
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
    sampled_[static_cast<std::size_t>(activity)] += now - last_;
    last_ = now;
  }
  // Charges rare work that began at `mark` in full, and keeps it out of the sampled laps.
  static Ticks mark() { return ticks(); }
  void charge(Activity activity, Ticks mark) {
    const Ticks took = ticks() - mark;
    charged_[static_cast<std::size_t>(activity)] += took;
    last_ += took;
  }
  // Seconds since start().
  double wall() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - wall_start_).count(); }
  // The seconds since start(), and an estimate of those spent on each activity, which sum to them unless no lap was
  // taken.
  struct Times {
    double wall = 0;
    std::array<double, kActivityNames.size()> by_activity{};
  };
  Times times() const {
    const auto sum = [](const auto& spent) {
      return static_cast<double>(std::accumulate(spent.begin(), spent.end(), Ticks{0}));
    };
    Times times{wall(), {}};
    const double all = static_cast<double>(ticks() - tick_start_), sampled = sum(sampled_),
                 rest = std::max(0.0, all - sum(charged_));
    for (std::size_t a = 0; all > 0 && a < times.by_activity.size(); ++a) {
      const double share = sampled > 0 ? static_cast<double>(sampled_[a]) / sampled : 0;
      times.by_activity[a] = times.wall * (static_cast<double>(charged_[a]) + rest * share) / all;
    }
    return times;
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
  std::array<Ticks, kActivityNames.size()> sampled_{}, charged_{};
};

}  // namespace lpl
