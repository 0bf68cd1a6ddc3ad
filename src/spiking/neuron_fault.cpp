#include "spiking/neuron_fault.hpp"

#include <fmt/format.h>

#include <array>
#include <limits>
#include <string>

#include "core/errors.hpp"
#include "spiking/model/equations.hpp"

namespace lpl::spiking {

namespace {

std::string what_is_wrong(Fault what, std::int64_t neuron, const std::string& state, double time) {
  switch (what) {
    case Fault::substeps:
      return fmt::format(
          "neuron {} needs more than {} sub-steps of rkf45 in the step at {:.10g} s: its equations diverge there, or a "
          "tolerance is too small for their numbers; look at them, or allow a larger error",
          neuron, kMostTrials, time);
    case Fault::spikes:
      return fmt::format(
          "neuron {} would spike more than {} times in the step at {:.10g} s, or no number of times; look at "
          "'count' and the weights that arrive",
          neuron, kMostSpikes, time);
    case Fault::state:
      break;
  }
  return fmt::format(
      "'{}' of neuron {} is no finite number at {:.10g} s: its equations diverge; take a shorter dt or "
      "another method, or look at its parameters and inputs",
      state, neuron, time);
}

}  // namespace

void end_at_fault(const std::optional<NeuronFault>& fault, const SimulationDescription& simulation,
                  Communicator& comm) {
  // The least of all ranks, number by number.
  constexpr auto kWell = std::numeric_limits<std::int64_t>::max();
  std::array<std::int64_t, 5> first;
  first.fill(kWell);
  if (fault)
    first = {fault->step, static_cast<std::int64_t>(fault->population), fault->neuron,
             static_cast<std::int64_t>(fault->what), static_cast<std::int64_t>(fault->state)};
  bool is_first = true;
  for (std::int64_t& number : first) {
    const std::int64_t least = -comm.max(is_first ? -number : -kWell);
    if (least == kWell) return;
    is_first = is_first && number == least;
    number = least;
  }
  const Population& population = simulation.populations[static_cast<std::size_t>(first[1])];
  const std::string& state = population.cell.text->states[static_cast<std::size_t>(first[4])].name;
  throw Error(fmt::format("population '{}': {}", population.name,
                          what_is_wrong(static_cast<Fault>(first[3]), first[2], state, simulation.seconds(first[0]))));
}

}  // namespace lpl::spiking
