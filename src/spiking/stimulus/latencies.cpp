// type = "latencies": at latencies from the onset of a pattern its members spike.
#include <algorithm>
#include <cmath>

#include "spiking/reading.hpp"
#include "spiking/stimulus/pattern.hpp"
#include "spiking/stimulus/presented.hpp"

namespace lpl::spiking {
namespace {

using Spike = std::pair<Step, NeuronId>;  // since the onset

struct Latencies final : PresentedStimulus {
  std::unique_ptr<SpikeMaker> make(double dt, std::uint64_t seed) const override;
  double expected_while_shown(std::uint32_t index, Step steps, double /*dt*/) const override {
    return static_cast<double>(first_from(index, steps) - patterns[index].begin());
  }
  std::vector<Spike>::const_iterator first_from(std::uint32_t index, Step step) const {
    return std::ranges::lower_bound(patterns[index], Spike{step, 0});
  }
  void warn(const Grid& grid, Step end, const std::function<void(const std::string&)>& say) const override;
  std::vector<std::vector<Spike>> patterns;  // each sorted, none empty
  std::size_t rounded = 0;                   // spikes that lie between steps
};

class LatenciesMaker final : public PresentedMaker {
 public:
  LatenciesMaker(const Latencies& stimulus, double dt, std::uint64_t seed)
      : PresentedMaker(stimulus, dt, seed), stimulus_(stimulus) {}

 private:
  void show(const Presentation& p, Step from, Step to, Step origin, Random& /*random*/) override {
    const auto end = stimulus_.first_from(p.index, to - p.begin);
    for (auto spike = stimulus_.first_from(p.index, from - p.begin); spike != end; ++spike)
      add(static_cast<std::uint32_t>(p.begin + spike->first - origin), spike->second);
  }

  const Latencies& stimulus_;
};

std::unique_ptr<SpikeMaker> Latencies::make(double dt, std::uint64_t seed) const {
  return std::make_unique<LatenciesMaker>(*this, dt, seed);
}

void Latencies::warn(const Grid& grid, Step end, const std::function<void(const std::string&)>& say) const {
  PresentedStimulus::warn(grid, end, say);
  if (rounded > 0)
    say(fmt::format("{} latencies lie between the steps of dt = {}, and the nearest is taken", rounded, grid.stated));
}

// Latencies of members, or, under `spikes`, several spikes of a neuron.
class PatternReader {
 public:
  PatternReader(const StimulusReading& reading, Latencies& stimulus)
      : table_(reading.table), reading_(reading), stimulus_(stimulus) {}

  void read() {
    if (table_.has("spikes"))
      read_spikes();
    else
      read_members();
    for (std::size_t p = 0; p < stimulus_.patterns.size(); ++p) check(p);
  }

  // Of a stimulus whose schedule is known.
  void check_on() {
    const Distribution& on = stimulus_.schedule->on;
    if (stimulus_.schedule->is_replay || !on.constant()) return;
    const Step shown = std::llround(on.least() / reading_.grid.dt);
    for (std::size_t p = 0; p < stimulus_.patterns.size(); ++p)
      if (const auto& [step, neuron] = stimulus_.patterns[p].back(); step >= shown)
        table_.fail("on", fmt::format("{}; neuron {} of pattern {} would spike later, after {:.12g} s",
                                      table_.stated("on"), neuron, p, static_cast<double>(step) * reading_.grid.dt));
  }

 private:
  double longest() const { return static_cast<double>(kLongestRun) * reading_.grid.dt; }

  void add(std::size_t pattern, double time, NeuronId neuron) {
    const double steps = time / reading_.grid.dt;
    if (std::abs(steps - std::round(steps)) > Grid::on_grid(steps)) ++stimulus_.rounded;
    stimulus_.patterns[pattern].emplace_back(std::llround(steps), neuron);
  }

  void read_members() {
    const std::vector<Pattern> patterns = read_patterns(reading_, stimulus_.size,
                                                        {.key = "latencies",
                                                         .what = "latency in seconds",
                                                         .dimension = Dimension::time,
                                                         .otherwise = {},
                                                         .low = 0,
                                                         .high = longest(),
                                                         .range = ""});
    stimulus_.patterns.resize(patterns.size());
    for (std::size_t p = 0; p < patterns.size(); ++p)
      for (std::size_t m = 0; m < patterns[p].neurons.size(); ++m)
        add(p, patterns[p].values[m], patterns[p].neurons[m]);
  }

  void read_spikes() {
    for (const char* key : {"file", "pattern"})
      if (table_.has(key)) table_.fail(key, "give exactly one of file, spikes and [[stimulus.pattern]]");
    for_each_member(table_, "spikes", [&](std::size_t pattern, const TextRow& row) {
      row.expect(2, "time in seconds since the onset, and neuron");
      if (row[0] < 0 || row[0] > longest())
        row.fail(0, fmt::format("the time is {} s; it must lie from 0 to {} s", row[0], longest()));
      if (pattern == stimulus_.patterns.size()) stimulus_.patterns.emplace_back();
      add(pattern, row[0], neuron_in(row, 1, stimulus_.size));
    });
  }

  void check(std::size_t p) {
    std::vector<Spike>& spikes = stimulus_.patterns[p];
    std::ranges::sort(spikes);
    const auto twin = std::ranges::adjacent_find(spikes);
    if (twin != spikes.end())
      table_.fail("spikes",
                  fmt::format("neuron {} spikes twice in a step of pattern {}, at {:.12g} s; at most one spike "
                              "a step is possible",
                              twin->second, p, static_cast<double>(twin->first) * reading_.grid.dt));
  }

  Table& table_;
  const StimulusReading& reading_;
  Latencies& stimulus_;
};

Stimulus read(const StimulusReading& reading) {
  Table& table = reading.table;
  const auto stimulus = std::make_shared<Latencies>();
  stimulus->size = static_cast<NeuronId>(table.integer("size", 1, kMostMembers));
  PatternReader patterns(reading, *stimulus);
  patterns.read();
  stimulus->schedule = Schedule::read(reading, static_cast<std::uint32_t>(stimulus->patterns.size()));
  patterns.check_on();
  read_background(reading, *stimulus, 0);
  stimulus->background_during_stimulus = table.flag("background_during_stimulus", false);
  return {.spikes = stimulus, .device = nullptr};
}

}  // namespace

extern const StimulusEntry latencies_stimulus{"latencies", "patterns of spikes at latencies from an onset", read};

}  // namespace lpl::spiking
