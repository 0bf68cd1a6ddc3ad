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

// The program of an event, ready to run over many synapses: they are gathered, changed and put back.
class Change {
 public:
  Change(const TextRule& rule, const ChangeText& change, const SteadyValues& steady)
      : compiled_(compile_change(rule.text, change, steady, rule.dt)), machine_(compiled_.program) {
    for (const SynapseInput& input : compiled_.inputs) {
      using Kind = SynapseInput::Kind;
      reads_pre_ |= input.kind == Kind::pre_lag || input.kind == Kind::pre_value;
      reads_post_ |= input.kind == Kind::post_lag || input.kind == Kind::post_value;
    }
  }

  bool changes() const { return !compiled_.changed.empty(); }
  bool is_full() const { return count_ == SynapseMachine::kMost; }
  bool is_empty() const { return count_ == 0; }

  // `pre_now` and `post_now`: the time at the synapse, by presynaptic emission and by postsynaptic arrival there.
  // `sources`: traces of sources, by trace.
  void add(std::uint64_t synapse, NeuronId source, std::uint32_t neuron, Step pre_now, Step post_now,
           const PreTraces& pre_traces, const PostTraces& post_traces, const float* sources) {
    const std::size_t i = count_++;
    synapse_[i] = synapse;
    if (compiled_.inputs.empty()) return;
    const TraceValues pre = reads_pre_ ? pre_traces.at(source, pre_now) : TraceValues{};
    const TraceValues post = reads_post_ ? post_traces.at(neuron) : TraceValues{};
    for (std::size_t k = 0; k < compiled_.inputs.size(); ++k) {
      const SynapseInput& input = compiled_.inputs[k];
      float& value = input_column(k)[i];
      switch (input.kind) {
        case SynapseInput::Kind::pre_lag:
          value = static_cast<float>(pre_now - pre.since);
          break;
        case SynapseInput::Kind::pre_value:
          value = pre.values[input.trace * pre.stride];
          break;
        case SynapseInput::Kind::post_lag:
          value = static_cast<float>(post_now - post.since);
          break;
        case SynapseInput::Kind::post_value:
          value = post.values[input.trace * post.stride];
          break;
        case SynapseInput::Kind::source:
          value = sources[input.trace];
          break;
      }
    }
  }
  // Changes what was added. `states`: by state, of all synapses.
  void run(std::span<float* const> states) {
    for (std::size_t s = 0; s < states.size(); ++s)
      for (std::size_t i = 0; i < count_; ++i) machine_.column(s)[i] = states[s][synapse_[i]];
    machine_.run(count_);
    for (const std::size_t s : compiled_.changed)
      for (std::size_t i = 0; i < count_; ++i) states[s][synapse_[i]] = machine_.column(s)[i];
    count_ = 0;
  }

 private:
  float* input_column(std::size_t k) { return machine_.column(compiled_.program.states + k); }

  SynapseProgram compiled_;
  SynapseMachine machine_;
  bool reads_pre_ = false, reads_post_ = false;
  std::size_t count_ = 0;
  std::array<std::uint64_t, SynapseMachine::kMost> synapse_{};
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
        pre_(traces_of(rule.text, TraceText::Of::pre, steady_, rule.dt), place.pre_size),
        post_(traces_of(rule.text, TraceText::Of::post, steady_, rule.dt), place.post_blocks),
        on_arrival_(rule, rule.text.on_arrival, steady_),
        on_spike_(rule, rule.text.on_spike, steady_),
        each_(rule, rule.text.each, steady_),
        columns_(place),
        arrivals_(place.post_blocks),
        next_(place.post_blocks, 0) {
    for (const NeuronId source : place.synapses.heard) pre_.begin(source);
    make_states();
    for (const SourceTrace& trace : rule_.source_traces) source_value_.push_back(trace.initial);
    source_values_.resize(source_value_.size() * kLongestEpoch);
  }

  void begin_epoch(Step first, std::uint32_t steps, std::span<const SpikeHistory> spikes, bool learns,
                   std::uint32_t* event_steps) override {
    first_ = first;
    learns_ = learns;
    if (known_ < 0) begin(first);
    advance_source_traces(steps, spikes);
    if (learns_ && rule_.window > 0 && rule_.closes_window(first)) change_all();
    if (rule_.text.dendritic)
      deliver(steps, spikes);
    else
      list_arrivals(steps, spikes[place_.connection.from], event_steps);
  }

  BlockHook* hook() override { return rule_.text.dendritic ? nullptr : this; }

  void advance(const Neurons& /*post*/, Step first, std::uint32_t steps) override {
    run(on_arrival_);
    pre_.settle(first + steps - place_.synapses.longest);
  }

  void list(Variables& variables) override {
    const ConnectionDescription& c = place_.connection;
    const auto add = [&](const std::string& what, By by, std::size_t owner, auto values, std::size_t history = 1) {
      variables.add(
          {.name = c.name + "." + what, .unit = "1", .by = by, .owner = owner, .data = values, .history = history});
    };
    for (std::size_t s = 1; s < rule_.text.states.size(); ++s)
      add(rule_.text.states[s].name, By::synapse, place_.index, std::span<float>(own_states_[s - 1]));
    if (post_.count() > 0) {
      add("post_traces", By::neuron, c.to, std::span(post_.values()), post_.count());
      add("post_since", By::neuron, c.to, std::span(post_.since()));
    }
    if (!pre_.values().empty()) {
      add("pre_traces", By::source, c.from, std::span(pre_.values()));
      add("pre_since", By::source, c.from, std::span(pre_.since()));
    }
    if (!source_value_.empty()) add("source_traces", By::device, c.to, std::span(source_value_));
  }

  std::size_t buffer_bytes() const override { return columns_.bytes(); }

 private:
  struct Arrival {
    std::uint32_t synapse;
    NeuronId source;
    std::uint16_t step;
    bool again;  // the source has spiked shortly before
  };
  // A spike that has not reached all of its synapses.
  struct Travelling {
    Step emitted;
    NeuronId source;
    bool again;
    std::uint64_t next, end;
  };

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

  // What a checkpoint holds of sources that only other ranks hear would not move here.
  void begin(Step first) {
    for (NeuronId source = 0; source < place_.pre_size; ++source)
      if (!place_.synapses.hears(source)) pre_.forget(source);
    known_ = std::max<Step>(0, first - place_.synapses.longest);
  }

  // Traces of sources are summed in float64, step by step, on all ranks alike.
  void advance_source_traces(std::uint32_t steps, std::span<const SpikeHistory> spikes) {
    for (std::uint32_t step = 0; step < steps; ++step)
      for (std::size_t t = 0; t < source_value_.size(); ++t) {
        const SourceTrace& trace = rule_.source_traces[t];
        source_values_[step * source_value_.size() + t] = static_cast<float>(source_value_[t]);
        const auto arrived = spikes[trace.source].at(first_ + step - trace.delay).size();
        source_value_[t] = (source_value_[t] + trace.jump * static_cast<double>(arrived)) * trace.decay;
      }
  }
  const float* source_values(Step now) const {
    return source_values_.data() + static_cast<std::size_t>(now - first_) * source_value_.size();
  }

  Step delay_of(std::uint64_t synapse) const {
    return place_.synapses.delay.empty() ? place_.synapses.shortest : place_.synapses.delay[synapse];
  }

  // --- Axonal ------------------------------------------------------------------------------------------------------

  // The arrivals of an epoch, by block of targets and by step; in a step in the order of emission, source and synapse.
  void list_arrivals(std::uint32_t steps, const SpikeHistory& source, std::uint32_t* event_steps) {
    const Synapses& synapses = place_.synapses;
    const Step last = first_ + steps;
    for (std::size_t b = 0; b < arrivals_.size(); ++b) {
      arrivals_[b].clear();
      next_[b] = 0;
    }
    for (; known_ < last - synapses.shortest; ++known_)
      for (const NeuronId pre : source.at(known_)) take_in(pre);
    std::size_t left = 0;
    for (Travelling spike : underway_) {
      for (; spike.next < spike.end && spike.emitted + delay_of(spike.next) < last; ++spike.next) {
        const auto step = static_cast<std::uint16_t>(spike.emitted + delay_of(spike.next) - first_);
        const std::size_t block = place_.layout.neuron_of(synapses.target[spike.next]) / kBlock;
        arrivals_[block].push_back({static_cast<std::uint32_t>(spike.next), spike.source, step, spike.again});
        event_steps[block] |= 1u << step;
      }
      if (spike.next < spike.end) underway_[left++] = spike;
    }
    underway_.resize(left);
    if (!synapses.delay.empty())
      for (auto& arrivals : arrivals_) std::ranges::stable_sort(arrivals, {}, &Arrival::step);
  }
  void take_in(NeuronId pre) {
    const Synapses& synapses = place_.synapses;
    const auto [begin, end] = synapses.of(pre);
    if (begin == end) return;
    const bool again = pre_.spiked_since(pre, known_ - kLongestEpoch);
    pre_.spike(pre, known_);
    const std::uint64_t next = synapses.delay.empty() ? begin : synapses.first_after(begin, end, first_ - known_);
    if (next < end) underway_.push_back({known_, pre, again, next, end});
  }

  void arrive(std::uint32_t block, std::uint32_t step) override {
    const auto& arrivals = arrivals_[block];
    std::size_t& next = next_[block];
    if (learns_ && rule_.text.transmits_after) {
      while (next < arrivals.size() && arrivals[next].step == step) {
        const std::size_t begin = next;
        do change(arrivals[next++], step);
        while (next < arrivals.size() && arrivals[next].step == step && !arrivals[next].again);
        run(on_arrival_);
        for (std::size_t i = begin; i < next; ++i) transmit(arrivals[i].synapse, step);
      }
      return;
    }
    for (; next < arrivals.size() && arrivals[next].step == step; ++next) {
      const Arrival& arrival = arrivals[next];
      // Changes by the spikes before it must be done; those of others may wait.
      if (arrival.again) run(on_arrival_);
      transmit(arrival.synapse, step);
      if (learns_) change(arrival, step);
    }
  }
  void transmit(std::uint64_t synapse, std::uint32_t step) {
    place_.input[place_.synapses.target[synapse] + step * kBlock] += place_.synapses.weight[synapse];
  }
  void change(const Arrival& arrival, std::uint32_t step) {
    add(on_arrival_, arrival.synapse, arrival.source, first_ + step, first_ + step);
  }

  void spiked(std::uint32_t block, std::uint32_t step, std::uint32_t lanes) override {
    run(on_arrival_);
    const Step now = first_ + step;
    for (; lanes != 0; lanes &= lanes - 1) {
      const auto neuron =
          static_cast<std::uint32_t>(block * kBlock) + static_cast<std::uint32_t>(std::countr_zero(lanes));
      if (learns_) change_column(neuron, now, now);
      post_.spike(neuron, now);
    }
  }

  // --- Dendritic ---------------------------------------------------------------------------------------------------

  // All that meets at synapses in this epoch's arrivals happened before the epoch.
  void deliver(std::uint32_t steps, std::span<const SpikeHistory> spikes) {
    const Synapses& synapses = place_.synapses;
    const Step delay = synapses.shortest;
    for (std::uint32_t step = 0; step < steps; ++step) {
      const Step now = first_ + step - delay;
      if (now < 0) continue;
      const auto own = local_spikes(spikes[place_.connection.to], now - delay);
      if (learns_)
        for (const NeuronId id : own) change_column(id - place_.post_range.first, now, first_ + step);
      const auto sources = spikes[place_.connection.from].at(now);
      for (const NeuronId pre : sources) deliver_row(pre, now, step);
      for (const NeuronId id : own) post_.spike(id - place_.post_range.first, now);
      for (const NeuronId pre : sources)
        if (synapses.hears(pre)) pre_.spike(pre, now);
      pre_.settle(now + 1);
    }
  }
  std::span<const NeuronId> local_spikes(const SpikeHistory& history, Step step) const {
    const std::span<const NeuronId> all = history.at(step);
    const auto begin = std::ranges::lower_bound(all, place_.post_range.first);
    const auto end = std::ranges::lower_bound(all, place_.post_range.first + place_.post_range.count);
    return {begin, end};
  }
  void deliver_row(NeuronId pre, Step now, std::uint32_t step) {
    const auto [begin, end] = place_.synapses.of(pre);
    const auto transmit_all = [&] {
      for (std::uint64_t s = begin; s < end; ++s) transmit(s, step);
    };
    if (!rule_.text.transmits_after) transmit_all();
    if (learns_ && on_arrival_.changes()) {
      for (std::uint64_t s = begin; s < end; ++s) add(on_arrival_, s, pre, now, first_ + step);
      run(on_arrival_);
    }
    if (rule_.text.transmits_after) transmit_all();
  }

  // --- Both --------------------------------------------------------------------------------------------------------

  // `at_synapse`: the time there.
  void add(Change& change, std::uint64_t synapse, NeuronId source, Step at_synapse, Step now) {
    if (!change.changes()) return;
    if (change.is_full()) run(change);
    change.add(synapse, source, place_.layout.neuron_of(place_.synapses.target[synapse]),
               emitted_by(synapse, at_synapse), at_synapse, pre_, post_, source_values(now));
  }
  void run(Change& change) {
    if (!change.is_empty()) change.run(states_);
  }
  void change_column(std::uint32_t neuron, Step at_synapse, Step now) {
    if (!on_spike_.changes()) return;
    columns_.each(neuron, [&](std::uint32_t synapse, std::uint32_t row) {
      if (on_spike_.is_full()) run(on_spike_);
      on_spike_.add(synapse, place_.synapses.heard[row], neuron, emitted_by(synapse, at_synapse), at_synapse, pre_,
                    post_, source_values(now));
    });
    run(on_spike_);
  }
  // Between the steps first_-1 and first_.
  void change_all() {
    const Synapses& synapses = place_.synapses;
    const Step now = rule_.text.dendritic ? std::max<Step>(0, first_ - synapses.shortest) : first_;
    for (std::size_t r = 0; r < synapses.heard.size(); ++r)
      for (std::uint64_t s = synapses.row[r]; s < synapses.row[r + 1]; ++s)
        add(each_, s, synapses.heard[r], now, first_);
    run(each_);
  }
  // When a presynaptic spike was emitted that is at the synapse now.
  Step emitted_by(std::uint64_t synapse, Step now) const {
    return rule_.text.dendritic ? now : std::max<Step>(0, now - delay_of(synapse));
  }

  const TextRule& rule_;
  RulePlace place_;
  SteadyValues steady_;
  PreTraces pre_;
  PostTraces post_;
  std::vector<double> source_value_;  // of traces of sources, as the next step finds them
  std::vector<float> source_values_;  // [step of the epoch][trace]
  std::vector<float*> states_;        // by state, of all synapses; the weights first
  std::vector<AlignedVector<float>> own_states_;
  Change on_arrival_, on_spike_, each_;
  SynapseColumns columns_;
  bool learns_ = true;
  Step first_ = 0;
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

void read_source_traces(const RuleReading& reading, bool own, Table& from, TextRule& rule) {
  const SteadyValues steady = rule.steady();
  for (const TraceText& trace : rule.text.traces) {
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
  read_source_traces(reading, own, text, *rule);
  if (!own && reading.rule.has("delay"))
    rule->text.dendritic = reading.rule.choice("delay", {"axonal", "dendritic"}) == 1;
  rule->delays_differ = !rule->text.dendritic;
  if (rule->text.every) {
    const SteadyValues steady = rule->steady();
    rule->window = steps_of(reading, rule->text.every, steady, 1, "'every' of [each]");
    rule->window_offset = steps_of(reading, rule->text.offset, steady, 0, "'offset' of [each]");
  }
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
