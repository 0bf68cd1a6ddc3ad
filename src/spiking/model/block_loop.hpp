// The loop of hand-written kernels over the steps of an epoch, for their files, once a target of Highway.
//
// A Model has
//   enum State { V, ..., kStates }        its membrane is V
//   kReceiving[]                          by receptor, the state that arrivals add to
//   struct Constants { float ... }        in the order of the kernel's names
//   static F16 rest(const Constants&)     what flows in without devices
//   static M16 step(const Constants&, Registers<kStates>&, const F16& inflow)      one step; returns who fired
#if defined(LPL_SPIKING_MODEL_BLOCK_LOOP) == defined(HWY_TARGET_TOGGLE)
#ifdef LPL_SPIKING_MODEL_BLOCK_LOOP
#undef LPL_SPIKING_MODEL_BLOCK_LOOP
#else
#define LPL_SPIKING_MODEL_BLOCK_LOOP
#endif

#include <bit>
#include <cstring>
#include <utility>

#include "spiking/block_hook.hpp"
#include "spiking/layout.hpp"
#include "spiking/model/lanes.hpp"
#include "spiking/model/model.hpp"

HWY_BEFORE_NAMESPACE();
namespace lpl::spiking::HWY_NAMESPACE {

template <std::size_t kStates>
struct Registers {
  F16 state[kStates];
  HWY_INLINE F16& operator[](std::size_t i) { return state[i]; }
};

// Which receptors hear something is known to the compiler, but where devices act, which is rare.
inline constexpr unsigned kAnyReceptors = ~0u;

// The buffers of one block; what is not there is nullptr.
template <std::size_t kReceptors>
struct Buffers {
  Buffers(const PopulationEpoch& epoch, std::size_t offset)
      : added(at(epoch.added[0], offset)),
        clamp(at(epoch.clamp, offset)),
        V_integrated(at(epoch.V_integrated, offset)) {
    for (std::size_t r = 0; r < kReceptors; ++r) input[r] = at(epoch.input[r], offset);
  }
  template <class T>
  static T* at(T* buffer, std::size_t offset) {
    return buffer ? buffer + offset : nullptr;
  }
  float* input[kReceptors];
  const float *added, *clamp;
  float* V_integrated;
};

// A block's epoch. Local copies everywhere: stores through float pointers cannot change them, so they stay in
// registers.
template <class Model, unsigned kPresent>
struct BlockLoop {
  using Constants = typename Model::Constants;
  using State = Registers<Model::kStates>;
  static constexpr std::size_t kReceptors = std::size(Model::kReceiving);

  template <std::size_t kReceptor>
  static HWY_INLINE void add_input(const Buffers<kReceptors>& buffers, std::size_t cell, State& s) {
    if constexpr (kPresent >> kReceptor & 1u) {
      float* const input = buffers.input[kReceptor];
      if constexpr (kPresent == kAnyReceptors)
        if (!input) return;
      F16& state = s[Model::kReceiving[kReceptor]];
      state = state + load(input + cell);
      store(set(0.0f), input + cell);
    }
  }

  // Adds the input of one step, marks it as consumed, and lets clamps act.
  static HWY_INLINE void finish_step(const Buffers<kReceptors>& buffers, std::size_t cell, State& s) {
    [&]<std::size_t... kReceptor>(std::index_sequence<kReceptor...>) HWY_ATTR {
      (add_input<kReceptor>(buffers, cell, s), ...);
    }
    (std::make_index_sequence<kReceptors>());
    if constexpr (kPresent == kAnyReceptors) {
      if (!buffers.clamp) return;
      const F16 clamp = load(buffers.clamp + cell);
      s[Model::V] = select(equal(clamp, clamp), clamp, s[Model::V]);
    }
  }

  // Steps from .. to-1, but for the end of the last one. Nothing is called in here. fired[k] gets the lanes that spiked
  // in step k; returns whether any did.
  static HWY_INLINE std::uint32_t integrate(const Constants& constants, const Buffers<kReceptors>& block_buffers,
                                            std::uint32_t lanes, std::uint32_t from, std::uint32_t to, State& state,
                                            std::uint16_t* fired) {
    const Constants c = constants;
    const Buffers<kReceptors> buffers = block_buffers;
    State s = state;
    std::uint32_t any = 0;
    const auto step = [&](std::uint32_t k) HWY_ATTR {
      F16 inflow = Model::rest(c);
      if constexpr (kPresent == kAnyReceptors)
        if (buffers.added) inflow = inflow + load(buffers.added + k * kBlock);
      const std::uint32_t spiked = bits_of(Model::step(c, s, inflow)) & lanes;
      fired[k] = static_cast<std::uint16_t>(spiked);
      any |= spiked;
      if (buffers.V_integrated) store(s[Model::V], buffers.V_integrated + k * kBlock);
    };
    step(from);
    for (std::uint32_t k = from + 1; k < to; ++k) {
      finish_step(buffers, (k - 1) * kBlock, s);
      step(k);
    }
    state = s;
    return any;
  }

  // Time contract of one step k (docs/numerics.md section 1): neurons integrate with what step k-1 left (1), what
  // devices add being part of it (2); the hook delivers and learns, then the input of step k is added (3);
  // V_integrated is what stage 4 sees; clamps overwrite V last (6). Only steps at which arrivals are due interrupt a
  // block: the hook hears of earlier spikes just before, in order.
  static void run(const Constants& c, const PopulationEpoch& e, std::size_t block) {
    const auto array = [&](std::size_t state) { return static_cast<float*>(e.state[state]) + block * kBlock; };
    const Buffers<kReceptors> buffers(e, block * kBlock * e.slots);
    std::uint16_t fired[kLongestEpoch];
    State s;
    for (std::size_t i = 0; i < Model::kStates; ++i) s[i] = load(array(i));
    const std::uint32_t due = e.event_steps ? e.event_steps[block] : 0;
    for (std::uint32_t from = 0; from < e.steps;) {
      const std::uint32_t left = due >> from;
      const std::uint32_t last = left ? from + static_cast<std::uint32_t>(std::countr_zero(left)) : e.steps - 1;
      const std::uint32_t any = integrate(c, buffers, e.lanes[block], from, last + 1, s, fired);
      if (HWY_UNLIKELY(any | left)) tell(e, static_cast<std::uint32_t>(block), due, from, last, fired);
      finish_step(buffers, last * kBlock, s);
      from = last + 1;
    }
    if (e.event_steps) e.event_steps[block] = 0;
    for (std::size_t i = 0; i < Model::kStates; ++i) store(s[i], array(i));
  }

  static void tell(const PopulationEpoch& e, std::uint32_t block, std::uint32_t due, std::uint32_t from,
                   std::uint32_t last, const std::uint16_t* fired) {
    for (std::uint32_t k = from; k <= last; ++k) {
      if (due >> k & 1u) e.hook->arrive(block, k);
      if (!fired[k]) continue;
      e.spikes->push_back({block, static_cast<std::uint16_t>(k), fired[k]});
      if (e.hook) e.hook->spiked(block, k, fired[k]);
    }
  }
};

template <class Model, unsigned kPresent>
void advance_blocks(const typename Model::Constants& constants, const PopulationEpoch& epoch) {
  for (std::size_t block = 0; block < epoch.blocks; ++block) BlockLoop<Model, kPresent>::run(constants, epoch, block);
}

template <class Model, std::size_t... kPresent>
void advance_without_devices(const typename Model::Constants& constants, const PopulationEpoch& epoch,
                             std::index_sequence<kPresent...>) {
  std::size_t present = 0;
  for (std::size_t r = 0; r < std::size(Model::kReceiving); ++r) present |= std::size_t{epoch.input[r] != nullptr} << r;
  ((present == kPresent ? advance_blocks<Model, kPresent>(constants, epoch) : void()), ...);
}

template <class Model>
void advance(const float* constants, const PopulationEpoch& epoch) {
  typename Model::Constants c;
  std::memcpy(&c, constants, sizeof c);
  if (epoch.clamp || epoch.added[0])
    advance_blocks<Model, kAnyReceptors>(c, epoch);
  else
    advance_without_devices<Model>(c, epoch, std::make_index_sequence<1u << std::size(Model::kReceiving)>());
}

}  // namespace lpl::spiking::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
