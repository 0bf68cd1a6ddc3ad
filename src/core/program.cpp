#include "core/program.hpp"

#include <algorithm>
#include <cmath>

#include "core/elementary.hpp"

namespace lpl {
namespace {

template <class T>
T uniform(const std::array<std::uint32_t, 4>& words, std::size_t first);
template <>
float uniform(const std::array<std::uint32_t, 4>& words, std::size_t first) {
  return elementary::uniform_of(words[first]);
}
std::uint64_t joined(const std::array<std::uint32_t, 4>& words, std::size_t first) {
  return std::uint64_t{words[first]} << 32 | words[first + 1];
}
template <>
double uniform(const std::array<std::uint32_t, 4>& words, std::size_t first) {
  return elementary::uniform_of(joined(words, first));
}

template <class T>
T normal(const std::array<std::uint32_t, 4>& words) {
  if constexpr (std::is_same_v<T, float>)
    return elementary::normal_of(words[0], words[2]);
  else
    return elementary::normal_of(joined(words, 0), joined(words, 2));
}

// Sums probabilities until they pass a uniform number.
double small_poisson(double mean, double uniform) {
  double probability = elementary::exp(-mean), sum = probability, count = 0;
  while (uniform > sum && probability > 0) {
    count += 1;
    probability *= mean / count;
    sum += probability;
  }
  return count;
}

}  // namespace

// Sums of Poisson numbers are Poisson numbers of the sum of means: large means in parts whose exp(-mean) is a number.
double poisson(const Noise& noise, NeuronId neuron, Step step, std::uint16_t draw, double mean) {
  constexpr double kPart = 500;
  if (!(mean >= 0 && mean <= 255 * kPart)) return std::numeric_limits<double>::quiet_NaN();
  double count = 0;
  std::uint8_t chunk = 0;
  for (; mean > kPart; mean -= kPart)
    count += small_poisson(kPart, uniform<double>(noise.words(neuron, step, draw, ++chunk), 0));
  return count + small_poisson(mean, uniform<double>(noise.words(neuron, step, draw), 0));
}

std::uint32_t spike_count(double count) { return count > 1.5 ? static_cast<std::uint32_t>(std::lround(count)) : 1u; }

template <class T>
void run(const Program& program, std::span<T> registers, NeuronStep<T>& step) {
  namespace e = elementary;
  std::transform(program.constants.begin(), program.constants.end(), registers.begin() + program.first_constant(),
                 [](double value) { return static_cast<T>(value); });
  step.fired = false;
  step.count = 0;
  step.unsolved = false;
  for (std::size_t at = 0; at < program.code.size(); ++at) {
    const Instruction& i = program.code[at];
    const auto words = [&] { return step.noise.words(step.neuron, step.step, i.a); };
    const auto value = [&](std::uint16_t r) { return registers[r]; };
    const auto truth = [&](std::uint16_t r) { return registers[r] != T{0}; };
    const auto set = [&](T result) { registers[i.to] = result; };
    const auto set_truth = [&](bool result) { registers[i.to] = result ? T{1} : T{0}; };
    switch (i.op) {
      case Op::copy:
        set(value(i.a));
        break;
      case Op::negate:
        set(-value(i.a));
        break;
      case Op::add:
        set(value(i.a) + value(i.b));
        break;
      case Op::subtract:
        set(value(i.a) - value(i.b));
        break;
      case Op::multiply:
        set(value(i.a) * value(i.b));
        break;
      case Op::divide:
        set(value(i.a) / value(i.b));
        break;
      case Op::fma:
        set(std::fma(value(i.a), value(i.b), value(i.c)));
        break;
      case Op::fnma:
        set(std::fma(-value(i.a), value(i.b), value(i.c)));
        break;
      case Op::min:
        set(e::min(value(i.a), value(i.b)));
        break;
      case Op::max:
        set(e::max(value(i.a), value(i.b)));
        break;
      case Op::abs:
        set(e::abs(value(i.a)));
        break;
      case Op::sqrt:
        set(std::sqrt(value(i.a)));
        break;
      case Op::floor:
        set(e::floor(value(i.a)));
        break;
      case Op::exp:
        set(e::exp(value(i.a)));
        break;
      case Op::expm1:
        set(e::expm1(value(i.a)));
        break;
      case Op::log:
        set(e::log(value(i.a)));
        break;
      case Op::log1p:
        set(e::log1p(value(i.a)));
        break;
      case Op::exprel:
        set(e::exprel(value(i.a)));
        break;
      case Op::tanh:
        set(e::tanh(value(i.a)));
        break;
      case Op::sin:
        set(e::sin(value(i.a)));
        break;
      case Op::cos:
        set(e::cos(value(i.a)));
        break;
      case Op::power:
        set(e::power(value(i.a), value(i.b)));
        break;
      case Op::greater:
        set_truth(value(i.a) > value(i.b));
        break;
      case Op::greater_equal:
        set_truth(value(i.a) >= value(i.b));
        break;
      case Op::less:
        set_truth(value(i.a) < value(i.b));
        break;
      case Op::less_equal:
        set_truth(value(i.a) <= value(i.b));
        break;
      case Op::equal:
        set_truth(value(i.a) == value(i.b));
        break;
      case Op::both:
        set_truth(truth(i.a) && truth(i.b));
        break;
      case Op::either:
        set_truth(truth(i.a) || truth(i.b));
        break;
      case Op::negation:
        set_truth(!truth(i.a));
        break;
      case Op::select:
        set(truth(i.a) ? value(i.b) : value(i.c));
        break;
      case Op::uniform:
        set(uniform<T>(words(), 0));
        break;
      case Op::normal:
        set(normal<T>(words()));
        break;
      case Op::poisson:
        set(static_cast<T>(poisson(step.noise, step.neuron, step.step, i.a, static_cast<double>(value(i.b)))));
        break;
      case Op::time:
        set(static_cast<T>(static_cast<double>(step.step) * step.dt));
        break;
      case Op::input:
        set(step.inputs[i.a]);
        break;
      case Op::arrival:
        set(step.arrivals[i.a]);
        break;
      case Op::hook:
        if (step.hook) step.hook();
        break;
      case Op::fired:
        step.fired = truth(i.b);
        if (step.fired) step.count = i.a == 1 ? spike_count(static_cast<double>(value(i.c))) : 1;
        break;
      case Op::clamp:
        if (!std::isnan(step.clamp)) set(step.clamp);
        break;
      case Op::unsolved:
        step.unsolved |= truth(i.b);
        break;
      case Op::repeat:
        if (truth(i.b)) at -= i.a + std::size_t{1};
        break;
    }
  }
}

template void run(const Program&, std::span<float>, NeuronStep<float>&);
template void run(const Program&, std::span<double>, NeuronStep<double>&);

}  // namespace lpl
