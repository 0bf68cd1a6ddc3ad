#include "spiking/state.hpp"

#include <fmt/format.h>

#include <algorithm>
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

// Calls visit(synapse) by postsynaptic, then presynaptic neuron.
template <class Visit>
void for_each_by_target(const Synapses& synapses, EpochLayout layout, std::size_t neurons, Visit&& visit) {
  std::vector<std::uint64_t> next(neurons + 1, 0);
  for (const std::uint32_t target : synapses.target) ++next[layout.neuron_of(target) + 1];
  std::partial_sum(next.begin(), next.end(), next.begin());
  std::vector<std::uint64_t> order(synapses.size());
  for (std::uint64_t s = 0; s < synapses.size(); ++s) order[next[layout.neuron_of(synapses.target[s])]++] = s;
  for (const std::uint64_t s : order) visit(s);
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
    if (is_shared(variable.by)) {
      for (T& value : values) visit(value);
    } else if (variable.by == By::synapse) {
      const Connection& connection = network.connections[variable.owner];
      for_each_by_target(connection.synapses, network.layout, neurons(connection.description->to),
                         [&](std::uint64_t s) { visit(values[s]); });
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

// The parts of ranks that hold `sizes` bytes of a variable.
std::vector<std::string> parts_of(const std::vector<SavedVariable>& saved, const SavedVariable& header,
                                  const std::vector<std::string>& sizes, bool shared) {
  const auto found = std::ranges::find_if(saved, [&](const SavedVariable& v) { return same_variable(v, header); });
  if (found == saved.end())
    throw IoError(
        fmt::format("this network has {}, the checkpoint has not; resume with the build that wrote it", named(header)));
  std::vector<std::string> parts;
  std::size_t at = 0;
  for (const std::string& size : sizes) {
    const std::size_t bytes = from_bytes<std::size_t>(size);
    if (shared) at = 0;
    if (at + bytes <= found->values.size()) parts.push_back(found->values.substr(at, bytes));
    at += bytes;
  }
  if (at != found->values.size())
    throw IoError(
        fmt::format("{} is {} bytes in the checkpoint and {} in this network; have files that the "
                    "description names changed?",
                    named(header), found->values.size(), at));
  return parts;
}

// Of values by source, float and not negative, each rank has those that it hears, and 0.
std::string largest_of(const std::vector<std::string>& parts) {
  std::vector<float> largest(parts.front().size() / sizeof(float), 0.0f), part(largest.size());
  for (const std::string& bytes : parts) {
    std::memcpy(part.data(), bytes.data(), bytes.size());
    std::ranges::transform(part, largest, largest.begin(), [](float a, float b) { return std::max(a, b); });
  }
  return {reinterpret_cast<const char*>(largest.data()), parts.front().size()};
}

}  // namespace

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
    // Ranks hold ascending ranges of neurons.
    std::vector<std::string> parts = comm.gather(packed(network, variable));
    if (comm.rank() != 0) continue;
    if (variable.by == By::source) parts = {largest_of(parts)};
    if (variable.by == By::device) parts.resize(1);
    saved.push_back(header_of(variable, simulation));
    for (const std::string& part : parts) saved.back().values += part;
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
    const std::vector<std::string> sizes = comm.gather(to_bytes(packed(network, variable).size()));
    std::vector<std::string> parts;
    agree(comm, [&] {
      if (comm.rank() == 0) parts = parts_of(saved, header_of(variable, simulation), sizes, is_shared(variable.by));
    });
    unpack(comm.scatter(parts), network, variable);
  }
}

}  // namespace lpl::spiking
