// [[connection]]: wiring, delays, plasticity.
#include <algorithm>
#include <cmath>

#include "config/models.hpp"
#include "spiking/catalogue.hpp"
#include "spiking/description_reader.hpp"
#include "spiking/model/equations.hpp"
#include "spiking/plasticity/plasticity.hpp"
#include "spiking/plasticity/text_rule.hpp"
#include "spiking/short_term/short_term.hpp"

namespace lpl::spiking {

void DescriptionReader::read_connection(Table& table, Table& root) {
  ConnectionDescription c;
  c.name = names_.read(table, "connection", fmt::format("{}_{}", table.text("from"), table.text("to")));
  c.from = named(table, "from", table.text("from"), result_.sources, "population or stimulus");
  c.to = named(table, "to", table.text("to"), result_.populations, "population");
  c.receptor = read_receptor(table, result_.populations[c.to]);
  const WiringPlace place = place_of(c);
  read_delay(table, place, c);
  c.wiring = read_wiring(table, place);
  if (c.wiring->weights()) {
    if (table.has("weight") && !begins_elsewhere(table, "weight"))
      table.fail("weight", fmt::format("{}, but the file gives the weights of its synapses; leave one of them out",
                                       table.stated("weight")));
    check_signs(table, c);
  } else if (!begins_elsewhere(table, "weight")) {
    c.weight = read_weight(table, place, c);
  }
  if (table.has("short_term")) c.short_term = read_short_term(table, grid_);
  if (table.has("plasticity")) read_plasticity(table, root, c);
  read_starts(table, c);
  table.finish();
  result_.connections.push_back(std::move(c));
}

void DescriptionReader::read_plasticity(Table& table, Table& root, ConnectionDescription& c) {
  c.rule_name = table.text("plasticity");
  Table rule_table = section_entry(table, "plasticity", root, "rule", c.rule_name);
  if (!result_.populations[c.to].cell.has_membrane())
    table.fail("plasticity", fmt::format("synapses onto '{}', whose neurons have no membrane, cannot be plastic",
                                         result_.populations[c.to].name));
  const ReceptorText& receptor = result_.receptor_of(c);
  const RuleReading reading{.rule = rule_table,
                            .connection = table,
                            .described = c,
                            .receptor = receptor.name,
                            .weight = receptor.weight,
                            .sign = receptor.sign,
                            .target = *result_.populations[c.to].cell.text,
                            .sources = result_.sources,
                            .grid = grid_};
  c.rule = read_rule(reading, root);
  for (const std::string& warning : c.rule->warnings)
    result_.warnings.push_back(fmt::format("connection '{}': {}", c.name, warning));
  if (c.delays && !c.rule->delays_differ)
    table.fail("delay", fmt::format("the synapses of rule '{}' must have one delay; give one instead of a distribution",
                                    c.rule_name));
  c.rule_type = rule_table.text("type");
  rule_table.finish();
  if (!begins_elsewhere(table, "weight")) check_initial_weights(table, c);
}

// A rule that the program has, a text, or values for the text of another [rule.NAME].
std::shared_ptr<const RuleDescription> DescriptionReader::read_rule(const RuleReading& reading, Table& root) {
  Table& table = reading.rule;
  const std::string type = table.text("type");
  for (const RuleEntry& entry : rules())
    if (entry.type == type) return entry.read(reading);
  if (type == "traces") return read_text_rule(reading, table, true);
  std::vector<std::string> known = types_of(rules());
  known.emplace_back("traces");
  if (!root.table("rule").is_table(type))
    table.fail("type", fmt::format("{}; it must be {}, or the name of a rule whose type is \"traces\": {}",
                                   table.stated("type"), join_or(known), no_such_model("rule", "rule", type)));
  Table text = section_entry(table, "type", root, "rule", type);
  if (const std::string kind = text.text("type"); kind != "traces")
    table.fail("type", fmt::format("{}, whose own 'type' is \"{}\"; name a rule whose type is \"traces\"",
                                   table.stated("type"), kind));
  return read_text_rule(reading, text, false);
}

void DescriptionReader::check_initial_weights(Table& table, const ConnectionDescription& c) const {
  const auto least = static_cast<float>(c.rule->w_min), most = static_cast<float>(c.rule->w_max + c.rule->lift);
  const auto check = [&](std::string_view key, float value, const auto& what) {
    if (value > most)
      table.fail(key, fmt::format("{}, above w_max = {} of the rule '{}'; lower it or raise w_max", what(),
                                  c.rule->w_max, c.rule_name));
    if (value < least)
      table.fail(key, fmt::format("{}, below {}, the least weight of the rule '{}'; raise it", what(), c.rule->w_min,
                                  c.rule_name));
  };
  const SparseMatrix* const matrix = c.wiring->weights();
  for (std::size_t i = 0; matrix && i < matrix->value.size(); ++i)
    check("file", matrix->value[i], [&] {
      return fmt::format("the weight of entry ({}, {}) is {}", matrix->pre[i] + 1, matrix->post[i] + 1,
                         matrix->value[i]);
    });
  if (matrix) return;
  const auto check_drawn = [&](double value, std::string_view how) {
    check("weight", static_cast<float>(value), [&] {
      return c.weight.constant() ? table.stated("weight")
                                 : fmt::format("'weight' may be drawn as {} as {}", how, value);
    });
  };
  check_drawn(c.weight.most(), "large");
  check_drawn(c.weight.least(), "small");
}

// In the unit of the state that an arrival is added to, of the sign that the receptor takes.
Distribution DescriptionReader::read_weight(Table& table, const WiringPlace& place,
                                            const ConnectionDescription& c) const {
  const ReceptorText& receptor = result_.receptor_of(c);
  return Distribution::read(table, "weight", receptor.weight, weights_of(receptor), place);
}

void DescriptionReader::check_signs(Table& table, const ConnectionDescription& c) const {
  const ReceptorText& receptor = result_.receptor_of(c);
  const SparseMatrix& matrix = *c.wiring->weights();
  const auto wrong = [&](float w) {
    return receptor.sign == WeightSign::positive ? w < 0 : receptor.sign == WeightSign::negative && w > 0;
  };
  const auto found = std::ranges::find_if(matrix.value, wrong);
  if (found == matrix.value.end()) return;
  const auto i = static_cast<std::size_t>(found - matrix.value.begin());
  table.fail("file", fmt::format("the weight of entry ({}, {}) is {}; weights onto the receptor '{}' cannot be {}",
                                 matrix.pre[i] + 1, matrix.post[i] + 1, *found, receptor.name,
                                 receptor.sign == WeightSign::positive ? "negative" : "positive"));
}

// Drawn delays are those of the nearest step, and at least half a step before that.
void DescriptionReader::read_delay(Table& table, const WiringPlace& place, ConnectionDescription& c) const {
  if (table.is_table("delay")) {
    c.delays = Distribution::read(table, "delay", Dimension::time,
                                  {0.5 * grid_.dt, static_cast<double>(kLongestDrawnDelay) * grid_.dt}, place);
    c.delay = std::max<Step>(1, std::llround(c.delays->least() / grid_.dt));
  } else {
    c.delay = grid_.read_delay(table, "delay", grid_.default_delay());
  }
  if (c.delay < grid_.min_delay)
    table.fail("delay",
               fmt::format("{}, below the minimum delay of {} s; raise it or lower simulation.min_delay",
                           c.delays ? fmt::format("'delay' may be drawn as short as {:.6g} s", result_.seconds(c.delay))
                                    : table.stated("delay"),
                           result_.seconds(grid_.min_delay)));
}

WiringPlace DescriptionReader::place_of(const ConnectionDescription& c) const {
  const Source& source = result_.sources[c.from];
  const Population& target = result_.populations[c.to];
  WiringPlace place{.seed = result_.seed,
                    .object = hash_name(c.name),
                    .connection = c.name,
                    .from = source.name,
                    .to = target.name,
                    .pre_size = source.size,
                    .post_size = target.size,
                    .onto_itself = source.is_population && source.index == c.to,
                    .pre_positions = source.positions,
                    .post_positions = target.positions,
                    .pre_groups = {}};
  for (const Group& group : source.groups) place.pre_groups.push_back(group.size);
  return place;
}

// A delay from a stimulus may be shorter: its spikes are known ahead. Without delays any will do.
void DescriptionReader::find_min_delay() {
  std::optional<Step> shortest;
  const auto consider = [&](std::size_t source, Step delay) {
    if (result_.sources[source].is_population) shortest = std::min(shortest.value_or(delay), delay);
  };
  for (const ConnectionDescription& c : result_.connections) {
    consider(c.from, c.delay);
    if (c.rule)
      for (const auto& listening : c.rule->listens) consider(listening.source, listening.delay);
  }
  const Step usual = std::max<Step>(1, std::llround(kUsualDelay / grid_.dt));
  result_.min_delay = shortest.value_or(grid_.min_delay > 0 ? grid_.min_delay : usual);
}

}  // namespace lpl::spiking
