// The exact step of linear equations.
#pragma once

#include <cstddef>
#include <vector>

namespace lpl::spiking {

// exp(h A) - 1 of a square matrix, by rows. Elements that no path reaches are exactly 0, small ones keep their digits.
std::vector<double> propagator_minus_one(std::vector<double> A, std::size_t n, double h);

}  // namespace lpl::spiking
