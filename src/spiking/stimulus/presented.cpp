#include "spiking/stimulus/presented.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "spiking/reading.hpp"

namespace lpl::spiking {

double PresentedStimulus::expected_spikes(Step begin, Step end, double dt) const {
  const double around = size * background * dt;  // a step
  double more = 0;                               // than the background
  const double factor = sample_presentations(*schedule, windows, begin, end, [&](const Presentation& p) {
    const Step from = std::max(begin, p.begin), to = std::min(end, p.end);
    more += expected_while_shown(p.index, to - p.begin, dt) - expected_while_shown(p.index, from - p.begin, dt);
    if (!background_during_stimulus) more -= around * static_cast<double>(to - from);
  });
  return around * static_cast<double>(end - begin) + more * factor;
}

void PresentedStimulus::warn(const Grid& grid, Step end, const std::function<void(const std::string&)>& say) const {
  schedule->warn(grid, end, windows, say);
}

void read_background(const StimulusReading& reading, PresentedStimulus& stimulus, double otherwise) {
  Table& table = reading.table;
  stimulus.background = otherwise;
  if (!table.has("background")) return;
  stimulus.background = table.quantity("background", Dimension::frequency, kNonNegative);
  reading.grid.check_input_rate(table, "background", stimulus.background);
}

PresentedMaker::PresentedMaker(const PresentedStimulus& stimulus, double dt, std::uint64_t seed)
    : stimulus_(stimulus), dt_(dt), seed_(seed), walk_(*stimulus.schedule, stimulus.windows) {}

void PresentedMaker::make_segment(Step segment) {
  const Step origin = segment * kSegment, end = origin + kSegment;
  Random random(seed_, Draw::shown, object(), static_cast<std::uint32_t>(segment));
  walk_.advance(origin);
  for (Step from = origin; from < end;) {
    const Presentation& p = walk_.current();
    if (from < p.begin) {
      const Step to = std::min(end, p.begin);
      add_background(from, to, origin, random);
      from = to;
      continue;
    }
    const Step to = std::min(end, p.end);
    show(p, from, to, origin, random);
    if (stimulus_.background_during_stimulus) add_background(from, to, origin, random);
    from = to;
    walk_.advance(from);
  }
}

void PresentedMaker::add_background(Step from, Step to, Step origin, Random& random) {
  if (stimulus_.background <= 0) return;
  const auto first = static_cast<std::uint32_t>(from - origin);
  walk_trials(random, stimulus_.size, to - from, std::min(1.0, stimulus_.background * dt_),
              [&](std::uint32_t step, NeuronId neuron) { add(first + step, neuron); });
}

}  // namespace lpl::spiking
