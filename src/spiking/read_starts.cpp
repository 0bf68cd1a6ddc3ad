// `from`: values that begin where those of a run of before ended.
#include "io/checkpoint.hpp"
#include "io/read_result.hpp"
#include "spiking/description_reader.hpp"

namespace lpl::spiking {
namespace {

// `find` looks for what stands under `at` in a result file.
template <class Find>
StartFrom read_start(Table& table, const std::string& name, StartFrom::Kind of_result, Find&& find) {
  StartFrom start;
  start.file = table.file("from");
  start.of = table.text("of", name);
  start.place = table.place("from");
  if (is_checkpoint(start.file)) {
    if (table.has("at"))
      table.fail("at", "a checkpoint is of one moment; leave 'at' out, or name a result file under 'from'");
    return start;
  }
  start.kind = of_result;
  const std::string at = table.text("at", "");
  try {
    start.at = find(start.file, start.of, at);
  } catch (const ConfigError& error) {
    table.fail(at.empty() ? "from" : "at", error.what());
  }
  return start;
}

StartFrom read_weights_of_before(Table table, const std::string& name) {
  StartFrom start = read_start(table, name, StartFrom::Kind::weights, snapshot_of);
  start.variables = {"weight"};
  table.finish();
  return start;
}

}  // namespace

StartFrom DescriptionReader::read_start_of_variables(Table& table, const std::string& name) const {
  StartFrom start = read_start(table, name, StartFrom::Kind::variables, phase_of);
  if (table.has("variables")) {
    start.variables = table.texts("variables");
    if (start.variables.empty()) table.fail("variables", "'variables' is empty; leave it out to take all of them");
  }
  return start;
}

void DescriptionReader::read_starts(Table& table, ConnectionDescription& c) const {
  if (table.has("initial")) {
    Table initial = table.table("initial");
    c.starts.push_back(read_start_of_variables(initial, c.name));
    initial.finish();
  }
  if (begins_elsewhere(table, "weight")) c.starts.push_back(read_weights_of_before(table.table("weight"), c.name));
}

}  // namespace lpl::spiking
