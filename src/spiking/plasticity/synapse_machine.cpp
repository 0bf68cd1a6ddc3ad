#include "spiking/plasticity/synapse_machine.hpp"

#include <array>
#include <utility>

#include "core/vector_targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "spiking/plasticity/synapse_machine.cpp"
#include <hwy/foreach_target.h>
// The order matters: foreach_target first.
#include "spiking/text/lane_operations.hpp"

HWY_BEFORE_NAMESPACE();
namespace lpl::spiking::HWY_NAMESPACE {

// Operations of numbers; texts of rules have no others.
inline constexpr std::size_t kOperations = static_cast<std::size_t>(Op::select) + 1;
using Synapses16 = Frame<float>;

template <std::size_t... kForms>
constexpr std::array<Handler<Synapses16>, sizeof...(kForms)> handlers(std::index_sequence<kForms...>) {
  return {
      compute<Synapses16, static_cast<Op>(kForms / 8), kForms % 8 & registers_read(static_cast<Op>(kForms / 8))>...};
}
inline constexpr auto kSynapseHandlers = handlers(std::make_index_sequence<kOperations * 8>());

void RunOverSynapses(const std::vector<LaneInstruction>& code, const float* constants, float* columns,
                     std::size_t stride, std::size_t blocks) {
  Synapses16 frame{constants, columns, stride, blocks};
  for (const LaneInstruction& i : code)
    kSynapseHandlers[static_cast<std::size_t>(i.action) * 8 + i.constants](i, frame);
}

}  // namespace lpl::spiking::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lpl::spiking {
namespace {

HWY_EXPORT(RunOverSynapses);

}  // namespace

SynapseMachine::SynapseMachine(const Program& program) {
  static_assert(kMost % (4 * kBlock) == 0, "operations work on four blocks at once");
  Placement placement(program);
  for (std::size_t at = 0; at < program.code.size(); ++at) code_.push_back(placement.place(at));
  for (const double constant : program.constants) constants_.push_back(static_cast<float>(constant));
  columns_.assign(placement.columns() * kStride, 0.0f);
}

void SynapseMachine::run(std::size_t count) {
  HWY_DYNAMIC_DISPATCH(RunOverSynapses)
  (code_, constants_.data(), columns_.data(), kStride, blocks_for(count));
}

}  // namespace lpl::spiking
#endif
