#include "spiking/synapses.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "core/random.hpp"
#include "core/text.hpp"

namespace lpl::spiking {

LocalRange local_range(NeuronId size, int rank, int ranks) {
  const auto edge = [&](int r) {
    return static_cast<NeuronId>(static_cast<std::uint64_t>(size) * static_cast<std::uint64_t>(r) /
                                 static_cast<std::uint64_t>(ranks));
  };
  return {edge(rank), edge(rank + 1) - edge(rank)};
}

namespace {

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

double mask_probability(const ConnectionDescription::GaussianMask& mask, NeuronId pre, NeuronId post, NeuronId pre_size,
                        NeuronId post_size) {
  const double centre = post_size > 1 ? static_cast<double>(pre_size) * post / (post_size - 1) : 0.5 * pre_size;
  const double distance = (pre - centre) / mask.width;
  return std::exp(-distance * distance);
}

// Calls `synapse(pre, post, weight)` for every synapse onto this rank's neurons; any order, twice the same.
template <class Synapse>
void for_each_synapse(const SimulationDescription& simulation, const ConnectionDescription& c, LocalRange local,
                      Synapse&& synapse) {
  const Source& source = simulation.sources[c.from];
  const NeuronId pre_size = source.size, post_size = simulation.populations[c.to].size;
  const bool onto_itself = source.is_population && source.index == c.to;
  const std::uint32_t object = hash_name(c.name);
  const auto weight = static_cast<float>(c.weight);
  std::visit(Overloaded{
                 [&](const ConnectionDescription::RandomPattern& pattern) {
                   if (pattern.density <= 0) return;
                   const Geometric gap(pattern.density);
                   for (NeuronId post = local.first; post < local.first + local.count; ++post) {
                     Random random(simulation.seed, Draw::wiring, object, post);
                     for (double pre = gap(random); pre < pre_size; pre += 1 + gap(random))
                       if (!(onto_itself && static_cast<NeuronId>(pre) == post))
                         synapse(static_cast<NeuronId>(pre), post, weight);
                   }
                 },
                 [&](const ConnectionDescription::OneToOne&) {
                   for (NeuronId post = local.first; post < local.first + local.count; ++post)
                     synapse(post, post, weight);
                 },
                 [&](const ConnectionDescription::GaussianMask& mask) {
                   for (NeuronId post = local.first; post < local.first + local.count; ++post) {
                     Random random(simulation.seed, Draw::wiring, object, post);
                     for (NeuronId pre = 0; pre < pre_size; ++pre)
                       if (random.uniform() < mask_probability(mask, pre, post, pre_size, post_size))
                         synapse(pre, post, weight);
                   }
                 },
                 [&](const ConnectionDescription::Listed& listed) {
                   for (std::size_t i = 0; i < listed.matrix.pre.size(); ++i) {
                     if (!local.holds(listed.matrix.post[i])) continue;
                     const float value = listed.matrix.value[i];
                     if (listed.own_weights)
                       synapse(listed.matrix.pre[i], listed.matrix.post[i], value);
                     else if (value != 0)
                       synapse(listed.matrix.pre[i], listed.matrix.post[i], weight);
                   }
                 },
             },
             c.pattern);
}

}  // namespace

Synapses build_synapses(const SimulationDescription& simulation, const ConnectionDescription& connection,
                        LocalRange local, EpochLayout layout) {
  Synapses synapses;
  const NeuronId pre_size = simulation.sources[connection.from].size;
  // Count, then fill: no temporary list of all synapses. Every pattern visits the targets of a row in ascending order.
  synapses.row.assign(pre_size + 1, 0);
  for_each_synapse(simulation, connection, local, [&](NeuronId pre, NeuronId, float) { ++synapses.row[pre + 1]; });
  for (std::size_t pre = 0; pre < pre_size; ++pre) synapses.row[pre + 1] += synapses.row[pre];
  synapses.target.resize(synapses.row.back());
  synapses.weight.resize(synapses.row.back());
  std::vector<std::uint64_t> next(synapses.row.begin(), synapses.row.end() - 1);
  for_each_synapse(simulation, connection, local, [&](NeuronId pre, NeuronId post, float weight) {
    const std::uint64_t at = next[pre]++;
    synapses.target[at] = layout.target_of(post - local.first);
    synapses.weight[at] = weight;
  });
  return synapses;
}

double expected_synapses(const SimulationDescription& simulation, const ConnectionDescription& connection) {
  const Source& source = simulation.sources[connection.from];
  const NeuronId pre_size = source.size, post_size = simulation.populations[connection.to].size;
  return std::visit(
      Overloaded{
          [&](const ConnectionDescription::RandomPattern& pattern) {
            const bool onto_itself = source.is_population && source.index == connection.to;
            return pattern.density * (static_cast<double>(pre_size) * post_size - (onto_itself ? post_size : 0));
          },
          [&](const ConnectionDescription::OneToOne&) { return static_cast<double>(post_size); },
          [&](const ConnectionDescription::GaussianMask& mask) {
            double sum = 0;
            for (NeuronId post = 0; post < post_size; ++post)
              for (NeuronId pre = 0; pre < pre_size; ++pre)
                sum += mask_probability(mask, pre, post, pre_size, post_size);
            return sum;
          },
          [&](const ConnectionDescription::Listed& listed) {
            if (listed.own_weights) return static_cast<double>(listed.matrix.value.size());
            return static_cast<double>(listed.matrix.value.size()) -
                   static_cast<double>(std::count(listed.matrix.value.begin(), listed.matrix.value.end(), 0.0f));
          },
      },
      connection.pattern);
}

}  // namespace lpl::spiking
