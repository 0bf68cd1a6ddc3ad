// Rules of traces as texts: which description they become, and how they run.
#include "spiking/plasticity/text_rule.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <map>

#include "core/errors.hpp"
#include "spiking/description.hpp"
#include "spiking/grid.hpp"
#include "spiking/plasticity/synapse_columns.hpp"
#include "spiking/plasticity/synapse_machine.hpp"
#include "spiking/plasticity/traces.hpp"
#include "spiking/reading.hpp"
#include "spiking/short_term/short_term.hpp"
#include "spiking/synapses.hpp"

namespace lpl::spiking {
namespace {

std::vector<Trace> traces_of(const RuleText& text, TraceText::Of of, const SteadyValues& steady, double dt) {
  std::vector<Trace> traces;
  for (const TraceText& trace : text.traces)
    if (trace.of == of)
      traces.push_back({.rate = static_cast<float>(-dt / steady.of(trace.tau)),
                        .jump = static_cast<float>(steady.of(trace.jump)),
                        .initial = static_cast<float>(steady.of(trace.initial)),
                        .nearest = trace.nearest});
  return traces;
}

std::vector<StateTraces::Entry> state_traces_of(const TextRule& rule, const SteadyValues& steady) {
  std::vector<StateTraces::Entry> entries;
  for (const TraceText& trace : rule.text.traces) {
    if (trace.of != TraceText::Of::state) continue;
    const std::size_t i = entries.size();
    entries.push_back({.state = rule.follows[i],
                       .gain = trace.tau ? static_cast<float>(rule.dt / steady.of(trace.tau)) : 1.0f,
                       .initial = static_cast<float>(steady.of(trace.initial)),
                       .delay = rule.state_delays[i]});
  }
  return entries;
}

// What programs read beside states of synapses.
struct Traces {
  PreTraces pre;
  PostTraces post;
  StateTraces state;
  // Of sources: as the next step finds them, and by step of the epoch, [step][trace].
  std::vector<double> source;
  std::vector<float> source_by_step;
};

// The program of an event, ready to run over many synapses: they are gathered, changed and put back.
class Change {
 public:
  explicit Change(SynapseProgram program) : compiled_(std::move(program)), machine_(compiled_.program) {
    for (const SynapseInput& input : compiled_.inputs) {
      using Kind = SynapseInput::Kind;
      reads_pre_ |= input.kind == Kind::pre_lag || input.kind == Kind::pre_value;
      reads_pre_at_once_ |= input.kind == Kind::pre_lag_at_once || input.kind == Kind::pre_value_at_once;
      reads_post_ |= input.kind == Kind::post_lag || input.kind == Kind::post_value;
    }
  }

  bool changes() const { return !compiled_.changed.empty(); }
  bool is_full() const { return count_ == SynapseMachine::kMost; }
  bool is_empty() const { return count_ == 0; }

  // A synapse where the event happens. `emitted`: of presynaptic spikes that are there now; `now`: the time there;
  // `step`: of the epoch.
  void add(std::uint64_t synapse, std::uint32_t row, std::uint32_t neuron, Step emitted, Step now, std::size_t step) {
    const std::size_t i = count_++;
    synapse_[i] = synapse;
    row_[i] = row;
    neuron_[i] = neuron;
    emitted_[i] = emitted;
    now_[i] = now;
    step_[i] = step;
  }
  // Changes what was added. `states`: by state, of all synapses.
  void run(std::span<float* const> states, Traces& traces) {
    for (std::size_t s = 0; s < states.size(); ++s)
      fill(machine_.column(s), [this, from = states[s]](std::size_t i) { return from[synapse_[i]]; });
    read(traces);
    machine_.run(count_);
    for (const std::size_t s : compiled_.changed) scatter(machine_.column(s), states[s]);
    count_ = 0;
  }

  // Of a condition: for which of what was added it holds.
  std::uint32_t holds(Traces& traces) {
    read(traces);
    machine_.run(count_);
    std::uint32_t lanes = 0;
    for (std::size_t i = 0; i < count_; ++i) lanes |= std::uint32_t{machine_.column(0)[i] != 0} << i;
    count_ = 0;
    return lanes;
  }

 private:
  static constexpr std::size_t kMost = SynapseMachine::kMost;
  void read(Traces& traces) {
    if (reads_pre_)
      for (std::size_t i = 0; i < count_; ++i) pre_[i] = traces.pre.at(row_[i], emitted_[i]);
    if (reads_pre_at_once_)
      for (std::size_t i = 0; i < count_; ++i) pre_at_once_[i] = traces.pre.at(row_[i], emitted_[i] + 1);
    if (reads_post_)
      for (std::size_t i = 0; i < count_; ++i) post_[i] = traces.post.at(neuron_[i]);
    for (std::size_t k = 0; k < compiled_.inputs.size(); ++k) {
      float* const column = machine_.column(compiled_.program.states + k);
      const std::size_t t = compiled_.inputs[k].trace;
      switch (compiled_.inputs[k].kind) {
        case SynapseInput::Kind::pre_lag:
          fill(column, [&](std::size_t i) { return static_cast<float>(emitted_[i] - pre_[i].since); });
          break;
        case SynapseInput::Kind::pre_value:
          fill(column, [&](std::size_t i) { return pre_[i].values[t * pre_[i].stride]; });
          break;
        case SynapseInput::Kind::pre_lag_at_once:
          fill(column, [&](std::size_t i) { return static_cast<float>(emitted_[i] - pre_at_once_[i].since); });
          break;
        case SynapseInput::Kind::pre_value_at_once:
          fill(column, [&](std::size_t i) { return pre_at_once_[i].values[t * pre_at_once_[i].stride]; });
          break;
        case SynapseInput::Kind::post_lag:
          fill(column, [&](std::size_t i) { return static_cast<float>(now_[i] - post_[i].since); });
          break;
        case SynapseInput::Kind::post_value:
          fill(column, [&](std::size_t i) { return post_[i].values[t * post_[i].stride]; });
          break;
        case SynapseInput::Kind::source:
          fill(column, [&](std::size_t i) { return traces.source_by_step[step_[i] * traces.source.size() + t]; });
          break;
        case SynapseInput::Kind::state:
          fill(column, [&](std::size_t i) { return traces.state.at(t, neuron_[i], now_[i]); });
          break;
      }
    }
  }
  template <class Value>
  void fill(float* column, Value value) const {
    for (std::size_t i = 0, count = count_; i < count; ++i) column[i] = value(i);
  }
  void scatter(const float* column, float* to) const {
    for (std::size_t i = 0, count = count_; i < count; ++i) to[synapse_[i]] = column[i];
  }

  SynapseProgram compiled_;
  SynapseMachine machine_;
  bool reads_pre_ = false, reads_pre_at_once_ = false, reads_post_ = false;
  // By synapse that was added.
  std::size_t count_ = 0;
  std::array<std::uint64_t, kMost> synapse_{};
  std::array<std::uint32_t, kMost> row_{}, neuron_{};
  std::array<Step, kMost> emitted_{}, now_{};
  std::array<std::size_t, kMost> step_{};
  std::array<TraceValues, kMost> pre_{}, pre_at_once_{}, post_{};
};

// Time at a synapse of delay d: axonal, a presynaptic spike is there d steps after it was emitted, a postsynaptic one
// at once; dendritic, a presynaptic spike is there at once, a postsynaptic one after d steps, and what is transmitted
// arrives d steps later. In a step, axonal, arrivals come first; dendritic, spikes do. All of them read traces as they
// were before the step.
class TextRulePlasticity final : public Plasticity, private BlockHook {
 public:
  TextRulePlasticity(const TextRule& rule, const RulePlace& place)
      : rule_(rule),
        place_(place),
        steady_(rule.steady()),
        traces_{.pre = {traces_of(rule.text, TraceText::Of::pre, steady_, rule.dt), place.synapses.heard.size()},
                .post = {traces_of(rule.text, TraceText::Of::post, steady_, rule.dt), place.post.blocks() * kBlock},
                .state = {state_traces_of(rule, steady_), place.post.blocks()},
                .source = {},
                .source_by_step = {}},
        on_arrival_(compile_change(rule.text, rule.text.on_arrival, steady_, rule.dt)),
        on_spike_(compile_change(rule.text, rule.text.on_spike, steady_, rule.dt)),
        during_(compile_change(rule.text, rule.text.during, steady_, rule.dt)),
        each_(compile_change(rule.text, rule.text.each, steady_, rule.dt)),
        columns_(place),
        arrivals_(place.post.blocks()),
        next_(place.post.blocks(), 0) {
    make_states();
    for (const SourceTrace& trace : rule_.source_traces) traces_.source.push_back(trace.initial);
    traces_.source_by_step.resize(traces_.source.size() * kLongestEpoch);
    if (rule_.text.condition) condition_.emplace(compile_condition(rule_.text, steady_, rule_.dt));
  }

  void begin_epoch(const PlasticEpoch& epoch) override {
    first_ = epoch.first;
    learns_ = epoch.learns;
    memory_ = epoch.memory[place_.connection.from];
    if (known_ < 0) begin();
    advance_source_traces(epoch);
    if (learns_ && rule_.closes_window(first_)) change_all();
    if (rule_.text.dendritic)
      deliver(epoch);
    else
      list_arrivals(epoch);
    if (condition_)
      for (std::size_t b = 0; b < arrivals_.size(); ++b)
        epoch.event_steps[b] |= (std::uint32_t{2} << (epoch.steps - 1)) - 1;
  }

  BlockHook* hook() override { return rule_.text.dendritic ? nullptr : this; }

  void advance(const Neurons& /*post*/, Step first, std::uint32_t steps) override {
    run(on_arrival_);
    if (!rule_.text.dendritic) traces_.pre.settle(first + steps - memory_);
    for (std::size_t b = 0; b < arrivals_.size(); ++b) traces_.state.advance(b, first, first + steps - 1, place_.post);
  }

  void list(Variables& variables) override {
    const ConnectionDescription& c = place_.connection;
    const auto add = [&](const std::string& what, By by, std::size_t owner, auto values, std::size_t history = 1) {
      variables.add(
          {.name = c.name + "." + what, .unit = "1", .by = by, .owner = owner, .data = values, .history = history});
    };
    for (std::size_t s = 1; s < rule_.text.states.size(); ++s)
      add(rule_.text.states[s].name, By::synapse, place_.index, std::span<float>(own_states_[s - 1]));
    std::array<std::size_t, 4> counts{};
    for (const TraceText& trace : rule_.text.traces) {
      const std::size_t t = counts[static_cast<std::size_t>(trace.of)]++;
      if (trace.of == TraceText::Of::pre)
        add_by_source(variables, trace.name, traces_.pre.values(t));
      else if (trace.of == TraceText::Of::post)
        add(trace.name, By::neuron, c.to, traces_.post.values(t));
      else if (trace.of == TraceText::Of::state)
        add(trace.name, By::neuron, c.to, std::span(traces_.state.values(t)), traces_.state.ring(t));
      else
        add(trace.name, By::device, c.to, std::span(traces_.source).subspan(t, 1));
    }
    if (counts[static_cast<std::size_t>(TraceText::Of::pre)] > 0)
      add_by_source(variables, "pre_since", traces_.pre.since());
    if (counts[static_cast<std::size_t>(TraceText::Of::post)] > 0)
      add("post_since", By::neuron, c.to, traces_.post.since());
  }

  std::size_t buffer_bytes() const override { return columns_.bytes(); }

 private:
  struct Arrival {
    std::uint32_t synapse, row;
    float factor;  // of what it transmits
    std::uint16_t step;
    bool again;  // the source has spiked shortly before
  };
  // A spike that has not reached all of its synapses.
  struct Travelling {
    Step emitted;
    std::uint32_t row;
    float factor;
    bool again;
    std::uint64_t next, end;
  };

  void add_by_source(Variables& variables, const std::string& what, auto values) {
    variables.add({.name = place_.connection.name + "." + what,
                   .unit = "1",
                   .by = By::source,
                   .owner = place_.connection.from,
                   .data = values,
                   .heard = &place_.synapses.heard,
                   .sources = place_.pre_size});
  }

  void make_states() {
    Synapses& synapses = place_.synapses;
    states_.push_back(synapses.weight.data());
    const auto initial = [&](const Expression& tree, float weight) {
      return *evaluate(tree, [&](const std::string& name) {
        return name == "w" ? std::optional(static_cast<double>(weight)) : steady_.find(name);
      });
    };
    for (std::size_t s = 1; s < rule_.text.states.size(); ++s) {
      AlignedVector<float>& values = own_states_.emplace_back(synapses.size());
      const Expression& tree = rule_.text.states[s].initial;
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(initial(tree, synapses.weight[i]));
    }
    for (auto& values : own_states_) states_.push_back(values.data());
  }

  // Spikes that may be under way are taken in again where a run is resumed.
  void begin() {
    known_ = std::max<Step>(0, first_ - memory_);
    factors_.begin(rule_.text.dendritic ? nullptr : place_.short_term, known_);
    traces_.state.seek(first_);
  }

  // Traces of sources are summed in float64, step by step, on all ranks alike.
  void advance_source_traces(const PlasticEpoch& epoch) {
    for (std::uint32_t step = 0; step < epoch.steps; ++step)
      for (std::size_t t = 0; t < traces_.source.size(); ++t) {
        const SourceTrace& trace = rule_.source_traces[t];
        traces_.source_by_step[step * traces_.source.size() + t] = static_cast<float>(traces_.source[t]);
        const auto arrived = epoch.spikes[trace.source].at(first_ + step - trace.delay).size();
        traces_.source[t] = (traces_.source[t] + trace.jump * static_cast<double>(arrived)) * trace.decay;
      }
  }

  Step delay_of(std::uint64_t synapse) const {
    return place_.synapses.delay.empty() ? place_.synapses.shortest : place_.synapses.delay[synapse];
  }

  // --- Axonal ------------------------------------------------------------------------------------------------------

  // The arrivals of an epoch, by block of targets and by step; in a step in the order of emission, source and synapse.
  void list_arrivals(const PlasticEpoch& epoch) {
    const Synapses& synapses = place_.synapses;
    const SpikeHistory& source = epoch.spikes[place_.connection.from];
    const Step last = first_ + epoch.steps;
    for (std::size_t b = 0; b < arrivals_.size(); ++b) {
      arrivals_[b].clear();
      next_[b] = 0;
    }
    for (; known_ < last - synapses.shortest; ++known_)
      for (const NeuronId pre : source.at(known_))
        if (const std::size_t row = synapses.row_of(pre); row != Synapses::kNoRow)
          take_in(static_cast<std::uint32_t>(row));
    factors_.settle(synapses, source, last - memory_);
    std::size_t left = 0;
    for (Travelling spike : underway_) {
      for (; spike.next < spike.end && spike.emitted + delay_of(spike.next) < last; ++spike.next) {
        const auto step = static_cast<std::uint16_t>(spike.emitted + delay_of(spike.next) - first_);
        const std::size_t block = place_.layout.neuron_of(synapses.target[spike.next]) / kBlock;
        arrivals_[block].push_back(
            {static_cast<std::uint32_t>(spike.next), spike.row, spike.factor, step, spike.again});
        epoch.event_steps[block] |= 1u << step;
      }
      if (spike.next < spike.end) underway_[left++] = spike;
    }
    underway_.resize(left);
    if (!synapses.delay.empty())
      for (auto& arrivals : arrivals_) std::ranges::stable_sort(arrivals, {}, &Arrival::step);
  }
  void take_in(std::uint32_t row) {
    const Synapses& synapses = place_.synapses;
    const bool again = traces_.pre.spiked_since(row, known_ - kLongestEpoch);
    traces_.pre.spike(row, known_);
    const float factor = factors_.factor(row, known_);
    const std::uint64_t end = synapses.row[row + 1];
    std::uint64_t next = synapses.row[row];
    if (!synapses.delay.empty())
      next = synapses.first_after(next, end, first_ - known_);
    else if (known_ + synapses.shortest < first_)
      next = end;
    if (next < end) underway_.push_back({known_, row, factor, again, next, end});
  }

  void arrive(std::uint32_t block, std::uint32_t step) override {
    traces_.state.advance(block, first_, first_ + step, place_.post);
    transmit_arrivals(block, step);
    if (condition_ && learns_) change_where_condition_holds(block, step);
  }
  void change_where_condition_holds(std::uint32_t block, std::uint32_t step) {
    run(on_arrival_);
    const auto first_lane = static_cast<std::uint32_t>(block * kBlock);
    for (std::uint32_t lane = 0; lane < kBlock; ++lane)
      condition_->add(0, 0, first_lane + lane, 0, first_ + step, step);
    for (std::uint32_t lanes = condition_->holds(traces_); lanes != 0; lanes &= lanes - 1)
      change_column(during_, first_lane + static_cast<std::uint32_t>(std::countr_zero(lanes)), first_ + step, step);
  }
  void transmit_arrivals(std::uint32_t block, std::uint32_t step) {
    const auto& arrivals = arrivals_[block];
    std::size_t& next = next_[block];
    if (learns_ && rule_.text.transmits_after) {
      while (next < arrivals.size() && arrivals[next].step == step) {
        const std::size_t begin = next;
        do change(arrivals[next++], step);
        while (next < arrivals.size() && arrivals[next].step == step && !arrivals[next].again);
        run(on_arrival_);
        for (std::size_t i = begin; i < next; ++i) transmit(arrivals[i].synapse, step, arrivals[i].factor);
      }
      return;
    }
    for (; next < arrivals.size() && arrivals[next].step == step; ++next) {
      const Arrival& arrival = arrivals[next];
      // Changes by the spikes before it must be done; those of others may wait.
      if (arrival.again) run(on_arrival_);
      transmit(arrival.synapse, step, arrival.factor);
      if (learns_) change(arrival, step);
    }
  }
  void transmit(std::uint64_t synapse, std::uint32_t step, float factor) {
    place_.input[place_.synapses.target[synapse] + step * kBlock] += place_.synapses.weight[synapse] * factor;
  }
  void change(const Arrival& arrival, std::uint32_t step) {
    add(on_arrival_, arrival.synapse, arrival.row, first_ + step, step);
  }

  void spiked(std::uint32_t block, std::uint32_t step, std::uint32_t lanes) override {
    traces_.state.advance(block, first_, first_ + step, place_.post);
    run(on_arrival_);
    const Step now = first_ + step;
    for (; lanes != 0; lanes &= lanes - 1) {
      const auto neuron =
          static_cast<std::uint32_t>(block * kBlock) + static_cast<std::uint32_t>(std::countr_zero(lanes));
      if (learns_) change_column(on_spike_, neuron, now, step);
      traces_.post.spike(neuron, now);
    }
  }

  // --- Dendritic ---------------------------------------------------------------------------------------------------

  // All that meets at synapses in this epoch's arrivals happened before the epoch.
  void deliver(const PlasticEpoch& epoch) {
    const Synapses& synapses = place_.synapses;
    const Step delay = synapses.shortest;
    const auto local = [&](NeuronId id) { return static_cast<std::uint32_t>(id - place_.post.range().first); };
    for (std::uint32_t step = 0; step < epoch.steps; ++step) {
      const Step now = first_ + step - delay;
      if (now < 0) continue;
      const auto own = local_spikes(epoch.spikes[place_.connection.to], now - delay);
      if (learns_)
        for (const NeuronId id : own) change_column(on_spike_, local(id), now, step);
      const auto sources = epoch.spikes[place_.connection.from].at(now);
      for (const NeuronId pre : sources)
        if (const std::size_t row = synapses.row_of(pre); row != Synapses::kNoRow)
          deliver_row(static_cast<std::uint32_t>(row), now, step);
      for (const NeuronId id : own) traces_.post.spike(local(id), now);
      for (const NeuronId pre : sources)
        if (const std::size_t row = synapses.row_of(pre); row != Synapses::kNoRow) traces_.pre.spike(row, now);
      traces_.pre.settle(now + 1);
    }
  }
  std::span<const NeuronId> local_spikes(const SpikeHistory& history, Step step) const {
    const std::span<const NeuronId> all = history.at(step);
    const auto begin = std::ranges::lower_bound(all, place_.post.range().first);
    const auto end = std::ranges::lower_bound(all, place_.post.range().first + place_.post.range().count);
    return {begin, end};
  }
  void deliver_row(std::uint32_t row, Step now, std::uint32_t step) {
    const std::uint64_t begin = place_.synapses.row[row], end = place_.synapses.row[row + 1];
    const float factor = place_.short_term ? place_.short_term->factor(row, now) : 1;
    const auto transmit_all = [&] {
      for (std::uint64_t s = begin; s < end; ++s) transmit(s, step, factor);
    };
    if (!rule_.text.transmits_after) transmit_all();
    if (learns_ && on_arrival_.changes()) {
      for (std::uint64_t s = begin; s < end; ++s) add(on_arrival_, s, row, now, step);
      run(on_arrival_);
    }
    if (rule_.text.transmits_after) transmit_all();
  }

  // --- Both --------------------------------------------------------------------------------------------------------

  // `at_synapse`: the time there.
  void add(Change& change, std::uint64_t synapse, std::uint32_t row, Step at_synapse, std::uint32_t step) {
    if (!change.changes()) return;
    if (change.is_full()) run(change);
    change.add(synapse, row, place_.layout.neuron_of(place_.synapses.target[synapse]), emitted_by(synapse, at_synapse),
               at_synapse, step);
  }
  void run(Change& change) {
    if (!change.is_empty()) change.run(states_, traces_);
  }
  // `change` of all synapses of a neuron.
  void change_column(Change& change, std::uint32_t neuron, Step at_synapse, std::uint32_t step) {
    if (!change.changes()) return;
    columns_.each(neuron, [&](std::uint32_t synapse, std::uint32_t row) {
      if (change.is_full()) run(change);
      change.add(synapse, row, neuron, emitted_by(synapse, at_synapse), at_synapse, step);
    });
    run(change);
  }
  // Between the steps first_-1 and first_.
  void change_all() {
    const Synapses& synapses = place_.synapses;
    const Step now = rule_.text.dendritic ? std::max<Step>(0, first_ - synapses.shortest) : first_;
    for (std::size_t r = 0; r < synapses.heard.size(); ++r)
      for (std::uint64_t s = synapses.row[r]; s < synapses.row[r + 1]; ++s) add(each_, s, synapses.heard[r], now, 0);
    run(each_);
  }
  // When a presynaptic spike was emitted that is at the synapse now.
  Step emitted_by(std::uint64_t synapse, Step now) const {
    return rule_.text.dendritic ? now : std::max<Step>(0, now - delay_of(synapse));
  }

  const TextRule& rule_;
  RulePlace place_;
  SteadyValues steady_;
  Traces traces_;
  std::vector<float*> states_;  // by state, of all synapses; the weights first
  std::vector<AlignedVector<float>> own_states_;
  Change on_arrival_, on_spike_, during_, each_;
  std::optional<Change> condition_;
  SynapseColumns columns_;
  bool learns_ = true;
  Step first_ = 0;
  Step memory_ = 0;  // a spike has arrived everywhere after so many steps
  FactorsAhead factors_;
  Step known_ = -1;  // spikes emitted before this step have been taken in
  std::vector<Travelling> underway_;
  std::vector<std::vector<Arrival>> arrivals_;  // by block, in step order
  std::vector<std::size_t> next_;               // by block
};

// --- Reading -------------------------------------------------------------------------------------------------------

bool mentions_weight(const Expression& tree) {
  return any_name(tree, [](const std::string& name) { return name == "weight"; });
}

void read_values(const RuleReading& reading, bool own, TextRule& rule) {
  Table& table = reading.rule;
  for (const ParameterText& parameter : rule.text.parameters) {
    double& value = rule.values[parameter.name];
    if (!own && table.has(parameter.name)) {
      value = parameter.dimension == Dimension::none ? table.number(parameter.name, kAny)
                                                     : table.quantity(parameter.name, parameter.dimension, kAny);
      continue;
    }
    if (mentions_weight(parameter.fallback) && reading.weight != Dimension::none)
      table.fail(parameter.name,
                 fmt::format("'{}' must be given: weights onto the receptor '{}' are in {}, of which its default, "
                             "{}, says nothing",
                             parameter.name, reading.receptor, unit_of(reading.weight), parameter.written));
    value = *evaluate(parameter.fallback, [](const std::string&) { return std::optional(1.0); });
  }
  const auto value_of = [&](const std::string& name) { return rule.values.at(name); };
  if (const auto fault = fault_in(rule.text, value_of, rule.dt)) {
    const ParameterText* const about = rule.text.parameter(fault->parameter);
    if (!about) table.fail("type", fmt::format("the values of the rule do not fit{}", fault->message));
    table.fail(about->name, fmt::format("'{}' is {}{}", about->name,
                                        !own && table.has(about->name) ? table.written(about->name) : about->written,
                                        fault->message));
  }
}

// A number of steps, at least `least`, that the text gives as a time.
Step steps_of(const RuleReading& reading, const Expression& tree, const SteadyValues& steady, Step least,
              const std::string& what) {
  const double time = steady.of(tree), count = time / reading.grid.dt, whole = std::round(count);
  if (!(whole >= static_cast<double>(least) && whole <= static_cast<double>(kLongestRun)))
    reading.rule.fail("type", fmt::format("{} is {} s; it must be at least {} s", what, time,
                                          static_cast<double>(least) * reading.grid.dt));
  if (std::abs(count - whole) > Grid::on_grid(count))
    reading.rule.fail("type", fmt::format("{} is {:.12g} s, which is no multiple of the step dt = {}", what, time,
                                          reading.grid.stated));
  return static_cast<Step>(whole);
}

std::size_t source_of(const RuleReading& reading, bool own, const RuleText& text, const TraceText& trace, Table& from) {
  if (trace.source == "targets") return reading.described.to;
  if (std::ranges::find(text.modulators, trace.source, &NamedText::name) == text.modulators.end()) {
    for (std::size_t s = 0; s < reading.sources.size(); ++s)
      if (reading.sources[s].name == trace.source) return s;
    from.fail("traces", fmt::format("trace '{}' is of \"{}\"; it must be \"pre\", \"post\", \"targets\" (the "
                                    "whole target population), a modulator or the name of a population or stimulus",
                                    trace.name, trace.source));
  }
  if (own)
    from.fail("modulators", fmt::format("modulators are named by a rule that uses this one, [rule.NAME] type = "
                                        "\"...\"; give it, with {} = the name of a population or stimulus",
                                        trace.source));
  return named(reading.rule, trace.source, reading.rule.text(trace.source), reading.sources, "population or stimulus");
}

// The state of the target that a trace follows.
std::size_t followed(const RuleReading& reading, const TraceText& trace, Table& from) {
  const auto& states = reading.target.states;
  const std::size_t state = named(from, "traces", trace.source, states, "state of the target's model");
  if (states[state].dimension != trace.dimension)
    from.fail("traces", fmt::format("trace '{}' begins as {}, but the state '{}' that it follows is {}", trace.name,
                                    a_name_of(trace.dimension), trace.source, a_name_of(states[state].dimension)));
  return state;
}

void read_traces(const RuleReading& reading, bool own, Table& from, TextRule& rule) {
  const SteadyValues steady = rule.steady();
  for (const TraceText& trace : rule.text.traces) {
    if (trace.of == TraceText::Of::state) {
      rule.follows.push_back(followed(reading, trace, from));
      rule.state_delays.push_back(
          trace.delay ? steps_of(reading, trace.delay, steady, 0, fmt::format("the delay of '{}'", trace.name)) : 0);
    }
    if (!trace.tau) continue;
    const double tau = steady.of(trace.tau);
    if (!(tau > 0)) from.fail("traces", fmt::format("trace '{}': 'tau' is {} s; it must be above 0", trace.name, tau));
    if (trace.of != TraceText::Of::source) continue;
    SourceTrace source;
    source.source = source_of(reading, own, rule.text, trace, from);
    source.delay = trace.delay ? steps_of(reading, trace.delay, steady, 1, fmt::format("the delay of '{}'", trace.name))
                               : reading.described.delay;
    source.decay = std::exp(-rule.dt / tau);
    source.jump = steady.of(trace.jump);
    source.initial = steady.of(trace.initial);
    rule.listens.push_back({source.source, source.delay, source.delay + 1});
    rule.source_traces.push_back(source);
  }
}

// Weights stay on their receptor's side of 0.
void read_bounds(const RuleReading& reading, TextRule& rule) {
  SynapticStateText& weight = rule.text.states.front();
  if (!weight.low && reading.sign == WeightSign::positive) weight.low = number(0, weight.dimension);
  if (!weight.high && reading.sign == WeightSign::negative) weight.high = number(0, weight.dimension);
  const SteadyValues steady = rule.steady();
  if (weight.low) rule.w_min = steady.of(weight.low);
  if (weight.high) rule.w_max = steady.of(weight.high);
}

}  // namespace

std::shared_ptr<const RuleDescription> read_text_rule(const RuleReading& reading, Table& text, bool own) {
  const auto rule = std::make_shared<TextRule>();
  rule->text = read_rule_text(text, reading.weight);
  rule->dt = reading.grid.dt;
  rule->moves = Moves::within_epochs;
  read_values(reading, own, *rule);
  read_bounds(reading, *rule);
  read_traces(reading, own, text, *rule);
  if (!own && reading.rule.has("delay"))
    rule->text.dendritic = reading.rule.choice("delay", {"axonal", "dendritic"}) == 1;
  rule->delays_differ = !rule->text.dendritic;
  if (rule->text.every) {
    const SteadyValues steady = rule->steady();
    rule->window = steps_of(reading, rule->text.every, steady, 1, "'every' of [each]");
    rule->window_offset = steps_of(reading, rule->text.offset, steady, 0, "'offset' of [each]");
  }
  if (rule->text.dendritic && !rule->follows.empty())
    reading.rule.fail("delay", "traces that follow a state need an axonal delay");
  if (rule->text.dendritic && std::ranges::any_of(rule->text.traces, &TraceText::at_once))
    reading.rule.fail("delay", "traces 'at_once' need an axonal delay, where arrivals come first in a step");
  if (rule->text.dendritic) {
    const Step back = 2 * reading.described.delay;
    rule->listens.push_back({reading.described.to, back, back});
  }
  return rule;
}

std::unique_ptr<Plasticity> TextRule::make(const RulePlace& place) const {
  return std::make_unique<TextRulePlasticity>(*this, place);
}

}  // namespace lpl::spiking
