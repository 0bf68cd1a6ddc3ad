// Progress of a run on the terminal.
#pragma once

#include <string>

namespace lpl {

enum class ProgressStyle { automatic, bar, lines, none };

class Progress {
 public:
  // Shows nothing where `enabled` is false (ranks other than 0). `total`: model seconds of the run.
  Progress(ProgressStyle style, bool enabled, double total);
  // Cheap: looks at the clock and prints when due. `phase` names what runs, `model` are model seconds done.
  void show(const std::string& phase, double model);
  void finish();

 private:
  void draw_bar(const std::string& phase, double model, double wall) const;
  ProgressStyle style_;
  double total_;
  double start_;
  double last_ = 0;
  int tenths_ = 0;
  bool drawn_ = false;
};

}  // namespace lpl
