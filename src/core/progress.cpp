#include "core/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <string_view>

#include "core/timers.hpp"

namespace lpl {
namespace {

std::string duration(double seconds) {
  const auto whole = std::lround(seconds);
  if (whole >= 3600) return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

std::string_view word_for(ProgressUnit unit) { return unit == ProgressUnit::images ? "images" : "steps"; }

}  // namespace

Progress::Progress(ProgressStyle style, bool enabled, double total, ProgressUnit unit)
    : style_(style), unit_(unit), total_(total), start_(wall_clock()) {
  if (style_ == ProgressStyle::automatic) style_ = isatty(2) ? ProgressStyle::bar : ProgressStyle::lines;
  if (!enabled) style_ = ProgressStyle::none;
}

void Progress::show(const std::string& phase, double done) {
  if (style_ == ProgressStyle::none || total_ <= 0) return;
  const double time = wall_clock();
  if (style_ == ProgressStyle::bar) {
    if (time - last_ < 0.2) return;
    last_ = time;
    drawn_ = true;
    draw_bar(phase, done, time - start_);
    return;
  }
  const int tenths = static_cast<int>(10 * done / total_);
  if (tenths <= tenths_) return;
  tenths_ = tenths;
  const double wall = time - start_;
  const std::string count = unit_ == ProgressUnit::model_seconds
                                ? fmt::format("{:.1f} of {:.1f} s model time", done, total_)
                                : fmt::format("{:.0f} of {:.0f} {}", done, total_, word_for(unit_));
  fmt::print(stderr, "{:3} %  phase {}  {}  wall {}  {}\n", tenths * 10, phase, count, duration(wall),
             speed(done, wall));
}

std::string Progress::speed(double done, double wall) const {
  if (unit_ != ProgressUnit::model_seconds)
    return fmt::format("{:.3g} {}/s", wall > 0 ? done / wall : 0.0, word_for(unit_));
  return fmt::format("real-time factor {:.3g}", done > 0 ? wall / done : 0.0);
}

void Progress::draw_bar(const std::string& phase, double done, double wall) const {
  constexpr int kWidth = 30;
  const double share = done / total_;
  const int full = static_cast<int>(kWidth * share);
  fmt::print(stderr, "\r{:<12} [{:=<{}}{: <{}}] {:3.0f} %  left {}  {} \033[K", phase, "", full, "", kWidth - full,
             100 * share, share > 0 ? duration(wall * (1 - share) / share) : "?", speed(done, wall));
  std::fflush(stderr);
}

void Progress::finish() {
  if (drawn_) fmt::print(stderr, "\r\033[K");
}

}  // namespace lpl
