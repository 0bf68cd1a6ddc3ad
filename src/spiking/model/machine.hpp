// The register machine: runs a model's program on vector lanes. An instruction is fetched once for a group of up to 16
// blocks in lock-step, whose registers stay in the cache for a whole epoch. The same bits as the scalar run
// (core/program.hpp) on every target and in every grouping. Numbers are float or double.
#pragma once

#include <optional>
#include <vector>

#include "core/aligned.hpp"
#include "core/noise.hpp"
#include "core/program.hpp"
#include "spiking/model/model.hpp"
#include "spiking/text/lane_code.hpp"

namespace lpl::spiking {

template <class T>
struct MachineProgram {
  std::vector<LaneInstruction> code;
  std::vector<T> constants;                 // the last one is 0
  std::uint16_t states = 0;                 // the first columns
  std::vector<AlignedVector<T>> by_neuron;  // the columns that follow: 16 numbers a block
  std::uint16_t first_temporary = 0, columns = 0;
  std::size_t group = 1;                  // blocks in lock-step
  std::optional<std::uint16_t> membrane;  // a state
  bool hook_last = false;                 // in a step, neurons fire before Op::hook
  Noise noise;
  double dt = 0;
};

template <class T>
class Machine final : public NeuronModel {
 public:
  // `by_neuron`: the program's values by neuron, each with 16 numbers a block. `membrane`: the state that plasticity
  // sees.
  Machine(const Program& program, std::optional<std::uint16_t> membrane, std::vector<AlignedVector<T>> by_neuron,
          const Noise& noise, double dt);
  bool is_double() const override { return sizeof(T) == sizeof(double); }
  void advance(const PopulationEpoch& epoch) const override;

 private:
  void read_constants(LaneInstruction& code) const;
  std::optional<std::uint16_t> constant_of(const LaneInstruction& code, const PopulationEpoch& epoch) const;

  MachineProgram<T> program_;
  // Of the epoch at hand.
  mutable std::vector<LaneInstruction> code_;
  mutable std::vector<std::size_t> placed_;                  // where in it the program's instructions stand
  mutable std::vector<std::optional<std::uint16_t>> known_;  // by column, the constant that it holds
  mutable AlignedVector<T> columns_;
};
extern template class Machine<float>;
extern template class Machine<double>;

}  // namespace lpl::spiking
