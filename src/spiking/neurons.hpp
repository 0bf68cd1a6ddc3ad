// The neurons of one population that live on this rank: state, input buffers and their advance over an epoch.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <vector>

#include "comm/spike_exchange.hpp"
#include "core/aligned.hpp"
#include "spiking/description.hpp"
#include "spiking/layout.hpp"
#include "spiking/model/kernel.hpp"
#include "spiking/model/model.hpp"
#include "spiking/neuron_fault.hpp"
#include "spiking/synapses.hpp"
#include "spiking/variables.hpp"

namespace lpl::spiking {

class Neurons {
 public:
  // What the rest of the network asks of this population.
  struct Needs {
    std::vector<bool> receptors;      // that synapses lead to
    bool devices = false;             // clamps or currents act on it
    bool injections = false;          // spikes are added to its own
    bool unclamped = false;           // records look at membranes before clamps
    std::set<std::size_t> kept = {};  // states of which rules want the values of every step
    Step spike_lanes_kept = 0;        // steps of its own spikes that plasticity looks back on; 0: none
  };

  Neurons(const Population& population, LocalRange range, EpochLayout layout, double dt, std::uint64_t seed,
          const Needs& needs);

  const LocalRange& range() const { return range_; }
  std::size_t blocks() const { return blocks_; }

  // Input of an epoch by receptor; add weights at slot * kBlock + target.
  float* input(std::size_t receptor) { return input_[receptor].data(); }
  const EpochLayout& layout() const { return layout_; }
  // Where those of these neurons that live here lie in slot 0 of buffers.
  std::vector<std::uint32_t> cells_of(const std::vector<NeuronId>& neurons) const;
  // Where devices act: lets go of clamps, currents and injected spikes.
  void release();
  // Device buffers of the epoch, [block][slot][16]; only with needs.devices. A clamp of NaN leaves a neuron free.
  float* clamp() { return clamp_.data(); }
  const float* clamp() const { return clamp_.data(); }
  // The potential just before clamps act, as clamp(); only with needs.unclamped.
  const float* unclamped() const { return unclamped_.data(); }
  float* current(std::size_t input) { return current_[input].data(); }
  // Adds a spike of a neuron that lives here, in a slot of the epoch; only with needs.injections.
  void inject(NeuronId id, std::size_t slot) {
    const std::size_t cell = layout_.target_of(id - range_.first);
    injected_[cell / kBlock + slot] |= static_cast<std::uint16_t>(1u << cell % kBlock);
  }

  // Advances all neurons over `steps` steps from step `first`. `spikes` gets the spikes in (step, id) order.
  void advance(Step first, std::uint32_t steps, BlockHook* hook, std::uint32_t* event_steps, EpochSpikes& spikes);

  // Of these neurons, which are population `population`: the first that could not do a step of the epoch that began at
  // `first`, and the first with a state that is no finite number, before step `now`.
  std::optional<NeuronFault> failed(std::size_t population, Step first) const;
  std::optional<NeuronFault> unsound(std::size_t population, Step now) const;

  // A state as it is when steps of the epoch begin, [block][slot][16]; only with needs.kept.
  const float* kept(std::size_t state) const { return kept_[state].data(); }
  // The potential after integration, [block][slot][16], and spike lanes, [ring][block], for plasticity.
  const float* integrated_potential() const { return V_integrated_.data(); }
  const std::uint16_t* spike_lanes() const { return spike_lanes_.data(); }
  std::size_t ring() const { return ring_; }

  // The variables of this population, which has index `population`.
  void list(Variables& variables, std::size_t population);

  // Of buffers, beside the variables.
  std::size_t buffer_bytes() const;

 private:
  std::unique_ptr<NeuronModel> kernel(const Population& population, double dt, std::uint64_t seed) const;
  template <class T>
  std::unique_ptr<NeuronModel> machine(const Population& population, double dt, std::uint64_t seed) const;
  void gather_arrays(const KernelEntry* kernel);
  void check(const Population& population, double dt, std::uint64_t seed) const;
  void start(const Population& population, double dt, std::uint64_t seed);
  void set_state(std::size_t state, std::size_t neuron, double value);
  void keep_spike_lanes(Step first, std::uint32_t steps);
  void sort_spikes(std::uint32_t steps, EpochSpikes& spikes);

  LocalRange range_;
  std::size_t blocks_;
  EpochLayout layout_;
  std::shared_ptr<const ModelText> text_;
  std::unique_ptr<NeuronModel> model_;
  std::size_t ring_ = 0;
  std::vector<std::uint16_t> lanes_;
  std::vector<AlignedVector<float>> state_;          // by state, where numbers are float
  std::vector<AlignedVector<double>> double_state_;  // where they are double
  std::vector<AlignedVector<float>> input_;          // by receptor
  std::vector<void*> state_arrays_;                  // as PopulationEpoch wants them: in the model's order
  std::vector<float*> input_arrays_;
  std::vector<const float*> added_arrays_;
  std::vector<AlignedVector<float>> kept_;  // by state
  std::vector<float*> kept_arrays_;
  AlignedVector<float> clamp_, unclamped_, V_integrated_;
  std::vector<AlignedVector<float>> current_;  // by input
  std::vector<std::uint16_t> injected_;        // lanes by block and slot
  std::vector<std::uint16_t> spike_lanes_;
  std::vector<BlockSpikes> fired_;
  std::vector<FailedStep> failed_;
};

}  // namespace lpl::spiking
