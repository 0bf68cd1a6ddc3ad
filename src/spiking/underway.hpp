// Spikes that travel along a connection whose synapses have delays of their own: where each stands in its row, so that
// every step goes on where the last one ended.
#pragma once

#include <algorithm>
#include <vector>

#include "spiking/short_term/short_term.hpp"
#include "spiking/spike_history.hpp"
#include "spiking/synapses.hpp"

namespace lpl::spiking {

class Underway {
 public:
  // `memory`: steps after which a spike has arrived everywhere, on any rank.
  explicit Underway(Step memory) : memory_(memory) {}

  // Adds to the input, which begins with step `from`, what arrives in steps from .. to-1: by source spike, in the order
  // of their steps and sources, so that sums are the same for any length of an epoch and on any number of ranks. Calls
  // follow each other; the first one may be for any step, of what the history keeps.
  // `short_term`, where there is one, holds what a run that is resumed needs.
  void deliver(const Synapses& synapses, ShortTerm* short_term, const SpikeHistory& source, Step from, Step to,
               float* input) {
    if (known_ < 0) {
      known_ = std::max<Step>(0, from - memory_);
      factors_.begin(short_term, known_);
    }
    take_in(synapses, source, from, to);
    factors_.settle(synapses, source, to - memory_);
    std::size_t left = 0;
    for (std::size_t i = 0; i < spikes_.size(); ++i) {
      if (i + kAhead < spikes_.size() && spikes_[i + kAhead].due < to) prefetch(synapses, spikes_[i + kAhead]);
      Spike spike = spikes_[i];
      if (short_term)
        advance(synapses, spike, from, to, input, [&](float weight) { return weight * spike.factor; });
      else
        advance(synapses, spike, from, to, input, [](float weight) { return weight; });
      if (spike.runs > 0) spikes_[left++] = spike;
    }
    spikes_.resize(left);
  }

 private:
  // Where a spike goes next.
  struct Spike {
    Step due;               // of the run
    std::uint64_t synapse;  // the run's first
    std::uint64_t run;
    std::uint32_t runs;   // that it has not reached
    std::uint32_t count;  // of synapses of the run, which would have to be fetched
    float factor;         // of what it transmits

    void pass(const Synapses& synapses) {
      synapse += count;
      ++run;
      if (--runs > 0) reach(synapses.run[run]);
    }
    void reach(Synapses::Run next) {
      due += next.later;
      count = next.count;
    }
  };
  static constexpr std::size_t kAhead = 16;

  void take_in(const Synapses& synapses, const SpikeHistory& source, Step from, Step to) {
    for (; known_ < to - synapses.shortest; ++known_)
      for (const NeuronId pre : source.at(known_)) {
        const std::size_t row = synapses.row_of(pre);
        if (row == Synapses::kNoRow) continue;
        const std::uint64_t run = synapses.first_run[row];
        Spike spike{.due = known_,
                    .synapse = synapses.row[row],
                    .run = run,
                    .runs = static_cast<std::uint32_t>(synapses.first_run[row + 1] - run),
                    .count = 0,
                    .factor = factors_.factor(row, known_)};
        spike.reach(synapses.run[run]);
        while (spike.runs > 0 && spike.due < from) spike.pass(synapses);
        if (spike.runs > 0) spikes_.push_back(spike);
      }
  }

  template <class Transmitted>
  static void advance(const Synapses& synapses, Spike& spike, Step from, Step to, float* input,
                      Transmitted transmitted) {
    for (; spike.runs > 0 && spike.due < to; spike.pass(synapses)) {
      float* const slot = input + (spike.due - from) * static_cast<Step>(kBlock);
      const std::uint64_t end = spike.synapse + spike.count;
      for (std::uint64_t s = spike.synapse; s < end; ++s) slot[synapses.target[s]] += transmitted(synapses.weight[s]);
    }
  }

  // Rows lie far from each other: without it, most of the time is waiting for memory.
  static void prefetch(const Synapses& synapses, const Spike& spike) {
    constexpr std::uint64_t kLine = 64 / sizeof(float);
    __builtin_prefetch(synapses.run.data() + spike.run + 1);
    const std::uint64_t end = spike.synapse + spike.count;
    for (std::uint64_t s = spike.synapse / kLine * kLine; s < end; s += kLine) {
      __builtin_prefetch(synapses.target.data() + s);
      __builtin_prefetch(synapses.weight.data() + s);
    }
  }

  Step memory_;
  Step known_ = -1;  // spikes before this step have been taken in
  FactorsAhead factors_;
  std::vector<Spike> spikes_;
};

}  // namespace lpl::spiking
