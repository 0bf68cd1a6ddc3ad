// A number for each synapse: its weight or delay.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/table.hpp"
#include "core/random.hpp"
#include "core/types.hpp"
#include "spiking/wiring/formula.hpp"
#include "spiking/wiring/wiring.hpp"

namespace lpl::spiking {

// The synapse that a number is drawn for.
struct SynapsePlace {
  NeuronId pre, post;
  double distance;  // [m]
};

class Distribution {
 public:
  // The same for all.
  explicit Distribution(double value = 0) : a_(value), low_(value), high_(value) {}

  // A quantity (a number where it has no dimension), or a table with exactly one of
  //   normal = [mean, deviation], lognormal = [median, deviation of the logarithm], uniform = [from, to],
  //   exponential = mean; `low` and `high`, within `bounds`; `beyond`: what lies outside is drawn again, or clipped
  //   by_source, by_target = one for each neuron
  //   by_distance = a formula of `distance`, whose values are clipped
  // Values are SI.
  static Distribution read(Table& table, std::string_view key, Dimension dimension, Bounds bounds,
                           const WiringPlace& place);

  bool constant() const { return kind_ == Kind::constant; }
  bool needs_distance() const { return kind_ == Kind::by_distance; }
  // Of what draw() gives. What it never exceeds: of unbounded ones the bounds that they were read with.
  double least() const { return low_; }
  double most() const { return high_; }

  double draw(Random& random, const SynapsePlace& place) const;

 private:
  enum class Kind { constant, normal, lognormal, uniform, exponential, by_source, by_target, by_distance };

  void read_list(Table& table, std::string_view key, Dimension dimension, Bounds bounds, std::size_t size);
  void read_shape(Table& table, std::string_view key, Dimension dimension, Bounds bounds);
  void read_bounds(Table& table, std::string_view key, Dimension dimension, Bounds bounds);
  double share_within() const;
  double unbounded(Random& random) const;

  Kind kind_ = Kind::constant;
  double a_, b_ = 0;  // the shape's parameters
  double low_, high_;
  bool clip_ = false;
  std::vector<double> list_;
  DistanceFormula formula_;
};

}  // namespace lpl::spiking
