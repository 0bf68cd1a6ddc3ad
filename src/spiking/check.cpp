#include "spiking/check.hpp"

#include <fmt/format.h>

#include "spiking/engine.hpp"

namespace lpl {

void check_network(const SimulationDescription& simulation, Communicator& comm) {
  const Engine engine(simulation, comm);
  std::vector<std::int64_t> created;
  for (const Connection& connection : engine.network().connections)
    created.push_back(static_cast<std::int64_t>(connection.synapses.size()));
  comm.sum(created);
  const std::int64_t largest = comm.max(static_cast<std::int64_t>(engine.network().bytes()));
  if (comm.rank() != 0) return;

  static constexpr const char* kModels[] = {"if", "aif", "lif", "parrot"};
  static constexpr const char* kReceptors[] = {"AMPA", "NMDA", "GABA"};
  fmt::print("step {} s, minimum delay {} s, seed {}\n", simulation.dt, simulation.seconds(simulation.min_delay),
             simulation.seed);
  for (const Population& population : simulation.populations)
    fmt::print("population   {:<16} {:>9} neurons, model {}\n", population.name, population.size,
               kModels[static_cast<int>(population.cell.model)]);
  for (const SpikingStimulus& stimulus : simulation.stimuli)
    fmt::print("stimulus     {:<16} {:>9} inputs\n", stimulus.name, stimulus.size);
  for (std::size_t i = 0; i < simulation.connections.size(); ++i) {
    const ConnectionDescription& c = simulation.connections[i];
    fmt::print("connection   {:<16} {} -> {}, {}, delay {} s, {}: {} synapses created, {:.0f} expected\n", c.name,
               simulation.sources[c.from].name, simulation.populations[c.to].name,
               kReceptors[static_cast<int>(c.receptor)], simulation.seconds(c.delay),
               c.rule ? "rule " + c.rule_name : "static", created[i], expected_synapses(simulation, c));
  }
  for (const Phase& phase : simulation.phases)
    fmt::print("phase        {:<16} {} s to {} s\n", phase.name, simulation.seconds(phase.begin),
               simulation.seconds(phase.end));
  fmt::print("memory       {:.1f} MiB on the fullest of {} ranks\n", static_cast<double>(largest) / (1 << 20),
             comm.size());
}

}  // namespace lpl
