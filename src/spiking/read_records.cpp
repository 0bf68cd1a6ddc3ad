// [[phase]] and [[record]].
#include "spiking/description_reader.hpp"

#include <algorithm>

#include "spiking/record/record.hpp"
#include "spiking/record_windows.hpp"

namespace lpl::spiking {
namespace {

std::vector<std::string> kinds_of(std::span<const RecordEntry> entries) {
  std::vector<std::string> kinds;
  for (const RecordEntry& entry : entries) kinds.emplace_back(entry.what);
  return kinds;
}

}  // namespace

void DescriptionReader::read_phase(Table& table) {
  Phase phase;
  phase.name = names_.read(table, "phase");
  phase.begin = result_.end();
  phase.end = phase.begin + grid_.read_interval(table, "duration");
  if (phase.end > kLongestRun)
    table.fail("duration", fmt::format("with this phase the run has {} steps of dt = {}; at most {} are possible",
                                       phase.end, grid_.stated, kLongestRun));
  if (!table.has("plasticity") || table.is_flag("plasticity")) {
    phase.learns.assign(result_.connections.size(), table.flag("plasticity", true));
  } else {
    phase.learns.assign(result_.connections.size(), false);
    for (const std::string& name : table.texts("plasticity")) {
      const std::size_t i = named(table, "plasticity", name, result_.connections, "connection");
      if (!result_.connections[i].rule)
        table.fail("plasticity", fmt::format("connection '{}' has no plasticity rule", name));
      phase.learns[i] = true;
    }
  }
  if (is_snapshot(phase.name))
    table.fail("name", fmt::format("'{}' is what a snapshot of weights is called; give another 'name'", phase.name));
  table.finish();
  result_.phases.push_back(std::move(phase));
}

std::vector<std::size_t> DescriptionReader::read_phases(Table& table, std::string_view otherwise) const {
  std::vector<std::size_t> phases;
  for (const std::string& name : table.texts("phases"))
    phases.push_back(named(table, "phases", name, result_.phases, "phase"));
  if (phases.empty()) table.fail("phases", fmt::format("'phases' lists no phase; leave it out to {}", otherwise));
  return phases;
}

RecordWindow DescriptionReader::read_window(Table& table) {
  RecordWindow window;
  if (table.has("phases")) {
    window.phases = read_phases(table, "record in all");
  } else {
    for (std::size_t i = 0; i < result_.phases.size(); ++i) window.phases.push_back(i);
  }
  if (table.has("last")) window.last = grid_.read_interval(table, "last");
  return window;
}

void DescriptionReader::read_record(Table& table) {
  const RecordEntry& entry = records()[table.choice("what", kinds_of(records()))];
  RecordHead head{
      .name = names_.read(table, "record", std::string(entry.what)), .window = read_window(table), .windows = {}};
  head.windows = windows_of(head.window, result_.phases);
  const std::shared_ptr<RecordDescription> record = entry.read(
      {.table = table, .what = entry.what, .record = head, .simulation = result_, .grid = grid_, .taken = recorded_});
  static_cast<RecordHead&>(*record) = std::move(head);
  table.finish();
  result_.records.push_back(record);
}

}  // namespace lpl::spiking
