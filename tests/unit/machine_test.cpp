// The register machine against the hand-written kernels and the scalar run of programs, bit for bit, on every target of
// this processor.
#include "spiking/model/machine.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <map>
#include <random>
#include <set>

#include "core/denormals.hpp"
#include "spiking/block_hook.hpp"
#include "spiking/model/equations.hpp"
#include "spiking/text/steady_values.hpp"
#include "core/vector_targets.hpp"
#include "spiking/model/kernel.hpp"
// After the targets.
#include <hwy/highway.h>

namespace lpl::spiking {
namespace {

constexpr double kDt = 1e-4;

// Writes programs: registers by name, an instruction a call.
class Writer {
 public:
  explicit Writer(std::vector<std::string> states, std::vector<std::string> by_neuron = {}) {
    program.states = static_cast<std::uint16_t>(states.size());
    program.by_neuron = static_cast<std::uint16_t>(by_neuron.size());
    for (const auto& name : states) registers_.emplace(name, static_cast<std::uint16_t>(registers_.size()));
    for (const auto& name : by_neuron) registers_.emplace(name, static_cast<std::uint16_t>(registers_.size()));
  }
  // Before the first instruction.
  void constant(const std::string& name, double value) {
    registers_.emplace(name, static_cast<std::uint16_t>(registers_.size()));
    program.constants.push_back(value);
  }
  void operator()(Op op, const std::string& to, const std::string& a = "", const std::string& b = "",
                  const std::string& c = "") {
    const std::uint16_t x = at(a), y = at(b), z = at(c);
    program.code.push_back({op, at(to), x, y, z});
  }
  void raw(Op op, const std::string& to, std::uint16_t a, const std::string& b = "", const std::string& c = "") {
    const std::uint16_t y = at(b), z = at(c);
    program.code.push_back({op, at(to), a, y, z});
  }
  Program program;

 private:
  std::uint16_t at(const std::string& name) {
    if (name.empty()) return 0;
    const auto [place, is_new] = registers_.emplace(name, static_cast<std::uint16_t>(registers_.size()));
    if (is_new) ++program.temporaries;
    return place->second;
  }
  std::map<std::string, std::uint16_t> registers_;
};

// --- The programs of the hand-written kernels ------------------------------------------------------------------------

const KernelEntry& kernel_of_type(const std::string& type) {
  return *std::find_if(kernels().begin(), kernels().end(), [&](const KernelEntry& k) { return k.type == type; });
}

// The text that a kernel is the fast form of, with a drive that makes neurons fire.
struct KernelText {
  explicit KernelText(const std::string& type) {
    Document document = Document::from_text(text_of_kernel(type), type);
    Table table = document.root();
    text = read_model_text(table);
  }
  double value(const std::string& name) const {
    return name == "drive" ? 0.011 : *evaluate(text.parameter(name)->fallback, [](const std::string&) { return 0.0; });
  }
  ParameterValues values() const {
    return [this](const std::string& name) { return value(name); };
  }
  Program program() const { return compile(text, values(), {}, kDt).program; }
  ModelText text;
};

// --- A population's arrays
// ---------------------------------------------------------------------------------------------

// Notes calls and lets arrivals depend on them.
class Listener : public BlockHook {
 public:
  explicit Listener(std::vector<AlignedVector<float>>& input, std::size_t slots) : input_(input), slots_(slots) {}
  void arrive(std::uint32_t block, std::uint32_t step) override {
    calls.push_back({block, step, 0});
    input_[0][(block * slots_ + step) * kBlock + step % kBlock] += 0.25f;
  }
  void spiked(std::uint32_t block, std::uint32_t step, std::uint32_t lanes) override {
    calls.push_back({block, step, lanes});
  }
  // By block: blocks are independent of each other.
  std::vector<std::array<std::uint32_t, 3>> sorted() const {
    auto result = calls;
    std::stable_sort(result.begin(), result.end(), [](const auto& a, const auto& b) { return a[0] < b[0]; });
    return result;
  }
  std::vector<std::array<std::uint32_t, 3>> calls;

 private:
  std::vector<AlignedVector<float>>& input_;
  std::size_t slots_;
};

struct Arrays {
  Arrays(std::size_t neuron_count, std::size_t slot_count, std::size_t states, std::size_t receptors)
      : neurons(neuron_count),
        slots(slot_count),
        blocks(blocks_for(neurons)),
        state(states, AlignedVector<float>(blocks * kBlock)),
        input(receptors, AlignedVector<float>(blocks * slots * kBlock)),
        clamp(blocks * slots * kBlock),
        current(blocks * slots * kBlock),
        V_integrated(blocks * slots * kBlock),
        lanes(blocks, 0xffff),
        event_steps(blocks, 0),
        listener(input, slots) {
    if (neurons % kBlock) lanes.back() = static_cast<std::uint16_t>((1u << neurons % kBlock) - 1);
  }
  // Input of one epoch: rarely a weight, a clamp or an event.
  void draw(std::uint32_t seed, std::uint32_t steps) {
    std::mt19937 random(seed);
    const auto next = [&] { return static_cast<float>(random() >> 8) * 0x1p-24f; };
    for (auto& weights : input)
      for (float& weight : weights) weight = next() < 0.1f ? 1.5f * next() : 0;
    for (float& value : clamp) value = next() < 0.02f ? -0.06f * next() : std::numeric_limits<float>::quiet_NaN();
    for (float& value : current) value = 0.02f * next();
    for (auto& due : event_steps) due = static_cast<std::uint32_t>(random() & random()) & ((1u << steps) - 1);
  }
  std::size_t neurons, slots, blocks;
  std::vector<AlignedVector<float>> state, input;
  AlignedVector<float> clamp, current, V_integrated;
  std::vector<std::uint16_t> lanes;
  std::vector<std::uint32_t> event_steps;
  std::vector<BlockSpikes> spikes;
  Listener listener;
};

std::vector<std::array<std::uint32_t, 3>> by_block(const std::vector<BlockSpikes>& spikes) {
  std::vector<std::array<std::uint32_t, 3>> result;
  for (const BlockSpikes& s : spikes) result.push_back({s.block, s.step, s.lanes});
  std::stable_sort(result.begin(), result.end(), [](const auto& a, const auto& b) { return a[0] < b[0]; });
  return result;
}

template <class T>
bool same_bits(const T& a, const T& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(a[0])) == 0;
}

struct Devices {
  bool nmda, extras, hook;
};

void advance(const NeuronModel& model, Arrays& a, std::uint32_t steps, const Devices& devices) {
  PopulationEpoch epoch;
  epoch.blocks = a.blocks;
  epoch.steps = steps;
  epoch.slots = a.slots;
  epoch.lanes = a.lanes.data();
  std::vector<void*> states;
  for (auto& state : a.state) states.push_back(state.data());
  std::vector<float*> inputs;
  for (auto& input : a.input) inputs.push_back(input.data());
  if (!devices.nmda && inputs.size() == 3) inputs[1] = nullptr;
  const float* const added[] = {devices.extras ? a.current.data() : nullptr};
  epoch.state = states.data();
  epoch.input = inputs.data();
  epoch.added = added;
  if (devices.extras) {
    epoch.clamp = a.clamp.data();
    epoch.V_integrated = a.V_integrated.data();
  }
  epoch.spikes = &a.spikes;
  if (devices.hook) {
    epoch.hook = &a.listener;
    epoch.event_steps = a.event_steps.data();
  }
  model.advance(epoch);
}

// Runs a test once a target of this processor.
class EveryTarget : public testing::Test {
 protected:
  void SetUp() override { flush_denormals(); }
  void TearDown() override { choose(0); }
  static void choose(std::int64_t target) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
  template <class Body>
  static void each(const Body& body) {
    choose(0);
    const std::int64_t all = hwy::SupportedTargets() & HWY_TARGETS;
    for (std::int64_t left = all; left != 0; left &= left - 1) {
      choose(left & -left);
      SCOPED_TRACE(hwy::TargetName(left & -left));
      body();
    }
  }
};

class KernelTwins : public EveryTarget, public testing::WithParamInterface<const char*> {};

TEST_P(KernelTwins, GiveTheirBits) {
  const std::string type = GetParam();
  const KernelEntry& entry = kernel_of_type(type);
  const KernelText text(type);
  const Program program = text.program();
  const SteadyValues steady(text.text.parameters, text.text.constants, text.values(), kDt);
  ASSERT_EQ(text.text.states.size(), entry.states.size());
  for (std::size_t i = 0; i < entry.states.size(); ++i) ASSERT_EQ(text.text.states[i].name, entry.states[i]);
  each([&] {
    std::size_t total = 0;
    const auto kernel_model = entry.make([&](std::string_view name) { return *steady.find(std::string(name)); });
    for (const std::size_t neurons : {1u, 16u, 100u, 250u, 256u, 257u, 640u})
      for (const Devices devices :
           {Devices{true, true, true}, Devices{false, false, false}, Devices{true, false, true}}) {
        const Machine<float> machine(program, 0, {}, {}, kDt);
        const std::size_t slots = neurons % 3 == 1 ? 8 : 16;
        Arrays kernel(neurons, slots, entry.states.size(), entry.receptors.size());
        Arrays twin(neurons, slots, entry.states.size(), entry.receptors.size());
        for (auto* arrays : {&kernel, &twin})
          for (float& V : arrays->state[0]) V = -0.07f;
        const int epochs = neurons == 100 ? 1000 : 100;
        for (int epoch = 0; epoch < epochs; ++epoch) {
          const auto steps = static_cast<std::uint32_t>(1 + epoch % static_cast<int>(slots));
          for (auto* arrays : {&kernel, &twin}) arrays->draw(static_cast<std::uint32_t>(epoch), steps);
          advance(*kernel_model, kernel, steps, devices);
          advance(machine, twin, steps, devices);
        }
        total += kernel.spikes.size();
        for (std::size_t s = 0; s < entry.states.size(); ++s)
          ASSERT_TRUE(same_bits(kernel.state[s], twin.state[s])) << entry.states[s] << ", " << neurons << " neurons";
        ASSERT_EQ(by_block(kernel.spikes), by_block(twin.spikes));
        ASSERT_TRUE(same_bits(kernel.V_integrated, twin.V_integrated));
        ASSERT_EQ(kernel.listener.sorted(), twin.listener.sorted());
        for (std::size_t r = 0; r < entry.receptors.size(); ++r) ASSERT_TRUE(same_bits(kernel.input[r], twin.input[r]));
        ASSERT_EQ(kernel.event_steps, twin.event_steps);
      }
    EXPECT_GT(total, 1000u);
  });
}
INSTANTIATE_TEST_SUITE_P(Machine, KernelTwins, testing::Values("if", "aif", "lif"));

// --- The scalar run
// ----------------------------------------------------------------------------------------------------

constexpr Noise kNoise{.seed = 0x123456789abcdef, .object = 77};
constexpr NeuronId kFirstNeuron = 1000;
constexpr Step kFirstStep = (Step{1} << 32) - 2;  // its upper bits change within an epoch
constexpr std::size_t kSlots = 8;

// A population of numbers of type T, run by the machine and, neuron by neuron, by the scalar run.
template <class T>
struct Twin {
  Twin(const Program& p, std::size_t neuron_count, std::mt19937_64& random)
      : program(p),
        neurons(neuron_count),
        blocks(blocks_for(neurons)),
        states(p.states, numbers()),
        by_neuron(p.by_neuron, numbers()),
        lanes(blocks, 0xffff) {
    if (neurons % kBlock) lanes.back() = static_cast<std::uint16_t>((1u << neurons % kBlock) - 1);
    for (auto* arrays : {&states, &by_neuron})
      for (auto& array : *arrays)
        for (T& value : array) value = number(random);
    for (auto* buffers : {&input, &added})
      for (auto& buffer : *buffers) {
        buffer.resize(blocks * kSlots * kBlock);
        for (float& value : buffer) value = static_cast<float>(number(random));
      }
    clamp.resize(blocks * kSlots * kBlock);
    for (float& value : clamp)
      value = random() % 4 == 0 ? static_cast<float>(number(random)) : std::numeric_limits<float>::quiet_NaN();
  }
  AlignedVector<T> numbers() const { return AlignedVector<T>(blocks * kBlock); }
  // Of every size, with those among them for which functions have special cases.
  static T number(std::mt19937_64& random) {
    constexpr T kSpecial[] = {0,
                              -T{0},
                              1,
                              -1,
                              T{0.5},
                              2,
                              std::numeric_limits<T>::infinity(),
                              -std::numeric_limits<T>::infinity(),
                              std::numeric_limits<T>::quiet_NaN(),
                              std::numeric_limits<T>::min(),
                              std::numeric_limits<T>::max(),
                              88,
                              -88,
                              709,
                              -709,
                              100000,
                              T{1e10}};
    if (random() % 16 == 0) return kSpecial[random() % std::size(kSpecial)];
    const double size = std::exp(std::uniform_real_distribution(-20.0, random() % 4 == 0 ? 20.0 : 3.0)(random));
    return static_cast<T>(random() % 2 ? size : -size);
  }

  // Compares states and spikes after an epoch.
  void compare(std::uint32_t steps) {
    auto expected = states;
    std::vector<std::array<std::uint32_t, 3>> expected_spikes;
    std::set<std::pair<std::uint32_t, std::uint32_t>> expected_unsolved;  // step and neuron
    for (std::uint32_t n = 0; n < neurons; ++n) {
      std::vector<T> registers(program.registers());
      for (std::size_t s = 0; s < states.size(); ++s) registers[s] = states[s][n];
      for (std::size_t v = 0; v < by_neuron.size(); ++v) registers[states.size() + v] = by_neuron[v][n];
      for (std::uint32_t k = 0; k < steps; ++k) {
        const std::size_t cell = (n / kBlock * kSlots + k) * kBlock + n % kBlock;
        const T arrivals[] = {static_cast<T>(input[0][cell]), static_cast<T>(input[1][cell]), T{0}};
        const T inputs[] = {static_cast<T>(added[0][cell]), T{0}};
        NeuronStep<T> step{.noise = kNoise,
                           .neuron = kFirstNeuron + n,
                           .step = kFirstStep + k,
                           .dt = kDt,
                           .inputs = inputs,
                           .arrivals = arrivals,
                           .clamp = static_cast<T>(clamp[cell]),
                           .hook = {}};
        run<T>(program, registers, step);
        for (std::uint32_t spike = 0; spike < step.count; ++spike) expected_spikes.push_back({k, n, 0});
        if (step.unsolved) expected_unsolved.insert({k, n});
      }
      for (std::size_t s = 0; s < states.size(); ++s) expected[s][n] = registers[s];
    }
    const Machine<T> machine(program, std::nullopt, by_neuron, kNoise, kDt);
    PopulationEpoch epoch;
    epoch.blocks = blocks;
    epoch.steps = steps;
    epoch.slots = kSlots;
    epoch.first = kFirstStep;
    epoch.first_neuron = kFirstNeuron;
    epoch.lanes = lanes.data();
    std::vector<void*> state_data;
    for (auto& state : states) state_data.push_back(state.data());
    float* const inputs[] = {input[0].data(), input[1].data(), nullptr};
    const float* const currents[] = {added[0].data(), nullptr};
    std::vector<BlockSpikes> spikes;
    std::vector<FailedStep> failed;
    epoch.state = state_data.data();
    epoch.input = inputs;
    epoch.added = currents;
    epoch.clamp = clamp.data();
    epoch.spikes = &spikes;
    epoch.failed = &failed;
    machine.advance(epoch);
    for (std::size_t s = 0; s < states.size(); ++s)
      for (std::size_t n = 0; n < neurons; ++n) {
        const T got = states[s][n], wanted = expected[s][n];
        if (std::isnan(got) && std::isnan(wanted)) continue;
        ASSERT_EQ(std::memcmp(&got, &wanted, sizeof(T)), 0)
            << "state " << s << " of neuron " << n << ": " << got << ", not " << wanted;
      }
    std::vector<std::array<std::uint32_t, 3>> got_spikes;
    for (const BlockSpikes& s : spikes)
      for (std::uint32_t left = s.lanes; left != 0; left &= left - 1)
        got_spikes.push_back(
            {s.step, static_cast<std::uint32_t>(s.block * kBlock) + static_cast<std::uint32_t>(std::countr_zero(left)),
             0});
    std::sort(expected_spikes.begin(), expected_spikes.end());
    std::stable_sort(got_spikes.begin(), got_spikes.end(), [](const auto& a, const auto& b) { return a[0] < b[0]; });
    ASSERT_EQ(got_spikes, expected_spikes);
    std::set<std::pair<std::uint32_t, std::uint32_t>> got_unsolved;
    for (const FailedStep& s : failed)
      for (std::uint32_t left = s.lanes; left != 0; left &= left - 1)
        got_unsolved.insert({s.step, static_cast<std::uint32_t>(s.block * kBlock) +
                                         static_cast<std::uint32_t>(std::countr_zero(left))});
    ASSERT_EQ(got_unsolved, expected_unsolved);
  }

  const Program& program;
  std::size_t neurons, blocks;
  std::vector<AlignedVector<T>> states, by_neuron;
  std::vector<std::uint16_t> lanes;
  std::array<AlignedVector<float>, 2> input, added;
  AlignedVector<float> clamp;
};

template <class T>
class MachineAndScalar : public EveryTarget {};
using Numbers = testing::Types<float, double>;
TYPED_TEST_SUITE(MachineAndScalar, Numbers);

constexpr Op kFunctions[] = {Op::exp,        Op::expm1,  Op::log,  Op::log1p,  Op::exprel,   Op::tanh,
                             Op::sin,        Op::cos,    Op::sqrt, Op::floor,  Op::abs,      Op::negate,
                             Op::power,      Op::divide, Op::min,  Op::max,    Op::greater,  Op::less,
                             Op::less_equal, Op::equal,  Op::both, Op::either, Op::negation, Op::greater_equal};

TYPED_TEST(MachineAndScalar, FunctionsAgreeOnNumbersOfEverySize) {
  std::vector<std::string> states;
  for (std::size_t s = 0; s < std::size(kFunctions); ++s) states.push_back(std::to_string(s));
  Writer w(states, {"x", "y"});
  for (std::size_t s = 0; s < std::size(kFunctions); ++s) w(kFunctions[s], states[s], "x", "y");
  this->each([&] {
    std::mt19937_64 random(1);
    Twin<TypeParam>(w.program, 40000, random).compare(1);
  });
}

TYPED_TEST(MachineAndScalar, RandomNumbersAgree) {
  Writer w({"u", "n", "p", "s", "t"}, {"x"});
  w.constant("large", 1700);
  w.raw(Op::uniform, "u", 0);
  w.raw(Op::normal, "n", 1);
  w(Op::abs, "x", "x");
  w.raw(Op::poisson, "p", 2, "x");
  w.raw(Op::poisson, "s", Noise::kMostDraws - 1, "large");
  w(Op::time, "t");
  this->each([&] {
    std::mt19937_64 random(2);
    Twin<TypeParam>(w.program, 700, random).compare(5);
  });
}

// Repeats operations by chance, up to four times by neuron, with what may be read before; the results of who is done
// stay.
void add_repetition(Program& p, std::vector<std::uint16_t> readable, std::uint16_t& draws, std::mt19937_64& random) {
  const auto any = [&] { return readable[random() % readable.size()]; };
  const auto zero = p.first_constant(), one = static_cast<std::uint16_t>(zero + 1);
  const auto left = static_cast<std::uint16_t>(p.states + p.by_neuron), value = static_cast<std::uint16_t>(left + 1);
  p.code.push_back({Op::min, left, any(), static_cast<std::uint16_t>(zero + 3), 0});
  p.code.push_back({Op::copy, value, any(), 0, 0});
  const std::size_t begin = p.code.size();
  const auto temporary = [&] { return static_cast<std::uint16_t>(p.first_temporary() + p.temporaries++); };
  const auto add = [&](const Instruction& i) {
    p.code.push_back(i);
    return i.to;
  };
  const auto going = add({Op::greater, temporary(), left, zero, 0});
  for (int n = 0; n < 6; ++n) {
    Instruction i{static_cast<Op>(random() % (static_cast<unsigned>(Op::input) + 1)), 0, any(), any(), any()};
    if (i.op == Op::input) i.a = static_cast<std::uint16_t>(random() % 2);
    if (i.op == Op::uniform || i.op == Op::normal || i.op == Op::poisson) i.a = draws++;
    i.to = temporary();
    readable.push_back(add(i));
  }
  add({Op::select, value, going, readable.back(), value});
  const auto fewer = add({Op::subtract, temporary(), left, one, 0});
  add({Op::max, left, fewer, zero, 0});
  const auto again = add({Op::greater, temporary(), left, zero, 0});
  p.code.push_back({Op::repeat, 0, static_cast<std::uint16_t>(p.code.size() - begin), again, 0});
}

// Programs of all operations, their operands by chance; temporaries are read once they have a value.
Program random_program(std::mt19937_64& random) {
  Program p;
  p.states = 5;
  p.by_neuron = 2;
  p.carried = 2;
  p.constants = {0, 1, -0.5, 3.25, 1e-3};
  p.temporaries = 12;
  const auto most = static_cast<std::uint16_t>(p.first_constant() + 3);
  for (std::uint16_t r = 0; r < p.carried; ++r)
    p.code.push_back({Op::copy, static_cast<std::uint16_t>(p.states + p.by_neuron + r), most, 0, 0});
  std::vector<std::uint16_t> readable(p.first_temporary());
  for (std::uint16_t r = 0; r < readable.size(); ++r) readable[r] = r;
  const auto any = [&] { return readable[random() % readable.size()]; };
  const std::uint16_t own = p.temporaries;
  const auto target = [&] {
    const auto to =
        static_cast<std::uint16_t>(random() % 3 == 0 ? random() % p.states : p.first_temporary() + random() % own);
    return to;
  };
  std::uint16_t receptor = 0, draws = 0;
  for (int n = 0; n < 50; ++n) {
    if (random() % 40 == 0 && n > 20) add_repetition(p, readable, draws, random);
    Instruction i{static_cast<Op>(random() % (static_cast<unsigned>(Op::unsolved) + 1)), target(), any(), any(), any()};
    if (i.op == Op::arrival) {
      if (receptor == 3) continue;
      i.a = receptor++;
    }
    if (i.op == Op::input) i.a = static_cast<std::uint16_t>(random() % 2);
    if (i.op == Op::uniform || i.op == Op::normal || i.op == Op::poisson) i.a = draws++;
    if (i.op == Op::clamp) i.to = 0;
    if (i.op == Op::hook) continue;
    if (i.op == Op::fired) {
      i = {Op::min, target(), any(), most, 0};  // a count of at most three
      if (i.to < p.first_temporary()) readable.push_back(i.to);
      p.code.push_back(i);
      if (std::find(readable.begin(), readable.end(), i.to) == readable.end()) readable.push_back(i.to);
      i = {Op::fired, 0, static_cast<std::uint16_t>(random() % 2), any(), i.to};
      p.code.push_back(i);
      break;
    }
    p.code.push_back(i);
    if (i.op == Op::unsolved) continue;
    if (std::find(readable.begin(), readable.end(), i.to) == readable.end()) readable.push_back(i.to);
    if (i.op == Op::arrival && random() % 2) {
      const auto sum = target();
      const auto other = any();
      p.code.push_back(random() % 2 ? Instruction{Op::add, sum, other, i.to, 0}
                                    : Instruction{Op::add, sum, i.to, other, 0});
      if (std::find(readable.begin(), readable.end(), sum) == readable.end()) readable.push_back(sum);
    }
  }
  return p;
}

TYPED_TEST(MachineAndScalar, ProgramsByChanceAgree) {
  this->each([&] {
    std::mt19937_64 random(3);
    for (int n = 0; n < 600 && !this->HasFatalFailure(); ++n) {
      SCOPED_TRACE(n);
      const Program program = random_program(random);
      const std::size_t neurons = 1 + random() % 640;
      Twin<TypeParam>(program, n % 10 == 0 ? neurons : 1 + neurons % 48, random)
          .compare(static_cast<std::uint32_t>(1 + random() % 4));
    }
  });
}

}  // namespace
}  // namespace lpl::spiking
