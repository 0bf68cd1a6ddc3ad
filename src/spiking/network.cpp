#include "spiking/network.hpp"

#include <algorithm>

namespace lpl::spiking {

Network::Network(const SimulationDescription& simulation, int rank, int ranks) : layout(longest_epoch(simulation)) {
  std::vector<Neurons::Needs> needs(simulation.populations.size());
  for (const ConnectionDescription& c : simulation.connections) {
    if (c.receptor == Receptor::nmda) needs[c.to].nmda_input = true;
    if (c.rule)
      if (const auto* rule = std::get_if<LplRule>(&*c.rule))
        needs[c.to].spike_lanes_kept = std::max(needs[c.to].spike_lanes_kept,
                                                LplPlasticity::own_memory(*rule, simulation.dt, simulation.min_delay));
  }
  for (const Device& device : simulation.devices) needs[device.population].devices = true;
  for (std::size_t p = 0; p < simulation.populations.size(); ++p) {
    const Population& population = simulation.populations[p];
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
    memory = std::max(memory, c.delay + kLongestEpoch);
    if (!c.rule) continue;
    if (const auto* lpl_rule = std::get_if<LplRule>(&*c.rule)) {
      connection.lpl = std::make_unique<LplPlasticity>(*lpl_rule, c, simulation.dt, simulation.min_delay,
                                                       simulation.plasticity_block, target.blocks(), layout,
                                                       connection.synapses.size());
      memory = std::max(memory, connection.lpl->source_memory() + kLongestEpoch);
    } else {
      connection.stdp =
          std::make_unique<SymmetricStdp>(std::get<SymmetricStdpRule>(*c.rule), c.delay, simulation.dt,
                                          connection.synapses, layout, target.blocks(), target.input(c.receptor));
    }
  }
}

std::size_t Network::synapses() const {
  std::size_t sum = 0;
  for (const Connection& connection : connections) sum += connection.synapses.size();
  return sum;
}

std::size_t Network::bytes() const {
  std::size_t sum = 0;
  for (const auto& population : populations) sum += population->bytes();
  for (const Connection& connection : connections) {
    sum += connection.synapses.bytes();
    if (connection.lpl) sum += connection.lpl->bytes();
    if (connection.stdp) sum += connection.stdp->bytes();
  }
  return sum;
}

}  // namespace lpl::spiking
