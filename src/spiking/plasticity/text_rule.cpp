#include "spiking/plasticity/text_rule.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "core/errors.hpp"
#include "spiking/description.hpp"
#include "spiking/plasticity/arrivals_by_block.hpp"
#include "spiking/plasticity/change.hpp"
#include "spiking/short_term/short_term.hpp"
#include "spiking/synapses.hpp"

namespace lpl::spiking {
namespace {

std::vector<Trace> traces_of(const RuleText& text, TraceText::Of of, const SteadyValues& steady, double dt) {
  std::vector<Trace> traces;
  for (const TraceText& trace : text.traces)
    if (trace.of == of)
      traces.push_back({.rate = trace.tau ? static_cast<float>(-dt / steady.of(trace.tau)) : 0,
                        .jump = static_cast<float>(steady.of(trace.jump)),
                        .initial = static_cast<float>(steady.of(trace.initial)),
                        .nearest = trace.nearest,
                        .window = trace.tau ? std::vector<float>{} : text.window(trace).by_steps(dt)});
  return traces;
}

// `later` they are seen at the synapse.
std::vector<StateTraces::Entry> state_traces_of(const TextRule& rule, const SteadyValues& steady, Step later) {
  std::vector<StateTraces::Entry> entries;
  for (const TraceText& trace : rule.text.traces) {
    if (trace.of != TraceText::Of::state) continue;
    const std::size_t i = entries.size();
    entries.push_back({.state = rule.follows[i],
                       .gain = trace.tau ? static_cast<float>(rule.dt / steady.of(trace.tau)) : 1.0f,
                       .initial = static_cast<float>(steady.of(trace.initial)),
                       .delay = rule.state_delays[i] + later});
  }
  return entries;
}

// Time at a synapse that lies a steps of its delay behind the soma it hears and b before the one it reaches: a
// presynaptic spike is there a steps after it was emitted, a postsynaptic one after b steps, and what is transmitted
// arrives b steps later; what a step leaves of a neuron's states is at the synapse after b steps, too. Axonal, where b
// is 0, arrivals come first in a step; dendritic, spikes do; what happens during a condition lies between them. All of
// them read traces as they were before the step.
class TextRulePlasticity final : public Plasticity, private BlockHook {
 public:
  TextRulePlasticity(const TextRule& rule, const RulePlace& place)
      : rule_(rule),
        place_(place),
        steady_(rule.steady()),
        traces_{
            .pre = {traces_of(rule.text, TraceText::Of::pre, steady_, rule.dt), place.synapses.heard.size(),
                    rule.behind - place.synapses.shortest},
            .post = {traces_of(rule.text, TraceText::Of::post, steady_, rule.dt), place.post.blocks() * kBlock},
            .state = {state_traces_of(rule, steady_, is_dendritic() ? behind() - 1 : 0), behind(), place.post.blocks()},
            .source = {},
            .source_by_step = {}},
        on_arrival_(compile_change(rule.text, rule.text.on_arrival, steady_, rule.dt)),
        on_spike_(compile_change(rule.text, rule.text.on_spike, steady_, rule.dt)),
        during_(compile_change(rule.text, rule.text.during, steady_, rule.dt)),
        each_(compile_change(rule.text, rule.text.each, steady_, rule.dt)),
        columns_(place),
        looks_ahead_(rule.text.transmits_after && !rule.text.condition && !on_arrival_.reads_state()),
        arrivals_(place.post.blocks()),
        left_(place.post.blocks()) {
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
    const SpikeHistory& source = epoch.spikes[place_.connection.from];
    if (!is_dendritic()) take_in_until(first_ - place_.synapses.shortest, source);
    if (learns_ && rule_.closes_window(first_)) change_all();
    if (is_dendritic())
      deliver(epoch);
    else
      list_arrivals(epoch);
    if (condition_ && !is_dendritic())
      for (std::size_t b = 0; b < place_.post.blocks(); ++b)
        epoch.event_steps[b] |= static_cast<std::uint32_t>((std::uint64_t{1} << epoch.steps) - 1);
  }

  BlockHook* hook() override { return is_dendritic() ? nullptr : this; }

  void advance(const Neurons& /*post*/, Step first, std::uint32_t steps) override {
    run_pending();
    next_ = first + steps;
    if (!is_dendritic()) traces_.pre.settle(first + steps - memory_);
    for (std::size_t b = 0; b < place_.post.blocks(); ++b)
      traces_.state.advance(b, first, first + steps - 1, place_.post);
  }

  void check() const override {
    const Synapses& synapses = place_.synapses;
    for (std::size_t state = 0; state < states_.size(); ++state)
      synapses.each([&](std::uint32_t row, std::uint64_t s) {
        if (std::isfinite(states_[state][s])) return;
        throw Error(fmt::format(
            "connection '{}': rule '{}' has made '{}' of the synapse from {} to {} {}; look at its equations",
            place_.connection.name, place_.connection.rule_name, rule_.text.states[state].name, synapses.heard[row],
            place_.post.range().first + place_.layout.neuron_of(synapses.target[s]), states_[state][s]));
      });
  }

  void list(Variables& variables) override {
    const ConnectionDescription& c = place_.connection;
    const auto add = [&](const auto& what, By by, std::size_t owner, auto values, std::size_t history = 1,
                         const Shown& shown = nullptr) {
      variables.add({.name = c.name + "." + what.name,
                     .unit = unit_of(what.dimension),
                     .by = by,
                     .owner = owner,
                     .data = values,
                     .history = history,
                     .shown = shown});
    };
    for (std::size_t s = 1; s < rule_.text.states.size(); ++s)
      add(rule_.text.states[s], By::synapse, place_.index, std::span<float>(own_states_[s - 1]));
    std::array<std::size_t, 4> counts{};
    for (const TraceText& trace : rule_.text.traces) {
      const std::size_t t = counts[static_cast<std::size_t>(trace.of)]++;
      if (trace.of == TraceText::Of::pre) {
        add_by_source(variables, trace.name, trace.dimension, traces_.pre.values(t));
        variables.add({.name = c.name + "." + trace.name,
                       .unit = unit_of(trace.dimension),
                       .by = By::synapse,
                       .owner = place_.index,
                       .data = {},
                       .saved = false,
                       .shown = [this, t](std::size_t synapse) { return shown_pre(t, synapse); }});
      } else if (trace.of == TraceText::Of::post)
        add(trace, By::neuron, c.to, traces_.post.values(t), 1, [this, t](std::size_t n) { return shown_post(t, n); });
      else if (trace.of == TraceText::Of::state)
        add(trace, By::neuron, c.to, std::span(traces_.state.values(t)), traces_.state.ring(t),
            [this, t](std::size_t n) { return traces_.state.at(t, n, next_ - 1 - behind()); });
      else
        add(trace, By::device, c.to, std::span(traces_.source).subspan(t, 1));
    }
    if (counts[static_cast<std::size_t>(TraceText::Of::pre)] > 0)
      add_by_source(variables, "pre_since", Dimension::none, traces_.pre.since());
    if (counts[static_cast<std::size_t>(TraceText::Of::post)] > 0)
      variables.add(
          {.name = c.name + ".post_since", .unit = "1", .by = By::neuron, .owner = c.to, .data = traces_.post.since()});
  }

  std::size_t buffer_bytes() const override { return columns_.bytes(); }

 private:
  struct Arrival {
    std::uint32_t synapse, row;
    float factor;  // of what it transmits
    std::uint16_t step;
    bool again;  // one in this epoch, too, is before it at the synapse
  };
  // A spike that has not reached all of its synapses.
  struct Travelling {
    Step emitted;
    std::uint32_t row;
    float factor;
    Step before;  // emission of the source's spike before
    std::uint64_t next, end;
  };

  using Shown = std::function<float(std::size_t)>;
  // Traces at the synapse, as the next step finds them.
  Step now_there() const { return std::max<Step>(0, next_ - behind()); }
  float shown_pre(std::size_t trace, std::uint64_t synapse) const {
    const auto& rows = place_.synapses.row;
    const auto row = static_cast<std::size_t>(std::ranges::upper_bound(rows, synapse) - rows.begin() - 1);
    const Step now = emitted_by(synapse, now_there());
    const TraceValues found = traces_.pre.at(row, now);
    return traces_.pre.trace(trace).value_after(found.values[trace * found.stride], now - found.since);
  }
  float shown_post(std::size_t trace, std::size_t neuron) const {
    const TraceValues found = traces_.post.at(neuron);
    return traces_.post.trace(trace).value_after(found.values[trace * found.stride], now_there() - found.since);
  }

  void add_by_source(Variables& variables, const std::string& what, Dimension dimension, auto values) {
    variables.add({.name = place_.connection.name + "." + what,
                   .unit = unit_of(dimension),
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
    factors_.begin(is_dendritic() ? nullptr : place_.short_term, known_);
    traces_.state.seek(first_);
  }

  // Traces of sources are summed in float64, step by step, on all ranks alike.
  void advance_source_traces(const PlasticEpoch& epoch) {
    for (std::uint32_t step = 0; step < epoch.steps; ++step)
      for (std::size_t t = 0; t < traces_.source.size(); ++t) {
        const SourceTrace& trace = rule_.source_traces[t];
        traces_.source_by_step[step * traces_.source.size() + t] = static_cast<float>(traces_.source[t]);
        const auto arrived = epoch.spikes[trace.source].at(first_ + step - trace.delay).size();
        double& x = traces_.source[t];
        if (trace.nearest && arrived > 0)
          x = trace.jump * trace.decay;
        else
          x = (x + trace.jump * static_cast<double>(arrived)) * trace.decay;
      }
  }

  bool is_dendritic() const { return rule_.behind > 0; }
  // How much earlier than in the soma it is at the synapse.
  Step behind() const { return rule_.behind; }
  Step delay_of(std::uint64_t synapse) const {
    return place_.synapses.delay.empty() ? place_.synapses.shortest : place_.synapses.delay[synapse];
  }

  // --- Axonal ------------------------------------------------------------------------------------------------------

  // The arrivals of an epoch, by block of targets and by step; in a step in the order of emission, source and synapse.
  void list_arrivals(const PlasticEpoch& epoch) {
    const Synapses& synapses = place_.synapses;
    const SpikeHistory& source = epoch.spikes[place_.connection.from];
    const Step last = first_ + epoch.steps;
    arrivals_.clear();
    take_in_until(last - synapses.shortest, source);
    factors_.settle(synapses, source, last - memory_);
    std::size_t left = 0;
    for (Travelling spike : underway_) {
      for (; spike.next < spike.end && spike.emitted + delay_of(spike.next) < last; ++spike.next) {
        const auto step = static_cast<std::uint16_t>(spike.emitted + delay_of(spike.next) - first_);
        const std::size_t block = place_.layout.neuron_of(synapses.target[spike.next]) / kBlock;
        const bool again = spike.before + delay_of(spike.next) >= first_;
        arrivals_.add(block, {static_cast<std::uint32_t>(spike.next), spike.row, spike.factor, step, again}, epoch);
      }
      if (spike.next < spike.end) underway_[left++] = spike;
    }
    underway_.resize(left);
    if (!synapses.delay.empty()) arrivals_.sort();
    if (learns_ && rule_.text.transmits_after) evaluate_ahead();
  }
  void take_in_until(Step end, const SpikeHistory& source) {
    for (; known_ < end; ++known_)
      for (const NeuronId pre : source.at(known_))
        if (const std::size_t row = place_.synapses.row_of(pre); row != Synapses::kNoRow)
          take_in(static_cast<std::uint32_t>(row));
  }
  void take_in(std::uint32_t row) {
    const Synapses& synapses = place_.synapses;
    const Step before = traces_.pre.newest(row);
    traces_.pre.spike(row, known_);
    const float factor = factors_.factor(row, known_);
    const std::uint64_t end = synapses.row[row + 1];
    std::uint64_t next = synapses.row[row];
    if (!synapses.delay.empty())
      next = synapses.first_after(next, end, first_ - known_);
    else if (known_ + synapses.shortest < first_)
      next = end;
    if (next < end) underway_.push_back({known_, row, factor, before, next, end});
  }

  void arrive(std::uint32_t block, std::uint32_t step) override {
    traces_.state.advance(block, first_, first_ + step, place_.post);
    transmit_arrivals(block, step);
    if (condition_ && learns_) {
      run_pending();
      change_where_condition_holds(block, first_ + step, step);
    }
  }
  void transmit_arrivals(std::uint32_t block, std::uint32_t step) {
    if (learns_ && rule_.text.transmits_after) return change_and_transmit(block, step);
    for (const Arrival& arrival : arrivals_.take(block, step)) {
      // Changes by the spikes before it must be done; those of others may wait.
      if (arrival.again) run_pending();
      transmit(arrival.synapse, step, arrival.factor);
      if (learns_ && on_arrival_.changes()) list_change(arrival);
    }
  }
  void transmit(std::uint64_t synapse, std::uint32_t step, float factor) {
    place_.input[place_.synapses.target[synapse] + step * kBlock] += place_.synapses.weight[synapse] * factor;
  }
  void list_change(const Arrival& arrival) {
    add(on_arrival_, arrival.synapse, arrival.row, first_ + arrival.step, arrival.step);
  }

  // Where an arrival transmits what it leaves, that is evaluated for many of them ahead: for all of the epoch that are
  // the first at their synapse, and anew for those whose neuron has spiked since.
  void evaluate_ahead() {
    for (std::size_t block = 0; block < place_.post.blocks(); ++block) {
      const std::span<const Arrival> arrivals = arrivals_.rest(block);
      left_[block].resize(arrivals.size() * on_arrival_.changed().size());
      for (const Arrival& arrival : arrivals)
        if (looks_ahead_ && !arrival.again) list_evaluation(block, arrival);
    }
    evaluate_listed();
  }
  void evaluate_anew(std::size_t block, std::uint32_t neuron) {
    for (const Arrival& arrival : arrivals_.rest(block))
      if (place_.layout.neuron_of(place_.synapses.target[arrival.synapse]) == neuron && !arrival.again)
        list_evaluation(block, arrival);
    evaluate_listed();
  }
  void change_and_transmit(std::uint32_t block, std::uint32_t step) {
    const std::span<const Arrival> arrivals = arrivals_.take(block, step);
    for (const Arrival& arrival : arrivals)
      if (!looks_ahead_ || arrival.again) list_evaluation(block, arrival);
    evaluate_listed();
    for (const Arrival& arrival : arrivals) {
      on_arrival_.store(left_by(block, arrival), arrival.synapse, states_);
      transmit(arrival.synapse, step, arrival.factor);
    }
  }
  void list_evaluation(std::size_t block, const Arrival& arrival) {
    if (pending_.is_full()) evaluate_listed();
    evaluated_[pending_.count()] = left_by(block, arrival);
    list_change(arrival);
  }
  void evaluate_listed() {
    if (pending_.count() == 0) return;
    on_arrival_.evaluate(pending_, states_, traces_);
    for (std::size_t i = 0; i < pending_.count(); ++i) on_arrival_.copy(i, evaluated_[i]);
    pending_.clear();
  }
  float* left_by(std::size_t block, const Arrival& arrival) {
    return left_[block].data() + arrivals_.number(block, arrival) * on_arrival_.changed().size();
  }

  void spiked(std::uint32_t block, std::uint32_t step, std::uint32_t lanes) override {
    traces_.state.advance(block, first_, first_ + step, place_.post);
    run_pending();
    const Step now = first_ + step;
    for (; lanes != 0; lanes &= lanes - 1) {
      const auto neuron =
          static_cast<std::uint32_t>(block * kBlock) + static_cast<std::uint32_t>(std::countr_zero(lanes));
      if (learns_) change_column(on_spike_, neuron, now, step);
      traces_.post.spike(neuron, now);
      if (learns_ && looks_ahead_) evaluate_anew(block, neuron);
    }
  }

  // --- Dendritic ---------------------------------------------------------------------------------------------------

  // All that meets at synapses in this epoch's arrivals happened before the epoch.
  void deliver(const PlasticEpoch& epoch) {
    const Synapses& synapses = place_.synapses;
    const Step axonal = synapses.shortest - behind();
    const auto local = [&](NeuronId id) { return static_cast<std::uint32_t>(id - place_.post.range().first); };
    for (std::uint32_t step = 0; step < epoch.steps; ++step) {
      const Step now = first_ + step - behind();
      if (now < 0) continue;
      const Step emitted = now - axonal;
      const auto own = local_spikes(epoch.spikes[place_.connection.to], now - behind());
      if (learns_)
        for (const NeuronId id : own) change_column(on_spike_, local(id), now, step);
      if (learns_ && condition_)
        for (std::size_t b = 0; b < place_.post.blocks(); ++b) change_where_condition_holds(b, now, step);
      const auto sources = epoch.spikes[place_.connection.from].at(emitted);
      for (const NeuronId pre : sources)
        if (const std::size_t row = synapses.row_of(pre); row != Synapses::kNoRow)
          deliver_row(static_cast<std::uint32_t>(row), now, step);
      for (const NeuronId id : own) traces_.post.spike(local(id), now);
      for (const NeuronId pre : sources)
        if (const std::size_t row = synapses.row_of(pre); row != Synapses::kNoRow) traces_.pre.spike(row, emitted);
      traces_.pre.settle(emitted + 1);
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
    const float factor =
        place_.short_term ? place_.short_term->factor(row, first_ + step - place_.synapses.shortest) : 1;
    const auto transmit_all = [&] {
      for (std::uint64_t s = begin; s < end; ++s) transmit(s, step, factor);
    };
    if (!rule_.text.transmits_after) transmit_all();
    if (learns_ && on_arrival_.changes()) {
      for (std::uint64_t s = begin; s < end; ++s) add(on_arrival_, s, row, now, step);
      run_pending();
    }
    if (rule_.text.transmits_after) transmit_all();
  }

  // --- Both --------------------------------------------------------------------------------------------------------

  // `at_synapse`: the time there.
  void add(Change& change, std::uint64_t synapse, std::uint32_t row, Step at_synapse, std::uint32_t step) {
    if (pending_.is_full()) run_listed(change);
    pending_.add(synapse, row, place_.layout.neuron_of(place_.synapses.target[synapse]),
                 emitted_by(synapse, at_synapse), at_synapse, step);
  }
  void run_listed(Change& change) {
    change.run(pending_, states_, traces_);
    pending_.clear();
  }
  void run_pending() {
    if (pending_.count() > 0) run_listed(on_arrival_);
  }
  void change_where_condition_holds(std::size_t block, Step at_synapse, std::uint32_t step) {
    const auto first_lane = static_cast<std::uint32_t>(block * kBlock);
    lanes_.clear();
    for (std::uint32_t lane = 0; lane < kBlock; ++lane) lanes_.add(0, 0, first_lane + lane, 0, at_synapse, step);
    for (std::uint32_t lanes = condition_->holds(lanes_, traces_); lanes != 0; lanes &= lanes - 1)
      change_column(during_, first_lane + static_cast<std::uint32_t>(std::countr_zero(lanes)), at_synapse, step);
  }
  // `change` of all synapses of a neuron.
  void change_column(Change& change, std::uint32_t neuron, Step at_synapse, std::uint32_t step) {
    if (!change.changes()) return;
    const Synapses& synapses = place_.synapses;
    const auto members = columns_.of(neuron);
    for (std::size_t from = 0; from < members.size(); from += SynapseMachine::kMost)
      change.run(
          SynapsesOfNeuron{.members = members.subspan(from, std::min(SynapseMachine::kMost, members.size() - from)),
                           .neuron_ = neuron,
                           .step_ = step,
                           .now_ = at_synapse,
                           .delay = synapses.shortest - behind(),
                           .delays = synapses.delay.empty() ? nullptr : synapses.delay.data()},
          states_, traces_);
  }
  // Between the steps first_-1 and first_.
  void change_all() {
    const Synapses& synapses = place_.synapses;
    const Step now = std::max<Step>(0, first_ - behind());
    synapses.each([&](std::uint32_t row, std::uint64_t s) { add(each_, s, row, now, 0); });
    run_listed(each_);
  }
  // When a presynaptic spike was emitted that is at the synapse now.
  Step emitted_by(std::uint64_t synapse, Step now) const { return now - (delay_of(synapse) - behind()); }

  const TextRule& rule_;
  RulePlace place_;
  SteadyValues steady_;
  Traces traces_;
  std::vector<float*> states_;  // by state, of all synapses; the weights first
  std::vector<AlignedVector<float>> own_states_;
  Change on_arrival_, on_spike_, during_, each_;
  std::optional<Change> condition_;
  ListedSynapses pending_;  // arrivals that have not changed their synapses
  ListedSynapses lanes_;    // neurons of a block, for the condition
  SynapseColumns columns_;
  bool learns_ = true;
  Step first_ = 0, next_ = 0;  // the epoch's, and the one behind it
  Step memory_ = 0;            // a spike has arrived everywhere after so many steps
  FactorsAhead factors_;
  Step known_ = -1;  // spikes emitted before this step have been taken in
  std::vector<Travelling> underway_;
  bool looks_ahead_;  // nothing but spikes changes what arrivals find
  ArrivalsByBlock<Arrival> arrivals_;
  std::vector<std::vector<float>> left_;                   // by block, of evaluated arrivals: the states that change
  std::array<float*, ListedSynapses::kMost> evaluated_{};  // where what those that are pending leave goes
};

}  // namespace

std::unique_ptr<Plasticity> TextRule::make(const RulePlace& place) const {
  return std::make_unique<TextRulePlasticity>(*this, place);
}

}  // namespace lpl::spiking
