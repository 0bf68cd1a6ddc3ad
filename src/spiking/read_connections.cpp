// [[connection]]: wiring, delays, plasticity.
#include "spiking/description_reader.hpp"

#include <cmath>

namespace lpl::spiking {

void DescriptionReader::read_connection(Table& table, Table& root) {
  ConnectionDescription c;
  c.name = read_name(table, "connection");
  c.from = named(table, "from", table.text("from"), result_.sources, "population or stimulus");
  c.to = named(table, "to", table.text("to"), result_.populations, "population");
  const CellModel model = result_.populations[c.to].cell.model;
  c.receptor = static_cast<Receptor>(table.choice("receptor", {"AMPA", "NMDA", "GABA"}, "AMPA"));
  if (c.receptor == Receptor::nmda && (model == CellModel::leaky_integrate_and_fire || model == CellModel::parrot))
    table.fail("receptor", fmt::format("population '{}' has no NMDA receptors; use AMPA or an 'if' cell",
                                       result_.populations[c.to].name));
  c.delay = steps(
      table, "delay",
      table.quantity("delay", Dimension::time, kPositive, fmt::format("{} s", result_.seconds(result_.min_delay))));
  if (c.delay < result_.min_delay)
    table.fail("delay",
               fmt::format("'delay' is {} s, below the minimum delay of {} s; raise it or lower simulation.min_delay",
                           result_.seconds(c.delay), result_.seconds(result_.min_delay)));
  if (c.delay > kLongestDelay)
    table.fail("delay", fmt::format("'delay' is {} steps; at most {} are possible", c.delay, kLongestDelay));
  read_pattern(table, c);
  if (table.has("plasticity")) {
    c.rule_name = table.text("plasticity");
    c.rule = read_rule(section_entry(table, "plasticity", root, "rule", c.rule_name));
    if (!std::holds_alternative<LplRule>(*c.rule) && !std::holds_alternative<SymmetricStdpRule>(*c.rule))
      table.fail("plasticity", fmt::format("the {} rule '{}' is for rate networks (lpl_rate); synapses learn by lpl or "
                                           "symmetric_stdp",
                                           kRuleTypes[c.rule->index()], c.rule_name));
    if (model == CellModel::parrot) table.fail("plasticity", "synapses on a parrot population cannot be plastic");
    if (std::holds_alternative<LplRule>(*c.rule))
      check_lpl(table, c);
    else if (c.receptor != Receptor::gaba)
      table.fail("plasticity", fmt::format("the symmetric_stdp rule '{}' is for GABA synapses", c.rule_name));
  }
  table.finish();
  result_.connections.push_back(std::move(c));
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
  if (key != "file") c.weight = table.number("weight", kNonNegative);
  const auto read_matrix = [&] {
    SparseMatrix matrix = imported(table, key, [](const auto& path) { return read_matrix_market(path); });
    if (matrix.rows != pre || matrix.columns != post)
      table.fail(key,
                 fmt::format("the matrix is {} x {}, but '{}' has {} and '{}' has {} neurons", matrix.rows,
                             matrix.columns, result_.sources[c.from].name, pre, result_.populations[c.to].name, post));
    for (std::size_t i = 0; i < matrix.value.size(); ++i)
      if (matrix.value[i] < 0)
        table.fail(key, fmt::format("entry ({}, {}) is {}; weights cannot be negative (the receptor decides the sign)",
                                    matrix.pre[i] + 1, matrix.post[i] + 1, matrix.value[i]));
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

void DescriptionReader::check_lpl(Table& table, ConnectionDescription& c) {
  const auto& rule = std::get<LplRule>(*c.rule);
  if (c.receptor != Receptor::ampa)
    table.fail("plasticity", fmt::format("the lpl rule '{}' is for AMPA synapses", c.rule_name));
  const Step window = steps(table, "plasticity", rule.window);
  const Step horizon = steps(table, "plasticity", rule.horizon);
  if (window < 1 || window > 10'000'000)
    table.fail("plasticity",
               fmt::format("rule '{}': the window is {} steps; it must be from 1 to 10,000,000", c.rule_name, window));
  if (horizon < result_.min_delay || horizon > kLongestDelay)
    table.fail("plasticity",
               fmt::format("rule '{}': the horizon is {} steps; it must be from the minimum delay ({}) to {}",
                           c.rule_name, horizon, result_.min_delay, kLongestDelay));
  for (const double tau : {rule.tau_rise, rule.tau_fall, rule.tau_membrane, rule.tau_synapse})
    if (tau <= result_.dt || tau > 10)
      table.fail("plasticity", fmt::format("rule '{}': the filter time constant {} s must lie between dt and 10 s",
                                           c.rule_name, tau));
  if (table.has("initial_traces")) {
    Table traces = table.table("initial_traces");
    c.initial_mean_rate = traces.quantity("mean_rate", Dimension::frequency, kNonNegative, "0 Hz");
    c.initial_variance = traces.number("variance", kNonNegative, 0.0);
    traces.finish();
  }
}

}  // namespace lpl::spiking
