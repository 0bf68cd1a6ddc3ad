// [[phase]] and [[record]].
#include "spiking/description_reader.hpp"

#include <algorithm>

#include "spiking/model/equations.hpp"
#include "spiking/plasticity/plasticity.hpp"
#include "spiking/record_windows.hpp"

namespace lpl::spiking {
namespace {

// What the recorder calls snapshots of weights beside those at the ends of phases.
bool is_snapshot(const std::string& name) { return name == "initial" || name.starts_with("step_"); }

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
  RecordDescription record;
  const std::vector<std::string> kinds = {"spikes", "rates", "state", "weights", "synapses", "group_weights"};
  const std::size_t kind = table.choice("what", kinds);
  record.what = static_cast<RecordDescription::What>(kind);
  record.name = names_.read(table, "record", kinds[kind]);
  record.window = read_window(table);
  switch (record.what) {
    case RecordDescription::What::spikes:
    case RecordDescription::What::rates:
      read_source_record(table, record, kinds[kind]);
      break;
    case RecordDescription::What::state:
      read_state_record(table, record);
      break;
    default:
      read_weight_record(table, record, kinds[kind]);
  }
  check_samples(table, record);
  table.finish();
  result_.records.push_back(std::move(record));
}

void DescriptionReader::check_samples(Table& table, const RecordDescription& record) {
  using What = RecordDescription::What;
  const bool sampled =
      record.what == What::state || record.what == What::synapses || record.what == What::group_weights;
  if (!sampled || result_.phases.empty()) return;
  const auto windows = windows_of(record.window, result_.phases);
  if (!sampled_stretches(windows, *record.every).empty()) return;
  table.fail(
      "every",
      fmt::format("nothing would be recorded: samples are taken at the multiples of 'every' ({} s), and none lies "
                  "in what is recorded (first from {} to {} s); shorten 'every' or lengthen 'last'",
                  result_.seconds(*record.every), result_.seconds(windows.front().begin),
                  result_.seconds(windows.front().end)));
}

void DescriptionReader::read_source_record(Table& table, RecordDescription& record, const std::string& kind) {
  for (const std::string& name : table.texts("of")) {
    record.sources.push_back(named(table, "of", name, result_.sources, "population or stimulus"));
    claim(table, kind, name);
  }
  if (record.what == RecordDescription::What::rates) record.every = grid_.read_interval(table, "every");
}

void DescriptionReader::read_state_record(Table& table, RecordDescription& record) {
  record.target = named(table, "of", table.text("of"), result_.populations, "population");
  read_variable(table, record);
  record.neurons = read_neurons(table, result_.populations[record.target].size);
  record.every = grid_.read_interval(table, "every");
}

void DescriptionReader::read_weight_record(Table& table, RecordDescription& record, const std::string& kind) {
  record.target = named(table, "of", table.text("of"), result_.connections, "connection");
  const ConnectionDescription& connection = result_.connections[record.target];
  if (record.what == RecordDescription::What::weights) {
    claim(table, kind, connection.name);
    if (table.has("every")) record.every = grid_.read_interval(table, "every");
    return;
  }
  // Snapshots of the same connection lie beside this record in the file.
  const bool is_phase = std::any_of(result_.phases.begin(), result_.phases.end(),
                                    [&](const Phase& phase) { return phase.name == record.name; });
  if (is_phase || is_snapshot(record.name))
    table.fail("name", fmt::format("'{}' is what a snapshot of weights is called; give another 'name'", record.name));
  if (record.what == RecordDescription::What::synapses) {
    const NeuronId pre = result_.sources[connection.from].size, post = result_.populations[connection.to].size;
    record.pre = table.indices("pre", pre);
    record.post = table.indices("post", post);
    if (record.pre.empty() || record.pre.size() != record.post.size())
      table.fail("post", fmt::format("'pre' lists {} and 'post' {} neurons; they must name the same number of synapses",
                                     record.pre.size(), record.post.size()));
  }
  record.every = grid_.read_interval(table, "every");
}

// A thing is recorded by one record of a kind only: it has one place in the file.
void DescriptionReader::claim(Table& table, const std::string& kind, const std::string& name) {
  if (!recorded_.emplace(kind, name).second)
    table.fail("of", fmt::format("the {} of '{}' are recorded already", kind, name));
}

void DescriptionReader::read_variable(Table& table, RecordDescription& record) {
  record.variable = table.text("variable");
  std::vector<std::string> known;
  for (const StateText& state : result_.populations[record.target].cell.text->states) {
    known.push_back(state.name);
    if (known.back() == record.variable) return;
  }
  for (std::size_t i = 0; i < result_.connections.size(); ++i) {
    const ConnectionDescription& connection = result_.connections[i];
    if (connection.to != record.target || !connection.rule) continue;
    for (const std::string& trace : connection.rule->recordable) {
      known.push_back(connection.name + "." + trace);
      if (known.back() == record.variable) return;
    }
  }
  table.fail("variable", fmt::format("'variable' is \"{}\"; it must be {}", record.variable, join_or(known)));
}

}  // namespace lpl::spiking
