// Repeats every spike that reaches it, in the step of arrival: models/parrot.cell.
#include "core/vector_targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "spiking/model/parrot.cpp"
#include <hwy/foreach_target.h>
// The order matters: foreach_target first.
#include "spiking/model/block_loop.hpp"

HWY_BEFORE_NAMESPACE();
namespace lpl::spiking::HWY_NAMESPACE {

class Parrots final : public NeuronModel {
 public:
  void advance(const PopulationEpoch& e) const override {
    for (std::uint32_t block = 0; block < e.blocks; ++block)
      for (std::uint32_t step = 0; step < e.steps; ++step) {
        const std::size_t cell = (block * e.slots + step) * kBlock;
        F16 arrived = set(0.0f);
        for (const std::size_t receptor : {0u, 1u})
          if (e.input[receptor]) arrived = with_input(arrived, e.input[receptor] + cell);
        const std::uint32_t spiked = bits_of(arrived > set(0.0f)) & e.lanes[block];
        if (spiked) e.spikes->push_back({block, static_cast<std::uint16_t>(step), static_cast<std::uint16_t>(spiked)});
      }
  }
};

std::unique_ptr<NeuronModel> MakeParrot(const Parameters& /*parameter*/, double /*dt*/) {
  return std::make_unique<Parrots>();
}

}  // namespace lpl::spiking::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lpl::spiking {
namespace {

HWY_EXPORT(MakeParrot);

constexpr std::string_view kReceptors[] = {"AMPA", "GABA"};

std::unique_ptr<NeuronModel> make(const Parameters& parameter, double dt) {
  return HWY_DYNAMIC_DISPATCH(MakeParrot)(parameter, dt);
}

}  // namespace

extern const KernelEntry parrot_kernel{"parrot", {}, kReceptors, std::nullopt, make};

}  // namespace lpl::spiking
#endif
