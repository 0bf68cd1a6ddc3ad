// `from`: values that begin where those of a run of before ended.
#include "io/checkpoint.hpp"
#include "io/read_weights.hpp"
#include "spiking/description_reader.hpp"

namespace lpl::spiking {

StartFrom DescriptionReader::read_start(Table& table, const std::string& name) const {
  StartFrom start;
  start.file = table.file("from");
  start.of = table.text("of", name);
  start.place = table.place("from");
  start.is_result = !is_checkpoint(start.file);
  if (!start.is_result && table.has("at"))
    table.fail("at", "a checkpoint is of one moment; leave 'at' out, or name a result file under 'from'");
  return start;
}

StartFrom DescriptionReader::read_states(Table& table, const std::string& name, const std::string& otherwise) const {
  StartFrom start = read_start(table, name);
  if (start.is_result)
    table.fail("from",
               fmt::format("{} is no checkpoint; name one of that run (--checkpoint){}", start.file, otherwise));
  if (table.has("variables")) {
    start.variables = table.texts("variables");
    if (start.variables.empty()) table.fail("variables", "'variables' is empty; leave it out to take all of them");
  }
  return start;
}

StartFrom DescriptionReader::read_weights_of_before(Table& table, const std::string& name) const {
  StartFrom start = read_start(table, name);
  start.variables = {"weight"};
  if (start.is_result) {
    const std::string at = table.text("at", "");
    try {
      start.at = snapshot_of(start.file, start.of, at);
    } catch (const ConfigError& error) {
      table.fail(at.empty() ? "from" : "at", error.what());
    }
  }
  table.finish();
  return start;
}

void DescriptionReader::read_starts(Table& table, ConnectionDescription& c) const {
  if (table.has("initial")) {
    Table initial = table.table("initial");
    c.starts.push_back(read_states(initial, c.name, "; of a result file, weights can be: weight = { from = ... }"));
    initial.finish();
  }
  if (begins_elsewhere(table, "weight")) {
    Table weight = table.table("weight");
    c.starts.push_back(read_weights_of_before(weight, c.name));
  }
}

}  // namespace lpl::spiking
