// The same number of sources for every neuron.
#include "spiking/wiring/wiring.hpp"

namespace lpl::spiking {
namespace {

class InDegree final : public WiringByDegree {
 public:
  InDegree(Table& table, const WiringPlace& place)
      : WiringByDegree(place), degree_(static_cast<std::uint32_t>(table.integer("in_degree", 1, kMostSynapses))) {
    read_repeats(table, true, true);
    check_degree(table, "in_degree", degree_);
  }
  double expected() const override { return static_cast<double>(degree_) * place().post_size; }
  bool converges() const override { return degree_ > 1; }

  void each(LocalRange local, const Body& body) const override {
    Heard heard;
    DistinctDraws distinct;
    for (NeuronId post = local.first; post < local.first + local.count; ++post) {
      heard.clear();
      draw_sources(random(post), post, degree_, distinct, heard);
      body(post, heard);
    }
  }

 private:
  static constexpr std::int64_t kMostSynapses = 1 << 30;  // of a neuron

  std::uint32_t degree_;
};

}  // namespace

extern const WiringEntry in_degree_wiring{"in_degree", "so many sources for every neuron", make_wiring<InDegree>};

}  // namespace lpl::spiking
