// A number of synapses in all, each from any source to any neuron.
//
// How many of them lead to a neuron depends on all others. So the number of an interval of neurons is split among its
// halves, down a fixed binary tree over neuron numbers; a rank walks only the nodes that reach its neurons.
#include <fmt/format.h>

#include <bit>

#include "spiking/wiring/wiring.hpp"

namespace lpl::spiking {
namespace {

class Total final : public WiringByDegree {
 public:
  Total(Table& table, const WiringPlace& place)
      : WiringByDegree(place), total_(static_cast<std::uint64_t>(table.integer("total", 1, kMostSynapses))) {
    read_repeats(table, true, true);
    if (multapses() ? pairs() == 0 : static_cast<double>(total_) > pairs())
      table.fail("total", fmt::format("{}, but there are {:.0f} pairs{}", table.stated("total"), pairs(),
                                      pairs() > 0 ? "; lower it or set multapses = true" : " without autapses"));
  }
  double expected() const override { return static_cast<double>(total_); }
  bool converges() const override { return total_ > 1; }

  void each(LocalRange local, const Body& body) const override {
    Walk walk{local, body, {}, {}};
    visit(walk, 1, 0, std::bit_ceil(place().post_size), total_);
  }

 private:
  static constexpr std::int64_t kMostSynapses = std::int64_t{1} << 50;

  struct Walk {
    LocalRange local;
    const Body& body;
    Heard heard;
    DistinctDraws distinct;
  };

  // Pairs that end in neurons first .. first + width - 1.
  std::uint64_t capacity(NeuronId first, NeuronId width) const {
    const NeuronId size = place().post_size;
    return first >= size ? 0 : std::uint64_t{std::min(width, size - first)} * heard_at_most();
  }

  void visit(Walk& walk, std::uint32_t node, NeuronId first, NeuronId width, std::uint64_t synapses) const {
    if (synapses == 0 || first >= walk.local.first + walk.local.count || first + width <= walk.local.first) return;
    if (width == 1) {
      walk.heard.clear();
      draw_sources(random(first, kSources), first, static_cast<std::uint32_t>(synapses), walk.distinct, walk.heard);
      walk.body(first, walk.heard);
      return;
    }
    const NeuronId half = width / 2;
    Random draws = random(node, kSplits);
    const auto split = multapses() ? draw_binomial : draw_hypergeometric;
    const std::uint64_t left = split(draws, synapses, capacity(first, half), capacity(first + half, half));
    visit(walk, 2 * node, first, half, left);
    visit(walk, 2 * node + 1, first + half, half, synapses - left);
  }

  static constexpr std::uint32_t kSplits = 0, kSources = 1;
  std::uint64_t total_;
};

}  // namespace

extern const WiringEntry total_wiring{"total", "so many synapses in all, between any pairs", make_wiring<Total>};

}  // namespace lpl::spiking
