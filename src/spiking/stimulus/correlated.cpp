// type = "correlated": Poisson inputs in groups whose rates fluctuate, as an Ornstein-Uhlenbeck process does.
#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <numbers>

#include "core/random.hpp"
#include "core/text.hpp"
#include "spiking/reading.hpp"
#include "spiking/stimulus/segment_maker.hpp"

namespace lpl::spiking {
namespace {

constexpr double kUsualInterval = 1e-3;      // [s]
constexpr Step kLongestMemory = 10'000'000;  // values

struct Correlated final : SpikingStimulus {
  std::unique_ptr<SpikeMaker> make(double dt, std::uint64_t seed) const override;
  double expected_spikes(Step begin, Step end, double dt) const override;
  double rate_of(double signal) const { return std::max(floor, rate + deviation * signal); }

  double rate = 0, deviation = 0, floor = 0;  // [Hz]
  double kept = 0;                            // of the signal from one value to the next
  Step every = 1;                             // steps between values
  bool shared = false;
  Step delay = 0;  // values from one group to the next
};

// An Ornstein-Uhlenbeck process of mean 0 and variance 1, by number of its values.
class Signal {
 public:
  Signal(std::uint64_t seed, std::uint32_t object, double kept)
      : seed_(seed), object_(object), kept_(kept), added_(std::sqrt(1 - kept * kept)) {}

  // Values [first, end) are there afterwards; those before are lost.
  void hold(Step first, Step end) {
    while (first_ + static_cast<Step>(values_.size()) < end) {
      const Step next = first_ + static_cast<Step>(values_.size());
      Random random(seed_, Draw::rates, object_, static_cast<std::uint32_t>(next),
                    static_cast<std::uint32_t>(next >> 32));
      values_.push_back(next == 0 ? random.normal() : kept_ * values_.back() + added_ * random.normal());
      if (first_ < std::min(first, next)) drop();
    }
    while (first_ < first) drop();
  }
  double operator[](Step value) const { return values_[static_cast<std::size_t>(value - first_)]; }

 private:
  void drop() {
    values_.pop_front();
    ++first_;
  }
  std::uint64_t seed_;
  std::uint32_t object_;
  double kept_, added_;
  Step first_ = 0;
  std::deque<double> values_;
};

class CorrelatedMaker final : public SegmentMaker {
 public:
  CorrelatedMaker(const Correlated& stimulus, double dt, std::uint64_t seed)
      : stimulus_(stimulus), dt_(dt), seed_(seed), lead_(stimulus.delay * (groups() - 1)) {
    for (const Group& group : stimulus.groups) objects_.push_back(hash_name(stimulus.name + "/" + group.name));
    const auto of_signals = stimulus.shared ? std::vector{hash_name(stimulus.name)} : objects_;
    for (const std::uint32_t object : of_signals) signals_.emplace_back(seed, object, stimulus.kept);
  }

 private:
  void make_segment(Step segment) override {
    const Step origin = segment * kSegment;
    const Step first = origin / stimulus_.every, end = (origin + kSegment - 1) / stimulus_.every + 2;
    for (Signal& signal : signals_) signal.hold(first, end + lead_);
    for (std::size_t g = 0; g < objects_.size(); ++g) {
      Signal& signal = signals_[stimulus_.shared ? 0 : g];
      make_group(g, signal, origin, lead_ - static_cast<Step>(g) * stimulus_.delay);
    }
  }

  void make_group(std::size_t g, const Signal& signal, Step origin, Step shift) {
    std::array<double, kSegment> probability{};
    for (Step step = 0; step < kSegment; ++step) {
      const Step value = (origin + step) / stimulus_.every, since = (origin + step) % stimulus_.every;
      const double from = signal[value + shift], to = signal[value + shift + 1];
      const double now = from + (to - from) * static_cast<double>(since) / static_cast<double>(stimulus_.every);
      probability[static_cast<std::size_t>(step)] = std::min(1.0, stimulus_.rate_of(now) * dt_);
    }
    const double highest = std::ranges::max(probability);
    if (highest <= 0) return;
    const Group& group = stimulus_.groups[g];
    Random random(seed_, Draw::shown, objects_[g], static_cast<std::uint32_t>(origin / kSegment));
    walk_trials(random, group.size, kSegment, highest, [&](std::uint32_t step, NeuronId neuron) {
      if (random.uniform() * highest < probability[step]) add(step, group.first + neuron);
    });
  }

  Step groups() const { return static_cast<Step>(stimulus_.groups.size()); }

  const Correlated& stimulus_;
  double dt_;
  std::uint64_t seed_;
  Step lead_;                           // values of the signal before the first that the first group follows
  std::vector<std::uint32_t> objects_;  // by group
  std::vector<Signal> signals_;
};

std::unique_ptr<SpikeMaker> Correlated::make(double dt, std::uint64_t seed) const {
  return std::make_unique<CorrelatedMaker>(*this, dt, seed);
}

// Of the rate, which is a normal number, cut below, at the values of the signal; it varies a little less between them.
double Correlated::expected_spikes(Step begin, Step end, double dt) const {
  const double z = deviation > 0 ? (rate - floor) / deviation : 0;
  const double above = 0.5 * std::erfc(-z / std::numbers::sqrt2);
  const double mean = deviation > 0 ? floor + (rate - floor) * above +
                                          deviation * std::exp(-z * z / 2) / std::sqrt(2 * std::numbers::pi)
                                    : rate_of(0);
  return size * std::min(mean, 1 / dt) * static_cast<double>(end - begin) * dt;
}

Stimulus read(const StimulusReading& reading) {
  Table& table = reading.table;
  const Grid& grid = reading.grid;
  const auto stimulus = std::make_shared<Correlated>();
  const auto groups = static_cast<NeuronId>(table.integer("groups", 1, 1'000'000));
  const auto size = static_cast<NeuronId>(table.integer("size", 1, kLargestSize / groups));
  for (NeuronId g = 0; g < groups; ++g) stimulus->groups.push_back({fmt::format("{}", g), g * size, size});
  stimulus->size = groups * size;
  for (const auto& [key, rate] : {std::pair{"rate", &stimulus->rate}, std::pair{"deviation", &stimulus->deviation}}) {
    *rate = table.quantity(key, Dimension::frequency, kNonNegative);
    grid.check_input_rate(table, key, *rate);
  }
  stimulus->floor = table.quantity("floor", Dimension::frequency, {0, 1 / grid.dt}, "0 Hz");
  stimulus->every = table.has("every") ? grid.read_interval(table, "every")
                                       : std::max<Step>(1, std::llround(kUsualInterval / grid.dt));
  const double interval = static_cast<double>(stimulus->every) * grid.dt;
  const double tau = table.quantity("tau", Dimension::time, {interval});
  stimulus->kept = std::exp(-interval / tau);
  stimulus->shared = table.flag("shared", false);
  if (!stimulus->shared) return {.spikes = stimulus, .device = nullptr};
  const Step delay = grid.read_steps(table, "delay", kNonNegative, "0 s");
  if (delay % stimulus->every != 0)
    table.fail("delay",
               fmt::format("{}; it must be a multiple of 'every', {:.12g} s", table.stated("delay"), interval));
  stimulus->delay = delay / stimulus->every;
  if (stimulus->delay > kLongestMemory / groups)
    table.fail("delay", fmt::format("{}; with {} groups more than {} values of the signal would have to be kept",
                                    table.stated("delay"), groups, kLongestMemory));
  return {.spikes = stimulus, .device = nullptr};
}

}  // namespace

extern const StimulusEntry correlated_stimulus{"correlated", "Poisson inputs in groups whose rates fluctuate together",
                                               read};

}  // namespace lpl::spiking
