#include "spiking/model/machine.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "core/vector_targets.hpp"
#include "spiking/block_hook.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "spiking/model/machine.cpp"
#include <hwy/foreach_target.h>
// The order matters: foreach_target first.
#include "spiking/model/noise_lanes.hpp"
#include "spiking/text/lane_operations.hpp"

#ifndef LPL_SPIKING_MODEL_MACHINE
#define LPL_SPIKING_MODEL_MACHINE
namespace lpl::spiking {

// The most blocks in lock-step, and what their columns should not exceed [bytes]: they stay in the first cache.
inline constexpr std::size_t kGroup = 16;
inline constexpr std::size_t kNearMemory = 40 << 10;
// One block more than a group has: columns at distances of a power of two would get into each other's way in the cache.
template <class T>
std::size_t stride_of(const MachineProgram<T>& program) {
  return (program.group + 1) * kBlock;
}

}  // namespace lpl::spiking
#endif

HWY_BEFORE_NAMESPACE();
namespace lpl::spiking::HWY_NAMESPACE {
// Where the machine stands: one step of one group.
template <class T>
struct Place : Frame<T> {
  const MachineProgram<T>& program;
  const PopulationEpoch& epoch;
  std::size_t block;  // the first one of the group
  std::uint32_t step;
  std::uint16_t fired[kGroup];

  // Of block b of the group in this step, in buffers of the epoch.
  std::size_t cell(std::size_t b) const { return ((block + b) * epoch.slots + step) * kBlock; }
  Step now() const { return epoch.first + step; }
  void fail(std::size_t b, unsigned lanes, Fault why) const {
    epoch.failed->push_back({static_cast<std::uint32_t>(block + b), static_cast<std::uint16_t>(step),
                             static_cast<std::uint16_t>(lanes), why});
  }
  NeuronId first_neuron(std::size_t b) const {
    return static_cast<NeuronId>(epoch.first_neuron + (block + b) * kBlock);
  }
};

// --- What a step meets -------------------------------------------------------------------------------------------

template <class T>
HWY_INLINE Lanes<T> from_floats(const float* from) {
  if constexpr (sizeof(T) == sizeof(float))
    return load(from);
  else
    return wide(load(from));
}
HWY_INLINE void to_floats(const F16& a, float* to) { store(a, to); }
HWY_INLINE void to_floats(const D16& a, float* to) { store(narrow(a), to); }

template <class T>
HWY_INLINE Lanes<T> taken(const Place<T>& place, std::size_t receptor, std::size_t b) {
  float* const from = place.epoch.input[receptor] + place.cell(b);
  const Lanes<T> value = from_floats<T>(from);
  store(set(0.0f), from);
  return value;
}
template <class T>
void take_arrivals(const LaneInstruction& code, Place<T>& place) {
  if (place.epoch.input[code.a] == nullptr)
    fill<T>(place, code.to, [&](std::size_t) HWY_ATTR { return set(T{0}); });
  else
    fill<T>(place, code.to, [&](std::size_t b) HWY_ATTR { return taken(place, code.a, b); });
}
template <class T, unsigned kConstants>
void add_arrivals(const LaneInstruction& code, Place<T>& place) {
  const Operand<T, (kConstants & 2) != 0> to(place, code.b);
  fill<T>(place, code.to, [&](std::size_t b) HWY_ATTR { return to[b] + taken(place, code.a, b); });
}
template <class T>
void read_input(const LaneInstruction& code, Place<T>& place) {
  const float* const from = place.epoch.added ? place.epoch.added[code.a] : nullptr;
  if (from == nullptr)
    fill<T>(place, code.to, [&](std::size_t) HWY_ATTR { return set(T{0}); });
  else
    fill<T>(place, code.to, [&](std::size_t b) HWY_ATTR { return from_floats<T>(from + place.cell(b)); });
}
template <class T>
void read_time(const LaneInstruction& code, Place<T>& place) {
  const auto time = static_cast<T>(static_cast<double>(place.epoch.first + place.step) * place.program.dt);
  fill<T>(place, code.to, [&](std::size_t) HWY_ATTR { return set(time); });
}
template <class T>
void apply_clamps(const LaneInstruction& code, Place<T>& place) {
  const Operand<T, false> free(place, code.to);
  if (place.epoch.unclamped)
    for (std::size_t b = 0; b < place.blocks; ++b) to_floats(free[b], place.epoch.unclamped + place.cell(b));
  fill<T>(place, code.to, [&](std::size_t b) HWY_ATTR {
    const Lanes<T> clamp = from_floats<T>(place.epoch.clamp + place.cell(b));
    return select(equal(clamp, clamp), clamp, free[b]);
  });
}

template <class T>
void tell_spikes(const Place<T>& place) {
  for (std::size_t b = 0; b < place.blocks; ++b)
    if (place.fired[b])
      place.epoch.hook->spiked(static_cast<std::uint32_t>(place.block + b), place.step, place.fired[b]);
}
template <class T>
void arrive(const LaneInstruction&, Place<T>& place) {
  if (place.epoch.event_steps)
    for (std::size_t b = 0; b < place.blocks; ++b)
      if (place.epoch.event_steps[place.block + b] >> place.step & 1u)
        place.epoch.hook->arrive(static_cast<std::uint32_t>(place.block + b), place.step);
  if (place.program.hook_last) tell_spikes(place);
}
// A neuron that spikes n times stands in n entries.
template <class T>
void append_counted(const Place<T>& place, std::size_t b, const T* counts) {
  const auto append = [&](unsigned lanes) {
    place.epoch.spikes->push_back({static_cast<std::uint32_t>(place.block + b), static_cast<std::uint16_t>(place.step),
                                   static_cast<std::uint16_t>(lanes)});
  };
  for (unsigned left = place.fired[b]; left != 0; left &= left - 1) {
    const auto count = static_cast<double>(counts[std::countr_zero(left)]);
    if (!(count <= kMostSpikes)) {
      place.fail(b, left & -left, Fault::spikes);
      continue;
    }
    for (std::uint32_t n = spike_count(count); n > 0; --n) append(left & -left);
  }
}
template <class T, unsigned kConstants>
void fire(const LaneInstruction& code, Place<T>& place) {
  const Operand<T, (kConstants & 2) != 0> spikes(place, code.b);
  unsigned any = 0;
  for (std::size_t b = 0; b < place.blocks; ++b) {
    place.fired[b] = static_cast<std::uint16_t>(bits_of(truth(spikes[b])) & place.epoch.lanes[place.block + b]);
    if (place.epoch.injected) place.fired[b] |= place.epoch.injected[place.cell(b) / kBlock];
    any |= place.fired[b];
  }
  if (place.program.membrane && place.epoch.V_integrated) {
    const Operand<T, false> V(place, *place.program.membrane);
    for (std::size_t b = 0; b < place.blocks; ++b) to_floats(V[b], place.epoch.V_integrated + place.cell(b));
  }
  if (any == 0) return;
  for (std::size_t b = 0; b < place.blocks; ++b) {
    if (place.fired[b] == 0) continue;
    if (code.a == 1) {
      const Operand<T, (kConstants & 4) != 0> count(place, code.c);
      alignas(64) T counts[kBlock];
      store(count[b], counts);
      append_counted(place, b, counts);
    } else {
      place.epoch.spikes->push_back(
          {static_cast<std::uint32_t>(place.block + b), static_cast<std::uint16_t>(place.step), place.fired[b]});
    }
  }
  if (place.epoch.hook && !place.program.hook_last) tell_spikes(place);
}

template <class T, unsigned kConstants>
void tell_unsolved(const LaneInstruction& code, Place<T>& place) {
  const Operand<T, (kConstants & 2) != 0> unsolved(place, code.b);
  for (std::size_t b = 0; b < place.blocks; ++b)
    if (const unsigned lanes = bits_of(truth(unsolved[b])) & place.epoch.lanes[place.block + b])
      place.fail(b, lanes, Fault::substeps);
}

// --- Random numbers ------------------------------------------------------------------------------------------------

template <class T>
HWY_INLINE Words<T> words_from(const NoiseWords& words, std::size_t first) {
  if constexpr (sizeof(T) == sizeof(float)) {
    alignas(64) float floats[kBlock];
    std::memcpy(floats, words.word[first], sizeof floats);
    return bits(load(floats));
  } else {
    std::uint64_t joined[kBlock];
    for (std::size_t lane = 0; lane < kBlock; ++lane)
      joined[lane] = std::uint64_t{words.word[first][lane]} << 32 | words.word[first + 1][lane];
    alignas(64) double doubles[kBlock];
    std::memcpy(doubles, joined, sizeof doubles);
    return bits(load(doubles));
  }
}
template <class T>
void draw_uniform(const LaneInstruction& code, Place<T>& place) {
  fill<T>(place, code.to, [&](std::size_t b) HWY_ATTR {
    return e::uniform_of(
        words_from<T>(noise_words(place.program.noise, place.first_neuron(b), place.now(), code.a), 0));
  });
}
template <class T>
void draw_normal(const LaneInstruction& code, Place<T>& place) {
  fill<T>(place, code.to, [&](std::size_t b) HWY_ATTR {
    const NoiseWords words = noise_words(place.program.noise, place.first_neuron(b), place.now(), code.a);
    return e::normal_of(words_from<T>(words, 0), words_from<T>(words, 2));
  });
}
template <class T, unsigned kConstants>
void draw_poisson(const LaneInstruction& code, Place<T>& place) {
  const Operand<T, (kConstants & 2) != 0> mean(place, code.b);
  fill<T>(place, code.to, [&](std::size_t b) HWY_ATTR {
    alignas(64) T values[kBlock];
    store(mean[b], values);
    const NeuronId neuron = place.first_neuron(b);
    for (std::uint32_t lane = 0; lane < kBlock; ++lane)
      values[lane] = place.epoch.lanes[place.block + b] >> lane & 1u
                         ? static_cast<T>(poisson(place.program.noise, neuron + lane, place.now(), code.a,
                                                  static_cast<double>(values[lane])))
                         : T{0};
    return load(values);
  });
}

// --- Repetition ------------------------------------------------------------------------------------------------------

template <class T>
void run_code(const LaneInstruction* from, const LaneInstruction* to, Place<T>& place);

template <class T, bool kConstant>
bool any_lane(const Place<T>& place, std::uint16_t number) {
  const Operand<T, kConstant> value(place, number);
  for (std::size_t b = 0; b < place.blocks; ++b)
    if (bits_of(truth(value[b])) & place.epoch.lanes[place.block + b]) return true;
  return false;
}
// Four blocks at a time, as fill_by_four wants, so that the others need not wait for their neurons.
template <class T, unsigned kConstants>
void repeat(const LaneInstruction& code, Place<T>& place) {
  for (std::size_t b = 0; b < place.blocks; b += 4) {
    Place<T> four{
        {place.constants, place.columns + b * kBlock, place.stride, std::min<std::size_t>(4, place.blocks - b)},
        place.program,
        place.epoch,
        place.block + b,
        place.step,
        {}};
    while (any_lane<T, (kConstants & 2) != 0>(four, code.b)) run_code(&code - code.a, &code, four);
  }
}

// --- Dispatch --------------------------------------------------------------------------------------------------------

inline constexpr std::size_t kActions = static_cast<std::size_t>(Action::add_arrival) + 1;

template <class T, std::size_t kAction, unsigned kConstants>
constexpr Handler<Place<T>> handler_of() {
  constexpr auto op = static_cast<Op>(kAction);
  if constexpr (kAction == static_cast<std::size_t>(Action::add_arrival))
    return add_arrivals<T, kConstants>;
  else if constexpr (op == Op::uniform)
    return draw_uniform<T>;
  else if constexpr (op == Op::normal)
    return draw_normal<T>;
  else if constexpr (op == Op::poisson)
    return draw_poisson<T, kConstants>;
  else if constexpr (op == Op::time)
    return read_time<T>;
  else if constexpr (op == Op::input)
    return read_input<T>;
  else if constexpr (op == Op::arrival)
    return take_arrivals<T>;
  else if constexpr (op == Op::hook)
    return arrive<T>;
  else if constexpr (op == Op::fired)
    return fire<T, kConstants>;
  else if constexpr (op == Op::unsolved)
    return tell_unsolved<T, kConstants>;
  else if constexpr (op == Op::clamp)
    return apply_clamps<T>;
  else if constexpr (op == Op::repeat)
    return repeat<T, kConstants>;
  else
    return compute<Place<T>, op, kConstants & registers_read(op)>;
}
template <class T, std::size_t... kForms>
constexpr std::array<Handler<Place<T>>, sizeof...(kForms)> all_handlers(std::index_sequence<kForms...>) {
  return {handler_of<T, kForms / 8, kForms % 8>()...};
}
template <class T>
constexpr auto kHandlers = all_handlers<T>(std::make_index_sequence<kActions * 8>());

template <class T>
void run_code(const LaneInstruction* from, const LaneInstruction* to, Place<T>& place) {
  for (const LaneInstruction* c = from; c != to; ++c)
    kHandlers<T>[static_cast<std::size_t>(c->action) * 8 + c->constants](*c, place);
}

template <class T>
void copy_column(const T* from, T* to, std::size_t blocks) {
  for (std::size_t b = 0; b < blocks; ++b) store(load(from + b * kBlock), to + b * kBlock);
}

template <class T>
void keep_states(const Place<T>& place) {
  for (std::uint16_t s = 0; s < place.program.states; ++s) {
    if (place.epoch.kept[s] == nullptr) continue;
    const Operand<T, false> state(place, s);
    for (std::size_t b = 0; b < place.blocks; ++b) to_floats(state[b], place.epoch.kept[s] + place.cell(b));
  }
}

template <class T>
void advance_machine(const MachineProgram<T>& program, const std::vector<LaneInstruction>& code, T* columns,
                     const PopulationEpoch& epoch) {
  const std::size_t group = program.group, stride = stride_of(program);
  for (std::size_t block = 0; block < epoch.blocks; block += group) {
    Place<T> place{{program.constants.data(), columns, stride, std::min(group, epoch.blocks - block)},
                   program,
                   epoch,
                   block,
                   0,
                   {}};
    const auto state = [&](std::size_t s) { return static_cast<T*>(epoch.state[s]) + block * kBlock; };
    for (std::size_t s = 0; s < program.states; ++s) copy_column(state(s), columns + s * stride, place.blocks);
    for (std::size_t v = 0; v < program.by_neuron.size(); ++v)
      copy_column(program.by_neuron[v].data() + block * kBlock, columns + (program.states + v) * stride, place.blocks);
    for (; place.step < epoch.steps; ++place.step) {
      if (epoch.kept) keep_states(place);
      run_code(code.data(), code.data() + code.size(), place);
    }
    for (std::size_t s = 0; s < program.states; ++s) copy_column(columns + s * stride, state(s), place.blocks);
    if (epoch.event_steps) std::fill_n(epoch.event_steps + block, place.blocks, 0u);
  }
}

void AdvanceFloat(const MachineProgram<float>& program, const std::vector<LaneInstruction>& code, float* columns,
                  const PopulationEpoch& epoch) {
  advance_machine(program, code, columns, epoch);
}
void AdvanceDouble(const MachineProgram<double>& program, const std::vector<LaneInstruction>& code, double* columns,
                   const PopulationEpoch& epoch) {
  advance_machine(program, code, columns, epoch);
}

}  // namespace lpl::spiking::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lpl::spiking {
namespace {

HWY_EXPORT(AdvanceFloat);
HWY_EXPORT(AdvanceDouble);

// `arrival t` and `add x, x, t` in one.
bool adds_arrival(const Program& program, const Placement& placement, std::size_t at) {
  if (at + 1 == program.code.size()) return false;
  const Instruction &arrival = program.code[at], &add = program.code[at + 1];
  return arrival.op == Op::arrival && add.op == Op::add && (add.a == arrival.to) != (add.b == arrival.to) &&
         add.to != arrival.to && placement.ends(arrival.to, at + 1);
}

}  // namespace

template <class T>
Machine<T>::Machine(const Program& program, std::optional<std::uint16_t> membrane,
                    std::vector<AlignedVector<T>> by_neuron, const Noise& noise, double dt) {
  MachineProgram<T>& p = program_;
  p.states = program.states;
  p.first_temporary = program.first_constant();
  p.by_neuron = std::move(by_neuron);
  p.membrane = membrane;
  p.noise = noise;
  p.dt = dt;
  for (const double constant : program.constants) p.constants.push_back(static_cast<T>(constant));
  Placement placement(program);
  bool fired = false;
  for (std::size_t at = 0; at < program.code.size(); ++at) {
    if (program.code[at].op == Op::fired) fired = true;
    if (program.code[at].op == Op::hook) p.hook_last = fired;
    const bool with_arrival = adds_arrival(program, placement, at);
    LaneInstruction code = placement.place(at);
    if (with_arrival) {
      const std::uint16_t receptor = code.a, arrival = code.to;
      code = placement.place(++at);
      if (code.b == arrival && (code.constants & 2u) == 0) {
        std::swap(code.a, code.b);
        code.constants = static_cast<std::uint8_t>(code.constants << 1);
      }
      code.action = Action::add_arrival;
      code.a = receptor;
    }
    p.code.push_back(code);
  }
  p.columns = placement.columns();
  p.constants.push_back(0);
  // Whole fours, as fill_by_four wants.
  p.group = std::clamp(kNearMemory / (4 * std::max<std::size_t>(p.columns, 1) * kBlock * sizeof(T)), std::size_t{1},
                       kGroup / 4) *
            4;
  columns_.resize(p.columns * stride_of(p));
  known_.resize(p.columns);
  code_.reserve(p.code.size());
  placed_.resize(p.code.size());
}

// Puts constants where columns are read that hold nothing else in this epoch.
template <class T>
void Machine<T>::read_constants(LaneInstruction& code) const {
  std::uint16_t* const operands[] = {&code.a, &code.b, &code.c};
  const unsigned read = code.action == Action::add_arrival ? 2 : registers_read(static_cast<Op>(code.action));
  for (unsigned n = 0; n < 3; ++n) {
    if ((read >> n & 1u) == 0 || (code.constants >> n & 1u) != 0 || !known_[*operands[n]]) continue;
    *operands[n] = *known_[*operands[n]];
    code.constants |= static_cast<std::uint8_t>(1u << n);
  }
}

// The constant that this instruction gives in this epoch, if it gives one.
template <class T>
std::optional<std::uint16_t> Machine<T>::constant_of(const LaneInstruction& code, const PopulationEpoch& epoch) const {
  const auto& constants = program_.constants;
  const auto zero = static_cast<std::uint16_t>(constants.size() - 1);
  const auto is_zero = [&](std::uint16_t n) { return constants[n] == 0 && !std::signbit(constants[n]); };
  if (code.action == static_cast<Action>(Op::input) && (epoch.added == nullptr || epoch.added[code.a] == nullptr))
    return zero;
  if (code.action == static_cast<Action>(Op::arrival) && epoch.input[code.a] == nullptr) return zero;
  if (code.action == static_cast<Action>(Op::copy) && code.constants == 1) return code.a;
  if (code.action == static_cast<Action>(Op::add) && code.constants == 3) {
    if (is_zero(code.b) && constants[code.a] != 0) return code.a;
    if (is_zero(code.a) && constants[code.b] != 0) return code.b;
  }
  return std::nullopt;
}

// Leaves out what has nothing to do in this epoch.
template <class T>
void Machine<T>::advance(const PopulationEpoch& epoch) const {
  code_.clear();
  std::fill(known_.begin(), known_.end(), std::nullopt);
  for (std::size_t at = 0; at < program_.code.size(); ++at) {
    LaneInstruction code = program_.code[at];
    placed_[at] = code_.size();
    if (code.action == static_cast<Action>(Op::hook) && epoch.hook == nullptr) continue;
    if (code.action == static_cast<Action>(Op::clamp) && epoch.clamp == nullptr) continue;
    read_constants(code);
    if (code.action == static_cast<Action>(Op::repeat)) {
      code.a = static_cast<std::uint16_t>(code_.size() - placed_[at - code.a]);
      code_.push_back(code);
      continue;
    }
    if (code.action == Action::add_arrival && epoch.input[code.a] == nullptr) {
      if (code.b == code.to && code.constants == 0) continue;
      code = {static_cast<Action>(Op::copy), static_cast<std::uint8_t>(code.constants >> 1), code.to, code.b};
    }
    if (code.action == Action::add_arrival || writes(static_cast<Op>(code.action))) {
      known_[code.to].reset();
      if (code.to >= program_.first_temporary) known_[code.to] = constant_of(code, epoch);
      if (known_[code.to]) continue;
    }
    code_.push_back(code);
  }
  if constexpr (sizeof(T) == sizeof(float))
    HWY_DYNAMIC_DISPATCH(AdvanceFloat)(program_, code_, columns_.data(), epoch);
  else
    HWY_DYNAMIC_DISPATCH(AdvanceDouble)(program_, code_, columns_.data(), epoch);
}

template class Machine<float>;
template class Machine<double>;

}  // namespace lpl::spiking
#endif
