// The same number of targets for every source.
//
// A source's targets are split among the halves of an interval of neurons, down a fixed binary tree over neuron
// numbers to chunks of neurons, in which they are drawn. A rank walks only the nodes that reach its neurons; a source
// is dropped where none of its targets are left.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>

#include "spiking/wiring/wiring.hpp"

namespace lpl::spiking {
namespace {

class OutDegree final : public Wiring {
 public:
  OutDegree(Table& table, const WiringPlace& place)
      : Wiring(place), degree_(static_cast<std::uint32_t>(table.integer("out_degree", 1, kMostSynapses))) {
    read_repeats(table, true, true);
    const NeuronId targets = place.post_size - (not_itself() ? 1 : 0);
    if (multapses() ? targets == 0 : degree_ > targets)
      table.fail("out_degree", fmt::format("{}, but a neuron of '{}' has {} targets in '{}'{}",
                                           table.stated("out_degree"), place.from, targets, place.to,
                                           targets > 0 ? "; lower it or set multapses = true" : " without autapses"));
  }
  double expected() const override { return static_cast<double>(degree_) * place().pre_size; }

  void each(LocalRange local, const Body& body) const override {
    std::vector<Part> all(place().pre_size);
    for (NeuronId pre = 0; pre < place().pre_size; ++pre) all[pre] = {pre, degree_};
    Walk walk{local, body, {}, {}, {}};
    visit(walk, 1, 0, std::max(kChunk, std::bit_ceil(place().post_size)), std::move(all));
  }

 private:
  static constexpr std::int64_t kMostSynapses = 1 << 30;  // of a neuron
  // Drawing within chunks is cheaper than splitting; a rank draws at most two chunks that it shares with others.
  static constexpr NeuronId kChunk = 256;

  // Synapses of a source in an interval of neurons.
  struct Part {
    NeuronId pre;
    std::uint32_t synapses;
  };
  struct Walk {
    LocalRange local;
    const Body& body;
    std::array<Heard, kChunk> heard;
    DistinctDraws distinct;
    std::vector<std::uint32_t> drawn;
  };

  bool holds_itself(NeuronId pre, NeuronId first, NeuronId width) const { return not_itself() && pre - first < width; }
  // Neurons that `pre` may reach among first .. first + width - 1.
  NeuronId reach(NeuronId pre, NeuronId first, NeuronId width) const {
    const NeuronId size = place().post_size;
    return first >= size ? 0 : std::min(width, size - first) - (holds_itself(pre, first, width) ? 1 : 0);
  }

  void visit(Walk& walk, std::uint32_t node, NeuronId first, NeuronId width, std::vector<Part> parts) const {
    if (parts.empty() || first >= walk.local.first + walk.local.count || first + width <= walk.local.first) return;
    if (width == kChunk) return draw_chunk(walk, node, first, parts);
    const NeuronId half = width / 2;
    std::vector<Part> left, right;
    const auto split = multapses() ? draw_binomial : draw_hypergeometric;
    for (const auto [pre, synapses] : parts) {
      Random draws = random(pre, node);
      const auto n =
          static_cast<std::uint32_t>(split(draws, synapses, reach(pre, first, half), reach(pre, first + half, half)));
      if (n > 0) left.push_back({pre, n});
      if (n < synapses) right.push_back({pre, synapses - n});
    }
    parts = {};
    visit(walk, 2 * node, first, half, std::move(left));
    visit(walk, 2 * node + 1, first + half, half, std::move(right));
  }

  void draw_chunk(Walk& walk, std::uint32_t node, NeuronId first, const std::vector<Part>& parts) const {
    for (Heard& heard : walk.heard) heard.clear();
    for (const auto [pre, synapses] : parts) {
      Random draws = random(pre, node);
      const NeuronId targets = reach(pre, first, kChunk);
      walk.drawn.clear();
      if (multapses())
        for (std::uint32_t i = 0; i < synapses; ++i) walk.drawn.push_back(draws.below(targets));
      else
        walk.distinct(draws, synapses, targets, walk.drawn);
      const bool skips = holds_itself(pre, first, kChunk);
      for (const std::uint32_t place_in_chunk : walk.drawn)
        walk.heard[place_in_chunk + (skips && place_in_chunk >= pre - first ? 1 : 0)].pre.push_back(pre);
    }
    for (NeuronId n = 0; n < kChunk; ++n)
      if (walk.local.holds(first + n) && !walk.heard[n].pre.empty()) walk.body(first + n, walk.heard[n]);
  }

  std::uint32_t degree_;
};

}  // namespace

extern const WiringEntry out_degree_wiring{"out_degree", "so many targets for every source", make_wiring<OutDegree>};

}  // namespace lpl::spiking
