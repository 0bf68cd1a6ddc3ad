// The rates of Poisson inputs, as a description has them.
#pragma once

#include <vector>

#include "spiking/stimulus/poisson.hpp"

namespace lpl::spiking {

struct RateReader {
  const Grid& grid;
  std::uint64_t seed;

  // The key `rate`; `earlier` groups can be shuffled, `object` keys what is drawn.
  RateProfile read_rate(Table& table, const std::vector<PoissonGroup>& earlier, std::uint32_t object) const;

 private:
  RateProfile read_rate_file(Table& table) const;
  // Fig. 5: sum over i of alpha^-i a_i sin(2 pi i (t + b_i) / period), a and b uniform in [0,1), standardised over
  // the repeats, floored. Sampled at `interval`.
  RateProfile slow_signal(Table& table, std::uint32_t object) const;
  // Evenly spaced samples in random order; of others, the intervals between them, each with its length and rates.
  // Either keeps the mean.
  RateProfile shuffled(const RateProfile& original, std::uint32_t object, Table& table) const;
};

}  // namespace lpl::spiking
