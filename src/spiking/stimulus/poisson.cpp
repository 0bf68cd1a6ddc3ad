#include "spiking/stimulus/poisson.hpp"

#include <algorithm>

#include "core/random.hpp"
#include "core/text.hpp"
#include "spiking/reading.hpp"
#include "spiking/stimulus/read_rate.hpp"

namespace lpl::spiking {
namespace {

double mean_rate(const RateProfile& profile) {
  double area = 0;
  for (const RateProfile::Interval& interval : profile.intervals())
    area += interval.length * (interval.from + interval.to) / 2;
  return area / profile.period();
}

}  // namespace

PoissonGenerator::PoissonGenerator(const std::string& stimulus, const std::vector<PoissonGroup>& groups, double dt,
                                   std::uint64_t seed)
    : dt_(dt), seed_(seed) {
  for (const PoissonGroup& group : groups) streams_.push_back({&group, hash_name(stimulus + "/" + group.name)});
}

void PoissonGenerator::generate(const Stream& stream, Step segment) {
  const PoissonGroup& group = *stream.group;
  const double begin = static_cast<double>(segment * kSegment) * dt_;
  const double bound = group.profile.maximum(begin, begin + static_cast<double>(kSegment) * dt_);
  const double probability = std::min(1.0, bound * dt_);  // no rate is above 1 / dt, but for rounding
  if (probability <= 0) return;
  Random random(seed_, Draw::poisson, stream.object, static_cast<std::uint32_t>(segment));
  const bool constant = group.profile.is_constant();
  RateProfile::Walk rate(group.profile, begin);
  walk_trials(random, group.size, kSegment, probability, [&](std::uint32_t step, NeuronId neuron) {
    if (constant || random.uniform() * bound < rate.at(step * dt_)) add(step, group.first + neuron);
  });
}

void PoissonGenerator::make_segment(Step segment) {
  for (const Stream& stream : streams_) generate(stream, segment);
}

std::unique_ptr<SpikeMaker> PoissonStimulus::make(double dt, std::uint64_t seed) const {
  return std::make_unique<PoissonGenerator>(name, inputs, dt, seed);
}

double PoissonStimulus::expected_spikes(Step begin, Step end, double dt) const {
  double rate = 0;
  for (const PoissonGroup& group : inputs) rate += group.size * mean_rate(group.profile);
  return rate * static_cast<double>(end - begin) * dt;
}

namespace {

Stimulus read(const StimulusReading& reading) {
  Table& table = reading.table;
  const std::string name = table.text("name");
  const RateReader rates{reading.grid, reading.seed};
  const auto stimulus = std::make_shared<PoissonStimulus>();
  std::vector<PoissonGroup>& groups = stimulus->inputs;
  NeuronId size = 0;
  const auto add = [&](Table& from, const std::string& group_name) {
    PoissonGroup group;
    group.name = group_name;
    group.first = size;
    group.size = static_cast<NeuronId>(from.integer("size", 1, kLargestSize - size));
    group.profile = rates.read_rate(from, groups, hash_name(name + "/" + group_name));
    size += group.size;
    groups.push_back(std::move(group));
  };
  if (table.has("group")) {
    for (Table& group_table : table.tables("group")) {
      const std::string group_name = reading.names.read(group_table, "group");
      add(group_table, group_name);
      group_table.finish();
    }
  } else {
    add(table, name);
  }
  if (size == 0) table.fail("group", "the stimulus has no neurons");
  stimulus->size = size;
  stimulus->groups.assign(groups.begin(), groups.end());
  return {.spikes = stimulus, .device = nullptr};
}

}  // namespace

extern const StimulusEntry poisson_stimulus{"poisson", "independent Poisson inputs with rates over time", read};

}  // namespace lpl::spiking
