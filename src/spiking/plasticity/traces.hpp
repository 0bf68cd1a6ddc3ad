// Traces of spikes, x' = -x / tau, advanced where a spike meets them: nothing is paid for neurons that are silent. What
// is kept is a value just after the last spike; what it has become since, x exp(-lag dt / tau), programs of rules
// compute.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "core/elementary.hpp"
#include "core/types.hpp"
#include "spiking/layout.hpp"
#include "spiking/neurons.hpp"

namespace lpl::spiking {

// A trace in float32.
struct Trace {
  float rate = 0;  // -dt / tau, of a step
  float jump = 0;
  float initial = 0;
  bool nearest = false;       // a spike sets it
  std::vector<float> window;  // by lag, in place of the exponential; 0 behind it; may be empty

  float after_spike(float value, Step lag) const {
    return nearest ? jump : value * elementary::exp(static_cast<float>(lag) * rate) + jump;
  }
  // What the value after a spike has become.
  float value_after(float value, Step lag) const {
    return value * (window.empty() ? elementary::exp(static_cast<float>(lag) * rate) : window_at(lag));
  }
  float window_at(Step lag) const {
    const auto i = static_cast<std::size_t>(std::max<Step>(0, lag));
    return i < window.size() ? window[i] : 0;
  }
};

// What traces are at a time: `values` by trace, lying `stride` apart, of the time `since`.
struct TraceValues {
  const float* values;
  std::size_t stride;
  Step since;
};

// Of postsynaptic neurons.
class PostTraces {
 public:
  PostTraces(std::vector<Trace> traces, std::size_t neurons) : traces_(std::move(traces)), since_(neurons, 0) {
    for (const Trace& trace : traces_) value_.insert(value_.end(), neurons, trace.initial);
  }

  TraceValues at(std::size_t neuron) const { return {value_.data() + neuron, since_.size(), since_[neuron]}; }
  void spike(std::size_t neuron, Step now) {
    for (std::size_t t = 0; t < traces_.size(); ++t) {
      float& value = value_[t * since_.size() + neuron];
      value = traces_[t].after_spike(value, now - since_[neuron]);
    }
    since_[neuron] = now;
  }

  const Trace& trace(std::size_t index) const { return traces_[index]; }
  std::span<float> values(std::size_t trace) { return std::span(value_).subspan(trace * since_.size(), since_.size()); }
  std::span<Step> since() { return since_; }

 private:
  std::vector<Trace> traces_;
  std::vector<float> value_;  // [trace][neuron]
  std::vector<Step> since_;
};

// Of presynaptic neurons, by row of synapses and time of emission. Synapses of longer delays see the past of a trace,
// so that the values after spikes that may be under way are kept, each with the one before.
class PreTraces {
 public:
  // Initial values are those of step `begin` of emission.
  PreTraces(std::vector<Trace> traces, std::size_t rows, Step begin)
      : traces_(std::move(traces)), since_(rows, begin), newest_(rows, 0) {
    for (const Trace& trace : traces_) value_.insert(value_.end(), rows, trace.initial);
  }

  // In the order of emission.
  void spike(std::size_t row, Step emitted) {
    const std::size_t from = past_value_.size();
    past_value_.resize(from + traces_.size());
    const TraceValues last = at(row, emitted + 1);
    for (std::size_t t = 0; t < traces_.size(); ++t)
      past_value_[from + t] = traces_[t].after_spike(last.values[t * last.stride], emitted - last.since);
    past_.push_back({emitted, newest_[row], row});
    newest_[row] = first_ + past_.size() - 1;
  }
  // What the spikes that were emitted before `bound` have left.
  TraceValues at(std::size_t row, Step bound) const {
    for (std::uint64_t i = newest_[row]; i >= kept_; i = past_[i - first_].before)
      if (past_[i - first_].emitted < bound)
        return {past_value_.data() + (i - first_) * traces_.size(), 1, past_[i - first_].emitted};
    return {value_.data() + row, since_.size(), since_[row]};
  }
  // When its newest spike was emitted.
  Step newest(std::size_t row) const {
    return newest_[row] >= kept_ ? past_[newest_[row] - first_].emitted : since_[row];
  }
  // Nobody asks for bounds below `bound` again.
  void settle(Step bound) {
    for (; kept_ - first_ < past_.size() && past_[kept_ - first_].emitted < bound; ++kept_) {
      const Past& past = past_[kept_ - first_];
      for (std::size_t t = 0; t < traces_.size(); ++t)
        value_[t * since_.size() + past.row] = past_value_[(kept_ - first_) * traces_.size() + t];
      since_[past.row] = past.emitted;
    }
    if (2 * (kept_ - first_) >= past_.size()) drop_settled();
  }

  const Trace& trace(std::size_t index) const { return traces_[index]; }
  // After spikes that are settled.
  std::span<float> values(std::size_t trace) { return std::span(value_).subspan(trace * since_.size(), since_.size()); }
  std::span<Step> since() { return since_; }

 private:
  struct Past {
    Step emitted;
    std::uint64_t before;  // number of the same row's spike before
    std::size_t row;
  };
  void drop_settled() {
    const auto settled = static_cast<std::ptrdiff_t>(kept_ - first_);
    past_.erase(past_.begin(), past_.begin() + settled);
    past_value_.erase(past_value_.begin(), past_value_.begin() + settled * static_cast<std::ptrdiff_t>(traces_.size()));
    first_ = kept_;
  }

  std::vector<Trace> traces_;
  std::vector<float> value_;  // [trace][row]
  std::vector<Step> since_;
  // Spikes are numbered from 1: the newest of each row, 0 for none.
  std::vector<std::uint64_t> newest_;
  std::vector<Past> past_;
  std::vector<float> past_value_;       // [spike][trace]
  std::uint64_t first_ = 1, kept_ = 1;  // numbers of past_.front(), and of the first one that is not settled
};

// Of states of postsynaptic neurons, by step: x += gain (state - x) by the state as a step finds it. Blocks go ahead
// where they are read; all of them have the steps of an epoch when it ends. Readers may be `behind` an epoch.
class StateTraces {
 public:
  struct Entry {
    std::size_t state = 0;
    float gain = 1;  // dt / tau, or 1: the state itself
    float initial = 0;
    Step delay = 0;  // it is seen so much later
  };
  StateTraces(std::vector<Entry> entries, Step behind, std::size_t blocks)
      : entries_(std::move(entries)), done_(blocks, -1) {
    for (const Entry& entry : entries_) {
      ring_.push_back(static_cast<std::size_t>(entry.delay + behind + kLongestEpoch + 1));
      value_.emplace_back(blocks * ring_.back() * kBlock, entry.initial);
    }
  }

  // What follows begins with step `first`.
  void seek(Step first) { std::ranges::fill(done_, first - 1); }
  // Goes ahead to `step` of the epoch that begins with step `first`.
  void advance(std::size_t block, Step first, Step step, const Neurons& post) {
    if (entries_.empty()) return;
    for (Step& done = done_[block]; done < step; ++done)
      for (std::size_t t = 0; t < entries_.size(); ++t) {
        const Entry& entry = entries_[t];
        const float* const state =
            post.kept(entry.state) +
            (block * post.layout().slots() + static_cast<std::size_t>(done + 1 - first)) * kBlock;
        const float* const before = slot(t, block, done);
        float* const now = slot(t, block, done + 1);
        for (std::size_t lane = 0; lane < kBlock; ++lane)
          now[lane] = entry.gain == 1 ? state[lane] : before[lane] + entry.gain * (state[lane] - before[lane]);
      }
  }
  float at(std::size_t trace, std::size_t neuron, Step now) {
    return slot(trace, neuron / kBlock, now - entries_[trace].delay)[neuron % kBlock];
  }

  std::size_t count() const { return entries_.size(); }
  std::vector<float>& values(std::size_t trace) { return value_[trace]; }  // [block][ring][16]
  std::size_t ring(std::size_t trace) const { return ring_[trace]; }

 private:
  float* slot(std::size_t trace, std::size_t block, Step step) {
    const std::size_t ring = ring_[trace], at = static_cast<std::size_t>(step + static_cast<Step>(ring)) % ring;
    return value_[trace].data() + (block * ring + at) * kBlock;
  }

  std::vector<Entry> entries_;
  std::vector<std::size_t> ring_;          // steps that are kept
  std::vector<std::vector<float>> value_;  // by trace
  std::vector<Step> done_;                 // by block
};

}  // namespace lpl::spiking
