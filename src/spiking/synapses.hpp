// This rank's synapses of one connection: compressed rows by presynaptic neuron, targets on this rank only.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

#include "core/aligned.hpp"
#include "spiking/description.hpp"
#include "spiking/layout.hpp"
#include "spiking/local_range.hpp"

namespace lpl::spiking {

struct Synapses {
  std::vector<NeuronId> heard;          // sources that have a row, ascending; the others cost 1.5 bits
  std::vector<std::uint64_t> row;       // [heard + 1], into the arrays below
  AlignedVector<std::uint32_t> target;  // EpochLayout position of the postsynaptic neuron
  AlignedVector<float> weight;          // leak units
  Step shortest = 0, longest = 0;       // delays that occur; what the description says where there is no synapse

  // Synapses of a row that a spike reaches in the same step: `later` steps after the run before, the first one after
  // emission. More synapses are several runs of 0 steps; longer ways pass runs without synapses.
  struct Run {
    std::uint8_t later, count;
  };
  // Delays that differ, ascending in a row: by synapse where a rule asks for them, else by run.
  std::vector<std::uint16_t> delay;  // steps
  std::vector<Run> run;
  std::vector<std::uint64_t> first_run;  // [heard + 1]

  struct Row {
    std::uint64_t begin, end;
  };
  // The synapses of a source, by delay, then target.
  Row of(NeuronId pre) const {
    const std::size_t r = row_of(pre);
    return r == kNoRow ? Row{0, 0} : Row{row[r], row[r + 1]};
  }
  static constexpr std::size_t kNoRow = ~std::size_t{0};
  std::size_t row_of(NeuronId pre) const {
    if (heard_bits_.empty()) return pre;
    const std::uint64_t bits = heard_bits_[pre / 64], bit = std::uint64_t{1} << pre % 64;
    if ((bits & bit) == 0) return kNoRow;
    return rows_before_[pre / 64] + static_cast<std::size_t>(std::popcount(bits & (bit - 1)));
  }
  bool hears(NeuronId pre) const { return row_of(pre) != kNoRow; }
  // The synapses of sources first .. first + count - 1.
  Row of(NeuronId first, NeuronId count) const {
    const auto at = [&](std::uint64_t pre) {
      return row[static_cast<std::size_t>(std::ranges::lower_bound(heard, pre) - heard.begin())];
    };
    return {at(first), at(std::uint64_t{first} + count)};
  }

  std::size_t size() const { return target.size(); }
  std::size_t wiring_bytes() const {
    return heard.size() * 4 + row.size() * 8 + size() * 4 + delay.size() * 2 + run.size() * sizeof(Run) +
           first_run.size() * 8 + heard_bits_.size() * 8 + rows_before_.size() * 4;
  }

  // Where all delays are the same: adds a row's weights to the input of one step.
  void deliver(NeuronId pre, float* input) const {
    const auto [begin, end] = of(pre);
    for (std::uint64_t s = begin; s < end; ++s) input[target[s]] += weight[s];
  }
  // The same of row r, times what a spike transmits of its weights.
  void deliver(std::size_t r, float factor, float* input) const {
    for (std::uint64_t s = row[r]; s < row[r + 1]; ++s) input[target[s]] += weight[s] * factor;
  }
  // The first synapse of begin .. end-1, of a row, with at least this delay.
  std::uint64_t first_after(std::uint64_t begin, std::uint64_t end, Step least) const {
    if (begin == end || delay[begin] >= least) return begin;
    return static_cast<std::uint64_t>(std::lower_bound(delay.data() + begin, delay.data() + end, least) - delay.data());
  }

  // Calls visit(row, synapse) in the order in which they lie.
  template <class Visit>
  void each(Visit&& visit) const {
    for (std::uint32_t r = 0; r < heard.size(); ++r)
      for (std::uint64_t s = row[r]; s < row[r + 1]; ++s) visit(r, s);
  }
  // Calls visit(source, synapse) in the order of source, target and delay.
  template <class Visit>
  void by_target(Visit&& visit) const {
    std::vector<std::uint64_t> order;
    for (std::size_t r = 0; r < heard.size(); ++r) {
      order.clear();
      for (std::uint64_t s = row[r]; s < row[r + 1]; ++s) order.push_back(s);
      if (shortest < longest) std::ranges::stable_sort(order, {}, [&](std::uint64_t s) { return target[s]; });
      for (const std::uint64_t s : order) visit(heard[r], s);
    }
  }

  // Puts rows in order and lets them be found, once `row` is by source, of 0 .. pre_size-1. Keeps delays by synapse or
  // makes runs of them.
  void close(NeuronId pre_size, bool delays_by_synapse);

 private:
  void sort_by_delay();
  void make_runs();

  std::vector<std::uint64_t> heard_bits_;   // a bit a source; empty where all are heard
  std::vector<std::uint32_t> rows_before_;  // each 64 sources
};

// Wires a connection. The synapses of each postsynaptic neuron depend on the seed, the connection's name and the neuron
// only, so they are the same on any number of ranks; cost and memory fall with the number of ranks.
Synapses build_synapses(const SimulationDescription& simulation, const ConnectionDescription& connection,
                        LocalRange local, EpochLayout layout);

}  // namespace lpl::spiking
