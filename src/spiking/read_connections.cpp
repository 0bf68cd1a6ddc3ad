// [[connection]]: wiring, delays, plasticity.
#include <algorithm>
#include <cmath>

#include "spiking/catalogue.hpp"
#include "spiking/description_reader.hpp"
#include "spiking/model/equations.hpp"
#include "spiking/plasticity/plasticity.hpp"

namespace lpl::spiking {

void DescriptionReader::read_connection(Table& table, Table& root) {
  ConnectionDescription c;
  c.name = names_.read(table, "connection");
  c.from = named(table, "from", table.text("from"), result_.sources, "population or stimulus");
  c.to = named(table, "to", table.text("to"), result_.populations, "population");
  std::vector<std::string> receptors;
  for (const ReceptorText& receptor : result_.populations[c.to].cell.text->receptors)
    receptors.push_back(receptor.name);
  if (receptors.empty())
    table.fail("to", fmt::format("the model '{}' of '{}' has no receptors", result_.populations[c.to].cell.model,
                                 result_.populations[c.to].name));
  c.receptor = table.choice("receptor", receptors, receptors.front());
  c.delay = grid_.read_steps(table, "delay", kPositive, fmt::format("{} s", result_.seconds(result_.min_delay)));
  if (c.delay < result_.min_delay)
    table.fail("delay", fmt::format("{}, below the minimum delay of {} s{}; raise it or lower simulation.min_delay",
                                    table.stated("delay"), result_.seconds(result_.min_delay),
                                    root.table("simulation").has("min_delay") ? "" : ", the default"));
  if (c.delay > kLongestDelay)
    table.fail("delay", fmt::format("{}, which is {} steps; at most {} are possible", table.stated("delay"), c.delay,
                                    kLongestDelay));
  read_pattern(table, c);
  if (table.has("plasticity")) read_plasticity(table, root, c);
  table.finish();
  result_.connections.push_back(std::move(c));
}

void DescriptionReader::read_plasticity(Table& table, Table& root, ConnectionDescription& c) {
  c.rule_name = table.text("plasticity");
  Table rule_table = section_entry(table, "plasticity", root, "rule", c.rule_name);
  if (!result_.populations[c.to].cell.has_membrane())
    table.fail("plasticity", fmt::format("synapses onto '{}', whose neurons have no membrane, cannot be plastic",
                                         result_.populations[c.to].name));
  const RuleEntry& entry = rules()[rule_table.choice("type", types_of(rules()))];
  c.rule = entry.read({.rule = rule_table,
                       .connection = table,
                       .described = c,
                       .receptor = result_.receptor_of(c).name,
                       .grid = grid_});
  rule_table.finish();
  check_initial_weights(table, c);
}

void DescriptionReader::check_initial_weights(Table& table, const ConnectionDescription& c) const {
  const double w_max = c.rule->w_max, lift = c.rule->lift;
  const auto refuse = [&](std::string_view key, const std::string& what) {
    table.fail(key,
               fmt::format("{}, above w_max = {} of the rule '{}'; lower it or raise w_max", what, w_max, c.rule_name));
  };
  const auto* listed = std::get_if<ConnectionDescription::Listed>(&c.pattern);
  if (!listed || !listed->own_weights) {
    if (c.weight > w_max + lift) refuse("weight", table.stated("weight"));
    return;
  }
  const SparseMatrix& matrix = listed->matrix;
  const auto largest = static_cast<float>(w_max + lift);
  for (std::size_t i = 0; i < matrix.value.size(); ++i)
    if (matrix.value[i] > largest)
      refuse("file",
             fmt::format("the weight of entry ({}, {}) is {}", matrix.pre[i] + 1, matrix.post[i] + 1, matrix.value[i]));
}

// In the unit of the state that an arrival is added to, of the sign that the receptor takes.
double DescriptionReader::read_weight(Table& table, const ConnectionDescription& c) const {
  const ReceptorText& receptor = result_.receptor_of(c);
  const Bounds bounds{receptor.sign == WeightSign::positive ? 0 : -kLargestWeight,
                      receptor.sign == WeightSign::negative ? 0 : kLargestWeight};
  return receptor.weight == Dimension::none ? table.number("weight", bounds)
                                            : table.quantity("weight", receptor.weight, bounds);
}

void DescriptionReader::check_signs(Table& table, const ConnectionDescription& c, const SparseMatrix& matrix) const {
  const ReceptorText& receptor = result_.receptor_of(c);
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

void DescriptionReader::read_pattern(Table& table, ConnectionDescription& c) {
  const NeuronId pre = result_.sources[c.from].size, post = result_.populations[c.to].size;
  std::vector<std::string> given;
  for (const char* key : {"density", "one_to_one", "mask", "file"})
    if (table.has(key)) given.push_back(key);
  if (given.size() != 1)
    table.fail(given.empty() ? "density" : given[1],
               fmt::format("{}; give exactly one of density, one_to_one, mask, file",
                           given.empty() ? "no wiring is given"
                                         : fmt::format("both '{}' and '{}' are given", given[0], given[1])));
  const std::string& key = given.front();
  if (key != "file") c.weight = read_weight(table, c);
  const auto read_matrix = [&] {
    SparseMatrix matrix = imported(table, key, [](const auto& path) { return read_matrix_market(path); });
    if (matrix.rows != pre || matrix.columns != post)
      table.fail(key,
                 fmt::format("the matrix is {} x {}, but '{}' has {} and '{}' has {} neurons", matrix.rows,
                             matrix.columns, result_.sources[c.from].name, pre, result_.populations[c.to].name, post));
    if (key == "file") check_signs(table, c, matrix);
    if (matrix.pattern && key == "file")
      table.fail(key, "the matrix is a pattern and holds no weights; use it as 'mask' and give a 'weight'");
    return matrix;
  };
  if (key == "density") {
    c.pattern = ConnectionDescription::RandomPattern{table.number("density", kProbability)};
  } else if (key == "one_to_one") {
    if (!table.flag("one_to_one")) table.fail("one_to_one", "'one_to_one' can only be true; leave it out otherwise");
    if (pre != post)
      table.fail("one_to_one", fmt::format("one_to_one needs equal sizes, but there are {} and {} neurons", pre, post));
    c.pattern = ConnectionDescription::OneToOne{};
  } else if (key == "mask" && table.is_table("mask")) {
    Table mask = table.table("mask");
    mask.choice("profile", {"gaussian"});
    c.pattern = ConnectionDescription::GaussianMask{mask.number("width", kPositive)};
    mask.finish();
  } else {
    c.pattern = ConnectionDescription::Listed{read_matrix(), key == "file"};
  }
}

}  // namespace lpl::spiking
