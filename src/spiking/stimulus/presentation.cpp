#include "spiking/stimulus/presentation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/random.hpp"
#include "core/text.hpp"
#include "spiking/reading.hpp"

namespace lpl::spiking {
namespace {

constexpr Step kNever = kLongestRun + 1;
constexpr std::uint32_t kMostListed = 1'000'000;

// Fixed, on the grid, or drawn, and then the nearest number of steps.
Distribution read_duration(const StimulusReading& reading, std::string_view key) {
  Table& table = reading.table;
  if (table.is_table(key)) {
    Table inner = table.table(key);
    for (const char* form : {"by_source", "by_target", "by_distance"})
      if (inner.has(form))
        table.fail(key, fmt::format("'{}' is a time; it cannot be {}; use normal, lognormal, uniform or exponential",
                                    key, form));
  }
  const Bounds bounds{0, static_cast<double>(kLongestRun) * reading.grid.dt};
  Distribution duration = Distribution::read(table, key, Dimension::time, bounds, {});
  if (duration.constant()) reading.grid.steps(table, key, duration.least());
  return duration;
}

}  // namespace

void read_schedule(const StimulusReading& reading, std::uint32_t count, StimulusDescription& stimulus,
                   std::vector<std::uint32_t> indices) {
  const auto schedule = std::make_shared<Schedule>();
  schedule->seed = reading.seed;
  schedule->object = hash_name(reading.table.text("name"));
  schedule->dt = reading.grid.dt;
  schedule->count = indices.empty() ? count : static_cast<std::uint32_t>(indices.size());
  schedule->indices = std::move(indices);
  if (reading.table.has("replay")) {
    schedule->read_replay(reading, count);
  } else {
    schedule->read_times(reading);
    stimulus.span = read_span(reading);
  }
  stimulus.schedule = schedule;
}

void Schedule::read_times(const StimulusReading& reading) {
  Table& table = reading.table;
  on = read_duration(reading, "on");
  if (on.constant() && on.least() == 0) table.fail("on", fmt::format("{}; nothing would be shown", table.stated("on")));
  off = read_duration(reading, "off");
  read_order(table);
}

void Schedule::read_order(Table& table) {
  constexpr const char* key = "order";
  if (table.is_list(key)) {
    for (const std::int64_t index : table.integers(key, 0, count - 1))
      order.push_back(static_cast<std::uint32_t>(index));
    if (order.empty()) table.fail(key, fmt::format("'{}' is empty; list at least one", key));
    return;
  }
  const std::size_t word = table.choice(key, {"random", "sequential", "reverse"}, "random");
  if (word == 0) return read_probabilities(table);
  if (count > kMostListed)
    table.fail(
        key, fmt::format("{}, but there are {}; up to {} can be shown in turn", table.stated(key), count, kMostListed));
  order.resize(count);
  std::iota(order.begin(), order.end(), 0u);
  if (word == 2) std::ranges::reverse(order);
}

void Schedule::read_probabilities(Table& table) {
  if (!table.has("probabilities")) return;
  const std::vector<double> probabilities = table.numbers("probabilities", kProbability);
  if (probabilities.size() != count)
    table.fail("probabilities",
               fmt::format("'probabilities' holds {}, but there are {} patterns", probabilities.size(), count));
  cumulative.resize(count);
  std::inclusive_scan(probabilities.begin(), probabilities.end(), cumulative.begin());
  if (std::abs(cumulative.back() - 1) > 1e-6)
    table.fail("probabilities", fmt::format("the sum of 'probabilities' is {:.9g}; it must be 1", cumulative.back()));
}

// Lines of a time from which on something is shown or not, and what.
void Schedule::read_replay(const StimulusReading& reading, std::uint32_t things) {
  Table& table = reading.table;
  for (const char* key : {"on", "off", "order", "probabilities", "start", "stop"})
    if (table.has(key)) table.fail(key, fmt::format("'replay' says what is shown when; leave '{}' out", key));
  is_replay = true;
  double before = 0;
  bool shown = false;
  imported(table, "replay", [&](const auto& path) {
    for_each_row(path, [&](const TextRow& row) {
      row.expect(3, "time in seconds, 1 where a pattern is shown from then on or 0, and its index");
      if (row[0] < before) row.fail(0, fmt::format("the time {} s follows {} s; times rise from 0", row[0], before));
      if (row[0] / dt > static_cast<double>(kLongestRun))
        row.fail(0, fmt::format("the time {} s lies after the end of the longest possible run", row[0]));
      if (row[1] != 0 && row[1] != 1) row.fail(1, fmt::format("{} is neither 0 nor 1", row[1]));
      if (row[1] == 1 && (row[2] < 0 || row[2] >= things || row[2] != std::floor(row[2])))
        row.fail(2, fmt::format("pattern {} does not exist; there are 0 to {}", row[2], things - 1));
      before = row[0];
      const double steps = row[0] / dt;
      const Step step = std::llround(steps);
      const auto index = static_cast<std::uint32_t>(row[1] == 1 ? row[2] : 0);
      const bool goes_on = shown && row[1] == 1 && replayed.back().index == index;
      if (goes_on || (!shown && row[1] == 0)) return;
      if (std::abs(steps - static_cast<double>(step)) > 1e-3) ++rounded;
      if (shown) replayed.back().end = step;
      if (shown && replayed.back().end == replayed.back().begin) replayed.pop_back();
      shown = row[1] == 1;
      if (shown) replayed.push_back({step, kLongestRun, index, replayed.size()});
    });
  });
}

void Schedule::warn(const Grid& grid, Step end, const std::vector<StepRange>& windows,
                    const std::function<void(const std::string&)>& say) const {
  if (PresentationWalk(*this, windows).current().begin >= end)
    say(fmt::format("shows nothing before the end of the run at {:.12g} s", static_cast<double>(end) * grid.dt));
  if (rounded > 0)
    say(fmt::format("{} of the times to replay lie between the steps of dt = {}, and the nearest is taken", rounded,
                    grid.stated));
}

PresentationWalk::PresentationWalk(const Schedule& schedule, const std::vector<StepRange>& windows)
    : schedule_(schedule) {
  for (const StepRange& window : windows) {
    if (!windows_.empty() && windows_.back().end == window.begin)
      windows_.back().end = window.end;
    else
      windows_.push_back(window);
  }
  if (!windows_.empty()) from_ = windows_.front().begin;
  next();
}

Presentation PresentationWalk::drawn(Step from) const {
  Random random(schedule_.seed, Draw::presentation, schedule_.object, static_cast<std::uint32_t>(number_),
                static_cast<std::uint32_t>(number_ >> 32));
  const auto steps = [&](const Distribution& duration) {
    return std::llround(duration.draw(random, {}) / schedule_.dt);
  };
  Presentation p{};
  p.number = number_;
  p.begin = from + steps(schedule_.off);
  p.end = p.begin + std::max<Step>(1, steps(schedule_.on));
  if (!schedule_.order.empty()) {
    p.index = schedule_.order[number_ % schedule_.order.size()];
  } else if (schedule_.cumulative.empty()) {
    p.index = random.below(schedule_.count);
  } else {
    const auto& cumulative = schedule_.cumulative;
    const auto found = std::ranges::upper_bound(cumulative, random.uniform() * cumulative.back());
    p.index = static_cast<std::uint32_t>(std::min(found, cumulative.end() - 1) - cumulative.begin());
  }
  if (!schedule_.indices.empty()) p.index = schedule_.indices[p.index];
  return p;
}

void PresentationWalk::next() {
  if (schedule_.is_replay) return next_replayed();
  for (; window_ < windows_.size(); ++window_) {
    const StepRange& window = windows_[window_];
    from_ = std::max(from_, window.begin);
    current_ = drawn(from_);
    if (current_.begin >= window.end) continue;
    ++number_;
    from_ = current_.end = std::min(current_.end, window.end);
    return;
  }
  current_ = {kNever, kNever + 1, 0, number_};
}

// Those that begin in a window.
void PresentationWalk::next_replayed() {
  for (; replayed_ < schedule_.replayed.size(); ++replayed_) {
    current_ = schedule_.replayed[replayed_];
    while (window_ < windows_.size() && windows_[window_].end <= current_.begin) ++window_;
    if (window_ == windows_.size()) break;
    if (current_.begin < windows_[window_].begin) continue;
    current_.end = std::min(current_.end, windows_[window_].end);
    ++replayed_;
    return;
  }
  current_ = {kNever, kNever + 1, 0, 0};
}

}  // namespace lpl::spiking
