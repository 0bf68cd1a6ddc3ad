#include "spiking/stimulus/stimulus.hpp"

#include <fmt/format.h>

namespace lpl::spiking {

void StimulusDescription::warn(const Grid& grid, Step end, const std::function<void(const std::string&)>& say) const {
  const auto seconds = [&](Step step) { return static_cast<double>(step) * grid.dt; };
  if (span.begin >= end)
    say(fmt::format("begins at {:.12g} s, after the end of the run at {:.12g} s", seconds(span.begin), seconds(end)));
  else if (windows.empty() || windows.front().begin >= end)
    say(fmt::format("never acts: its phases lie outside of {:.12g} s to {:.12g} s", seconds(span.begin),
                    seconds(std::min(span.end, end))));
}

StepRange read_span(const StimulusReading& reading) {
  Table& table = reading.table;
  StepRange span{reading.grid.read_steps(table, "start", kNonNegative, "0 s"), kLongestRun};
  if (!table.has("stop")) return span;
  span.end = reading.grid.read_steps(table, "stop", kPositive);
  if (span.end <= span.begin)
    table.fail("stop", fmt::format("{}, but it starts at {:.12g} s", table.stated("stop"),
                                   static_cast<double>(span.begin) * reading.grid.dt));
  return span;
}

}  // namespace lpl::spiking
