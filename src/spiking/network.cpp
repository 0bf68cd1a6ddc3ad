#include "spiking/network.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/errors.hpp"
#include "spiking/model/equations.hpp"
#include "spiking/record/record.hpp"

namespace lpl::spiking {
namespace {

constexpr std::uint64_t kPositions = std::uint64_t{1} << 32;  // places of synapses and of their targets have 32 bits

void check_fits(const Population& population, EpochLayout layout, int ranks) {
  const std::uint64_t share = (population.size - 1) / static_cast<std::uint64_t>(ranks) + 1;
  if (layout.size(blocks_for(share)) > kPositions)
    throw ConfigError(fmt::format(
        "population '{}': {} neurons on {} ranks are {} a rank; at most {} are possible, so take more ranks",
        population.name, population.size, ranks, share, kPositions / layout.slots()));
}

}  // namespace

Network::Network(const SimulationDescription& simulation, int rank, int ranks) : layout(longest_epoch(simulation)) {
  std::vector<Neurons::Needs> needs(simulation.populations.size());
  for (std::size_t p = 0; p < needs.size(); ++p)
    needs[p].receptors.assign(simulation.populations[p].cell.text->receptors.size(), false);
  for (const ConnectionDescription& c : simulation.connections) {
    needs[c.to].receptors[c.receptor] = true;
    if (!c.rule) continue;
    needs[c.to].spike_lanes_kept = std::max(needs[c.to].spike_lanes_kept, c.rule->own_memory);
    needs[c.to].kept.insert(c.rule->follows.begin(), c.rule->follows.end());
  }
  for (const auto& device : simulation.devices) {
    Neurons::Needs& target = needs[device->population];
    if (const auto receptor = device->receptor())
      target.receptors[*receptor] = true;
    else if (device->injects())
      target.injections = true;
    else
      target.devices = true;
  }
  for (const auto& record : simulation.records)
    if (const auto population = record->clamped()) needs[*population].unclamped = true;
  for (std::size_t p = 0; p < simulation.populations.size(); ++p) {
    const Population& population = simulation.populations[p];
    check_fits(population, layout, ranks);
    populations.push_back(std::make_unique<Neurons>(population, local_range(population.size, rank, ranks), layout,
                                                    simulation.dt, simulation.seed, needs[p]));
  }
  source_memory.assign(simulation.sources.size(), 0);
  connections.reserve(simulation.connections.size());  // plasticity refers to the synapses in place
  for (const ConnectionDescription& c : simulation.connections) {
    Neurons& target = *populations[c.to];
    Connection& connection = connections.emplace_back();
    connection.description = &c;
    connection.synapses = build_synapses(simulation, c, target.range(), layout);
    Step& memory = source_memory[c.from];
    memory = std::max(memory, connection.synapses.longest + kLongestEpoch);
    const NeuronId pre_size = simulation.sources[c.from].size;
    if (c.short_term)
      connection.short_term =
          c.short_term->make({.connection = c, .synapses = connection.synapses, .pre_size = pre_size});
    if (!c.rule) continue;
    memory = std::max(memory, c.rule->source_memory + kLongestEpoch);
    for (const auto& listening : c.rule->listens)
      source_memory[listening.source] = std::max(source_memory[listening.source], listening.memory + kLongestEpoch);
    connection.plasticity = c.rule->make({.connection = c,
                                          .index = connections.size() - 1,
                                          .synapses = connection.synapses,
                                          .pre_size = pre_size,
                                          .input = target.input(c.receptor),
                                          .post = target,
                                          .layout = layout,
                                          .plasticity_block = simulation.plasticity_block,
                                          .short_term = connection.short_term.get()});
  }
  for (const auto& device : simulation.devices)
    actors.push_back(device->make(simulation.dt, simulation.seed, *populations[device->population]));
  list_variables(simulation);
}

void Network::list_variables(const SimulationDescription& simulation) {
  for (std::size_t p = 0; p < populations.size(); ++p) populations[p]->list(variables, p);
  for (std::size_t c = 0; c < connections.size(); ++c) {
    Connection& connection = connections[c];
    const ConnectionDescription& d = *connection.description;
    if (connection.short_term) connection.short_term->list(variables);
    if (connection.plasticity) connection.plasticity->list(variables);
    variables.add({.name = d.name + ".weight",
                   .unit = unit_of(simulation.receptor_of(d).weight),
                   .by = By::synapse,
                   .owner = c,
                   .data = std::span<float>(connection.synapses.weight),
                   .saved = d.rule != nullptr});
  }
  for (const auto& actor : actors) actor->list(variables);
}

std::size_t Network::synapses() const {
  std::size_t sum = 0;
  for (const Connection& connection : connections) sum += connection.synapses.size();
  return sum;
}

std::size_t Network::bytes() const {
  std::size_t sum = variables.bytes();
  for (const auto& population : populations) sum += population->buffer_bytes();
  for (const auto& actor : actors) sum += actor->buffer_bytes();
  for (const Connection& connection : connections) {
    sum += connection.synapses.wiring_bytes();
    if (connection.plasticity) sum += connection.plasticity->buffer_bytes();
  }
  return sum;
}

}  // namespace lpl::spiking
