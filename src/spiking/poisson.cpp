#include "spiking/poisson.hpp"

#include <algorithm>
#include <numeric>

#include "core/random.hpp"
#include "core/text.hpp"

namespace lpl::spiking {

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
  const Geometric gap(probability);
  const double trials = static_cast<double>(group.size) * static_cast<double>(kSegment);
  const bool constant = group.profile.is_constant();
  RateProfile::Walk rate(group.profile, begin);
  for (double trial = gap(random); trial < trials; trial += 1 + gap(random)) {
    const auto index = static_cast<std::uint64_t>(trial);
    const auto step = static_cast<std::uint32_t>(index / group.size);
    if (!constant && random.uniform() * bound >= rate.at(step * dt_)) continue;
    spikes_.push_back({step, group.first + static_cast<NeuronId>(index - std::uint64_t{step} * group.size)});
  }
}

void PoissonGenerator::fill(SpikeHistory& history, Step until) {
  while (history.end() < until) {
    const Step segment = history.end() / kSegment;
    spikes_.clear();
    for (const Stream& stream : streams_) generate(stream, segment);
    // Counting sort by step; the groups are in ascending order of neurons already.
    count_.assign(static_cast<std::size_t>(kSegment), 0);
    for (const Candidate& spike : spikes_) ++count_[spike.step];
    next_.resize(count_.size());
    std::exclusive_scan(count_.begin(), count_.end(), next_.begin(), 0u);
    sorted_.resize(spikes_.size());
    for (const Candidate& spike : spikes_) sorted_[next_[spike.step]++] = spike.neuron;
    history.append(sorted_, count_);
  }
}

}  // namespace lpl::spiking
