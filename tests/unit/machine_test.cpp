// The register machine against the hand-written kernels and the scalar run of programs, bit for bit, on every target of
// this processor.
#include "spiking/model/machine.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <random>

#include "core/denormals.hpp"
#include "spiking/block_hook.hpp"
#include "core/vector_targets.hpp"
#include "spiking/kernels.hpp"
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

constexpr std::uint16_t kAmpa = 0, kGaba = 1, kNmda = 2;  // receptors

void integrate(Writer& w, const std::string& g, const std::string& g_inh) {
  w.raw(Op::input, "current", 0);
  w(Op::add, "drive", "rest", "current");
  w(Op::fma, "drive", g_inh, "E_inh", "drive");
  w(Op::add, "leak", g, "one");
  w(Op::fnma, "I", "leak", "V", "drive");
  w(Op::fma, "V_new", "step_membrane", "I", "V");
  w(Op::min, "V_new", "V_new", "zero");
  w(Op::max, "V_new", "V_new", "E_inh");
}
void filter_nmda(Writer& w) {
  w(Op::fma, "nmda", "follow_nmda", "g_ampa", "g_nmda");
  w(Op::multiply, "g_nmda", "nmda", "keep_nmda");
}
void decay(Writer& w, const std::string& what) {
  w(Op::multiply, what, what, "decay_" + what.substr(what[0] == 'g' ? 2 : 0));
}
void finish(Writer& w, bool nmda) {
  w.raw(Op::fired, "", 0, "fired");
  w(Op::hook, "");
  for (const auto& [receptor, state] :
       std::map<std::uint16_t, std::string>{{kAmpa, "g_ampa"}, {kGaba, "g_gaba"}, {kNmda, "g_nmda"}}) {
    if (receptor == kNmda && !nmda) continue;
    w.raw(Op::arrival, "arrival", receptor);
    w(Op::add, state, state, "arrival");
  }
  w(Op::clamp, "V");
}
void reset(Writer& w, bool adaptation) {
  w(Op::add, "limit", "threshold_0", "threshold");
  w(Op::greater, "fired", "V", "limit");
  w(Op::select, "V", "fired", "E_leak", "V");
  w(Op::select, "threshold", "fired", "threshold_jump", "threshold");
  if (adaptation) {
    w(Op::add, "raised", "g_adaptation", "adaptation_jump");
    w(Op::select, "g_adaptation", "fired", "raised", "g_adaptation");
  }
}
void declare(Writer& w, const NeuronConstants& c) {
  // Floats are doubles that are rounded back to the same floats.
  w.constant("rest", static_cast<double>(c.E_leak + c.drive));
  w.constant("E_leak", static_cast<double>(c.E_leak));
  w.constant("E_inh", static_cast<double>(c.E_inh));
  w.constant("threshold_0", static_cast<double>(c.threshold));
  w.constant("threshold_jump", static_cast<double>(c.threshold_jump));
  w.constant("A_ampa", static_cast<double>(c.A_ampa));
  w.constant("A_nmda", static_cast<double>(c.A_nmda));
  w.constant("adaptation_jump", static_cast<double>(c.adaptation_jump));
  w.constant("refractory_steps", static_cast<double>(c.refractory_steps));
  w.constant("step_membrane", static_cast<double>(c.step_membrane));
  w.constant("follow_nmda", static_cast<double>(c.follow_nmda));
  w.constant("keep_nmda", static_cast<double>(1.0f - c.follow_nmda));
  w.constant("decay_threshold", static_cast<double>(c.decay_threshold));
  w.constant("decay_ampa", static_cast<double>(c.decay_ampa));
  w.constant("decay_gaba", static_cast<double>(c.decay_gaba));
  w.constant("decay_adaptation", static_cast<double>(c.decay_adaptation));
  w.constant("one", 1);
  w.constant("zero", 0);
}

const std::vector<std::string> kStates = {"V", "threshold", "g_ampa", "g_nmda", "g_gaba", "g_adaptation", "refractory"};

Program program_of(const NeuronConstants& c) {
  Writer w(kStates);
  declare(w, c);
  switch (c.model) {
    case CellModel::integrate_and_fire:
      w(Op::fma, "g", "A_nmda", "g_nmda", "g_gaba");
      w(Op::fma, "g", "A_ampa", "g_ampa", "g");
      integrate(w, "g", "g_gaba");
      w(Op::copy, "V", "V_new");
      filter_nmda(w);
      for (const char* what : {"g_ampa", "g_gaba", "threshold"}) decay(w, what);
      reset(w, false);
      finish(w, true);
      break;
    case CellModel::adaptive_integrate_and_fire:
      for (const char* what : {"g_ampa", "g_gaba", "g_adaptation"}) decay(w, what);
      filter_nmda(w);
      w(Op::add, "g_inh", "g_gaba", "g_adaptation");
      w(Op::fma, "g", "A_nmda", "g_nmda", "g_inh");
      w(Op::fma, "g", "A_ampa", "g_ampa", "g");
      integrate(w, "g", "g_inh");
      w(Op::copy, "V", "V_new");
      decay(w, "threshold");
      reset(w, true);
      finish(w, true);
      break;
    case CellModel::leaky_integrate_and_fire:
      w(Op::add, "g", "g_ampa", "g_gaba");
      integrate(w, "g", "g_gaba");
      for (const char* what : {"g_ampa", "g_gaba"}) decay(w, what);
      w(Op::greater, "resting", "refractory", "zero");
      w(Op::select, "V", "resting", "E_leak", "V_new");
      w(Op::subtract, "refractory", "refractory", "one");
      w(Op::max, "refractory", "refractory", "zero");
      w(Op::greater, "fired", "V", "threshold_0");
      w(Op::select, "V", "fired", "E_leak", "V");
      w(Op::select, "refractory", "fired", "refractory_steps", "refractory");
      finish(w, false);
      break;
    case CellModel::parrot:
      break;
  }
  return w.program;
}

// --- A population's arrays
// ---------------------------------------------------------------------------------------------

// Notes calls and lets arrivals depend on them.
class Listener : public BlockHook {
 public:
  explicit Listener(std::vector<AlignedVector<float>>& input, std::size_t slots) : input_(input), slots_(slots) {}
  void arrive(std::uint32_t block, std::uint32_t step) override {
    calls.push_back({block, step, 0});
    input_[kAmpa][(block * slots_ + step) * kBlock + step % kBlock] += 0.25f;
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
  Arrays(std::size_t neuron_count, std::size_t slot_count, std::size_t states)
      : neurons(neuron_count),
        slots(slot_count),
        blocks(blocks_for(neurons)),
        state(states, AlignedVector<float>(blocks * kBlock)),
        input(3, AlignedVector<float>(blocks * slots * kBlock)),
        clamp(blocks * slots * kBlock),
        current(blocks * slots * kBlock),
        V_integrated(blocks * slots * kBlock),
        lanes(blocks, 0xffff),
        event_steps(blocks, 0),
        listener(input, slots) {
    if (neurons % kBlock) lanes.back() = static_cast<std::uint16_t>((1u << neurons % kBlock) - 1);
  }
  // Input of one epoch: rarely a weight, a clamp or an event.
  void draw(std::uint32_t seed) {
    std::mt19937 random(seed);
    const auto next = [&] { return static_cast<float>(random() >> 8) * 0x1p-24f; };
    for (auto& weights : input)
      for (float& weight : weights) weight = next() < 0.1f ? 1.5f * next() : 0;
    for (float& value : clamp) value = next() < 0.02f ? -0.06f * next() : std::numeric_limits<float>::quiet_NaN();
    for (float& value : current) value = 0.02f * next();
    for (auto& due : event_steps) due = static_cast<std::uint32_t>(random() & random()) & ((1u << slots) - 1);
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

void by_kernel(const NeuronConstants& c, Arrays& a, std::uint32_t steps, const Devices& devices) {
  NeuronEpoch epoch;
  epoch.blocks = a.blocks;
  epoch.steps = steps;
  epoch.slots = a.slots;
  epoch.lanes = a.lanes.data();
  float** const states[] = {&epoch.V,      &epoch.threshold,    &epoch.g_ampa,    &epoch.g_nmda,
                            &epoch.g_gaba, &epoch.g_adaptation, &epoch.refractory};
  for (std::size_t s = 0; s < std::size(states); ++s) *states[s] = a.state[s].data();
  epoch.in_ampa = a.input[kAmpa].data();
  epoch.in_gaba = a.input[kGaba].data();
  if (devices.nmda) epoch.in_nmda = a.input[kNmda].data();
  if (devices.extras) {
    epoch.clamp = a.clamp.data();
    epoch.current = a.current.data();
    epoch.V_integrated = a.V_integrated.data();
  }
  epoch.spikes = &a.spikes;
  if (devices.hook) {
    epoch.hook = &a.listener;
    epoch.event_steps = a.event_steps.data();
  }
  advance_neurons(c, epoch);
}

void by_machine(const NeuronModel& machine, Arrays& a, std::uint32_t steps, Step first, const Devices& devices) {
  PopulationEpoch epoch;
  epoch.blocks = a.blocks;
  epoch.steps = steps;
  epoch.slots = a.slots;
  epoch.first = first;
  epoch.lanes = a.lanes.data();
  std::vector<void*> states;
  for (auto& state : a.state) states.push_back(state.data());
  float* const inputs[] = {a.input[kAmpa].data(), a.input[kGaba].data(),
                           devices.nmda ? a.input[kNmda].data() : nullptr};
  const float* const added[] = {devices.extras ? a.current.data() : nullptr};
  epoch.state = states.data();
  epoch.input = inputs;
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
  machine.advance(epoch);
}

NeuronConstants constants_of(CellModel model) {
  Cell cell;
  cell.model = model;
  cell.E_leak = model == CellModel::leaky_integrate_and_fire ? -0.06 : -0.07;
  cell.E_inh = -0.08;
  cell.threshold = -0.05;
  cell.threshold_jump = 0.1;
  cell.tau_membrane = 0.02;
  cell.tau_threshold = 0.005;
  cell.tau_ampa = 0.005;
  cell.tau_gaba = 0.01;
  cell.tau_nmda = 0.1;
  cell.ampa_nmda_ratio = 1;
  cell.tau_adaptation = 0.1;
  cell.adaptation_jump = 1;
  cell.refractory = 0.005;
  cell.drive = 0.011;
  return neuron_constants(cell, kDt);
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

class KernelTwins : public EveryTarget, public testing::WithParamInterface<CellModel> {};

TEST_P(KernelTwins, GiveTheirBits) {
  const NeuronConstants c = constants_of(GetParam());
  const Program program = program_of(c);
  each([&] {
    std::size_t total = 0;
    for (const std::size_t neurons : {1u, 16u, 100u, 250u, 256u, 257u, 640u})
      for (const Devices devices :
           {Devices{true, true, true}, Devices{false, false, false}, Devices{true, false, true}}) {
        const Machine<float> machine(program, 0, {}, {}, kDt);
        const std::size_t slots = neurons % 3 == 1 ? 8 : 16;
        Arrays kernel(neurons, slots, kStates.size()), twin(neurons, slots, kStates.size());
        for (auto* arrays : {&kernel, &twin})
          for (float& V : arrays->state[0]) V = c.E_leak;
        const int epochs = neurons == 100 ? 1000 : 100;
        for (int epoch = 0; epoch < epochs; ++epoch) {
          const auto steps = static_cast<std::uint32_t>(1 + epoch % static_cast<int>(slots));
          for (auto* arrays : {&kernel, &twin}) arrays->draw(static_cast<std::uint32_t>(epoch));
          for (auto* arrays : {&kernel, &twin})
            for (auto& due : arrays->event_steps) due &= (1u << steps) - 1;
          by_kernel(c, kernel, steps, devices);
          by_machine(machine, twin, steps, 0, devices);
        }
        total += kernel.spikes.size();
        for (std::size_t s = 0; s < kStates.size(); ++s)
          ASSERT_TRUE(same_bits(kernel.state[s], twin.state[s])) << kStates[s] << ", " << neurons << " neurons";
        ASSERT_EQ(by_block(kernel.spikes), by_block(twin.spikes));
        ASSERT_TRUE(same_bits(kernel.V_integrated, twin.V_integrated));
        ASSERT_EQ(kernel.listener.sorted(), twin.listener.sorted());
        for (std::size_t r = 0; r < 3; ++r) ASSERT_TRUE(same_bits(kernel.input[r], twin.input[r]));
        ASSERT_EQ(kernel.event_steps, twin.event_steps);
      }
    EXPECT_GT(total, 1000u);
  });
}
INSTANTIATE_TEST_SUITE_P(Machine, KernelTwins,
                         testing::Values(CellModel::integrate_and_fire, CellModel::adaptive_integrate_and_fire,
                                         CellModel::leaky_integrate_and_fire));

}  // namespace
}  // namespace lpl::spiking
