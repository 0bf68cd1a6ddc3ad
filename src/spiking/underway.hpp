// Spikes that travel along a connection whose synapses have delays of their own: where each stands in its row, so that
// every step goes on where the last one ended.
#pragma once

#include <algorithm>
#include <vector>

#include "spiking/spike_history.hpp"
#include "spiking/synapses.hpp"

namespace lpl::spiking {

class Underway {
 public:
  // Adds to the input, which begins with step `from`, what arrives in steps from .. to-1: by source spike, in the order
  // of their steps and sources, so that sums are the same for any length of an epoch and on any number of ranks. Calls
  // follow each other; the first one may be for any step, of what the history keeps.
  void deliver(const Synapses& synapses, const SpikeHistory& source, Step from, Step to, float* input) {
    take_in(synapses, source, from, to);
    std::size_t left = 0;
    for (std::size_t i = 0; i < spikes_.size(); ++i) {
      if (i + kAhead < spikes_.size()) prefetch(synapses, spikes_[i + kAhead].next);
      Spike spike = spikes_[i];
      spike.next = synapses.deliver(spike.next, spike.end, spike.emitted, from, to, input);
      if (spike.next < spike.end) spikes_[left++] = spike;
    }
    spikes_.resize(left);
  }

 private:
  struct Spike {
    Step emitted;
    std::uint64_t next, end;  // synapses that it has not reached
  };
  static constexpr std::size_t kAhead = 16;

  void take_in(const Synapses& synapses, const SpikeHistory& source, Step from, Step to) {
    if (known_ < 0) known_ = std::max<Step>(0, from - synapses.longest);
    for (; known_ < to - synapses.shortest; ++known_)
      for (const NeuronId pre : source.at(known_)) {
        const auto [begin, end] = synapses.of(pre);
        const std::uint64_t next = synapses.first_after(begin, end, from - known_);
        if (next < end) spikes_.push_back({known_, next, end});
      }
  }
  // What arrives of a spike in a step is some ten synapses: a cache line of each array, or little more.
  static void prefetch(const Synapses& synapses, std::uint64_t at) {
    __builtin_prefetch(synapses.target.data() + at);
    __builtin_prefetch(synapses.weight.data() + at);
    __builtin_prefetch(synapses.delay.data() + at);
  }

  Step known_ = -1;  // spikes before this step have been taken in
  std::vector<Spike> spikes_;
};

}  // namespace lpl::spiking
