// Neuron n hears source n.
#include <fmt/format.h>

#include "spiking/wiring/wiring.hpp"

namespace lpl::spiking {
namespace {

class OneToOne final : public WiringByNeuron {
 public:
  OneToOne(Table& table, const WiringPlace& place) : WiringByNeuron(place) {
    if (!table.flag("one_to_one")) table.fail("one_to_one", "'one_to_one' can only be true; leave it out otherwise");
    if (place.pre_size != place.post_size)
      table.fail("one_to_one", fmt::format("one_to_one needs equal sizes, but there are {} and {} neurons",
                                           place.pre_size, place.post_size));
    read_autapses(table, true);
    if (not_itself()) table.fail("autapses", "one_to_one within a population is autapses and nothing else");
  }
  double expected() const override { return place().post_size; }
  bool converges() const override { return false; }

 private:
  void onto(NeuronId post, Heard& heard) const override { heard.pre.push_back(post); }
};

}  // namespace

extern const WiringEntry one_to_one_wiring{"one_to_one", "source n to neuron n", make_wiring<OneToOne>};

}  // namespace lpl::spiking
