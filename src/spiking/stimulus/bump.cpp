// type = "bump": a Gaussian bump of rates that moves from place to place; the mean rate stays.
#include <algorithm>
#include <cmath>

#include "spiking/reading.hpp"
#include "spiking/stimulus/presented.hpp"

namespace lpl::spiking {
namespace {

struct Bump final : PresentedStimulus {
  std::unique_ptr<SpikeMaker> make(double dt, std::uint64_t seed) const override;
  double expected_while_shown(std::uint32_t /*index*/, Step steps, double dt) const override {
    return size * rate * static_cast<double>(steps) * dt;
  }
  // Of 1 at the centre.
  double profile(NeuronId neuron, NeuronId centre) const {
    const double away = (static_cast<double>(neuron) - centre) / width;
    return floor + (1 - floor) * std::exp(-away * away / 2);
  }
  double rate_at_centre(NeuronId centre) const {
    double sum = 0;
    for (NeuronId i = 0; i < size; ++i) sum += profile(i, centre);
    return rate * size / sum;
  }
  double rate = 0;   // [Hz] the mean over the neurons
  double width = 0;  // [neurons] the deviation of the Gaussian
  double floor = 0;  // far away, of the peak
};

class BumpMaker final : public PresentedMaker {
 public:
  BumpMaker(const Bump& stimulus, double dt, std::uint64_t seed)
      : PresentedMaker(stimulus, dt, seed), stimulus_(stimulus) {}

 private:
  void show(const Presentation& p, Step from, Step to, Step origin, Random& random) override {
    if (stimulus_.rate <= 0) return;
    if (centre_ != p.index) {
      centre_ = p.index;
      highest_ = stimulus_.rate_at_centre(p.index);
    }
    const auto first = static_cast<std::uint32_t>(from - origin);
    walk_trials(random, stimulus_.size, to - from, std::min(1.0, highest_ * dt()),
                [&](std::uint32_t step, NeuronId neuron) {
                  if (random.uniform() < stimulus_.profile(neuron, p.index)) add(first + step, neuron);
                });
  }

  const Bump& stimulus_;
  std::optional<NeuronId> centre_;
  double highest_ = 0;  // [Hz] of a bump there
};

std::unique_ptr<SpikeMaker> Bump::make(double dt, std::uint64_t seed) const {
  return std::make_unique<BumpMaker>(*this, dt, seed);
}

Stimulus read(const StimulusReading& reading) {
  constexpr NeuronId kMostNeurons = 10'000'000;
  Table& table = reading.table;
  const auto stimulus = std::make_shared<Bump>();
  stimulus->size = static_cast<NeuronId>(table.integer("size", 1, kMostNeurons));
  stimulus->rate = table.quantity("rate", Dimension::frequency, kNonNegative);
  stimulus->width = table.number("width", {1e-3, 1e9});
  stimulus->floor = table.number("floor", kProbability, 0.1);
  std::vector<NeuronId> centres;
  if (table.has("centres")) centres = table.indices("centres", stimulus->size);
  if (table.has("centres") && centres.empty()) table.fail("centres", "'centres' is empty; list at least one neuron");
  // A bump is highest where a part of it lies beyond the ends.
  for (const NeuronId end : {NeuronId{0}, stimulus->size - 1}) {
    const double highest = stimulus->rate_at_centre(end);
    if (reading.grid.is_above_limit(highest))
      table.fail("rate", fmt::format("{}, so that a bump around neuron {} rises to {:.9g} Hz, {}", table.stated("rate"),
                                     end, highest, reading.grid.above_limit()));
  }
  stimulus->schedule = Schedule::read(reading, stimulus->size, std::move(centres));
  read_background(reading, *stimulus, stimulus->rate);
  return {.spikes = stimulus, .device = nullptr};
}

}  // namespace

extern const StimulusEntry bump_stimulus{"bump", "a Gaussian bump of rates that moves among the neurons", read};

}  // namespace lpl::spiking
