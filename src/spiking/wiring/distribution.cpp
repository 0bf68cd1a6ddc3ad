#include "spiking/wiring/distribution.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "core/errors.hpp"

namespace lpl::spiking {
namespace {

constexpr double kLeastShare = 1e-3;

// Of a standard normal number.
double probability_below(double z) { return 0.5 * std::erfc(-z / std::numbers::sqrt2); }

std::string range(double low, double high, Dimension dimension) {
  const std::string unit = dimension == Dimension::none ? "" : " " + unit_of(dimension);
  return fmt::format("{:.9g} and {:.9g}{}", low, high, unit);
}

}  // namespace

Distribution Distribution::read(Table& table, std::string_view key, Dimension dimension, Bounds bounds,
                                const WiringPlace& place) {
  if (!table.is_table(key)) return Distribution(table.quantity(key, dimension, bounds));
  static const std::vector<std::string> kForms = {"normal",    "lognormal", "uniform",    "exponential",
                                                  "by_source", "by_target", "by_distance"};
  Table inner = table.table(key);
  inner.rename(fmt::format("'{}' of {}", key, table.who()));
  const std::size_t form = inner.only_one(kForms);
  Distribution result;
  result.kind_ = static_cast<Kind>(1 + form);
  if (result.kind_ == Kind::by_source || result.kind_ == Kind::by_target) {
    result.read_list(inner, kForms[form], dimension, bounds,
                     result.kind_ == Kind::by_source ? place.pre_size : place.post_size);
  } else {
    if (result.kind_ == Kind::by_distance) {
      place.require_positions(inner, "by_distance");
      result.formula_ = DistanceFormula::read(inner, "by_distance", dimension);
    } else {
      result.read_shape(inner, kForms[form], dimension, bounds);
    }
    result.read_bounds(inner, kForms[form], dimension, bounds);
  }
  inner.finish();
  return result;
}

void Distribution::read_list(Table& table, std::string_view key, Dimension dimension, Bounds bounds, std::size_t size) {
  list_ = table.quantities(key, dimension, bounds);
  if (list_.size() != size)
    table.fail(key, fmt::format("'{}' holds {} values, but there are {} neurons", key, list_.size(), size));
  const auto [least, most] = std::ranges::minmax(list_);
  low_ = least;
  high_ = most;
}

void Distribution::read_shape(Table& table, std::string_view key, Dimension dimension, Bounds bounds) {
  if (kind_ == Kind::exponential) {
    a_ = table.quantity(key, dimension, kPositive);
    return;
  }
  // The deviation of a logarithm has no unit.
  const std::vector<double> values =
      table.quantities(key, {dimension, kind_ == Kind::lognormal ? Dimension::none : dimension});
  a_ = values[0];
  b_ = values[1];
  const auto refuse = [&](const std::string& allowed) {
    table.fail(key, fmt::format("{}; {}", table.stated(key), allowed));
  };
  if (kind_ == Kind::lognormal && !(a_ > 0)) refuse("the median, its first number, must be above 0");
  if (kind_ != Kind::uniform && !(b_ >= 0)) refuse("the deviation, its second number, cannot be below 0");
  if (kind_ != Kind::uniform) return;
  if (!(a_ <= b_)) refuse("its two numbers must rise");
  if (!(a_ >= bounds.low && b_ <= bounds.high))
    refuse("its numbers must lie within " + range(bounds.low, bounds.high, dimension));
}

void Distribution::read_bounds(Table& table, std::string_view key, Dimension dimension, Bounds bounds) {
  low_ = table.has("low") ? table.quantity("low", dimension, bounds) : bounds.low;
  high_ = table.has("high") ? table.quantity("high", dimension, bounds) : bounds.high;
  clip_ = kind_ == Kind::by_distance || table.choice("beyond", {"redraw", "clip"}, "redraw") == 1;
  if (low_ > high_) table.fail("low", fmt::format("{}, above 'high'", table.stated("low")));
  if (kind_ == Kind::uniform) {
    low_ = std::clamp(a_, low_, high_);
    high_ = std::clamp(b_, low_, high_);
  }
  if (!clip_ && share_within() < kLeastShare)
    table.fail(key, fmt::format("of the numbers drawn from '{}' less than one in {:.0f} would lie within its bounds of "
                                "{}; widen them, or set beyond = \"clip\"",
                                key, 1 / kLeastShare, range(low_, high_, dimension)));
}

// The share of draws that lie in [low_, high_].
double Distribution::share_within() const {
  const auto between = [&](double low, double high, double mean) {
    if (b_ == 0) return low <= mean && mean <= high ? 1.0 : 0.0;
    return probability_below((high - mean) / b_) - probability_below((low - mean) / b_);
  };
  switch (kind_) {
    case Kind::normal:
      return between(low_, high_, a_);
    case Kind::lognormal:
      return between(std::log(std::max(low_, 0.0)), std::log(std::max(high_, 0.0)), std::log(a_));
    case Kind::exponential:
      return std::exp(-std::max(low_, 0.0) / a_) - std::exp(-std::max(high_, 0.0) / a_);
    case Kind::uniform:
      return b_ > a_ ? (high_ - low_) / (b_ - a_) : 1.0;
    default:
      return 1;
  }
}

double Distribution::unbounded(Random& random) const {
  switch (kind_) {
    case Kind::normal:
      return a_ + b_ * random.normal();
    case Kind::lognormal:
      return a_ * std::exp(b_ * random.normal());
    case Kind::uniform:
      return a_ + (b_ - a_) * random.uniform();
    default:
      return -a_ * std::log(random.uniform());
  }
}

double Distribution::draw(Random& random, const SynapsePlace& place) const {
  if (kind_ == Kind::constant) return a_;
  if (kind_ == Kind::by_source) return list_[place.pre];
  if (kind_ == Kind::by_target) return list_[place.post];
  double value = kind_ == Kind::by_distance ? formula_(place.distance) : unbounded(random);
  if (clip_) return std::clamp(value, low_, high_);
  while (!(low_ <= value && value <= high_)) value = unbounded(random);
  return value;
}

}  // namespace lpl::spiking
