// Programs on numbered registers: what the equations of models and rules are translated to. One list of instructions is
// run by the scalar interpreter (below: the oracle) and by the register machine on vector lanes
// (spiking/model/machine.hpp), with the same bits: every operation is elementwise, in the written order, rounded once.
// Instructions follow each other; what is repeated is repeated until every lane is done, and leaves those that are.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

#include "core/noise.hpp"

namespace lpl {

enum class Op : std::uint8_t {
  copy,
  negate,
  add,
  subtract,
  multiply,
  divide,
  fma,   // a * b + c, rounded once
  fnma,  // c - a * b, rounded once
  min,
  max,
  abs,
  sqrt,
  floor,
  exp,
  expm1,
  log,
  log1p,
  exprel,  // (exp(a) - 1) / a, 1 at 0
  tanh,
  sin,
  cos,
  power,  // exp(b log a)
  // Truth values: operands and results of these are 0 or 1.
  greater,
  greater_equal,
  less,
  less_equal,
  equal,
  both,
  either,
  negation,
  select,  // a ? b : c
  uniform,
  normal,   // random numbers; `a` counts the draws of the text
  poisson,  // of mean b; `a` counts the draws of the text
  // What a step of a neuron meets; `a` is no register there.
  time,      // to = time at the beginning of the step [s]
  input,     // to = what devices add to input a in this step
  arrival,   // to = the summed weights that arrive in this step at receptor a; once a step and receptor
  hook,      // plasticity that acts within epochs may add to the arrivals of this step
  fired,     // the neurons where register b is true spike, as often as register c says where a = 1 (at least once);
             // what plasticity sees of the membrane is its value here
  clamp,     // to = the clamp's value where one acts
  unsolved,  // the neurons where register b is true could not do their step: it has no result
  repeat,    // the `a` instructions before it are done again while register b is true
};

// Which of a, b and c an instruction reads as registers: bits 0, 1 and 2.
constexpr unsigned registers_read(Op op) {
  switch (op) {
    case Op::copy:
    case Op::negate:
    case Op::abs:
    case Op::sqrt:
    case Op::floor:
    case Op::exp:
    case Op::expm1:
    case Op::log:
    case Op::log1p:
    case Op::exprel:
    case Op::tanh:
    case Op::sin:
    case Op::cos:
    case Op::negation:
      return 1;
    case Op::fma:
    case Op::fnma:
    case Op::select:
      return 1 | 2 | 4;
    case Op::poisson:
    case Op::unsolved:
    case Op::repeat:
      return 2;
    case Op::fired:
      return 2 | 4;
    case Op::uniform:
    case Op::normal:
    case Op::time:
    case Op::input:
    case Op::arrival:
    case Op::hook:
    case Op::clamp:
      return 0;
    default:
      return 1 | 2;
  }
}

// Does an instruction give a register a value?
constexpr bool writes(Op op) { return op != Op::hook && op != Op::fired && op != Op::unsolved && op != Op::repeat; }

// Registers are numbered through: states, then values by neuron, then what repetitions carry on, then constants (the
// same for all neurons), then temporaries.
struct Instruction {
  Op op;
  std::uint16_t to = 0, a = 0, b = 0, c = 0;
  bool operator==(const Instruction&) const = default;
};

struct Program {
  std::uint16_t states = 0;       // registers 0 .. states-1: live through steps
  std::uint16_t by_neuron = 0;    // registers that follow: parameters and derived values that differ between neurons
  std::uint16_t carried = 0;      // registers that follow: what one repetition leaves to the next
  std::vector<double> constants;  // registers that follow
  std::uint16_t temporaries = 0;
  std::vector<Instruction> code;

  std::uint16_t first_constant() const { return static_cast<std::uint16_t>(states + by_neuron + carried); }
  std::uint16_t first_temporary() const { return static_cast<std::uint16_t>(first_constant() + constants.size()); }
  std::uint16_t registers() const { return static_cast<std::uint16_t>(first_temporary() + temporaries); }
};

// What one step of one neuron meets, and what comes of it.
template <class T>
struct NeuronStep {
  Noise noise;
  NeuronId neuron = 0;
  Step step = 0;
  double dt = 0;
  std::span<const T> inputs;    // what devices add, by input
  std::span<const T> arrivals;  // by receptor
  T clamp = std::numeric_limits<T>::quiet_NaN();
  std::function<void()> hook;  // may change arrivals
  bool fired = false;
  std::uint32_t count = 0;  // of spikes
  bool unsolved = false;
};

// How often a neuron spikes where Op::fired has a count.
std::uint32_t spike_count(double count);

// One step of one neuron, in float or double. Registers hold states and values by neuron; the others are set here.
template <class T>
void run(const Program& program, std::span<T> registers, NeuronStep<T>& step);

}  // namespace lpl
