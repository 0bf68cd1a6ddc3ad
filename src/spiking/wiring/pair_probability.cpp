// As many synapses in all as connect each pair at least once with a probability (Potjans & Diesmann 2014).
#include <fmt/format.h>

#include <cmath>

#include "spiking/wiring/total.hpp"

namespace lpl::spiking {
namespace {

class PairProbability final : public Total {
 public:
  PairProbability(Table& table, const WiringPlace& place) : Total(place) {
    const double probability = table.number("pair_probability", {0, kMost});
    read_repeats(table, true, true);
    if (!multapses())
      table.fail("multapses", "pairs may be connected several times here; density connects each at most once");
    if (probability == 0 || pairs() == 0)
      table.fail("pair_probability",
                 fmt::format("{} connects nothing; leave the connection out", table.stated("pair_probability")));
    // Of a pair: 1 - (1 - 1 / pairs)^synapses.
    const double one = pairs() > 1 ? std::log1p(-1 / pairs()) : -1;
    set_total(table, "pair_probability", std::max(1.0, std::round(std::log1p(-probability) / one)));
  }

 private:
  static constexpr double kMost = 0.999999;
};

}  // namespace

extern const WiringEntry pair_probability_wiring{
    "pair_probability", "so many synapses in all that each pair has one with this probability, several perhaps",
    make_wiring<PairProbability>};

}  // namespace lpl::spiking
