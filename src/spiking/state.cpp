#include "spiking/state.hpp"

#include <algorithm>
#include <iterator>
#include <numeric>

#include "io/checkpoint.hpp"
#include "spiking/poisson.hpp"

namespace lpl::spiking {
namespace {

struct Save {
  NeuronStates& states;
  template <class T>
  void operator()(std::size_t neuron, T& value) const {
    states[neuron].append(reinterpret_cast<const char*>(&value), sizeof value);
  }
};

[[noreturn]] void throw_mismatch() {
  throw IoError(
      "the checkpoint is of another network than the description's; have files that the description names changed?");
}

// Of a source whose spikes are known up to a step of [first, last].
bool is_history(const SpikeHistory::Saved& saved, Step first, Step last, NeuronId neurons) {
  return saved.end >= first && saved.end <= last && static_cast<Step>(saved.count.size()) <= saved.end &&
         std::accumulate(saved.count.begin(), saved.count.end(), std::uint64_t{0}) == saved.ids.size() &&
         std::ranges::all_of(saved.ids, [&](NeuronId id) { return id < neurons; });
}

struct Load {
  const NeuronStates& states;
  std::vector<std::size_t> position;
  template <class T>
  void operator()(std::size_t neuron, T& value) {
    std::size_t& at = position[neuron];
    if (at + sizeof value > states[neuron].size()) throw_mismatch();
    std::memcpy(&value, states[neuron].data() + at, sizeof value);
    at += sizeof value;
  }
  void check_all_used() const {
    for (std::size_t n = 0; n < states.size(); ++n)
      if (position[n] != states[n].size()) throw_mismatch();
  }
};

}  // namespace

void check_shared_state(const SimulationState& state, const SimulationDescription& simulation, Network& network) {
  const std::vector<Connection>& connections = network.connections;
  if (state.now < 0 || state.now > simulation.end() || state.sources.size() != simulation.sources.size() ||
      state.presynaptic_traces.size() != connections.size())
    throw_mismatch();
  for (std::size_t s = 0; s < state.sources.size(); ++s) {
    // Stimuli are drawn ahead.
    const Step ahead = s < simulation.populations.size() ? 0 : kLongestEpoch + PoissonGenerator::kSegment;
    if (!is_history(state.sources[s], state.now, state.now + ahead, simulation.sources[s].size)) throw_mismatch();
  }
  for (std::size_t c = 0; c < connections.size(); ++c) {
    SymmetricStdp* const stdp = connections[c].stdp.get();
    if (state.presynaptic_traces[c].size() != (stdp ? stdp->presynaptic_trace().size() : 0)) throw_mismatch();
  }
}

std::vector<NeuronStates> gather_neurons(Network& network, Communicator& comm) {
  std::vector<NeuronStates> all(network.populations.size());
  for (std::size_t p = 0; p < all.size(); ++p) {
    NeuronStates local(network.populations[p]->range().count);
    network.visit_state(p, Save{local});
    // Ranks hold ascending ranges of neurons.
    for (std::string& part : comm.gather(to_bytes(local))) {
      auto states = from_bytes<NeuronStates>(std::move(part));
      std::move(states.begin(), states.end(), std::back_inserter(all[p]));
    }
  }
  return all;
}

void scatter_neurons(std::vector<NeuronStates>& states, const SimulationDescription& simulation, Network& network,
                     Communicator& comm) {
  for (std::size_t p = 0; p < network.populations.size(); ++p) {
    const NeuronId size = simulation.populations[p].size;
    std::vector<std::string> parts(static_cast<std::size_t>(comm.size()));
    agree(comm, [&] {
      if (comm.rank() != 0) return;
      if (states.size() != network.populations.size() || states[p].size() != size) throw_mismatch();
      for (int rank = 0; rank < comm.size(); ++rank) {
        const LocalRange range = local_range(size, rank, comm.size());
        const auto first = std::make_move_iterator(states[p].begin() + range.first);
        parts[static_cast<std::size_t>(rank)] = to_bytes(NeuronStates(first, first + range.count));
      }
    });
    std::string part = comm.scatter(parts);
    agree(comm, [&] {
      const auto local = from_bytes<NeuronStates>(std::move(part));
      Load load{local, std::vector<std::size_t>(local.size(), 0)};
      network.visit_state(p, load);
      load.check_all_used();
    });
  }
}

}  // namespace lpl::spiking
