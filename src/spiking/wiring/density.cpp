// Each pair with the same probability.
#include "spiking/wiring/wiring.hpp"

namespace lpl::spiking {
namespace {

class Density final : public WiringByNeuron {
 public:
  Density(Table& table, const WiringPlace& place)
      : WiringByNeuron(place), density_(table.number("density", kProbability)), gap_(density_) {
    read_autapses(table, false);
  }
  double expected() const override { return density_ * pairs(); }

 private:
  void onto(NeuronId post, Heard& heard) const override {
    if (density_ <= 0) return;
    Random draws = random(post);
    for (double pre = gap_(draws); pre < place().pre_size; pre += 1 + gap_(draws))
      heard.pre.push_back(static_cast<NeuronId>(pre));
  }

  double density_;
  Geometric gap_;
};

}  // namespace

extern const WiringEntry density_wiring{"density", "each pair with this probability", make_wiring<Density>};

}  // namespace lpl::spiking
