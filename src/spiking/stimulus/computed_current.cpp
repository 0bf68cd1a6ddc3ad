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
  double& state(std::size_t s) { return registers_[s]; }
  double run(NeuronId neuron, Step step) {
    step_.neuron = neuron;
    step_.step = step;
    lpl::run<double>(program_, registers_, step_);
    return state(0);
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
    device_.for_each_part(from, to,
                          [&](Step begin, Step end) { add(begin, end, static_cast<std::size_t>(begin - from)); });
  }

 protected:
  // In steps [begin, end), the first of which has this slot.
  virtual void add(Step begin, Step end, std::size_t slot) = 0;

  double interval() const { return dt_ * static_cast<double>(device_.every); }
  bool can_be_added(float value) const { return std::abs(value) <= static_cast<float>(device_.largest); }
  [[noreturn]] void refuse(const std::string& whose, float value, Step step) const {
    throw Error(fmt::format(
        "stimulus '{}': the current{} is {} {} at {:.12g} s; in size it must be a number up to {:.6g}; look at its "
        "expressions",
        device_.name, whose, value, unit_of(device_.dimension), static_cast<double>(step) * dt_, device_.largest));
  }

  const ComputedCurrent& device_;
  double dt_;
  Noise noise_;
  Neurons& target_;
};

class SharedCurrent final : public CurrentActor {
 public:
  SharedCurrent(const ComputedCurrent& device, double dt, std::uint64_t seed, Neurons& target)
      : CurrentActor(device, dt, seed, target),
        single_(device.program, noise_, interval()),
        cells_(target.cells_of(device.neurons)) {
    if (device.beginning) single_.state(0) = Single(*device.beginning, noise_, dt).run(0, 0);
  }
  void list(Variables& variables) override {
    if (device_.beginning)
      variables.add({.name = fmt::format("current of {}", device_.name),
                     .unit = unit_of(device_.dimension),
                     .by = By::device,
                     .owner = device_.population,
                     .data = std::span<double>(&single_.state(0), 1)});
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
        machine_(device.program, std::uint16_t{0}, {}, noise_, interval()),
        state_(device.program.states, AlignedVector<double>(target.blocks() * kBlock, 0.0)),
        keep_(target.blocks() * kBlock, 0u),
        values_(kMostBlocks * target.layout().slots() * kBlock, 0.0f) {
    all_.fill(0xffff);
    find_blocks();
    start();
  }
  void list(Variables& variables) override {
    if (device_.beginning)
      variables.add({.name = fmt::format("current of {}", device_.name),
                     .unit = unit_of(device_.dimension),
                     .by = By::neuron,
                     .owner = device_.population,
                     .data = std::span<double>(state_.front())});
  }
  std::size_t buffer_bytes() const override {
    const std::size_t unlisted = state_.size() - (device_.beginning ? 1 : 0);
    return keep_.size() * (sizeof(std::uint32_t) + unlisted * sizeof(double)) + values_.size() * sizeof(float);
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

  void start() {
    const LocalRange& range = target_.range();
    std::optional<Single> beginning;
    if (device_.beginning) beginning.emplace(*device_.beginning, noise_, dt_);
    for (std::size_t n = 0; n < range.count; ++n) {
      if (keep_[n] == 0) continue;
      const auto id = static_cast<NeuronId>(range.first + n);
      for (std::size_t s = 1; s < state_.size(); ++s) {
        state_[s][n] = place(device_.places[s - 1], id);
        if (beginning) beginning->state(s) = state_[s][n];
      }
      if (beginning) state_[0][n] = beginning->run(id, 0);
    }
  }
  double place(const std::string& name, NeuronId id) const {
    return name == "i" ? id : device_.positions->coordinate(name, id);
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
    arrays_.clear();
    for (auto& state : state_) arrays_.push_back(state.data() + run.first * kBlock);
    PopulationEpoch epoch;
    epoch.blocks = run.blocks;
    epoch.steps = steps;
    epoch.slots = target_.layout().slots();
    epoch.first = first;
    epoch.first_neuron = static_cast<NeuronId>(target_.range().first + run.first * kBlock);
    epoch.lanes = all_.data();
    epoch.state = arrays_.data();
    epoch.V_integrated = values_.data();
    machine_.advance(epoch);
    // What checkpoints hold of the others in these blocks does not depend on where blocks begin.
    for (std::size_t n = run.first * kBlock; n < (run.first + run.blocks) * kBlock; ++n)
      if (keep_[n] == 0) state_[0][n] = 0;
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

// Which names an expression may have.
struct Known {
  bool time = true, place = true;
};

Scope scope_of(const StimulusReading& reading, const ComputedCurrent& current, Known known) {
  const Population& target = reading.populations[current.population];
  Scope scope{.symbols = {{"dt", Dimension::time, number(reading.grid.dt, Dimension::time)},
                          {"N", Dimension::none, number(target.size)}}};
  if (known.time) scope.symbols.push_back({"t", Dimension::time});
  if (!known.place) return scope;
  scope.symbols.push_back({"i", Dimension::none});
  if (target.positions) std::ranges::copy(target.positions->symbols(), std::back_inserter(scope.symbols));
  return scope;
}

// An expression of the input's dimension; what is constant must lie within bounds.
Expression read_amount(Table& table, std::string_view key, const StimulusReading& reading,
                       const ComputedCurrent& current, Known known, bool negative = true) {
  const std::string unit = unit_of(current.dimension);
  Expression tree = table.expression(key, scope_of(reading, current, known), current.dimension);
  const auto value = evaluate(tree);
  if (!value) return tree;
  if (!(std::abs(*value) <= current.largest))
    table.fail(key, fmt::format("{}; in size it must be a number up to {:.6g} {}{}", table.stated(key), current.largest,
                                unit, current.dimension == Dimension::voltage ? "; did you mean mV?" : ""));
  if (*value < 0 && !negative) table.fail(key, fmt::format("{}; it must not be below 0 {}", table.stated(key), unit));
  return number(*value, current.dimension);
}

Expression zero(Table& table, std::string_view key, Dimension dimension) {
  const std::string zero = dimension == Dimension::none ? "0" : "0 " + unit_of(dimension);
  return number(table.quantity(key, dimension, kAny, zero), dimension);
}

// The program that gives a current; its states are the current and the places of a neuron.
class CurrentProgram {
 public:
  explicit CurrentProgram(const std::vector<std::string>& places)
      : places_(places), program_(static_cast<std::uint16_t>(1 + places.size())) {}

  Value value(const Expression& tree) {
    const auto value_of = [&](const std::string& name) {
      if (name == "t") return program_.time();
      const auto place = std::ranges::find(places_, name) - places_.begin();
      return program_.state(static_cast<std::uint16_t>(1 + place));
    };
    return append(program_, tree, {.name = value_of, .known = {}});
  }
  Value normal(const Expression& mean, const Expression& deviation, std::uint16_t draw) {
    const Value drawn = program_.draw(Op::normal, draw);
    return program_.emit(Op::add, value(mean), program_.emit(Op::multiply, value(deviation), drawn));
  }
  Value sum(Value a, Value b) { return program_.emit(Op::add, a, b); }
  Value before(double factor) { return program_.emit(Op::multiply, program_.state(0), program_.constant(factor)); }
  Program finish(Value current) {
    program_.commit({{0, current}});
    program_.fired(program_.constant(0));  // nobody spikes; the machine gives out the first state here
    return program_.finish();
  }

 private:
  const std::vector<std::string>& places_;
  ProgramBuilder program_;
};

std::vector<std::string> places_in(const std::vector<Expression>& trees) {
  std::vector<std::string> places;
  for (const char* name : {"i", "x", "y", "z"})
    if (std::ranges::any_of(trees, [&](const Expression& tree) {
          return any_name(tree, [&](const std::string& used) { return used == name; });
        }))
      places.emplace_back(name);
  return places;
}

void read_value(const StimulusReading& reading, ComputedCurrent& current) {
  const Expression tree = read_amount(reading.table, "value", reading, current, {});
  current.places = places_in({tree});
  current.shared = current.places.empty();
  CurrentProgram program(current.places);
  current.program = program.finish(program.value(tree));
}

void read_noise(const StimulusReading& reading, ComputedCurrent& current) {
  Table noise = reading.table.table("noise");
  noise.rename(fmt::format("{} noise", reading.table.who()));
  const bool follows = noise.choice("type", {"white", "ornstein_uhlenbeck"}, "white") == 1;
  current.shared = noise.flag("shared", false);
  const Known known{.time = !follows, .place = !current.shared};
  const Expression mean =
      noise.has("mean") ? read_amount(noise, "mean", reading, current, known) : zero(noise, "mean", current.dimension);
  const Expression deviation = read_amount(noise, "deviation", reading, current, known, false);
  current.places = places_in({mean, deviation});
  CurrentProgram program(current.places);
  if (!follows) {
    if (noise.has("every")) current.every = reading.grid.read_interval(noise, "every");
    current.program = program.finish(program.normal(mean, deviation, 0));
  } else {
    // Exact in a step, from a value of the distribution that it keeps.
    const double lost = -std::expm1(-reading.grid.dt / noise.quantity("tau", Dimension::time, kPositive));
    const Value added = program.normal(mean * number(lost), deviation * number(std::sqrt(lost * (2 - lost))), 0);
    current.program = program.finish(program.sum(program.before(1 - lost), added));
    CurrentProgram beginning(current.places);
    current.beginning = beginning.finish(beginning.normal(mean, deviation, 1));
  }
  noise.finish();
}

}  // namespace

std::unique_ptr<Actor> ComputedCurrent::make(double dt, std::uint64_t seed, Neurons& target) const {
  if (shared) return std::make_unique<SharedCurrent>(*this, dt, seed, target);
  return std::make_unique<CurrentByNeuron>(*this, dt, seed, target);
}

void read_computed_current(const StimulusReading& reading, ComputedCurrent& current) {
  Table& table = reading.table;
  if (table.has("value"))
    read_value(reading, current);
  else
    read_noise(reading, current);
  current.positions = reading.populations[current.population].positions;
  current.span = read_span(reading);
}

}  // namespace lpl::spiking
