// Every pair.
#include <numeric>

#include "spiking/wiring/wiring.hpp"

namespace lpl::spiking {
namespace {

class AllToAll final : public WiringByNeuron {
 public:
  AllToAll(Table& table, const WiringPlace& place) : WiringByNeuron(place) {
    if (!table.flag("all_to_all")) table.fail("all_to_all", "'all_to_all' can only be true; leave it out otherwise");
    read_autapses(table, false);
  }
  double expected() const override { return pairs(); }

 private:
  void onto(NeuronId, Heard& heard) const override {
    heard.pre.resize(place().pre_size);
    std::iota(heard.pre.begin(), heard.pre.end(), NeuronId{0});
  }
};

}  // namespace

extern const WiringEntry all_to_all_wiring{"all_to_all", "every pair", make_wiring<AllToAll>};

}  // namespace lpl::spiking
