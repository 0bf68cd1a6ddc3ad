// type = "frozen_noise": stretches of Poisson spikes that come again and again, the same each time.
#include <algorithm>

#include "spiking/reading.hpp"
#include "spiking/stimulus/presented.hpp"

namespace lpl::spiking {
namespace {

constexpr std::uint32_t kMostPatterns = 1 << 24;  // what Random can tell apart

struct FrozenNoise final : PresentedStimulus {
  std::unique_ptr<SpikeMaker> make(double dt, std::uint64_t seed) const override;
  double expected_while_shown(std::uint32_t /*index*/, Step steps, double dt) const override {
    return size * rate * static_cast<double>(steps) * dt;
  }
  double rate = 0;  // [Hz]
};

class FrozenNoiseMaker final : public PresentedMaker {
 public:
  FrozenNoiseMaker(const FrozenNoise& stimulus, double dt, std::uint64_t seed)
      : PresentedMaker(stimulus, dt, seed), stimulus_(stimulus) {}

 private:
  // The spikes are drawn by parts of kSegment steps from the onset on.
  void show(const Presentation& p, Step from, Step to, Step origin, Random& /*random*/) override {
    if (stimulus_.rate <= 0) return;
    for (Step part = (from - p.begin) / kSegment; p.begin + part * kSegment < to; ++part) {
      Random random(seed(), Draw::frozen, object(), static_cast<std::uint32_t>(part), p.index);
      walk_trials(random, stimulus_.size, kSegment, std::min(1.0, stimulus_.rate * dt()),
                  [&](std::uint32_t step, NeuronId neuron) {
                    const Step at = p.begin + part * kSegment + step;
                    if (from <= at && at < to) add(static_cast<std::uint32_t>(at - origin), neuron);
                  });
    }
  }

  const FrozenNoise& stimulus_;
};

std::unique_ptr<SpikeMaker> FrozenNoise::make(double dt, std::uint64_t seed) const {
  return std::make_unique<FrozenNoiseMaker>(*this, dt, seed);
}

Stimulus read(const StimulusReading& reading) {
  Table& table = reading.table;
  const auto stimulus = std::make_shared<FrozenNoise>();
  stimulus->size = static_cast<NeuronId>(table.integer("size", 1, kLargestSize));
  stimulus->rate = table.quantity("rate", Dimension::frequency, kNonNegative);
  reading.grid.check_input_rate(table, "rate", stimulus->rate);
  const auto count = static_cast<std::uint32_t>(table.integer("count", 1, kMostPatterns, 1));
  stimulus->schedule = Schedule::read(reading, count);
  read_background(reading, *stimulus, stimulus->rate);
  return {.spikes = stimulus, .device = nullptr};
}

}  // namespace

extern const StimulusEntry frozen_noise_stimulus{"frozen_noise", "Poisson spikes that come again and again the same",
                                                 read};

}  // namespace lpl::spiking
