// Each pair with a Poisson number of synapses.
#include <algorithm>
#include <cmath>

#include "spiking/wiring/wiring.hpp"

namespace lpl::spiking {
namespace {

class PairwisePoisson final : public WiringByNeuron {
 public:
  PairwisePoisson(Table& table, const WiringPlace& place)
      : WiringByNeuron(place), mean_(table.number("poisson", {0, 1000})) {
    read_repeats(table, false, true);
  }
  double expected() const override { return pairs() * (multapses() ? mean_ : -std::expm1(-mean_)); }

 private:
  // Events of a Poisson process; source n lies from n to n + 1.
  void onto(NeuronId post, Heard& heard) const override {
    if (mean_ <= 0) return;
    Random draws = random(post);
    const double scale = -1 / mean_;
    for (double at = scale * std::log(draws.uniform()); at < place().pre_size; at += scale * std::log(draws.uniform()))
      heard.pre.push_back(static_cast<NeuronId>(at));
    if (!multapses()) heard.pre.erase(std::unique(heard.pre.begin(), heard.pre.end()), heard.pre.end());
  }

  double mean_;
};

}  // namespace

extern const WiringEntry poisson_wiring{"poisson", "each pair with a Poisson number of synapses of this mean",
                                        make_wiring<PairwisePoisson>};

}  // namespace lpl::spiking
