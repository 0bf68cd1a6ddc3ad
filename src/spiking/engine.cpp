#include "spiking/engine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/denormals.hpp"
#include "core/errors.hpp"
#include "core/termination.hpp"
#include "spiking/start.hpp"

namespace lpl::spiking {
namespace {

// Epochs between looks at the clock for checkpoints; an epoch takes from a microsecond to some milliseconds.
constexpr std::uint64_t kEpochsPerClock = 16;
// Epochs between looks at the numbers of all neurons.
constexpr std::uint64_t kEpochsPerLook = 1024;

}  // namespace

Engine::Engine(const SimulationDescription& simulation, Communicator& comm, std::optional<ExchangeForm> wanted)
    : simulation_(simulation), comm_(comm) {
  flush_denormals();
  const Laps clock;
  agree(comm_, [&] {
    network_ = std::make_unique<Network>(simulation, comm.rank(), comm.size());
    for (const auto& stimulus : simulation.stimuli) makers_.push_back(stimulus->make(simulation.dt, simulation.seed));
    hooks_.resize(simulation.populations.size());
    for (std::size_t p = 0; p < hooks_.size(); ++p) hooks_[p].event_steps.assign(network_->populations[p]->blocks(), 0);
    for (Connection& connection : network_->connections)
      if (connection.plasticity)
        if (BlockHook* const hook = connection.plasticity->hook())
          hooks_[connection.description->to].members.push_back(hook);
    local_spikes_.resize(simulation.populations.size());
    all_spikes_.resize(simulation.populations.size());
  });
  // The longest delay of drawn ones may be on any rank; histories, which checkpoints share, are the same on all.
  for (Step& memory : network_->source_memory) {
    memory = comm.max(memory);
    spikes_.emplace_back(memory + kLongestEpoch + SpikeMaker::kMostAhead);
  }
  if (comm.size() > 1)
    for (std::size_t p = 0; p < simulation.populations.size(); ++p)
      own_populations_.emplace_back(network_->source_memory[p] + kLongestEpoch + SpikeMaker::kMostAhead);
  for (std::size_t s = 0; s < spikes_.size(); ++s) {
    const bool other = comm.size() > 1 && simulation.sources[s].is_population;
    own_.push_back(other ? &own_populations_[s] : &spikes_[s]);
    if (!simulation.sources[s].is_population && comm.rank() != 0) own_.back() = &silent_;
  }
  for (const Connection& connection : network_->connections)
    underway_.emplace_back(network_->source_memory[connection.description->from]);
  start_from_others(simulation, *network_, comm);
  exchange_ = make_exchange(*network_, simulation, wanted, comm);
  limits_ = std::make_unique<Limits>(simulation, *network_, comm);
  build_seconds_ = clock.wall();
}

// Epochs are half-open: [from, to) holds steps from .. to-1.
//
// A spike emitted in step k arrives in step k + delay, and no delay between populations is below the minimum delay, so
// all arrivals of an epoch of at most one minimum delay are known when it begins, once stimuli have spiked. An epoch
// runs:
//   stimulate   spikes of stimuli up to `to`
//   deliver     arrivals of steps from .. to-1 into the input buffers. Where a window ends at `from`: arrivals of
//               step `from` with the old weights, then the weight update, then the rest with the new ones.
//   update      neurons step by step: integrate, spike, plasticity within epochs, input, clamps
//   plasticity  postsynaptic traces, which need this rank's spikes only, while the spikes travel
//   exchange    the epoch's spikes reach every rank that hears them
//   record      spikes of the epoch; state as it is at the end of step to-1
//   limits      where one is judged
//   checkpoint  where a rank asked for one in its message, or the interval of model time is over; at the end of a phase
//               before anything that only its end brings, so that a resumed run may make the last one longer
// An epoch ends early at the end of a phase, before a step that ends a window, after a sampled step, and where a limit
// is judged. Where epochs end does not change any result. Pending at the end of a run: spikes of the last delays, not
// yet arrived.
void Engine::run_phase(const Phase& phase, Recorder& recorder, Progress& progress) {
  for (std::uint64_t epoch = 0; now_ < phase.end && !ended(); ++epoch) {
    laps_.begin(epoch);
    const Step from = now_, to = epoch_end(from, phase.end, recorder);
    guarded([&] {
      stimulate(from, to);
      laps_.lap(Activity::stimulate);
      deliver(from, to, phase);
      update(from, to);
      if (epoch % kEpochsPerLook == 0) look_at_neurons(to);
    });
    if (error_)
      for (EpochSpikes& spikes : local_spikes_) spikes.clear(static_cast<std::size_t>(to - from));
    exchange_->begin(local_spikes_, {.failed = error_ || fault_,
                                     .wants_checkpoint = epoch % kEpochsPerClock == 0 && schedule_->due(),
                                     .is_full = recorder.is_full()});
    laps_.lap(Activity::exchange);
    guarded([&] { advance_traces(from, to); });
    laps_.lap(Activity::plasticity);
    const Signals signals = finish_exchange(from, to);
    laps_.lap(Activity::exchange);
    limits_->observe(from, to, own_);
    guarded([&] { recorder.observe(from, to, own_); });
    if (signals.is_full || recorder.gather_due(to)) {
      const auto mark = Laps::mark();
      agree(comm_, error_);
      recorder.gather(to);
      guarded([&] { recorder.check(); });
      laps_.charge(Activity::record, mark);
    }
    laps_.lap(Activity::record);
    now_ = to;
    if (leaves_limit(to)) break;
    if ((signals.wants_checkpoint || ends_interval(from, to)) && to < phase.end) save(recorder);
    if (epoch % kEpochsPerLook == 0) progress.show(phase.name, simulation_.seconds(to));
  }
  if (!ended()) end_phase(phase, recorder);
  if (left_limit_.empty()) return;
  if (now_ == phase.end) recorder.end_phase(phase.name, phase.end);
  settle(recorder);
}

// Collective, where a limit is judged.
bool Engine::leaves_limit(Step now) {
  if (!limits_->due(now)) return false;
  agree(comm_, error_);
  left_limit_ = limits_->judge(now);
  return !left_limit_.empty();
}

// Whether an interval of model time between checkpoints ends in [from, to).
bool Engine::ends_interval(Step from, Step to) const {
  if (checkpoints_.path.empty() || checkpoints_.model_time <= 0) return false;
  const auto intervals = [&](Step step) { return std::floor(simulation_.seconds(step) / checkpoints_.model_time); };
  return intervals(to) > intervals(from);
}

void Engine::end_phase(const Phase& phase, Recorder& recorder) {
  if (!checkpoints_.path.empty()) save(recorder);
  if (interrupted_) return;
  const auto mark = Laps::mark();
  agree(comm_, error_);
  recorder.end_phase(phase.name, phase.end);
  settle(recorder);
  laps_.charge(Activity::record, mark);
}

// Collective: everything recorded so far is in the result file, or all ranks throw.
void Engine::settle(Recorder& recorder) {
  guarded([&] { look_at_neurons(now_); });
  refuse_broken_numbers();
  recorder.flush(now_);
  guarded([&] { recorder.check(); });
  agree(comm_, error_);
}

CheckpointKind Engine::checkpoint_kind() const {
  return {.program = "lpl_sim",
          .state_version = SimulationState::kVersion,
          .description = simulation_.fixed_text,
          .inputs = inputs_};
}

// Collective. The shared part is the same on all ranks; variables stay on rank 0.
SimulationState Engine::read_state() const {
  SimulationState state;
  std::vector<SavedVariable> variables;
  agree(comm_, [&] {
    if (comm_.rank() != 0) return;
    state = resume<SimulationState>(checkpoints_, checkpoint_kind());
    if (state.now > simulation_.end())
      throw ConfigError(fmt::format("{}: has reached {} s, but the last phase '{}' ends at {} s now; make it longer",
                                    checkpoints_.resume_from, simulation_.seconds(state.now),
                                    simulation_.phases.back().name, simulation_.seconds(simulation_.end())));
    variables.swap(state.variables);
  });
  state = from_bytes<SimulationState>(comm_.broadcast(to_bytes(state), 0));
  state.variables.swap(variables);
  return state;
}

void Engine::load(const SimulationState& state) {
  check_shared_state(state, simulation_);
  now_ = state.now;
  spike_count_ = comm_.rank() == 0 ? state.spikes : 0;
  input_spike_count_ = state.input_spikes;
  earlier_wall_seconds_ = state.wall_seconds;
  limits_->load(state.limits);
  scatter_variables(state.variables, *network_, simulation_, comm_);
  for (std::size_t s = 0; s < spikes_.size(); ++s) spikes_[s].load(state.sources[s]);
  for (std::size_t p = 0; p < own_populations_.size(); ++p)
    own_populations_[p].load(part_of(state.sources[p], network_->populations[p]->range()));
  for (const auto& maker : makers_) maker->seek(now_);
}

// Collective. Writes a checkpoint where they are wanted, and ends the run where a signal has reached any rank.
void Engine::save(Recorder& recorder) {
  const auto mark = Laps::mark();
  settle(recorder);
  interrupted_ = comm_.max(termination_signal()) > 0;
  if (!checkpoints_.path.empty()) write_state(recorder);
  schedule_->restart();
  laps_.charge(Activity::record, mark);
}

// Collective.
void Engine::write_state(Recorder& recorder) {
  SimulationState state;
  state.variables = gather_variables(*network_, simulation_, comm_);
  state.wirings = gather_wirings(*network_, comm_);
  state.sources = gather_sources(own_, simulation_, comm_);
  state.limits = limits_->gather_states();
  state.spikes = spikes_of_all();
  state.recorder = recorder.state(now_);
  agree(comm_, [&] {
    if (comm_.rank() != 0) return;
    state.now = now_;
    state.input_spikes = input_spike_count_;
    state.wall_seconds = earlier_wall_seconds_ + laps_.wall();
    write_checkpoint(checkpoints_.path, checkpoint_kind(), state);
  });
}

Step Engine::epoch_end(Step now, Step phase_end, const Recorder& recorder) const {
  Step end =
      std::min({now + longest_epoch(simulation_), phase_end, recorder.next_sample_end(now), limits_->next_end(now)});
  for (const Connection& connection : network_->connections) {
    const RuleDescription* const rule = connection.description->rule.get();
    if (rule && rule->window > 0) end = std::min(end, rule->next_window_end(now));
  }
  return end;
}

void Engine::stimulate(Step from, Step to) {
  for (std::size_t i = 0; i < makers_.size(); ++i) {
    SpikeHistory& history = spikes_[simulation_.populations.size() + i];
    makers_[i]->fill(history, to);
    input_spike_count_ += static_cast<std::int64_t>(history.between(from, to).size());
  }
}

void Engine::deliver(Step from, Step to, const Phase& phase) {
  for (std::size_t i = 0; i < network_->connections.size(); ++i) {
    Connection& connection = network_->connections[i];
    const ConnectionDescription& description = *connection.description;
    const SpikeHistory& source = spikes_[description.from];
    const Moves moves = connection.moves();
    if (moves == Moves::within_epochs) {
      connection.plasticity->begin_epoch({.first = from,
                                          .steps = static_cast<std::uint32_t>(to - from),
                                          .learns = phase.learns[i],
                                          .spikes = spikes_,
                                          .memory = network_->source_memory,
                                          .event_steps = hooks_[description.to].event_steps.data()});
    } else if (moves == Moves::at_windows && description.rule->closes_window(from)) {
      deliver_connection(i, from, from + 1, from);
      const auto mark = Laps::mark();
      connection.plasticity->update(from, source, phase.learns[i]);
      laps_.charge(Activity::plasticity, mark);
      deliver_connection(i, from + 1, to, from);
    } else {
      deliver_connection(i, from, to, from);
    }
  }
  for (const auto& population : network_->populations) population->release();
  for (const auto& actor : network_->actors) actor->act(from, to);
  laps_.lap(Activity::deliver);
}

// In the order of step of emission, source and delay, wherever epochs begin.
void Engine::deliver_connection(std::size_t index, Step begin, Step end, Step epoch_begin) {
  const Connection& connection = network_->connections[index];
  const ConnectionDescription& description = *connection.description;
  const Synapses& synapses = connection.synapses;
  const SpikeHistory& source = spikes_[description.from];
  float* const input = network_->populations[description.to]->input(description.receptor);
  const auto slot = [&](Step step) { return input + (step - epoch_begin) * static_cast<Step>(kBlock); };
  ShortTerm* const short_term = connection.short_term.get();
  if (!synapses.run.empty()) return underway_[index].deliver(synapses, short_term, source, begin, end, slot(begin));
  const Step delay = synapses.shortest;
  if (source.between(begin - delay, end - delay).empty()) return;
  for (Step step = begin; step < end; ++step)
    for (const NeuronId pre : source.at(step - delay))
      if (!short_term)
        synapses.deliver(pre, slot(step));
      else if (const std::size_t row = synapses.row_of(pre); row != Synapses::kNoRow)
        synapses.deliver(row, short_term->factor(row, step - delay), slot(step));
}

void Engine::update(Step from, Step to) {
  const auto steps = static_cast<std::uint32_t>(to - from);
  for (std::size_t p = 0; p < network_->populations.size(); ++p) {
    Hooks& hooks = hooks_[p];
    network_->populations[p]->advance(from, steps, hooks.members.empty() ? nullptr : &hooks, hooks.event_steps.data(),
                                      local_spikes_[p]);
    note(network_->populations[p]->failed(p, from));
  }
  laps_.lap(Activity::update);
}

void Engine::look_at_neurons(Step now) {
  for (std::size_t p = 0; p < network_->populations.size(); ++p) note(network_->populations[p]->unsound(p, now));
}

void Engine::note(const std::optional<NeuronFault>& fault) {
  if (fault && (!fault_ || *fault < *fault_)) fault_ = fault;
}

// Collective. Throws on all ranks where one has failed. Rules come first: what they made of weights may be the cause of
// what neurons show.
void Engine::refuse_broken_numbers() {
  guarded([&] {
    for (const Connection& connection : network_->connections)
      if (connection.plasticity) connection.plasticity->check();
  });
  agree(comm_, error_);
  end_at_fault(fault_, simulation_, comm_);
}

void Engine::advance_traces(Step from, Step to) {
  for (Connection& connection : network_->connections)
    if (connection.plasticity)
      connection.plasticity->advance(*network_->populations[connection.description->to], from,
                                     static_cast<std::uint32_t>(to - from));
}

Signals Engine::finish_exchange(Step from, Step to) {
  const Signals signals = exchange_->end(local_spikes_, all_spikes_, static_cast<std::size_t>(to - from));
  if (signals.failed) refuse_broken_numbers();
  for (std::size_t p = 0; p < all_spikes_.size(); ++p) {
    spikes_[p].append(all_spikes_[p].ids, all_spikes_[p].count);
    if (!own_populations_.empty()) own_populations_[p].append(local_spikes_[p].ids, local_spikes_[p].count);
    spike_count_ += static_cast<std::int64_t>(own_[p]->between(from, to).size());
  }
  return signals;
}

// Collective.
std::int64_t Engine::spikes_of_all() const {
  std::vector<std::int64_t> sum = {spike_count_};
  comm_.sum(sum);
  return sum.front();
}

// Collective.
Traffic Engine::traffic_of_all() const {
  const Traffic& own = exchange_->traffic();
  std::vector<std::int64_t> sums = {own.exchanges, own.messages, own.sent, own.received};
  comm_.sum(sums);
  return {.exchanges = sums[0], .messages = sums[1], .sent = sums[2], .received = sums[3]};
}

RunSummary Engine::run(const std::string& path, const RunFacts& facts, ProgressStyle style,
                       const CheckpointOptions& checkpoints) {
  checkpoints_ = checkpoints;
  inputs_ = facts.inputs;
  schedule_ = std::make_unique<CheckpointSchedule>(checkpoints);
  const bool resumed = !checkpoints.resume_from.empty();
  SimulationState state;
  if (resumed) {
    state = read_state();
    load(state);
  }
  Recorder recorder(simulation_, *network_, comm_, path, facts, resumed ? &state.recorder : nullptr);
  const LastAct mark_as_failed(comm_, [&] { recorder.fail(); });
  Progress progress(style, comm_.rank() == 0, simulation_.seconds(simulation_.end()));
  laps_.start();
  RunSummary summary;
  const Step begin = now_;
  try {
    if (!resumed) recorder.end_phase("initial", 0);
    guarded([&] { recorder.check(); });
    agree(comm_, error_);
    for (const Phase& phase : simulation_.phases)
      if (now_ <= phase.end && !ended()) run_phase(phase, recorder, progress);
    summary.time = laps_.times();
    agree(comm_, [&] {
      const char* const unfinished = interrupted_ ? "interrupted" : "stopped";
      recorder.finish(ended() ? unfinished : "complete", earlier_wall_seconds_ + summary.time.wall,
                      simulation_.seconds(now_), left_limit_);
    });
  } catch (const Error&) {
    progress.finish();
    recorder.fail();
    throw;
  }
  progress.finish();
  for (const Population& population : simulation_.populations) summary.neurons += population.size;
  std::vector<std::int64_t> synapses = {static_cast<std::int64_t>(network_->synapses())};
  comm_.sum(synapses);
  summary.synapses = synapses.front();
  summary.model_seconds = simulation_.seconds(now_ - begin);
  summary.interrupted = interrupted_;
  summary.left_limit = left_limit_;
  summary.spikes = spikes_of_all();
  summary.input_spikes = input_spike_count_;
  summary.build_seconds = build_seconds_;
  summary.exchange = exchange_->name();
  summary.traffic = traffic_of_all();
  return summary;
}

}  // namespace lpl::spiking
