#include "spiking/record_windows.hpp"

#include <algorithm>

namespace lpl::spiking {

std::vector<StepRange> windows_of(const RecordWindow& window, const std::vector<Phase>& phases) {
  std::vector<std::size_t> chosen = window.phases;
  std::sort(chosen.begin(), chosen.end());
  chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
  std::vector<StepRange> windows;
  for (const std::size_t p : chosen) {
    const Phase& phase = phases[p];
    windows.push_back({window.last ? std::max(phase.begin, phase.end - *window.last) : phase.begin, phase.end});
  }
  return windows;
}

std::vector<StepRange> within(const StepRange& span, const std::vector<StepRange>& windows) {
  std::vector<StepRange> parts;
  for (const StepRange& window : windows)
    if (const StepRange part{std::max(window.begin, span.begin), std::min(window.end, span.end)}; part.begin < part.end)
      parts.push_back(part);
  return parts;
}

std::vector<StepRange> sampled_stretches(const std::vector<StepRange>& windows, Step every) {
  const auto multiple_from = [&](Step step) { return (step + every - 1) / every * every; };
  std::vector<StepRange> stretches;
  for (const StepRange& window : windows) {
    const StepRange samples{multiple_from(window.begin), multiple_from(window.end)};
    if (samples.begin >= samples.end) continue;
    if (!stretches.empty() && samples.begin == stretches.back().end)
      stretches.back().end = samples.end;
    else
      stretches.push_back(samples);
  }
  return stretches;
}

}  // namespace lpl::spiking
