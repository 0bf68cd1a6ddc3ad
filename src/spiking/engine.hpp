// The engine loop of a spiking simulation.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "comm/spike_exchange.hpp"
#include "core/progress.hpp"
#include "core/timers.hpp"
#include "io/checkpoint.hpp"
#include "spiking/description.hpp"
#include "spiking/limits.hpp"
#include "spiking/network.hpp"
#include "spiking/neuron_fault.hpp"
#include "spiking/recorder.hpp"
#include "spiking/routes.hpp"
#include "spiking/spike_history.hpp"
#include "spiking/state.hpp"
#include "spiking/stimulus/stimulus.hpp"
#include "spiking/underway.hpp"

namespace lpl::spiking {

// What a run did, on rank 0 for the whole job.
struct RunSummary {
  std::int64_t neurons = 0;
  std::int64_t synapses = 0;
  std::int64_t spikes = 0;        // of populations
  std::int64_t input_spikes = 0;  // of stimuli
  double build_seconds = 0;
  Laps::Times time;  // of the loop, since it was resumed; activities of this rank
  double model_seconds = 0;
  bool interrupted = false;  // by a signal
  std::string left_limit;    // what ended the run, if that did
  std::string exchange;      // how spikes travelled,
  Traffic traffic;           // and how much, on all ranks
};

class Engine {
 public:
  // Collective: builds the network. `simulation` and `comm` must outlive the engine. Results do not depend on how
  // spikes travel, which it finds out where nothing is wanted.
  Engine(const SimulationDescription& simulation, Communicator& comm, std::optional<ExchangeForm> wanted = {});

  // Collective, once: runs all phases, or what a checkpoint has left of them, and writes `path`; writes checkpoints at
  // their intervals, at the ends of phases, and when a signal asks to end. The last phase may be longer now than when
  // the checkpoint was written. Throws the same error on all ranks.
  RunSummary run(const std::string& path, const RunFacts& facts, ProgressStyle progress,
                 const CheckpointOptions& checkpoints = {});

  const Network& network() const { return *network_; }

 private:
  // The connections onto one population whose weights move within epochs, in order.
  struct Hooks final : BlockHook {
    std::vector<BlockHook*> members;
    std::vector<std::uint32_t> event_steps;  // by block
    void arrive(std::uint32_t block, std::uint32_t step) override {
      for (BlockHook* member : members) member->arrive(block, step);
    }
    void spiked(std::uint32_t block, std::uint32_t step, std::uint32_t lanes) override {
      for (BlockHook* member : members) member->spiked(block, step, lanes);
    }
  };

  Step epoch_end(Step now, Step phase_end, const Recorder& recorder) const;
  void run_phase(const Phase& phase, Recorder& recorder, Progress& progress);
  bool leaves_limit(Step now);
  bool ends_interval(Step from, Step to) const;
  bool ended() const { return interrupted_ || !left_limit_.empty(); }
  void end_phase(const Phase& phase, Recorder& recorder);
  void settle(Recorder& recorder);
  CheckpointKind checkpoint_kind() const;
  SimulationState read_state() const;
  void load(const SimulationState& state);
  void save(Recorder& recorder);
  void write_state(Recorder& recorder);
  void stimulate(Step from, Step to);
  void deliver(Step from, Step to, const Phase& phase);
  void deliver_connection(std::size_t index, Step begin, Step end, Step epoch_begin);
  void update(Step from, Step to);
  void look_at_neurons(Step now);
  void refuse_broken_numbers();
  void note(const std::optional<NeuronFault>& fault);
  void advance_traces(Step from, Step to);
  Signals finish_exchange(Step from, Step to);
  std::int64_t spikes_of_all() const;
  Traffic traffic_of_all() const;

  // Runs local work of this rank unless it has failed already; the failure travels with the next exchange.
  template <class Work>
  void guarded(Work&& work) {
    if (error_) return;
    try {
      work();
    } catch (...) {
      error_ = std::current_exception();
    }
  }

  const SimulationDescription& simulation_;
  Communicator& comm_;
  std::unique_ptr<Network> network_;
  std::vector<SpikeHistory> spikes_;                 // by source, all that are heard here
  std::vector<SpikeHistory> own_populations_;        // on one rank none: `spikes_` has them
  SpikeHistory silent_{0};                           // stands for stimuli where not on rank 0
  std::vector<const SpikeHistory*> own_;             // by source; see OwnSpikes
  std::vector<std::unique_ptr<SpikeMaker>> makers_;  // by stimulus
  std::vector<Hooks> hooks_;                         // by population
  std::unique_ptr<SpikeExchange> exchange_;
  std::vector<Underway> underway_;                      // by connection
  std::vector<EpochSpikes> local_spikes_, all_spikes_;  // by population
  CheckpointOptions checkpoints_;
  std::vector<InputFile> inputs_;
  std::unique_ptr<CheckpointSchedule> schedule_;
  std::unique_ptr<Limits> limits_;
  Step now_ = 0;
  bool interrupted_ = false;
  std::string left_limit_;  // the same on all ranks
  Laps laps_;
  std::exception_ptr error_;
  std::optional<NeuronFault> fault_;  // of this rank's neurons
  double build_seconds_ = 0;
  double earlier_wall_seconds_ = 0;     // before this run was resumed
  std::int64_t spike_count_ = 0;        // of this rank's neurons, on rank 0 with all of before this run was resumed
  std::int64_t input_spike_count_ = 0;  // the same on all ranks
};

}  // namespace lpl::spiking
