#include "spiking/check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "comm/gathering_exchange.hpp"
#include "spiking/engine.hpp"
#include "spiking/model/catalogue.hpp"
#include "spiking/plasticity/plasticity.hpp"
#include "spiking/result_size.hpp"
#include "spiking/short_term/short_term.hpp"
#include "spiking/stimulus/stimulus.hpp"

namespace lpl::spiking {
namespace {

void print_result_size(const SimulationDescription& simulation, const std::vector<double>& synapses) {
  const ResultSize size = result_size(simulation, synapses, kAssumedRate);
  const auto megabytes = [](double bytes) { return bytes * 1e-6; };
  fmt::print(
      "result file  about {:.3g} MB: spikes {:.3g}, rates and samples {:.3g}, weights {:.3g}; assumed: neurons "
      "fire at {:.0f} Hz\n",
      megabytes(size.all()), megabytes(size.spikes), megabytes(size.samples), megabytes(size.weights), kAssumedRate);
}

// A model, what runs it, and how its states move.
void print_population(const SimulationDescription& simulation, const Population& population) {
  const Cell& cell = population.cell;
  fmt::print("population   {:<16} {:>9} neurons, model {}, {}{}\n", population.name, population.size, cell.model,
             cell.is_double ? "float64" : "float32", cell.kernel ? ", by its kernel" : "");
  const CompiledModel compiled =
      compile(*cell.text, values_of(population, 0, simulation.seed), varying_parameters(cell), simulation.dt);
  for (const StateReport& state : compiled.report)
    fmt::print("             {:<16} {}: {}\n", state.name, state.method, state.update);
}

// When it may act; nothing where that is always.
std::string windows_of(const SimulationDescription& simulation, const StimulusDescription& stimulus) {
  const std::vector<StepRange>& windows = stimulus.windows;
  if (windows.size() == 1 && windows.front().begin == 0 && windows.front().end == kLongestRun) return {};
  std::string text;
  for (const StepRange& window : windows)
    if (window.begin < simulation.end())
      text += fmt::format(", {} s to {} s", simulation.seconds(window.begin),
                          simulation.seconds(std::min(window.end, simulation.end())));
  return text.empty() ? ", never" : text;
}

void print_device(const SimulationDescription& simulation, const Device& device) {
  const Population& target = simulation.populations[device.population];
  const auto receptor = device.receptor();
  fmt::print("device       {:<16} {:>9} neurons of {}, {}{}{}\n", device.name, device.neurons.size(), target.name,
             device.type, receptor ? " onto " + target.cell.text->receptors[*receptor].name : "",
             windows_of(simulation, device));
}

void print_rule(const ConnectionDescription& connection) {
  const std::string summary = connection.rule->summary();
  fmt::print("             {:<16} type {}{}\n", "rule " + connection.rule_name, connection.rule_type,
             summary.empty() ? "" : ": " + summary);
}

}  // namespace

void check_network(const SimulationDescription& simulation, Communicator& comm) {
  const Engine engine(simulation, comm);
  std::vector<std::int64_t> created;
  for (const Connection& connection : engine.network().connections)
    created.push_back(static_cast<std::int64_t>(connection.synapses.size()));
  comm.sum(created);
  const std::int64_t largest = comm.max(static_cast<std::int64_t>(engine.network().bytes()));
  if (comm.rank() != 0) return;

  fmt::print("step {} s, minimum delay {} s, seed {}\n", simulation.dt, simulation.seconds(simulation.min_delay),
             simulation.seed);
  for (const Population& population : simulation.populations) print_population(simulation, population);
  for (const auto& stimulus : simulation.stimuli)
    fmt::print("stimulus     {:<16} {:>9} inputs, {}{}\n", stimulus->name, stimulus->size, stimulus->type,
               windows_of(simulation, *stimulus));
  for (const auto& device : simulation.devices) print_device(simulation, *device);
  for (std::size_t i = 0; i < simulation.connections.size(); ++i) {
    const ConnectionDescription& c = simulation.connections[i];
    fmt::print("connection   {:<16} {} -> {}, {}, delay {}{} s, {}{}: {} synapses created, {:.0f} expected\n", c.name,
               simulation.sources[c.from].name, simulation.populations[c.to].name, simulation.receptor_of(c).name,
               c.delays ? "from " : "", simulation.seconds(c.delay), c.rule ? "rule " + c.rule_name : "static",
               c.short_term ? ", short-term " + c.short_term->model : "", created[i], c.wiring->expected());
    if (c.rule) print_rule(c);
  }
  for (const Phase& phase : simulation.phases)
    fmt::print("phase        {:<16} {} s to {} s\n", phase.name, simulation.seconds(phase.begin),
               simulation.seconds(phase.end));
  fmt::print("memory       {:.1f} MiB on the fullest of {} ranks\n", static_cast<double>(largest) / (1 << 20),
             comm.size());
  print_result_size(simulation, {created.begin(), created.end()});
}

namespace {

// Of one rank's part.
struct Part {
  double neurons = 0, synapses = 0, megabytes = 0;
  Hearing::Load heard;
  double kept_all = 0, kept_heard = 0;  // spikes that are remembered, where it gets all or what it hears
};

constexpr double kMebi = 1 << 20;

// Spikes travel and are remembered as 4 bytes each.
void print_exchange(const SimulationDescription& simulation, const std::vector<Part>& parts) {
  const int ranks = static_cast<int>(parts.size());
  Part most;
  for (const Part& part : parts) {
    most.neurons = std::max(most.neurons, part.neurons);
    most.heard.neurons = std::max(most.heard.neurons, part.heard.neurons);
    most.heard.partners = std::max(most.heard.partners, part.heard.partners);
    most.kept_all = std::max(most.kept_all, part.kept_all);
    most.kept_heard = std::max(most.kept_heard, part.kept_heard);
  }
  const ExchangeLoad load = load_of(simulation, ranks, most.heard, kAssumedRate);
  const ExchangeCost gathering = GatheringExchange::cost(load), directed = DirectedExchange::cost(load);
  const double routes = most.neurons * 8 * std::ceil(ranks / 64.0);
  fmt::print(
      "exchange     every {:.6g} s of model time; at {:.0f} Hz, of the rank that it costs most, between hosts:\n",
      load.steps * simulation.dt, kAssumedRate);
  const auto print = [](const char* name, const ExchangeCost& cost, double bytes) {
    fmt::print(
        "             {:<10} sends {:.6g} messages, {:.6g} bytes, and receives {:.6g} bytes; {:.4g} us, {:.4g} MiB\n",
        name, cost.messages, 4 * cost.sent, 4 * cost.received, cost.seconds * 1e6, bytes / kMebi);
  };
  print("all-gather", gathering, 4 * (gathering.received + 2 * gathering.sent + most.kept_all));
  print("directed", directed, 4 * (directed.received + directed.sent + most.kept_heard) + routes);
  if (ranks > 1)
    fmt::print("             {} ranks take the {}\n", ranks,
               choose_exchange(load) == ExchangeForm::directed ? "directed one" : "all-gather");
}

constexpr int kRanksListed = 16;

}  // namespace

void print_partition(const SimulationDescription& simulation, int ranks) {
  std::vector<Part> parts;
  std::vector<double> synapses(simulation.connections.size(), 0);
  for (int rank = 0; rank < ranks; ++rank) {
    const Network network(simulation, rank, ranks);
    Part& part = parts.emplace_back();
    for (const auto& population : network.populations) part.neurons += population->range().count;
    part.synapses = static_cast<double>(network.synapses());
    part.megabytes = static_cast<double>(network.bytes()) / kMebi;
    const Hearing hearing(network, simulation, rank, ranks);
    part.heard = hearing.load();
    for (std::size_t p = 0; p < simulation.populations.size(); ++p) {
      const double spikes = kAssumedRate * simulation.seconds(network.source_memory[p] + kLongestEpoch);
      part.kept_all += spikes * simulation.populations[p].size;
      part.kept_heard += spikes * hearing.neurons(p);
    }
    for (std::size_t c = 0; c < synapses.size(); ++c)
      synapses[c] += static_cast<double>(network.connections[c].synapses.size());
  }
  if (ranks <= kRanksListed)
    for (int rank = 0; rank < ranks; ++rank) {
      const Part& part = parts[static_cast<std::size_t>(rank)];
      fmt::print("rank {:<8}{:>12.0f} neurons {:>14.0f} synapses {:>10.2f} MiB\n", rank, part.neurons, part.synapses,
                 part.megabytes);
    }
  const auto print_spread = [&](const char* what, double Part::*value, const char* unit) {
    double sum = 0, most = 0, least = parts.front().*value;
    for (const Part& part : parts) {
      sum += part.*value;
      most = std::max(most, part.*value);
      least = std::min(least, part.*value);
    }
    const double mean = sum / ranks;
    fmt::print("{:<12} {:.6g}{} in all; by rank {:.6g} to {:.6g}, the fullest {:.3f} times the mean\n", what, sum, unit,
               least, most, mean > 0 ? most / mean : 1);
  };
  print_spread("neurons", &Part::neurons, "");
  print_spread("synapses", &Part::synapses, "");
  print_spread("memory", &Part::megabytes, " MiB");
  print_exchange(simulation, parts);
  print_result_size(simulation, synapses);
}

}  // namespace lpl::spiking
