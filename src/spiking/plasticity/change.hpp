// What an event does to synapses: the program of a rule's text, run over many of them at a time.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "spiking/plasticity/rule_text.hpp"
#include "spiking/plasticity/synapse_columns.hpp"
#include "spiking/plasticity/synapse_machine.hpp"
#include "spiking/plasticity/traces.hpp"

namespace lpl::spiking {

// What programs read beside states of synapses.
struct Traces {
  PreTraces pre;
  PostTraces post;
  StateTraces state;
  // Of sources: as the next step finds them, and by step of the epoch, [step][trace].
  std::vector<double> source;
  std::vector<float> source_by_step;
};

// Where an event happens: `emitted`, by emission of the presynaptic spikes that are there now; `now`, the time there;
// `step`, of the epoch. Either synapses one by one,
class ListedSynapses {
 public:
  static constexpr std::size_t kMost = SynapseMachine::kMost;
  void add(std::uint64_t synapse, std::uint32_t row, std::uint32_t neuron, Step emitted, Step now, std::uint32_t step) {
    places_[count_++] = {synapse, row, neuron, step, emitted, now};
  }
  bool is_full() const { return count_ == kMost; }
  void clear() { count_ = 0; }

  std::size_t count() const { return count_; }
  std::uint64_t synapse(std::size_t i) const { return places_[i].synapse; }
  std::uint32_t row(std::size_t i) const { return places_[i].row; }
  std::uint32_t neuron(std::size_t i) const { return places_[i].neuron; }
  std::uint32_t step(std::size_t i) const { return places_[i].step; }
  Step emitted(std::size_t i) const { return places_[i].emitted; }
  Step now(std::size_t i) const { return places_[i].now; }

 private:
  struct Place {
    std::uint64_t synapse;
    std::uint32_t row, neuron, step;
    Step emitted, now;
  };
  std::size_t count_ = 0;
  std::array<Place, kMost> places_{};
};
// or those of one neuron.
struct SynapsesOfNeuron {
  std::span<const SynapseColumns::Member> members;
  std::uint32_t neuron_, step_;
  Step now_;
  Step delay;                   // before the synapse: of all, or
  const std::uint16_t* delays;  // by synapse; may be null

  std::size_t count() const { return members.size(); }
  std::uint64_t synapse(std::size_t i) const { return members[i].synapse; }
  std::uint32_t row(std::size_t i) const { return members[i].row; }
  std::uint32_t neuron(std::size_t) const { return neuron_; }
  std::uint32_t step(std::size_t) const { return step_; }
  Step emitted(std::size_t i) const { return now_ - (delays ? delays[members[i].synapse] : delay); }
  Step now(std::size_t) const { return now_; }
};

class Change {
 public:
  explicit Change(SynapseProgram program) : compiled_(std::move(program)), machine_(compiled_.program) {
    for (std::size_t k = 0; k < compiled_.inputs.size(); ++k) {
      const SynapseInput& input = compiled_.inputs[k];
      const Read read{input.trace, compiled_.program.states + k};
      switch (input.from) {
        case SynapseInput::From::pre:
          pre_.add(input.what, read);
          break;
        case SynapseInput::From::pre_at_once:
          pre_at_once_.add(input.what, read);
          break;
        case SynapseInput::From::post:
          post_.add(input.what, read);
          break;
        case SynapseInput::From::source:
          sources_.push_back(read);
          break;
        case SynapseInput::From::state:
          states_.push_back(read);
          break;
      }
    }
  }

  bool changes() const { return !compiled_.changed.empty(); }
  std::span<const std::size_t> changed() const { return compiled_.changed; }  // states
  bool reads_state() const { return !states_.empty(); }

  // At most SynapseMachine::kMost of them, all different. `states`: by state, of all synapses.
  template <class Where>
  void run(const Where& where, std::span<float* const> states, Traces& traces) {
    evaluate(where, states, traces);
    for (const std::size_t s : compiled_.changed) {
      const float* const changed = machine_.column(s);
      float* const to = states[s];
      for (std::size_t i = 0, count = where.count(); i < count; ++i) to[where.synapse(i)] = changed[i];
    }
  }

  // The same in two parts: what it leaves, of which that of the i-th one is copied to `left`,
  template <class Where>
  void evaluate(const Where& where, std::span<float* const> states, Traces& traces) {
    for (std::size_t s = 0; s < states.size(); ++s)
      fill(where, machine_.column(s), [&where, from = states[s]](std::size_t i) { return from[where.synapse(i)]; });
    read(where, traces);
    machine_.run(where.count());
  }
  void copy(std::size_t i, float* left) {
    for (const std::size_t s : compiled_.changed) *left++ = machine_.column(s)[i];
  }
  // and the change.
  void store(const float* left, std::uint64_t synapse, std::span<float* const> states) const {
    for (const std::size_t s : compiled_.changed) states[s][synapse] = *left++;
  }

  // Of a condition: for which of up to 32 places it holds.
  std::uint32_t holds(const ListedSynapses& where, Traces& traces) {
    read(where, traces);
    machine_.run(where.count());
    std::uint32_t lanes = 0;
    for (std::size_t i = 0; i < where.count(); ++i) lanes |= std::uint32_t{machine_.column(0)[i] != 0} << i;
    return lanes;
  }

 private:
  template <class Where, class Value>
  static void fill(const Where& where, float* column, Value value) {
    for (std::size_t i = 0, count = where.count(); i < count; ++i) column[i] = value(i);
  }

  // Where the program reads a trace.
  struct Read {
    std::size_t trace, column;
  };
  // Traces of spikes are read together: those that decay share a lag, those with windows are looked up.
  struct SpikeTracesRead {
    std::optional<std::size_t> lag;
    std::vector<Read> values, windows;

    void add(SynapseInput::What what, const Read& read) {
      switch (what) {
        case SynapseInput::What::value:
          values.push_back(read);
          break;
        case SynapseInput::What::lag:
          lag = read.column;
          break;
        case SynapseInput::What::window:
          windows.push_back(read);
          break;
      }
    }
  };

  template <class SpikeTraces>
  void put(std::size_t i, const SpikeTracesRead& reads, const SpikeTraces& traces, const TraceValues& found, Step now) {
    if (reads.lag) machine_.column(*reads.lag)[i] = static_cast<float>(std::max<Step>(0, now - found.since));
    for (const Read& read : reads.values) machine_.column(read.column)[i] = found.values[read.trace * found.stride];
    for (const Read& read : reads.windows)
      machine_.column(read.column)[i] = traces.trace(read.trace).window_at(now - found.since);
  }
  void read_post(const ListedSynapses& where, const PostTraces& traces) {
    for (std::size_t i = 0, count = where.count(); i < count; ++i)
      put(i, post_, traces, traces.at(where.neuron(i)), where.now(i));
  }
  void read_post(const SynapsesOfNeuron& where, const PostTraces& traces) {
    put(0, post_, traces, traces.at(where.neuron_), where.now_);
    const auto spread = [&](std::size_t c) {
      std::fill_n(machine_.column(c) + 1, where.count() - 1, *machine_.column(c));
    };
    if (post_.lag) spread(*post_.lag);
    for (const Read& read : post_.values) spread(read.column);
    for (const Read& read : post_.windows) spread(read.column);
  }

  template <class Where>
  void read(const Where& where, Traces& traces) {
    const std::size_t count = where.count();
    if (!pre_.values.empty())
      for (std::size_t i = 0; i < count; ++i)
        put(i, pre_, traces.pre, traces.pre.at(where.row(i), where.emitted(i)), where.emitted(i));
    if (!pre_at_once_.values.empty())
      for (std::size_t i = 0; i < count; ++i)
        put(i, pre_at_once_, traces.pre, traces.pre.at(where.row(i), where.emitted(i) + 1), where.emitted(i));
    if (!post_.values.empty()) read_post(where, traces.post);
    for (const Read& read : sources_)
      fill(where, machine_.column(read.column),
           [&](std::size_t i) { return traces.source_by_step[where.step(i) * traces.source.size() + read.trace]; });
    for (const Read& read : states_)
      fill(where, machine_.column(read.column),
           [&](std::size_t i) { return traces.state.at(read.trace, where.neuron(i), where.now(i)); });
  }

  SynapseProgram compiled_;
  SynapseMachine machine_;
  SpikeTracesRead pre_, pre_at_once_, post_;
  std::vector<Read> sources_, states_;
};

}  // namespace lpl::spiking
