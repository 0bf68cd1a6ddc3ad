#include "spiking/state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <numeric>

#include "core/errors.hpp"
#include "io/checkpoint.hpp"
#include "spiking/stimulus/stimulus.hpp"

namespace lpl::spiking {
namespace {

constexpr const char* kOtherNetwork =
    "the checkpoint is of another network than the description's; have files that the description names changed?";

// Of a source whose spikes are known up to a step of [first, last].
bool is_history(const SpikeHistory::Saved& saved, Step first, Step last, NeuronId neurons) {
  return saved.end >= first && saved.end <= last && static_cast<Step>(saved.count.size()) <= saved.end &&
         std::accumulate(saved.count.begin(), saved.count.end(), std::uint64_t{0}) == saved.ids.size() &&
         std::ranges::all_of(saved.ids, [&](NeuronId id) { return id < neurons; });
}

// Calls visit(value) for each value of this rank, in global order.
template <class Visit>
struct Values {
  const Network& network;
  const Variable& variable;
  Visit& visit;

  std::size_t neurons(std::size_t population) const { return network.populations[population]->range().count; }

  template <class T>
  void operator()(std::span<T> values) const {
    if (variable.heard) {
      std::size_t row = 0;
      for (NeuronId source = 0; source < variable.sources; ++source) {
        T unheard{};
        const bool is_heard = row < variable.heard->size() && (*variable.heard)[row] == source;
        visit(is_heard ? values[row++] : unheard);
      }
    } else if (is_shared(variable.by)) {
      for (T& value : values) visit(value);
    } else if (variable.by == By::synapse) {
      const Connection& connection = network.connections[variable.owner];
      for (const std::uint64_t s :
           order_by_target(connection.synapses, network.layout, neurons(connection.description->to)))
        visit(values[s]);
    } else {
      const std::size_t history = variable.history;
      for (std::size_t n = 0; n < neurons(variable.owner); ++n)
        for (std::size_t h = 0; h < history; ++h) visit(values[(n / kBlock * history + h) * kBlock + n % kBlock]);
    }
  }

  void operator()(const SpikeLanes& lanes) const {
    for (std::size_t n = 0; n < neurons(variable.owner); ++n)
      for (std::size_t block = n / kBlock; block < lanes.words.size(); block += lanes.blocks) {
        std::uint16_t& word = lanes.words[block];
        auto spiked = static_cast<std::uint8_t>(word >> n % kBlock & 1);
        visit(spiked);
        word = static_cast<std::uint16_t>((word & ~(1u << n % kBlock)) | (spiked & 1u) << n % kBlock);
      }
  }
};

template <class Visit>
void visit_values(const Network& network, const Variable& variable, Visit&& visit) {
  std::visit(Values<std::remove_reference_t<Visit>>{network, variable, visit}, variable.data);
}

std::string packed(const Network& network, const Variable& variable) {
  std::string bytes;
  visit_values(network, variable,
               [&](auto& value) { bytes.append(reinterpret_cast<const char*>(&value), sizeof value); });
  return bytes;
}

void unpack(const std::string& bytes, const Network& network, const Variable& variable) {
  const char* from = bytes.data();
  visit_values(network, variable, [&](auto& value) {
    std::memcpy(&value, from, sizeof value);
    from += sizeof value;
  });
}

const std::string& owner_of(const Variable& variable, const SimulationDescription& simulation) {
  switch (variable.by) {
    case By::neuron:
    case By::device:
      return simulation.populations[variable.owner].name;
    case By::synapse:
      return simulation.connections[variable.owner].name;
    case By::source:
      break;
  }
  return simulation.sources[variable.owner].name;
}

// The finaliser of SplitMix64.
std::uint64_t mixed(std::uint64_t key) {
  key += 0x9e3779b97f4a7c15u;
  key = (key ^ key >> 30) * 0xbf58476d1ce4e5b9u;
  key = (key ^ key >> 27) * 0x94d049bb133111ebu;
  return key ^ key >> 31;
}

// Name, owner and kind of a variable, as a checkpoint has them.
SavedVariable header_of(const Variable& variable, const SimulationDescription& simulation) {
  return {variable.name, owner_of(variable, simulation), static_cast<std::uint8_t>(variable.by), ""};
}

bool same_variable(const SavedVariable& a, const SavedVariable& b) {
  return a.name == b.name && a.owner == b.owner && a.by == b.by;
}

std::string named(const SavedVariable& variable) { return fmt::format("'{}' of '{}'", variable.name, variable.owner); }

void refuse_unknown(const std::vector<SavedVariable>& saved, const Network& network,
                    const SimulationDescription& simulation) {
  for (const SavedVariable& variable : saved) {
    const bool known = std::ranges::any_of(network.variables.all(), [&](const Variable& v) {
      return v.saved && same_variable(variable, header_of(v, simulation));
    });
    if (!known)
      throw IoError(fmt::format("the checkpoint has {}, this network has not; resume with the build that wrote it",
                                named(variable)));
  }
}

// The values of a variable in a checkpoint, which are `bytes` in this network.
const std::string& values_in(const std::vector<SavedVariable>& saved, const SavedVariable& header, std::size_t bytes) {
  const auto found = std::ranges::find_if(saved, [&](const SavedVariable& v) { return same_variable(v, header); });
  if (found == saved.end())
    throw IoError(
        fmt::format("this network has {}, the checkpoint has not; resume with the build that wrote it", named(header)));
  if (bytes != found->values.size())
    throw IoError(
        fmt::format("{} is {} bytes in the checkpoint and {} in this network; have files that the "
                    "description names changed?",
                    named(header), found->values.size(), bytes));
  return found->values;
}

// Of values by source each rank has those that it hears, the same as others that do, and bits that are 0.
std::string heard_by_any(const std::vector<std::string>& parts) {
  std::string all(parts.front().size(), '\0');
  for (const std::string& part : parts)
    std::ranges::transform(part, all, all.begin(), [](char a, char b) { return static_cast<char>(a | b); });
  return all;
}

// Of ranks, which hold ascending ranges of neurons.
SpikeHistory::Saved merged(const std::vector<SpikeHistory::Saved>& parts) {
  SpikeHistory::Saved all{.end = parts.front().end, .count = {}, .ids = {}};
  std::vector<std::size_t> taken(parts.size(), 0);
  for (std::size_t s = 0; s < parts.front().count.size(); ++s) {
    all.count.push_back(0);
    for (std::size_t r = 0; r < parts.size(); ++r) {
      const std::uint32_t count = parts[r].count[s];
      const auto first = parts[r].ids.begin() + static_cast<std::ptrdiff_t>(taken[r]);
      all.ids.insert(all.ids.end(), first, first + count);
      all.count.back() += count;
      taken[r] += count;
    }
  }
  return all;
}

}  // namespace

std::vector<SpikeHistory::Saved> gather_sources(OwnSpikes own, const SimulationDescription& simulation,
                                                Communicator& comm) {
  std::vector<SpikeHistory::Saved> sources;
  for (std::size_t s = 0; s < own.size(); ++s) {
    const SpikeHistory::Saved saved = own[s]->save();
    if (!simulation.sources[s].is_population) {
      sources.push_back(saved);
      continue;
    }
    std::vector<SpikeHistory::Saved> parts;
    for (const std::string& part : comm.gather(to_bytes(saved))) parts.push_back(from_bytes<SpikeHistory::Saved>(part));
    if (comm.rank() == 0) sources.push_back(merged(parts));
  }
  return sources;
}

SpikeHistory::Saved part_of(const SpikeHistory::Saved& saved, LocalRange range) {
  SpikeHistory::Saved part{.end = saved.end, .count = {}, .ids = {}};
  auto id = saved.ids.begin();
  for (const std::uint32_t count : saved.count) {
    const std::size_t before = part.ids.size();
    for (std::uint32_t i = 0; i < count; ++i, ++id)
      if (range.holds(*id)) part.ids.push_back(*id);
    part.count.push_back(static_cast<std::uint32_t>(part.ids.size() - before));
  }
  return part;
}

std::vector<std::uint64_t> order_by_target(const Synapses& synapses, EpochLayout layout, std::size_t neurons) {
  std::vector<std::uint64_t> next(neurons + 1, 0);
  for (const std::uint32_t target : synapses.target) ++next[layout.neuron_of(target) + 1];
  std::partial_sum(next.begin(), next.end(), next.begin());
  std::vector<std::uint64_t> order(synapses.size());
  for (std::uint64_t s = 0; s < synapses.size(); ++s) order[next[layout.neuron_of(synapses.target[s])]++] = s;
  return order;
}

std::vector<OwnVariable> lasting_variables(const Network& network, std::size_t population,
                                           const SimulationDescription& simulation) {
  std::vector<OwnVariable> result;
  for (const StateText& state : simulation.populations[population].cell.text->states)
    result.push_back({network.variables.find(By::neuron, population, state.name), state.name});
  return result;
}

std::vector<OwnVariable> lasting_variables(const Network& network, const Connection& connection) {
  const std::string prefix = connection.description->name + ".";
  std::vector<OwnVariable> result;
  for (const Variable& variable : network.variables.all()) {
    if (!variable.name.starts_with(prefix)) continue;
    const bool weight = variable.name == prefix + "weight";
    const bool by_step = variable.history > 1 || std::holds_alternative<SpikeLanes>(variable.data);
    if (weight || (variable.saved && !by_step)) result.push_back({&variable, variable.name.substr(prefix.size())});
  }
  return result;
}

std::string gather_values(const Network& network, const Variable& variable, Communicator& comm) {
  // Ranks hold ascending ranges of neurons.
  std::vector<std::string> parts = comm.gather(packed(network, variable));
  if (comm.rank() != 0) return {};
  if (variable.by == By::source) parts = {heard_by_any(parts)};
  if (variable.by == By::device) parts.resize(1);
  std::string values;
  for (const std::string& part : parts) values += part;
  return values;
}

void scatter_values(Network& network, const Variable& variable, Communicator& comm,
                    const std::function<const std::string&(std::size_t bytes)>& values) {
  const std::vector<std::string> sizes = comm.gather(to_bytes(packed(network, variable).size()));
  std::vector<std::string> parts;
  agree(comm, [&] {
    if (comm.rank() != 0) return;
    const bool shared = is_shared(variable.by);
    std::vector<std::size_t> bytes;
    for (const std::string& size : sizes) bytes.push_back(from_bytes<std::size_t>(size));
    const std::string& all =
        values(shared ? bytes.front() : std::accumulate(bytes.begin(), bytes.end(), std::size_t{0}));
    std::size_t at = 0;
    for (const std::size_t part : bytes) {
      parts.push_back(all.substr(at, part));
      if (!shared) at += part;
    }
  });
  unpack(comm.scatter(parts), network, variable);
}

std::string SavedWiring::text() const { return fmt::format("{} synapses, {:016x}", synapses, pairs); }

SavedWiring SavedWiring::read(const std::string& connection, const std::string& text) {
  SavedWiring wiring{.connection = connection};
  if (std::sscanf(text.c_str(), "%" SCNu64 " synapses, %" SCNx64, &wiring.synapses, &wiring.pairs) != 2)
    throw ConfigError(fmt::format("'{}' says no wiring", text));
  return wiring;
}

std::vector<SavedWiring> gather_wirings(const Network& network, Communicator& comm) {
  std::vector<SavedWiring> wirings;
  for (const Connection& connection : network.connections)
    if (connection.plasticity) wirings.push_back(wiring_of(network, connection, comm));
  return wirings;
}

// Sums of hashes of pairs, which no order changes.
SavedWiring wiring_of(const Network& network, const Connection& connection, Communicator& comm) {
  const Synapses& synapses = connection.synapses;
  const NeuronId first = network.populations[connection.description->to]->range().first;
  SavedWiring wiring{.connection = connection.description->name, .synapses = synapses.size()};
  synapses.each([&](std::uint32_t row, std::uint64_t s) {
    const std::uint64_t post = first + network.layout.neuron_of(synapses.target[s]);
    wiring.pairs += mixed(std::uint64_t{synapses.heard[row]} << 32 | post);
  });
  const SavedWiring own = wiring;
  wiring.synapses = wiring.pairs = 0;
  for (const std::string& part : comm.gather(to_bytes(own))) {
    const auto of_rank = from_bytes<SavedWiring>(part);
    wiring.synapses += of_rank.synapses;
    wiring.pairs += of_rank.pairs;
  }
  return wiring;
}

void check_shared_state(const SimulationState& state, const SimulationDescription& simulation) {
  if (state.now < 0 || state.now > simulation.end() || state.sources.size() != simulation.sources.size() ||
      state.limits.size() != simulation.limits.size())
    throw IoError(kOtherNetwork);
  for (std::size_t s = 0; s < state.sources.size(); ++s) {
    // Stimuli are drawn ahead.
    const Step ahead = s < simulation.populations.size() ? 0 : kLongestEpoch + SpikeMaker::kMostAhead;
    if (!is_history(state.sources[s], state.now, state.now + ahead, simulation.sources[s].size))
      throw IoError(kOtherNetwork);
  }
}

std::vector<SavedVariable> gather_variables(const Network& network, const SimulationDescription& simulation,
                                            Communicator& comm) {
  std::vector<SavedVariable> saved;
  for (const Variable& variable : network.variables.all()) {
    if (!variable.saved) continue;
    std::string values = gather_values(network, variable, comm);
    if (comm.rank() != 0) continue;
    saved.push_back(header_of(variable, simulation));
    saved.back().values = std::move(values);
  }
  return saved;
}

void scatter_variables(const std::vector<SavedVariable>& saved, Network& network,
                       const SimulationDescription& simulation, Communicator& comm) {
  agree(comm, [&] {
    if (comm.rank() == 0) refuse_unknown(saved, network, simulation);
  });
  for (const Variable& variable : network.variables.all()) {
    if (!variable.saved) continue;
    scatter_values(network, variable, comm, [&](std::size_t bytes) -> const std::string& {
      return values_in(saved, header_of(variable, simulation), bytes);
    });
  }
}

}  // namespace lpl::spiking
