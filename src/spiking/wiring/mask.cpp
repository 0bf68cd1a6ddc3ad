// Where a profile or a file says.
#include <cmath>

#include "spiking/wiring/listed.hpp"

namespace lpl::spiking {
namespace {

// P(connect pre x to post c) = exp(-(x - c)^2 / width^2), centres c equally spaced on [0, presynaptic size].
class GaussianMask final : public WiringByNeuron {
 public:
  GaussianMask(Table& table, const WiringPlace& place) : WiringByNeuron(place) {
    Table mask = table.table("mask");
    mask.choice("profile", {"gaussian"});
    width_ = mask.number("width", kPositive);
    mask.finish();
    read_autapses(table, true);
  }
  double expected() const override {
    double sum = 0;
    for (NeuronId post = 0; post < place().post_size; ++post)
      for (NeuronId pre = 0; pre < place().pre_size; ++pre)
        if (!(not_itself() && pre == post)) sum += probability(pre, post);
    return sum;
  }

 private:
  double probability(NeuronId pre, NeuronId post) const {
    const auto [pre_size, post_size] = std::pair(place().pre_size, place().post_size);
    const double centre = post_size > 1 ? static_cast<double>(pre_size) * post / (post_size - 1) : 0.5 * pre_size;
    const double distance = (pre - centre) / width_;
    return std::exp(-distance * distance);
  }
  void onto(NeuronId post, Heard& heard) const override {
    Random draws = random(post);
    for (NeuronId pre = 0; pre < place().pre_size; ++pre)
      if (draws.uniform() < probability(pre, post)) heard.pre.push_back(pre);
  }

  double width_ = 0;
};

}  // namespace

extern const WiringEntry mask_wiring{
    "mask", "a Gaussian profile over the sources' numbers, or where a MatrixMarket file is not 0",
    [](Table& table, const WiringPlace& place) -> std::shared_ptr<const Wiring> {
      if (table.is_table("mask")) return std::make_shared<GaussianMask>(table, place);
      return std::make_shared<Listed>(table, "mask", false, place);
    }};

}  // namespace lpl::spiking
