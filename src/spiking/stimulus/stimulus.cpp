#include "spiking/stimulus/stimulus.hpp"

#include <fmt/format.h>

namespace lpl::spiking {

void StimulusDescription::warn(const Grid& grid, Step end, const std::function<void(const std::string&)>& say) const {
  const auto seconds = [&](Step step) { return static_cast<double>(step) * grid.dt; };
  if (limits.begin >= end)
    say(fmt::format("begins at {:.12g} s, after the end of the run at {:.12g} s", seconds(limits.begin), seconds(end)));
  else if (windows.empty() || windows.front().begin >= end)
    say(fmt::format("never acts: its phases lie outside of {:.12g} s to {:.12g} s", seconds(limits.begin),
                    seconds(std::min(limits.end, end))));
}

StepRange read_limits(const StimulusReading& reading) {
  Table& table = reading.table;
  StepRange limits{reading.grid.read_steps(table, "start", kNonNegative, "0 s"), kLongestRun};
  if (!table.has("stop")) return limits;
  limits.end = reading.grid.read_steps(table, "stop", kPositive);
  if (limits.end <= limits.begin)
    table.fail("stop", fmt::format("{}, but it starts at {:.12g} s", table.stated("stop"),
                                   static_cast<double>(limits.begin) * reading.grid.dt));
  return limits;
}

}  // namespace lpl::spiking
