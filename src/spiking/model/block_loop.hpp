// The loop that hand-written kernels share: neurons outside, time inside, the state of some blocks in registers
// for a whole epoch. All arithmetic is float32 and lane-wise; nothing is reduced over lanes, so results depend on
// neither lane nor rank. For files of vector kernels, once a target of Highway.
#if defined(LPL_SPIKING_MODEL_BLOCK_LOOP) == defined(HWY_TARGET_TOGGLE)
#ifdef LPL_SPIKING_MODEL_BLOCK_LOOP
#undef LPL_SPIKING_MODEL_BLOCK_LOOP
#else
#define LPL_SPIKING_MODEL_BLOCK_LOOP
#endif

#include <array>
#include <bit>

#include "spiking/block_hook.hpp"
#include "spiking/layout.hpp"
#include "spiking/model/kernel.hpp"
#include "spiking/model/lanes.hpp"

HWY_BEFORE_NAMESPACE();
namespace lpl::spiking::HWY_NAMESPACE {

// Adds the input of one step and marks it as consumed.
HWY_INLINE F16 with_input(const F16& g, float* input) {
  const F16 sum = g + load(input);
  store(set(0.0f), input);
  return sum;
}

// A Model has
//   enum State { ..., kStates }, the membrane first; enum Receptor { ..., kReceptors };
//   static constexpr std::size_t kTarget[kReceptors]: the state that arrivals of a receptor are added to;
//   struct Constants; static Constants constants(const Parameters&);
//   static M16 step(const Constants&, Registers<Model>&, const F16& current): moves the neurons, tests the threshold
//   and resets; returns who spiked.
template <class Model>
using Registers = std::array<F16, Model::kStates>;

// The buffers of one block.
template <class Model>
struct BlockBuffers {
  BlockBuffers() = default;
  BlockBuffers(const PopulationEpoch& e, std::size_t offset)
      : clamp(e.clamp ? e.clamp + offset : nullptr),
        unclamped(e.unclamped ? e.unclamped + offset : nullptr),
        current(e.added && e.added[0] ? e.added[0] + offset : nullptr),
        V_integrated(e.V_integrated ? e.V_integrated + offset : nullptr) {
    for (std::size_t r = 0; r < Model::kReceptors; ++r) input[r] = e.input[r] ? e.input[r] + offset : nullptr;
  }
  float* input[Model::kReceptors];
  const float* clamp;
  float* unclamped;
  const float* current;
  float* V_integrated;
};

// What a population's epoch has, so that nothing is asked of what is absent: receptors that synapses lead to, devices.
template <std::uint32_t kMask, bool kDriven>
struct Present {
  static constexpr std::uint32_t kReceptors = kMask;
  static constexpr bool kDevices = kDriven;
};

// Adds the input of one step and lets clamps act: what closes a step. `cell` is its offset in the block's buffers.
template <class Model, class P>
HWY_INLINE void finish_step(const BlockBuffers<Model>& buffers, std::size_t cell, Registers<Model>& s) {
  for (std::size_t r = 0; r < Model::kReceptors; ++r)
    if (P::kReceptors >> r & 1u) s[Model::kTarget[r]] = with_input(s[Model::kTarget[r]], buffers.input[r] + cell);
  if constexpr (P::kDevices) {
    if (buffers.clamp) {
      if (buffers.unclamped) store(s[0], buffers.unclamped + cell);
      const F16 clamp = load(buffers.clamp + cell);
      s[0] = select(equal(clamp, clamp), clamp, s[0]);
    }
  }
}

// Integrates steps from .. to-1 of some blocks and finishes all of them but the last. Nothing is called in here, so the
// state stays in registers. fired[i][k] gets the lanes of block i that spiked in step k; returns whether any did.
template <class Model, class P, std::size_t kBlocks>
HWY_INLINE std::uint32_t integrate_steps(const typename Model::Constants& constants,
                                         const std::array<BlockBuffers<Model>, kBlocks>& block_buffers,
                                         const std::uint16_t* lanes, std::uint32_t from, std::uint32_t to,
                                         std::array<Registers<Model>, kBlocks>& state,
                                         std::uint16_t (&fired)[kBlocks][kLongestEpoch]) {
  // Local copies: stores through float pointers cannot change them, so they stay in registers.
  const typename Model::Constants c = constants;
  const std::array<BlockBuffers<Model>, kBlocks> buffers = block_buffers;
  std::array<Registers<Model>, kBlocks> s = state;
  std::uint32_t any = 0;
  const auto integrate = [&](std::uint32_t k) HWY_ATTR {
    const std::size_t cell = k * kBlock;
    for (std::size_t i = 0; i < kBlocks; ++i) {
      F16 rest = set(c.rest);
      if constexpr (P::kDevices)
        if (buffers[i].current) rest = rest + load(buffers[i].current + cell);
      const std::uint32_t spiked = bits_of(Model::step(c, s[i], rest)) & lanes[i];
      fired[i][k] = static_cast<std::uint16_t>(spiked);
      any |= spiked;
      if (buffers[i].V_integrated) store(s[i][0], buffers[i].V_integrated + cell);
    }
  };
  integrate(from);
  for (std::uint32_t k = from + 1; k < to; ++k) {
    for (std::size_t i = 0; i < kBlocks; ++i) finish_step<Model, P>(buffers[i], (k - 1) * kBlock, s[i]);
    integrate(k);
  }
  state = s;
  return any;
}

// Blocks first .. first + kBlocks-1. Time contract of one step k (docs/numerics.md section 1): neurons integrate with
// what step k-1 left (1), injected current being part of the integration (2); the hook delivers and learns, then the
// input of step k is added (3); V_integrated is what stage 4 sees; clamps overwrite V last (6). Only steps at which
// arrivals are due interrupt blocks: the hook hears of earlier spikes just before, in order.
template <class Model, class P, std::size_t kBlocks>
void advance_some(const typename Model::Constants& c, const PopulationEpoch& e, std::uint32_t first) {
  std::uint16_t fired[kBlocks][kLongestEpoch];
  std::array<BlockBuffers<Model>, kBlocks> buffers;
  std::array<Registers<Model>, kBlocks> s;
  std::uint32_t due[kBlocks] = {}, due_any = 0;
  for (std::uint32_t i = 0; i < kBlocks; ++i) {
    const std::size_t at = (first + i) * kBlock;
    buffers[i] = BlockBuffers<Model>(e, at * e.slots);
    for (std::size_t state = 0; state < Model::kStates; ++state)
      s[i][state] = load(static_cast<const float*>(e.state[state]) + at);
    if (e.hook) due_any |= due[i] = e.event_steps[first + i];
  }
  for (std::uint32_t from = 0; from < e.steps;) {
    const std::uint32_t left = due_any >> from;
    const std::uint32_t last = left ? from + static_cast<std::uint32_t>(std::countr_zero(left)) : e.steps - 1;
    std::uint32_t any = integrate_steps<Model, P>(c, buffers, e.lanes + first, from, last + 1, s, fired);
    if (e.injected)
      for (std::uint32_t i = 0; i < kBlocks; ++i)
        for (std::uint32_t k = from; k <= last; ++k) any |= fired[i][k] |= e.injected[(first + i) * e.slots + k];
    if (HWY_UNLIKELY(any | left)) {
      for (std::uint32_t i = 0; i < kBlocks; ++i) {
        for (std::uint32_t k = from; k <= last; ++k) {
          if (due[i] >> k & 1u) e.hook->arrive(first + i, k);
          if (!fired[i][k]) continue;
          e.spikes->push_back({first + i, static_cast<std::uint16_t>(k), fired[i][k]});
          if (e.hook) e.hook->spiked(first + i, k, fired[i][k]);
        }
      }
    }
    for (std::size_t i = 0; i < kBlocks; ++i) finish_step<Model, P>(buffers[i], last * kBlock, s[i]);
    from = last + 1;
  }
  for (std::uint32_t i = 0; i < kBlocks; ++i) {
    if (e.hook) e.event_steps[first + i] = 0;
    for (std::size_t state = 0; state < Model::kStates; ++state)
      store(s[i][state], static_cast<float*>(e.state[state]) + (first + i) * kBlock);
  }
}

// A step of a block is a chain of operations that wait for each other: kTogether blocks keep the units busy.
template <class Model, class P>
void advance_blocks(const typename Model::Constants& c, const PopulationEpoch& e) {
  some_at_a_time(e.blocks, [&](auto blocks, std::size_t first) {
    advance_some<Model, P, blocks()>(c, e, static_cast<std::uint32_t>(first));
  });
}

template <class Model>
class Kernel final : public NeuronModel {
 public:
  explicit Kernel(const Parameters& parameter) : constants_(Model::constants(parameter)) {}

  void advance(const PopulationEpoch& e) const override {
    std::uint32_t receptors = 0;
    for (std::size_t r = 0; r < Model::kReceptors; ++r) receptors |= std::uint32_t{e.input[r] != nullptr} << r;
    advance_with<0>(receptors, e);
  }

 private:
  template <std::uint32_t kMask>
  void advance_with(std::uint32_t receptors, const PopulationEpoch& e) const {
    if (receptors != kMask) {
      if constexpr (kMask + 1 < 1u << Model::kReceptors) advance_with<kMask + 1>(receptors, e);
    } else if (e.clamp || e.added) {
      advance_blocks<Model, Present<kMask, true>>(constants_, e);
    } else {
      advance_blocks<Model, Present<kMask, false>>(constants_, e);
    }
  }

  typename Model::Constants constants_;
};

}  // namespace lpl::spiking::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
