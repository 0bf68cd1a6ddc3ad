#include "core/sampling.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace lpl {
namespace {

// Below, single draws are compared with the share of the left.
constexpr std::uint64_t kCountedOneByOne = 16;

// ln n! - ln(sqrt(2 pi n) (n / e)^n), the rest of Stirling's formula (Loader 2000).
double stirling_rest(double n) {
  if (n < 16) return std::lgamma(n + 1) - (n + 0.5) * std::log(n) + n - 0.5 * std::log(2 * std::numbers::pi);
  const double n2 = n * n;
  return (1.0 / 12 - (1.0 / 360 - (1.0 / 1260 - 1.0 / 1680 / n2) / n2) / n2) / n;
}

// x ln(x / mean) + mean - x without cancellation.
double deviance(double x, double mean) {
  const double difference = x - mean;
  if (std::abs(difference) > 0.1 * (x + mean)) return x * std::log(x / mean) - difference;
  const double v = difference / (x + mean);
  double sum = difference * v, power = 2 * x * v;
  for (int j = 1;; ++j) {
    power *= v * v;
    const double next = sum + power / (2 * j + 1);
    if (next == sum) return sum;
    sum = next;
  }
}

// Probability of k successes in n trials, q = 1 - p; exact to a few ulp also where n is huge.
double binomial_probability(double k, double n, double p, double q) {
  if (k == 0) return std::exp(n * std::log1p(-p));
  if (k == n) return std::exp(n * std::log1p(-q));
  const double exponent =
      stirling_rest(n) - stirling_rest(k) - stirling_rest(n - k) - deviance(k, n * p) - deviance(n - k, n * q);
  return std::exp(exponent) * std::sqrt(n / (2 * std::numbers::pi * k * (n - k)));
}

// A number of [low, high] by inversion, from the most probable one outwards. `rise(k)` is the probability of k + 1 over
// that of k.
template <class Rise>
std::uint64_t from_mode(double u, std::uint64_t mode, double probability, std::uint64_t low, std::uint64_t high,
                        Rise rise) {
  std::uint64_t below = mode, above = mode;
  double p_below = probability, p_above = probability;
  u -= probability;
  while (u > 0 && (below > low || above < high)) {
    if (above < high) {
      p_above *= rise(above++);
      if ((u -= p_above) <= 0) return above;
    }
    if (below > low) {
      p_below /= rise(--below);
      if ((u -= p_below) <= 0) return below;
    }
  }
  return mode;
}

}  // namespace

std::uint64_t draw_binomial(Random& random, std::uint64_t draws, std::uint64_t left, std::uint64_t right) {
  if (draws == 0 || left == 0) return 0;
  if (right == 0) return draws;
  const double all = static_cast<double>(left) + static_cast<double>(right);
  const double p = static_cast<double>(left) / all, q = static_cast<double>(right) / all;
  if (draws <= kCountedOneByOne) {
    std::uint64_t count = 0;
    for (std::uint64_t i = 0; i < draws; ++i) count += random.uniform() < p;
    return count;
  }
  const auto n = static_cast<double>(draws);
  const auto mode = std::min(draws, static_cast<std::uint64_t>((n + 1) * p));
  return from_mode(random.fine_uniform(), mode, binomial_probability(static_cast<double>(mode), n, p, q), 0, draws,
                   [&](std::uint64_t k) {
                     const auto x = static_cast<double>(k);
                     return (n - x) / (x + 1) * (p / q);
                   });
}

std::uint64_t draw_hypergeometric(Random& random, std::uint64_t draws, std::uint64_t left, std::uint64_t right) {
  if (draws == 0 || left == 0) return 0;
  if (right == 0) return draws;
  const auto n = static_cast<double>(draws), a = static_cast<double>(left), b = static_cast<double>(right);
  if (draws <= kCountedOneByOne) {
    std::uint64_t count = 0;
    for (std::uint64_t i = 0; i < draws; ++i)
      count += random.uniform() * (a + b - static_cast<double>(i)) < a - static_cast<double>(count);
    return count;
  }
  const std::uint64_t low = draws > right ? draws - right : 0, high = std::min(draws, left);
  const auto mode = std::clamp(static_cast<std::uint64_t>((n + 1) / (a + b + 2) * (a + 1)), low, high);
  const double p = n / (a + b), q = (a + b - n) / (a + b), x = static_cast<double>(mode);
  const double probability = q <= 0 ? 1.0
                                    : binomial_probability(x, a, p, q) * binomial_probability(n - x, b, p, q) /
                                          binomial_probability(n, a + b, p, q);
  return from_mode(random.fine_uniform(), mode, probability, low, high, [&](std::uint64_t k) {
    const auto y = static_cast<double>(k);
    return (a - y) / (y + 1) * ((n - y) / (b - n + y + 1));
  });
}

void DistinctDraws::operator()(Random& random, std::uint32_t count, std::uint32_t size,
                               std::vector<std::uint32_t>& numbers) {
  if (taken_.size() < size) taken_.resize(size, false);
  const std::size_t first = numbers.size();
  for (std::uint32_t last = size - count; last < size; ++last) {
    const std::uint32_t drawn = random.below(last + 1);
    const std::uint32_t number = taken_[drawn] ? last : drawn;
    taken_[number] = true;
    numbers.push_back(number);
  }
  for (std::size_t i = first; i < numbers.size(); ++i) taken_[numbers[i]] = false;
}

}  // namespace lpl
