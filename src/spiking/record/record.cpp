#include "spiking/record/record.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "spiking/reading.hpp"
#include "spiking/record_windows.hpp"

namespace lpl::spiking {

const StepRange* active(const std::vector<StepRange>& windows, Step step) {
  for (const StepRange& window : windows)
    if (window.begin <= step && step < window.end) return &window;
  return nullptr;
}

LocalRange RecordPlace::own(std::size_t source) const {
  const Source& of = simulation.sources[source];
  if (of.is_population) return local_range(of.size, comm.rank(), comm.size());
  return {0, comm.rank() == 0 ? of.size : 0};
}

void RecordReading::claim_only(const std::string& name) const {
  if (!claim(std::string(what), name)) table.fail("of", fmt::format("the {} of '{}' are recorded already", what, name));
}

std::vector<std::size_t> RecordReading::sources() const {
  std::vector<std::size_t> found;
  for (const std::string& name : table.texts("of"))
    found.push_back(named(table, "of", name, simulation.sources, "population or stimulus"));
  return found;
}

std::size_t RecordReading::source() const {
  return named(table, "of", table.text("of"), simulation.sources, "population or stimulus");
}

std::size_t RecordReading::connection() const {
  return named(table, "of", table.text("of"), simulation.connections, "connection");
}

std::size_t RecordReading::population() const {
  return named(table, "of", table.text("of"), simulation.populations, "population");
}

Step RecordReading::sampled_every() const {
  const Step every = grid.read_interval(table, "every");
  const std::vector<StepRange>& windows = record.windows;
  if (!simulation.phases.empty() && sampled_stretches(windows, every).empty())
    table.fail(
        "every",
        fmt::format("nothing would be recorded: samples are taken at the multiples of 'every' ({} s), and none lies "
                    "in what is recorded (first from {} to {} s); shorten 'every' or lengthen 'last'",
                    simulation.seconds(every), simulation.seconds(windows.front().begin),
                    simulation.seconds(windows.front().end)));
  return every;
}

bool is_snapshot(const std::string& name) { return name == "initial" || name.starts_with("step_"); }

void RecordReading::refuse_snapshot_name() const {
  const bool is_phase = std::ranges::find(simulation.phases, record.name, &Phase::name) != simulation.phases.end();
  if (is_phase || is_snapshot(record.name))
    table.fail("name", fmt::format("'{}' is what a snapshot of weights is called; give another 'name'", record.name));
}

}  // namespace lpl::spiking
