#include "spiking/stimulus/computed_current.hpp"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <cmath>

#include "core/aligned.hpp"
#include "core/errors.hpp"
#include "core/expression.hpp"
#include "core/text.hpp"
#include "spiking/model/machine.hpp"
#include "spiking/neurons.hpp"

namespace lpl::spiking {
namespace {

// --- Acting ----------------------------------------------------------------------------------------------------------

// Runs a program once.
class Single {
 public:
  Single(const Program& program, const Noise& noise, double dt) : program_(program), registers_(program.registers()) {
    step_.noise = noise;
    step_.dt = dt;
  }
  double& state() { return registers_.front(); }
  double run(NeuronId neuron, Step step) {
    step_.neuron = neuron;
    step_.step = step;
    lpl::run<double>(program_, registers_, step_);
    return state();
  }

 private:
  const Program& program_;
  std::vector<double> registers_;
  NeuronStep<double> step_{};
};

class CurrentActor : public Actor {
 public:
  CurrentActor(const ComputedCurrent& device, double dt, std::uint64_t seed, Neurons& target)
      : device_(device), dt_(dt), noise_{.seed = seed, .object = hash_name(device.name)}, target_(target) {}

  void act(Step from, Step to) final {
    device_.for_each_part(std::max(from, device_.start), std::min(to, device_.stop),
                          [&](Step begin, Step end) { add(begin, end, static_cast<std::size_t>(begin - from)); });
  }

 protected:
  // In steps [begin, end), the first of which has this slot.
  virtual void add(Step begin, Step end, std::size_t slot) = 0;

  bool can_be_added(float value) const { return std::abs(value) <= static_cast<float>(device_.largest); }
  [[noreturn]] void refuse(const std::string& whose, float value, Step step) const {
    throw ConfigError(fmt::format(
        "stimulus '{}': the current{} is {} {} at {:.12g} s; in size it must be a number up to {:.6g}", device_.name,
        whose, value, unit_of(device_.dimension), static_cast<double>(step) * dt_, device_.largest));
  }

  const ComputedCurrent& device_;
  double dt_;
  Noise noise_;
  Neurons& target_;
};

class SharedCurrent final : public CurrentActor {
 public:
  SharedCurrent(const ComputedCurrent& device, double dt, std::uint64_t seed, Neurons& target)
      : CurrentActor(device, dt, seed, target), single_(device.program, noise_, dt) {
    const LocalRange& range = target.range();
    for (const NeuronId id : device.neurons)
      if (range.holds(id)) cells_.push_back(target.layout().target_of(id - range.first));
    if (device.beginning) single_.state() = Single(*device.beginning, noise_, dt).run(0, 0);
  }
  void list(Variables& variables) override {
    if (device_.beginning)
      variables.add({.name = fmt::format("current of {}", device_.name),
                     .unit = unit_of(device_.dimension),
                     .by = By::device,
                     .owner = device_.population,
                     .data = std::span<double>(&single_.state(), 1)});
  }

 private:
  void add(Step begin, Step end, std::size_t slot) override {
    float* to = target_.current(device_.input) + slot * kBlock;
    float value = 0;
    for (Step step = begin; step < end; ++step, to += kBlock) {
      if (step == begin || step % device_.every == 0) value = static_cast<float>(single_.run(0, step / device_.every));
      if (!can_be_added(value)) refuse("", value, step);
      for (const std::uint32_t cell : cells_) to[cell] += value;
    }
  }

  Single single_;
  std::vector<std::uint32_t> cells_;
};

class CurrentByNeuron final : public CurrentActor {
 public:
  CurrentByNeuron(const ComputedCurrent& device, double dt, std::uint64_t seed, Neurons& target)
      : CurrentActor(device, dt, seed, target),
        machine_(device.program, std::uint16_t{0}, {}, noise_, dt),
        state_(device.program.states, AlignedVector<double>(target.blocks() * kBlock, 0.0)),
        keep_(target.blocks() * kBlock, 0u),
        values_(kMostBlocks * target.layout().slots() * kBlock, 0.0f) {
    all_.fill(0xffff);
    find_blocks();
    begin();
  }
  void list(Variables& variables) override {
    if (device_.beginning)
      variables.add({.name = fmt::format("current of {}", device_.name),
                     .unit = unit_of(device_.dimension),
                     .by = By::neuron,
                     .owner = device_.population,
                     .data = std::span<double>(state_.front())});
  }

 private:
  static constexpr std::size_t kMostBlocks = 16;
  struct Run {
    std::size_t first, blocks;
  };

  // The blocks in which neurons of the device lie, in runs.
  void find_blocks() {
    const LocalRange& range = target_.range();
    for (const NeuronId id : device_.neurons) {
      if (!range.holds(id)) continue;
      keep_[id - range.first] = ~0u;
      const std::size_t block = (id - range.first) / kBlock;
      const std::size_t next = runs_.empty() ? 0 : runs_.back().first + runs_.back().blocks;
      if (!runs_.empty() && block < next) continue;
      if (!runs_.empty() && block == next && runs_.back().blocks < kMostBlocks)
        ++runs_.back().blocks;
      else
        runs_.push_back({block, 1});
    }
  }

  void begin() {
    const LocalRange& range = target_.range();
    std::optional<Single> beginning;
    if (device_.beginning) beginning.emplace(*device_.beginning, noise_, dt_);
    for (std::size_t n = 0; n < range.count; ++n) {
      const auto id = static_cast<NeuronId>(range.first + n);
      if (beginning) state_[0][n] = beginning->run(id, 0);
      for (std::size_t p = 0; p < device_.places.size(); ++p) state_[1 + p][n] = place(device_.places[p], id);
    }
  }
  double place(const std::string& name, NeuronId id) const {
    if (name == "i") return id;
    return device_.positions->at(id)[static_cast<std::size_t>(name[0] - 'x')];
  }

  void add(Step begin, Step end, std::size_t slot) override {
    const Step first = begin / device_.every, last = (end - 1) / device_.every;
    for (const Run& run : runs_) {
      compute(run, first, static_cast<std::uint32_t>(last - first + 1));
      bool well = true;
      for (std::size_t b = 0; b < run.blocks; ++b)
        for (Step step = begin; step < end; ++step) {
          const std::size_t at = slot + static_cast<std::size_t>(step - begin);
          well &= add_block(value(b, step, first), run.first + b, at);
        }
      if (!well) refuse_first(run, begin, end, first);
    }
  }
  void compute(const Run& run, Step first, std::uint32_t steps) {
    std::vector<void*>& states = arrays_;
    states.clear();
    for (auto& state : state_) states.push_back(state.data() + run.first * kBlock);
    PopulationEpoch epoch;
    epoch.blocks = run.blocks;
    epoch.steps = steps;
    epoch.slots = target_.layout().slots();
    epoch.first = first;
    epoch.first_neuron = static_cast<NeuronId>(target_.range().first + run.first * kBlock);
    epoch.lanes = all_.data();
    epoch.state = states.data();
    epoch.V_integrated = values_.data();
    machine_.advance(epoch);
  }
  // Of block b of a run.
  const float* value(std::size_t b, Step step, Step first) const {
    const auto interval = static_cast<std::size_t>(step / device_.every - first);
    return values_.data() + (b * target_.layout().slots() + interval) * kBlock;
  }
  // Whether all values can be added.
  bool add_block(const float* values, std::size_t block, std::size_t slot) {
    float* const to = target_.current(device_.input) + (block * target_.layout().slots() + slot) * kBlock;
    const std::uint32_t* const keep = keep_.data() + block * kBlock;
    bool well = true;
    for (std::size_t lane = 0; lane < kBlock; ++lane) {
      const auto value = std::bit_cast<float>(std::bit_cast<std::uint32_t>(values[lane]) & keep[lane]);
      well &= can_be_added(value);
      to[lane] += value;
    }
    return well;
  }
  // The first neuron, wherever it lives.
  [[noreturn]] void refuse_first(const Run& run, Step begin, Step end, Step first) const {
    for (std::size_t n = 0;; ++n)
      for (Step step = begin; step < end; ++step) {
        const float found = value(n / kBlock, step, first)[n % kBlock];
        const std::size_t local = run.first * kBlock + n;
        if (keep_[local] != 0 && !can_be_added(found))
          refuse(fmt::format(" of neuron {}", target_.range().first + local), found, step);
      }
  }

  Machine<double> machine_;
  std::vector<AlignedVector<double>> state_;
  std::vector<void*> arrays_;          // of the run at hand
  AlignedVector<std::uint32_t> keep_;  // by neuron: all bits where the device acts on it
  AlignedVector<float> values_;        // of a run, [block][slot][16]
  std::array<std::uint16_t, kMostBlocks> all_;
  std::vector<Run> runs_;
};

// --- Reading ---------------------------------------------------------------------------------------------------------

constexpr std::array<const char*, 3> kCoordinates{"x", "y", "z"};

Value amount(ProgramBuilder& program, double mean, double deviation, std::uint16_t draw) {
  return program.emit(Op::add, program.constant(mean),
                      program.emit(Op::multiply, program.constant(deviation), program.draw(Op::normal, draw)));
}

Program finished(ProgramBuilder& program, Value current) {
  program.commit({{0, current}});
  program.fired(program.constant(0));  // nobody spikes; the machine gives out the first state here
  return program.finish();
}

Expression read_expression(Table& table, const StimulusReading& reading, const ComputedCurrent& current) {
  if (table.is_number("value")) {
    if (current.dimension != Dimension::none) table.quantity("value", current.dimension, kAny);  // asks for a unit
    return number(table.number("value", kAny));
  }
  const Population& target = reading.populations[current.population];
  Scope scope{.symbols = {{"t", Dimension::time},
                          {"dt", Dimension::time, number(reading.grid.dt, Dimension::time)},
                          {"i", Dimension::none},
                          {"N", Dimension::none, number(target.size)}}};
  for (std::size_t d = 0; target.positions && d < target.positions->dimensions(); ++d)
    scope.symbols.push_back({kCoordinates[d], Dimension::length});
  try {
    return parse_expression(table.text("value"), scope, current.dimension);
  } catch (const ExpressionError& error) {
    table.fail_at("value", error.offset(), fmt::format("'value': {}", error.what()));
  }
}

void check_constant(Table& table, const Expression& tree, const ComputedCurrent& current) {
  const auto value = evaluate(tree, [](const std::string&) { return std::optional<double>(); });
  if (!value || std::abs(*value) <= current.largest) return;
  table.fail("value", fmt::format("{}; in size it must be a number up to {:.6g} {}{}", table.stated("value"),
                                  current.largest, unit_of(current.dimension),
                                  current.dimension == Dimension::voltage ? "; did you mean mV?" : ""));
}

void read_value(const StimulusReading& reading, ComputedCurrent& current) {
  const Expression tree = read_expression(reading.table, reading, current);
  check_constant(reading.table, tree, current);
  for (const char* name : {"i", "x", "y", "z"})
    if (any_name(tree, [&](const std::string& used) { return used == name; })) current.places.push_back(name);
  current.shared = current.places.empty();
  current.positions = reading.populations[current.population].positions;
  ProgramBuilder program(static_cast<std::uint16_t>(1 + current.places.size()));
  const auto value_of = [&](const std::string& name) {
    if (name == "t") return program.time();
    const auto place = std::ranges::find(current.places, name) - current.places.begin();
    return program.state(static_cast<std::uint16_t>(1 + place));
  };
  current.program = finished(
      program,
      append(program, tree, {.name = value_of, .known = [](const Expression&) { return std::optional<Value>(); }}));
}

double read_amount(Table& table, std::string_view key, const ComputedCurrent& current, double low,
                   std::optional<double> fallback = {}) {
  const Bounds bounds{low, current.largest};
  if (current.dimension == Dimension::none) return table.number(key, bounds, fallback);
  std::optional<std::string> text;
  if (fallback) text = fmt::format("{} {}", *fallback, unit_of(current.dimension));
  return table.quantity(key, current.dimension, bounds, text);
}

void read_noise(const StimulusReading& reading, ComputedCurrent& current) {
  Table noise = reading.table.table("noise");
  noise.rename(fmt::format("{} noise", reading.table.who()));
  const bool follows = noise.choice("type", {"white", "ornstein_uhlenbeck"}, "white") == 1;
  const double mean = read_amount(noise, "mean", current, -current.largest, 0.0);
  const double deviation = read_amount(noise, "deviation", current, 0);
  current.shared = noise.flag("shared", false);
  ProgramBuilder program(1);
  if (!follows) {
    if (noise.has("every")) current.every = reading.grid.read_interval(noise, "every");
    current.program = finished(program, amount(program, mean, deviation, 0));
  } else {
    // Exact in a step, from a value of the distribution that it keeps.
    const double lost = -std::expm1(-reading.grid.dt / noise.quantity("tau", Dimension::time, kPositive));
    const Value kept = program.emit(Op::multiply, program.state(0), program.constant(1 - lost));
    const Value added = amount(program, mean * lost, deviation * std::sqrt(lost * (2 - lost)), 0);
    current.program = finished(program, program.emit(Op::add, kept, added));
    ProgramBuilder beginning(1);
    current.beginning = finished(beginning, amount(beginning, mean, deviation, 1));
  }
  noise.finish();
}

}  // namespace

std::unique_ptr<Actor> ComputedCurrent::make(double dt, std::uint64_t seed, Neurons& target) const {
  if (shared) return std::make_unique<SharedCurrent>(*this, dt, seed, target);
  return std::make_unique<CurrentByNeuron>(*this, dt, seed, target);
}

void ComputedCurrent::warn(const Grid& grid, Step end, const std::function<void(const std::string&)>& say) const {
  bool acts = false;
  for_each_part(start, std::min(stop, end), [&](Step, Step) { acts = true; });
  const auto seconds = [&](Step step) { return static_cast<double>(step) * grid.dt; };
  if (start >= end)
    say(fmt::format("begins at {:.12g} s, after the end of the run at {:.12g} s", seconds(start), seconds(end)));
  else if (!acts)
    say(fmt::format("never acts: its phases lie outside of {:.12g} s to {:.12g} s", seconds(start),
                    seconds(std::min(stop, end))));
}

void read_computed_current(const StimulusReading& reading, ComputedCurrent& current) {
  Table& table = reading.table;
  if (table.has("value"))
    read_value(reading, current);
  else
    read_noise(reading, current);
  current.start = reading.grid.read_steps(table, "start", kNonNegative, "0 s");
  if (!table.has("stop")) return;
  current.stop = reading.grid.read_steps(table, "stop", kPositive);
  if (current.stop <= current.start)
    table.fail("stop", fmt::format("{}, but it starts at {:.12g} s", table.stated("stop"),
                                   static_cast<double>(current.start) * reading.grid.dt));
}

}  // namespace lpl::spiking
