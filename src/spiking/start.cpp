#include "spiking/start.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <map>

#include "core/errors.hpp"
#include "core/text.hpp"
#include "io/checkpoint.hpp"
#include "io/read_result.hpp"
#include "spiking/model/equations.hpp"
#include "spiking/plasticity/plasticity.hpp"
#include "spiking/reading.hpp"
#include "spiking/state.hpp"

namespace lpl::spiking {
namespace {

[[noreturn]] void refuse(const StartFrom& start, const std::string& message) {
  throw ConfigError(fmt::format("{}: {}: {}", start.place, start.file, message));
}

// Where no names are given, all of them.
std::vector<OwnVariable> chosen(const StartFrom& start, const std::vector<OwnVariable>& known) {
  if (start.variables.empty()) return known;
  std::vector<OwnVariable> result;
  for (const std::string& name : start.variables) {
    const auto found = std::ranges::find(known, name, &OwnVariable::name);
    if (found == known.end()) {
      std::vector<std::string> names;
      for (const OwnVariable& wanted : known) names.push_back(wanted.name);
      throw ConfigError(fmt::format(
          "{}: 'variables' lists \"{}\"; {}", start.place, name,
          names.empty() ? "there is nothing that can begin so" : fmt::format("it must be {}", join_or(names))));
    }
    result.push_back(*found);
  }
  return result;
}

class Starter {
 public:
  Starter(const SimulationDescription& simulation, Network& network, Communicator& comm)
      : simulation_(simulation), network_(network), comm_(comm) {}

  // States that the description gives itself stay.
  void start(std::size_t p) {
    const Population& population = simulation_.populations[p];
    const ModelText& text = *population.cell.text;
    std::vector<OwnVariable> known = lasting_variables(network_, p, simulation_);
    std::erase_if(known, [&](const OwnVariable& state) {
      const bool is_membrane = text.membrane && text.states[*text.membrane].name == state.name;
      return population.initial.contains(state.name) || (population.initial_membrane && is_membrane);
    });
    agree(comm_, [&] { known = chosen(*population.start, known); });
    const StartFrom& start = *population.start;
    for (const OwnVariable& wanted : known)
      load(start, wanted, [&](const SavedVariable& saved) {
        return saved.by == static_cast<std::uint8_t>(By::neuron) && saved.owner == start.of &&
               saved.name == wanted.name;
      });
  }

  void start(Connection& connection, const StartFrom& start) {
    std::vector<OwnVariable> wanted;
    agree(comm_, [&] { wanted = chosen(start, lasting_variables(network_, connection)); });
    if (start.variables.empty() && !connection.plasticity && has_no_weights(start))
      std::erase_if(wanted, [](const OwnVariable& v) { return v.name == "weight"; });
    if (start.kind == StartFrom::Kind::weights) {
      load_weights(connection, start);
    } else {
      if (std::ranges::any_of(wanted, [](const OwnVariable& w) { return w.variable->by == By::synapse; }))
        compare_wiring(connection, start);
      for (const OwnVariable& w : wanted)
        load(start, w, [&](const SavedVariable& saved) {
          return saved.by == static_cast<std::uint8_t>(w.variable->by) && saved.name == start.of + "." + w.name;
        });
    }
    agree(comm_, [&] { check_weights(connection, start); });
  }

 private:
  // Collective: whether the connection was static there, with something else to begin with.
  bool has_no_weights(const StartFrom& start) {
    bool weight = false, others = false;
    agree(comm_, [&] {
      if (comm_.rank() != 0) return;
      for (const SavedVariable& saved : state_in(start).variables) {
        const bool own = saved.name.starts_with(start.of + ".");
        (saved.name == start.of + ".weight" ? weight : others) |= own;
      }
    });
    return comm_.max(!weight && others) > 0;
  }

  // Rank 0.
  const SimulationState& state_in(const StartFrom& start) {
    const bool of_one = start.kind == StartFrom::Kind::variables;  // a checkpoint is read once
    const auto [entry, fresh] = states_.try_emplace({start.file, start.at, of_one ? start.of : ""});
    if (!fresh) return entry->second;
    try {
      if (of_one)
        entry->second = state_of(read_variables(start.file, start.of, start.at), start.of);
      else
        entry->second = read_checkpoint_of_any<SimulationState>(start.file, "lpl_sim");
    } catch (const Error& error) {
      throw ConfigError(fmt::format("{}: {}", start.place, error.what()));
    }
    return entry->second;
  }

  // What a result file holds of a population or connection, as a checkpoint would.
  static SimulationState state_of(const StoredVariables& stored, const std::string& of) {
    SimulationState state;
    state.now = stored.step;
    for (const StoredVariables::Variable& variable : stored.variables) {
      const auto by = std::ranges::find(kByNames, variable.by) - kByNames.begin();
      const std::string name = stored.wiring.empty() ? variable.name : of + "." + variable.name;
      state.variables.push_back({name, of, static_cast<std::uint8_t>(by), variable.values});
    }
    if (!stored.wiring.empty()) state.wirings.push_back(SavedWiring::read(of, stored.wiring));
    return state;
  }

  // Gives a variable the values of the one that `is_it` finds there.
  template <class IsIt>
  void load(const StartFrom& start, const OwnVariable& wanted, IsIt&& is_it) {
    const Variable& variable = *wanted.variable;
    std::string shifted;
    scatter_values(network_, variable, comm_, [&](std::size_t bytes) -> const std::string& {
      const SimulationState& state = state_in(start);
      const auto found = std::ranges::find_if(state.variables, is_it);
      if (found == state.variables.end()) refuse(start, missing(start, state, wanted));
      if (found->values.size() != bytes)
        refuse(start, fmt::format("'{}' of '{}' is {} bytes there and {} here; sizes and precisions must be the same",
                                  wanted.name, start.of, found->values.size(), bytes));
      if (!std::holds_alternative<std::span<Step>>(variable.data)) return found->values;
      shifted = since(found->values, state.now);
      return shifted;
    });
  }

  // Steps that a run has counted up to its step `now`, for one that begins there.
  static std::string since(const std::string& values, Step now) {
    std::vector<Step> steps(values.size() / sizeof(Step));
    std::memcpy(steps.data(), values.data(), values.size());
    for (Step& step : steps)
      if (step != kNotYet) step -= now;
    return {reinterpret_cast<const char*>(steps.data()), values.size()};
  }

  static std::string missing(const StartFrom& start, const SimulationState& state, const OwnVariable& wanted) {
    std::vector<std::string> names, owners;
    const std::string prefix = start.of + ".";
    for (const SavedVariable& saved : state.variables) {
      if (saved.owner == start.of) names.push_back(in_quotes(saved.name));
      if (saved.name.starts_with(prefix)) names.push_back(in_quotes(saved.name.substr(prefix.size())));
      if (std::ranges::find(owners, in_quotes(saved.owner)) == owners.end()) owners.push_back(in_quotes(saved.owner));
    }
    if (names.empty())
      return fmt::format(
          "holds nothing of '{}'; there are {} (static connections are in no checkpoint: their weights "
          "do not change)",
          start.of, join(owners, ", "));
    return fmt::format("holds no '{}' of '{}'; there are {}; 'variables' chooses", wanted.name, start.of,
                       join(names, ", "));
  }

  void compare_wiring(const Connection& connection, const StartFrom& start) {
    const SavedWiring own = wiring_of(network_, connection, comm_);
    agree(comm_, [&] {
      if (comm_.rank() != 0) return;
      const auto& wirings = state_in(start).wirings;
      const auto there = std::ranges::find(wirings, start.of, &SavedWiring::connection);
      if (there == wirings.end() || (there->synapses == own.synapses && there->pairs == own.pairs)) return;
      const bool same = there->synapses == own.synapses;
      refuse(start, fmt::format("'{}' has {} synapses there, '{}' has {} here{}; wire both runs alike (seed and name "
                                "decide), or take the synapses of its result file: file = {{ from = ... }}",
                                start.of, there->synapses, own.connection, own.synapses,
                                same ? ", but not between the same neurons" : ""));
    });
  }

  // Every synapse of the network takes the weight of one there.
  void load_weights(Connection& connection, const StartFrom& start) {
    const ConnectionDescription& description = *connection.description;
    std::vector<std::string> parts;
    agree(comm_, [&] {
      if (comm_.rank() == 0) parts = parts_of(read_weights(start.file, start.of, start.at), description, start);
    });
    const std::string part = comm_.scatter(parts);
    agree(comm_, [&] { take(part, connection, start); });
  }

  struct Entry {
    NeuronId post, pre;
    float weight;
    auto pair() const { return std::pair(post, pre); }
  };

  // By rank, the synapses onto its neurons, by postsynaptic, then presynaptic neuron.
  std::vector<std::string> parts_of(const SparseMatrix& weights, const ConnectionDescription& description,
                                    const StartFrom& start) const {
    const NeuronId pre_size = simulation_.sources[description.from].size;
    const NeuronId post_size = simulation_.populations[description.to].size;
    if (weights.rows != pre_size || weights.columns != post_size)
      refuse(start, fmt::format("'{}' lies between {} and {} neurons there, '{}' between {} and {} here", start.of,
                                weights.rows, weights.columns, description.name, pre_size, post_size));
    std::vector<Entry> entries;
    for (std::size_t i = 0; i < weights.value.size(); ++i)
      entries.push_back({weights.post[i], weights.pre[i], weights.value[i]});
    std::ranges::stable_sort(entries, {}, &Entry::pair);
    std::vector<std::string> parts;
    auto begin = entries.begin();
    for (int rank = 0; rank < comm_.size(); ++rank) {
      const LocalRange local = local_range(post_size, rank, comm_.size());
      const auto end = std::ranges::lower_bound(begin, entries.end(), local.first + local.count, {}, &Entry::post);
      parts.emplace_back(reinterpret_cast<const char*>(std::to_address(begin)),
                         static_cast<std::size_t>(end - begin) * sizeof(Entry));
      begin = end;
    }
    return parts;
  }

  void take(const std::string& part, Connection& connection, const StartFrom& start) const {
    std::vector<Entry> entries(part.size() / sizeof(Entry));
    if (!entries.empty()) std::memcpy(entries.data(), part.data(), part.size());
    Synapses& synapses = connection.synapses;
    std::vector<NeuronId> pre(synapses.size());
    synapses.each([&](std::uint32_t row, std::uint64_t s) { pre[s] = synapses.heard[row]; });
    const LocalRange local = network_.populations[connection.description->to]->range();
    auto entry = entries.begin();
    for (const std::uint64_t s : order_by_target(synapses, network_.layout, local.count)) {
      const NeuronId post = local.first + network_.layout.neuron_of(synapses.target[s]);
      while (entry != entries.end() && entry->pair() < std::pair(post, pre[s])) ++entry;
      if (entry == entries.end() || entry->pair() != std::pair(post, pre[s]))
        refuse(start, fmt::format("'{}' has no synapse from {} to {} at '{}', '{}' has; wire both runs alike (seed and "
                                  "name decide), or take its synapses, too: file = {{ from = ... }}",
                                  start.of, pre[s], post, start.at, connection.description->name));
      synapses.weight[s] = (entry++)->weight;
    }
  }

  // As weights that the description gives.
  void check_weights(const Connection& connection, const StartFrom& start) const {
    const ConnectionDescription& description = *connection.description;
    const Bounds bounds = weights_of(simulation_.receptor_of(description));
    const RuleDescription* const rule = description.rule.get();
    const double low = std::max(bounds.low, rule ? rule->w_min : bounds.low);
    const double high = std::min(bounds.high, rule ? rule->w_max + rule->lift : bounds.high);
    for (const float weight : connection.synapses.weight)
      if (!(static_cast<float>(low) <= weight && weight <= static_cast<float>(high)))
        refuse(start,
               fmt::format("holds the weight {} of '{}'; here weights are from {} to {}", weight, start.of, low, high));
  }

  const SimulationDescription& simulation_;
  Network& network_;
  Communicator& comm_;
  std::map<std::array<std::string, 3>, SimulationState> states_;  // rank 0, by file, phase and owner
};

}  // namespace

void start_from_others(const SimulationDescription& simulation, Network& network, Communicator& comm) {
  Starter starter(simulation, network, comm);
  for (std::size_t p = 0; p < simulation.populations.size(); ++p)
    if (simulation.populations[p].start) starter.start(p);
  for (Connection& connection : network.connections)
    for (const StartFrom& start : connection.description->starts) starter.start(connection, start);
}

}  // namespace lpl::spiking
