#include "spiking/stimulus/read_rate.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/random.hpp"
#include "io/import.hpp"
#include "spiking/reading.hpp"

namespace lpl::spiking {

RateProfile RateReader::read_rate(Table& table, const std::vector<PoissonGroup>& earlier, std::uint32_t object) const {
  if (!table.is_table("rate")) {
    const double constant = table.quantity("rate", Dimension::frequency, kNonNegative);
    grid.check_input_rate(table, "rate", constant);
    return RateProfile::constant(constant);
  }
  Table rate = table.table("rate");
  RateProfile profile;
  if (rate.has("file")) {
    profile = read_rate_file(rate);
  } else if (rate.has("shuffle_of")) {
    const std::string name = rate.text("shuffle_of");
    const auto original =
        std::find_if(earlier.begin(), earlier.end(), [&](const auto& group) { return group.name == name; });
    if (original == earlier.end())
      rate.fail("shuffle_of", fmt::format("there is no earlier group {} to shuffle", in_quotes(name)));
    profile = shuffled(original->profile, object, rate);
  } else {
    profile = slow_signal(rate, object);
  }
  rate.finish();
  return profile;
}

RateProfile RateReader::read_rate_file(Table& table) const {
  std::vector<double> times, rates;
  imported(table, "file", [&](const auto& path) {
    for_each_row(path, [&](const TextRow& row) {
      row.expect(2, "time in seconds and rate in Hz");
      if (times.empty() ? row[0] != 0 : !(row[0] > times.back()))
        row.fail(0, fmt::format("the time is {} s{}; times must start at 0 and rise", row[0],
                                times.empty() ? "" : fmt::format(" after {} s", times.back())));
      if (row[1] < 0) row.fail(1, fmt::format("the rate is {} Hz; rates cannot be negative", row[1]));
      if (grid.is_above_limit(row[1])) row.fail(1, fmt::format("the rate is {} Hz, {}", row[1], grid.above_limit()));
      times.push_back(row[0]);
      rates.push_back(row[1]);
    });
  });
  if (times.size() > 1 && times.back() < grid.dt)
    table.fail("file", fmt::format("the profile ends, and begins again, at {} s; it must last a step of {} at least",
                                   times.back(), grid.stated));
  return RateProfile::sampled(std::move(times), rates);
}

RateProfile RateReader::slow_signal(Table& table, std::uint32_t object) const {
  table.choice("signal", {"slow"}, "slow");
  const double period = table.quantity("period", Dimension::time, kPositive);
  const double mean = table.quantity("mean", Dimension::frequency, kNonNegative, "5 Hz");
  const double deviation = table.quantity("deviation", Dimension::frequency, kNonNegative, "4 Hz");
  const double floor = table.quantity("floor", Dimension::frequency, kNonNegative, "0.1 Hz");
  const double alpha = table.number("alpha", {1, 100}, 1.1);
  const double interval = table.quantity("interval", Dimension::time, {grid.dt}, "10 ms");
  if (period < 2 * interval)
    table.fail("period", fmt::format("{}; it must hold two samples at least, which lie {} s apart",
                                     table.stated("period"), interval));
  const auto harmonics = table.integer("harmonics", 2, 4096, 128);
  const auto repeats = table.integer("repeats", 1, 1000, 11);
  const double samples = std::floor(static_cast<double>(repeats) * period / interval + 1e-9);
  if (samples < 2 || samples > 1e7)
    table.fail("period", fmt::format("{} repeats of {} s at {} s make {} samples; they must be 2 to 1e7", repeats,
                                     period, interval, samples));
  constexpr double kMostTerms = 1e9;
  if (samples * static_cast<double>(harmonics) > kMostTerms)
    table.fail("harmonics",
               fmt::format("{} harmonics of {} samples are more than {} terms to add", harmonics, samples, kMostTerms));
  Random random(seed, Draw::signal, object, 0);
  std::vector<double> amplitude, shift;
  for (std::int64_t i = 0; i < harmonics; ++i) {
    amplitude.push_back(random.uniform() * std::pow(alpha, -static_cast<double>(i)));
    shift.push_back(random.uniform());
  }
  std::vector<double> signal(static_cast<std::size_t>(samples), 0.0);
  for (std::size_t k = 0; k < signal.size(); ++k)
    for (std::size_t i = 1; i < amplitude.size(); ++i)
      signal[k] += amplitude[i] * std::sin(2 * std::numbers::pi * static_cast<double>(i) *
                                           (static_cast<double>(k) * interval + shift[i]) / period);
  double sum = 0, squares = 0;
  for (const double value : signal) sum += value;
  const double centre = sum / samples;
  for (const double value : signal) squares += (value - centre) * (value - centre);
  const double spread = std::sqrt(squares / samples);
  for (double& value : signal) value = std::max(floor, mean + deviation * (value - centre) / spread);
  const double highest = *std::max_element(signal.begin(), signal.end());
  if (grid.is_above_limit(highest))
    table.fail("mean", fmt::format("the signal rises to {:.9g} Hz, {}", highest, grid.above_limit()));
  return RateProfile::regular(interval, std::move(signal));
}

RateProfile RateReader::shuffled(const RateProfile& original, std::uint32_t object, Table& table) const {
  std::vector<RateProfile::Interval> intervals = original.intervals();
  if (intervals.size() < 2) table.fail("shuffle_of", "the rate of the group to shuffle has one interval only");
  Random random(seed, Draw::shuffle, object, 0);
  for (std::size_t i = intervals.size(); i > 1; --i)
    std::swap(intervals[i - 1], intervals[random.below(static_cast<std::uint32_t>(i))]);
  if (!original.is_regular()) return RateProfile::of(intervals);
  std::vector<double> rates;
  rates.reserve(intervals.size());
  for (const RateProfile::Interval& interval : intervals) rates.push_back(interval.from);
  return RateProfile::regular(original.intervals().front().length, std::move(rates));
}

}  // namespace lpl::spiking
