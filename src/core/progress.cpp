#include "core/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdio>

namespace lpl {
namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

std::string duration(double seconds) {
  const auto whole = std::lround(seconds);
  if (whole >= 3600) return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

}  // namespace

Progress::Progress(ProgressStyle style, bool enabled, double total) : style_(style), total_(total), start_(now()) {
  if (style_ == ProgressStyle::automatic) style_ = isatty(2) ? ProgressStyle::bar : ProgressStyle::lines;
  if (!enabled) style_ = ProgressStyle::none;
}

void Progress::show(const std::string& phase, double model) {
  if (style_ == ProgressStyle::none || total_ <= 0) return;
  const double time = now();
  if (style_ == ProgressStyle::bar) {
    if (time - last_ < 0.2) return;
    last_ = time;
    drawn_ = true;
    draw_bar(phase, model, time - start_);
    return;
  }
  const int tenths = static_cast<int>(10 * model / total_);
  if (tenths <= tenths_) return;
  tenths_ = tenths;
  const double wall = time - start_;
  fmt::print(stderr, "{:3} %  phase {}  {:.1f} of {:.1f} s model time  wall {}  real-time factor {:.3g}\n", tenths * 10,
             phase, model, total_, duration(wall), model > 0 ? wall / model : 0.0);
}

void Progress::draw_bar(const std::string& phase, double model, double wall) const {
  constexpr int kWidth = 30;
  const double done = model / total_;
  const int full = static_cast<int>(kWidth * done);
  fmt::print(stderr, "\r{:<12} [{:=<{}}{: <{}}] {:3.0f} %  left {}  real-time factor {:.3g} \033[K", phase, "", full,
             "", kWidth - full, 100 * done, done > 0 ? duration(wall * (1 - done) / done) : "?",
             model > 0 ? wall / model : 0.0);
  std::fflush(stderr);
}

void Progress::finish() {
  if (drawn_) fmt::print(stderr, "\r\033[K");
}

}  // namespace lpl
