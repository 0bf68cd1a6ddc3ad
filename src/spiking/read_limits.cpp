// [[limit]].
#include <algorithm>
#include <limits>
#include <numeric>

#include "spiking/description_reader.hpp"
#include "spiking/record_windows.hpp"

namespace lpl::spiking {
namespace {

// Those that follow one another become one.
std::vector<StepRange> joined(const std::vector<StepRange>& windows) {
  std::vector<StepRange> result;
  for (const StepRange& window : windows)
    if (!result.empty() && result.back().end == window.begin)
      result.back().end = window.end;
    else
      result.push_back(window);
  return result;
}

}  // namespace

std::optional<Step> LimitDescription::next(Step after) const {
  const Step seen = what == What::rate ? every : 1;
  for (const StepRange& window : windows) {
    const Step first = std::max(after + 1, window.begin + seen), end = (first + every - 1) / every * every;
    if (end <= window.end) return end;
  }
  return {};
}

void DescriptionReader::read_limit(Table& table) {
  using What = LimitDescription::What;
  LimitDescription limit;
  const std::vector<std::string> kinds = {"rate", "weight"};
  const std::size_t kind = table.choice("what", kinds);
  limit.what = static_cast<What>(kind);
  limit.name = names_.read(table, "limit", kinds[kind]);
  if (limit.what == What::rate) {
    limit.target = named(table, "of", table.text("of"), result_.sources, "population or stimulus");
    read_range(table, limit, Dimension::frequency, kNonNegative);
  } else {
    limit.target = named(table, "of", table.text("of"), result_.connections, "connection");
    read_range(table, limit, result_.receptor_of(result_.connections[limit.target]).weight, kAny);
  }
  limit.every = grid_.read_interval(table, "every");
  if (table.has("tau")) {
    if (limit.what != What::rate) table.fail("tau", "a mean weight is not averaged over time; leave 'tau' out");
    if (!table.has("high"))
      table.fail("tau", "the average begins in the middle between 'low' and 'high'; give 'high', too");
    limit.tau = table.quantity("tau", Dimension::time, kPositive);
  }
  RecordWindow window{.phases = std::vector<std::size_t>(result_.phases.size()), .last = std::nullopt};
  std::iota(window.phases.begin(), window.phases.end(), std::size_t{0});
  if (table.has("phases")) window.phases = read_phases(table, "judge in all");
  limit.windows = joined(windows_of(window, result_.phases));
  if (!limit.next(0))
    table.fail("every", fmt::format("nothing would be judged: it is done at the multiples of 'every' ({} s), and none "
                                    "lies in the phases; shorten it",
                                    result_.seconds(limit.every)));
  table.finish();
  result_.limits.push_back(std::move(limit));
}

void DescriptionReader::read_range(Table& table, LimitDescription& limit, Dimension dimension, Bounds bounds) const {
  const auto bound = [&](std::string_view key, double otherwise) {
    return table.has(key) ? table.quantity(key, dimension, bounds) : otherwise;
  };
  const bool low = table.has("low"), high = table.has("high");
  if (!low && !high) table.fail("low", "neither 'low' nor 'high' is given; give at least one");
  const double infinity = std::numeric_limits<double>::infinity();
  limit.low = bound("low", limit.what == LimitDescription::What::rate ? 0 : -infinity);
  limit.high = bound("high", infinity);
  if (limit.low > limit.high)
    table.fail("high", fmt::format("{}, below {}", table.stated("high"), table.stated("low")));
  limit.range = low && high ? fmt::format("lie from {} to {}", table.written("low"), table.written("high"))
                : low       ? fmt::format("be {} at least", table.written("low"))
                            : fmt::format("be {} at most", table.written("high"));
}

}  // namespace lpl::spiking
