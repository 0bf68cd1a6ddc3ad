// Progress of a run on the terminal.
#pragma once

#include <string>

namespace lpl {

enum class ProgressStyle { automatic, bar, lines, none };

// What is counted: seconds of model time, whose ratio to wall time is shown too, training steps, or images read.
enum class ProgressUnit { model_seconds, steps, images };

class Progress {
 public:
  // Shows nothing where `enabled` is false (ranks other than 0). `total`: units of the whole run.
  Progress(ProgressStyle style, bool enabled, double total, ProgressUnit unit = ProgressUnit::model_seconds);
  // Cheap: looks at the clock and prints when due. `phase` names what runs, `done` are units done.
  void show(const std::string& phase, double done);
  void finish();

 private:
  void draw_bar(const std::string& phase, double done, double wall) const;
  std::string speed(double done, double wall) const;
  ProgressStyle style_;
  ProgressUnit unit_;
  double total_;
  double start_;
  double last_ = 0;
  int tenths_ = 0;
  bool drawn_ = false;
};

}  // namespace lpl
