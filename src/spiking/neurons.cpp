#include "spiking/neurons.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "core/noise.hpp"
#include "core/random.hpp"
#include "core/text.hpp"
#include "spiking/model/catalogue.hpp"
#include "spiking/model/machine.hpp"
#include "spiking/text/steady_values.hpp"
#include "spiking/slow_membrane.hpp"

namespace lpl::spiking {

namespace {

// Pointers to arrays, in the order of a kernel's names or of the text; nullptr where an array is empty.
template <class Pointer, class Array, class Named>
std::vector<Pointer> arrays_in_order(std::vector<Array>& arrays, const std::vector<Named>& text,
                                     const std::span<const std::string_view>* names) {
  std::vector<Pointer> pointers;
  const auto add = [&](Array& array) { pointers.push_back(array.empty() ? nullptr : array.data()); };
  if (!names)
    std::ranges::for_each(arrays, add);
  else
    for (const std::string_view name : *names)
      add(arrays[static_cast<std::size_t>(std::ranges::find(text, name, &Named::name) - text.begin())]);
  return pointers;
}

[[noreturn]] void refuse(const Population& population, NeuronId id, const std::string& what) {
  throw ConfigError(fmt::format("population '{}': neuron {}: {}", population.name, id, what));
}

}  // namespace

Neurons::Neurons(const Population& population, LocalRange range, EpochLayout layout, double dt, std::uint64_t seed,
                 const Needs& needs)
    : range_(range), blocks_(blocks_for(range.count)), layout_(layout), text_(population.cell.text) {
  const std::size_t padded = blocks_ * kBlock, buffer = layout.size(blocks_);
  lanes_.resize(blocks_);
  for (std::size_t n = 0; n < range.count; ++n) lanes_[n / kBlock] |= static_cast<std::uint16_t>(1u << n % kBlock);
  check(population, dt, seed);
  const Cell& cell = population.cell;
  const bool with_kernel = cell.kernel && needs.kept.empty();
  if (with_kernel)
    model_ = kernel(population, dt, seed);
  else
    model_ = cell.is_double ? machine<double>(population, dt, seed) : machine<float>(population, dt, seed);
  if (model_->is_double())
    double_state_.assign(text_->states.size(), AlignedVector<double>(padded, 0.0));
  else
    state_.assign(text_->states.size(), AlignedVector<float>(padded, 0.0f));
  input_.resize(text_->receptors.size());
  for (std::size_t r = 0; r < input_.size(); ++r)
    if (needs.receptors[r]) input_[r].assign(buffer, 0.0f);
  if (needs.devices) {
    clamp_.resize(buffer);
    current_.assign(text_->inputs.size(), AlignedVector<float>(buffer));
    release();
  }
  if (needs.injections) injected_.assign(layout.size(blocks_) / kBlock, 0);
  if (needs.spike_lanes_kept > 0) {
    ring_ = static_cast<std::size_t>(needs.spike_lanes_kept + kLongestEpoch);
    spike_lanes_.assign(blocks_ * ring_, 0);
    V_integrated_.assign(buffer, 0.0f);
  }
  if (needs.unclamped) unclamped_.assign(buffer, 0.0f);
  if (!needs.kept.empty()) {
    kept_.resize(text_->states.size());
    for (const std::size_t state : needs.kept) kept_[state].assign(buffer, 0.0f);
    for (auto& values : kept_) kept_arrays_.push_back(values.empty() ? nullptr : values.data());
  }
  gather_arrays(with_kernel ? cell.kernel : nullptr);
  start(population, dt, seed);
}

std::vector<std::uint32_t> Neurons::cells_of(const std::vector<NeuronId>& neurons) const {
  std::vector<std::uint32_t> cells;
  for (const NeuronId id : neurons)
    if (range_.holds(id)) cells.push_back(layout_.target_of(id - range_.first));
  return cells;
}

void Neurons::release() {
  std::ranges::fill(clamp_, std::numeric_limits<float>::quiet_NaN());
  for (auto& current : current_) std::ranges::fill(current, 0.0f);
  std::ranges::fill(injected_, std::uint16_t{0});
}

// In the model's order, which is the text's but for kernels.
void Neurons::gather_arrays(const KernelEntry* kernel) {
  const auto* const states = kernel ? &kernel->states : nullptr;
  const auto* const receptors = kernel ? &kernel->receptors : nullptr;
  state_arrays_ = double_state_.empty() ? arrays_in_order<void*>(state_, text_->states, states)
                                        : arrays_in_order<void*>(double_state_, text_->states, states);
  input_arrays_ = arrays_in_order<float*>(input_, text_->receptors, receptors);
  for (const auto& current : current_) added_arrays_.push_back(current.data());
}

std::unique_ptr<NeuronModel> Neurons::kernel(const Population& population, double dt, std::uint64_t seed) const {
  const SteadyValues steady(text_->parameters, text_->constants, values_of(population, 0, seed), dt);
  return population.cell.kernel->make([&](std::string_view name) { return *steady.find(std::string(name)); });
}

template <class T>
std::unique_ptr<NeuronModel> Neurons::machine(const Population& population, double dt, std::uint64_t seed) const {
  const CompiledModel compiled =
      compile(*text_, values_of(population, 0, seed), varying_parameters(population.cell), dt);
  std::vector<AlignedVector<T>> by_neuron(compiled.program.by_neuron, AlignedVector<T>(blocks_ * kBlock, T{0}));
  for (std::size_t n = 0; n < range_.count && !by_neuron.empty(); ++n) {
    const auto id = static_cast<NeuronId>(range_.first + n);
    const std::vector<double> values = compiled.by_neuron(values_of(population, id, seed));
    for (std::size_t i = 0; i < values.size(); ++i) {
      by_neuron[i][n] = static_cast<T>(values[i]);
      if (!std::isfinite(by_neuron[i][n]))
        refuse(population, id,
               "with its parameters the equations divide by 0, or have numbers beyond all bounds: a time constant or a "
               "capacitance is 0, or far too small for dt");
    }
  }
  std::optional<std::uint16_t> membrane;
  if (text_->membrane) membrane = static_cast<std::uint16_t>(*text_->membrane);
  const Noise noise{.seed = seed, .object = hash_name(population.name)};
  return std::make_unique<Machine<T>>(compiled.program, membrane, std::move(by_neuron), noise, dt);
}

// The parameters of neurons that differ are checked here, where they live.
void Neurons::check(const Population& population, double dt, std::uint64_t seed) const {
  if (varying_parameters(population.cell).empty()) return;
  for (std::size_t n = 0; n < range_.count; ++n) {
    const auto id = static_cast<NeuronId>(range_.first + n);
    const ParameterValues values = values_of(population, id, seed);
    if (const auto fault = fault_in(*text_, values, dt)) {
      if (!text_->parameter(fault->parameter)) refuse(population, id, "its values do not fit" + fault->message);
      refuse(population, id, fmt::format("'{}' is {}{}", fault->parameter, values(fault->parameter), fault->message));
    }
    if (const std::string fault = fault_of_slow_membrane(population.cell, values, dt); !fault.empty())
      refuse(population, id, fmt::format("'tau_membrane' is {} s{}", values("tau_membrane"), fault));
  }
}

void Neurons::start(const Population& population, double dt, std::uint64_t seed) {
  const bool alike = varying_parameters(population.cell).empty() && !starts_differ(*text_);
  std::vector<double> initial;
  for (std::size_t n = 0; n < range_.count; ++n) {
    const auto id = static_cast<NeuronId>(range_.first + n);
    const auto own = [&](const std::string& name) {
      return Random(seed, Draw::membrane, hash_name(population.name + "/" + name), id);
    };
    if (!alike || initial.empty()) {
      const ParameterValues values = values_of(population, id, seed);
      const auto draw = [&](Op op, std::uint16_t count, double mean) {
        Random random = own(fmt::format("{}", count));
        if (op == Op::uniform) return random.uniform();
        if (op == Op::normal) return random.normal();
        return poisson({.seed = seed, .object = hash_name(population.name + "/initial")}, id, 0, count, mean);
      };
      initial = initial_values(*text_, values, dt, id, population.size, draw);
    }
    for (std::size_t s = 0; s < initial.size(); ++s) {
      const std::string& name = text_->states[s].name;
      const auto given = population.initial.find(name);
      const double value =
          given == population.initial.end() ? initial[s] : given->second.of(id, population.size, own(name));
      if (!std::isfinite(double_state_.empty() ? static_cast<float>(value) : value))
        refuse(population, id,
               fmt::format(
                   "'{}' would begin at {}", name,
                   std::isfinite(value) ? fmt::format("{:.6g}, which is beyond float32", value) : "no finite number"));
      set_state(s, n, value);
    }
    if (const auto& membrane = population.initial_membrane) {
      Random random(seed, Draw::membrane, hash_name(population.name), id);
      set_state(
          *text_->membrane, n,
          membrane->values.empty() ? membrane->mean + membrane->deviation * random.normal() : membrane->values[id]);
    }
  }
}

void Neurons::set_state(std::size_t state, std::size_t neuron, double value) {
  if (double_state_.empty())
    state_[state][neuron] = static_cast<float>(value);
  else
    double_state_[state][neuron] = value;
}

void Neurons::advance(Step first, std::uint32_t steps, BlockHook* hook, std::uint32_t* event_steps,
                      EpochSpikes& spikes) {
  fired_.clear();
  failed_.clear();
  const auto data_or_null = [](AlignedVector<float>& values) { return values.empty() ? nullptr : values.data(); };
  PopulationEpoch epoch;
  epoch.blocks = blocks_;
  epoch.steps = steps;
  epoch.slots = layout_.slots();
  epoch.first = first;
  epoch.first_neuron = range_.first;
  epoch.lanes = lanes_.data();
  epoch.state = state_arrays_.data();
  epoch.input = input_arrays_.data();
  epoch.added = added_arrays_.empty() ? nullptr : added_arrays_.data();
  epoch.clamp = data_or_null(clamp_);
  epoch.unclamped = data_or_null(unclamped_);
  epoch.V_integrated = data_or_null(V_integrated_);
  epoch.kept = kept_arrays_.empty() ? nullptr : kept_arrays_.data();
  epoch.injected = injected_.empty() ? nullptr : injected_.data();
  epoch.spikes = &fired_;
  epoch.failed = &failed_;
  epoch.hook = hook;
  epoch.event_steps = event_steps;
  model_->advance(epoch);
  if (ring_ > 0) keep_spike_lanes(first, steps);
  sort_spikes(steps, spikes);
}

void Neurons::keep_spike_lanes(Step first, std::uint32_t steps) {
  const auto slot = [&](Step step) { return spike_lanes_.data() + static_cast<std::size_t>(step) % ring_ * blocks_; };
  for (Step step = first; step < first + steps; ++step) std::fill_n(slot(step), blocks_, std::uint16_t{0});
  for (const BlockSpikes& fired : fired_) slot(first + fired.step)[fired.block] |= fired.lanes;
}

// The kernel emits block by block; a counting sort by step makes it (step, id).
void Neurons::sort_spikes(std::uint32_t steps, EpochSpikes& spikes) {
  spikes.clear(steps);
  if (fired_.empty()) return;
  for (const BlockSpikes& fired : fired_)
    spikes.count[fired.step] += static_cast<std::uint32_t>(std::popcount(fired.lanes));
  std::uint32_t next[kLongestEpoch], total = 0;
  for (std::uint32_t s = 0; s < steps; ++s) {
    next[s] = total;
    total += spikes.count[s];
  }
  spikes.ids.resize(total);
  for (const BlockSpikes& fired : fired_)
    for (std::uint32_t lanes = fired.lanes; lanes != 0; lanes &= lanes - 1)
      spikes.ids[next[fired.step]++] = static_cast<NeuronId>(range_.first + fired.block * kBlock +
                                                             static_cast<std::uint32_t>(std::countr_zero(lanes)));
}

std::optional<NeuronFault> Neurons::failed(std::size_t population, Step first) const {
  std::optional<NeuronFault> fault;
  for (const FailedStep& failed : failed_) {
    const auto lane = static_cast<std::uint32_t>(std::countr_zero(failed.lanes));
    const NeuronFault own{.step = first + failed.step,
                          .population = population,
                          .neuron = static_cast<NeuronId>(range_.first + failed.block * kBlock + lane),
                          .what = failed.why,
                          .state = 0};
    fault = fault ? std::min(*fault, own) : own;
  }
  return fault;
}

std::optional<NeuronFault> Neurons::unsound(std::size_t population, Step now) const {
  std::optional<NeuronFault> fault;
  const auto look = [&](std::size_t state, const auto& values) {
    const auto end = values.begin() + static_cast<std::ptrdiff_t>(range_.count);
    const auto bad = std::find_if(values.begin(), end, [](auto value) { return !std::isfinite(value); });
    if (bad == end) return;
    const NeuronFault own{.step = now,
                          .population = population,
                          .neuron = static_cast<NeuronId>(range_.first + (bad - values.begin())),
                          .what = Fault::state,
                          .state = state};
    fault = fault ? std::min(*fault, own) : own;
  };
  for (std::size_t s = 0; s < state_.size(); ++s) look(s, state_[s]);
  for (std::size_t s = 0; s < double_state_.size(); ++s) look(s, double_state_[s]);
  return fault;
}

void Neurons::list(Variables& variables, std::size_t population) {
  for (std::size_t s = 0; s < text_->states.size(); ++s) {
    Variable variable{.name = text_->states[s].name,
                      .unit = unit_of(text_->states[s].dimension),
                      .by = By::neuron,
                      .owner = population,
                      .data = std::span<float>()};
    if (double_state_.empty())
      variable.data = std::span<float>(state_[s]);
    else
      variable.data = std::span<double>(double_state_[s]);
    variables.add(std::move(variable));
  }
  if (ring_ > 0)
    variables.add({.name = "spikes",
                   .unit = "1",
                   .by = By::neuron,
                   .owner = population,
                   .data = SpikeLanes{spike_lanes_, blocks_}});
}

std::size_t Neurons::buffer_bytes() const {
  std::size_t floats = clamp_.size() + unclamped_.size() + V_integrated_.size();
  for (const auto* buffers : {&input_, &current_, &kept_})
    for (const auto& values : *buffers) floats += values.size();
  return floats * sizeof(float) + injected_.size() * sizeof(std::uint16_t);
}

}  // namespace lpl::spiking
