// type = "patterns": the members of a pattern fire more while it is shown.
#include <algorithm>
#include <cmath>

#include "spiking/reading.hpp"
#include "spiking/stimulus/pattern.hpp"
#include "spiking/stimulus/presented.hpp"

namespace lpl::spiking {
namespace {

struct Patterns final : PresentedStimulus {
  std::unique_ptr<SpikeMaker> make(double dt, std::uint64_t seed) const override;
  double expected_while_shown(std::uint32_t index, Step steps, double dt) const override {
    double rates = 0;
    for (const double intensity : patterns[index].values) rates += std::min(intensity * rate, 1 / dt);
    return rates * static_cast<double>(steps) * dt;
  }
  std::vector<Pattern> patterns;
  double rate = 0;  // [Hz] of an intensity of 1
  bool random_intensities = false;
};

class PatternsMaker final : public PresentedMaker {
 public:
  PatternsMaker(const Patterns& stimulus, double dt, std::uint64_t seed)
      : PresentedMaker(stimulus, dt, seed), stimulus_(stimulus) {}

 private:
  void show(const Presentation& p, Step from, Step to, Step origin, Random& random) override {
    if (number_ != p.number) begin(p);
    const std::vector<NeuronId>& members = stimulus_.patterns[p.index].neurons;
    if (highest_ <= 0) return;
    const auto first = static_cast<std::uint32_t>(from - origin);
    walk_trials(random, members.size(), to - from, highest_, [&](std::uint32_t step, NeuronId member) {
      if (equal_ || random.uniform() * highest_ < probabilities_[member]) add(first + step, members[member]);
    });
  }

  // The probabilities of its members in each step.
  void begin(const Presentation& p) {
    number_ = p.number;
    probabilities_ = stimulus_.patterns[p.index].values;
    Random random(seed(), Draw::intensity, object(), static_cast<std::uint32_t>(p.number),
                  static_cast<std::uint32_t>(p.number >> 32));
    for (double& probability : probabilities_) {
      probability *= stimulus_.rate * dt();
      if (stimulus_.random_intensities) probability *= -std::log(random.uniform());
      probability = std::min(probability, 1.0);
    }
    highest_ = probabilities_.empty() ? 0 : std::ranges::max(probabilities_);
    equal_ = highest_ > 0 && std::ranges::min(probabilities_) == highest_;
  }

  const Patterns& stimulus_;
  std::optional<std::uint64_t> number_;  // of the presentation that these are of:
  std::vector<double> probabilities_;    // by member
  double highest_ = 0;
  bool equal_ = false;
};

std::unique_ptr<SpikeMaker> Patterns::make(double dt, std::uint64_t seed) const {
  return std::make_unique<PatternsMaker>(*this, dt, seed);
}

Stimulus read(const StimulusReading& reading) {
  Table& table = reading.table;
  const auto stimulus = std::make_shared<Patterns>();
  stimulus->size = static_cast<NeuronId>(table.integer("size", 1, kMostMembers));
  stimulus->rate = table.quantity("rate", Dimension::frequency, kNonNegative);
  reading.grid.check_input_rate(table, "rate", stimulus->rate);
  const double highest = stimulus->rate > 0 ? (1 + 1e-9) / (stimulus->rate * reading.grid.dt) : 1e9;
  stimulus->patterns =
      read_patterns(reading, stimulus->size,
                    {.key = "intensities",
                     .what = "intensity",
                     .otherwise = 1,
                     .low = 0,
                     .high = highest,
                     .range = fmt::format(": with the rate of {} an input would spike more than once in a step",
                                          table.written("rate"))});
  stimulus->drawn = drawn_members(table, stimulus->patterns);
  stimulus->random_intensities = table.flag("random_intensities", false);
  read_schedule(reading, static_cast<std::uint32_t>(stimulus->patterns.size()), *stimulus);
  read_background(reading, *stimulus, 0);
  stimulus->background_during_stimulus = table.flag("background_during_stimulus", false);
  return {.spikes = stimulus, .device = nullptr};
}

}  // namespace

extern const StimulusEntry patterns_stimulus{"patterns", "patterns shown one after the other, by higher rates", read};

}  // namespace lpl::spiking
