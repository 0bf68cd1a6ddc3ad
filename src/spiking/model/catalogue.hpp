// What a population's cell says, evaluated: the values of its parameters, and which kernel is its text's fast form.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "spiking/description.hpp"
#include "spiking/model/equations.hpp"
#include "spiking/model/kernel.hpp"

namespace lpl::spiking {

// Of one neuron. The population must outlive the result.
ParameterValues values_of(const Population& population, NeuronId id, std::uint64_t seed);

// Those that may differ between neurons.
std::set<std::string> varying_parameters(const Cell& cell);

// Where the equations hold a state, for one neuron; infinite where they do not.
std::pair<double, double> range_of(const StateText& state, const Population& population, NeuronId id,
                                   std::uint64_t seed, double dt);

// All that a step depends on but the values of parameters, as text: equal for two models that do the same.
std::string equations_of(const ModelText& text);

// The kernel whose text has the cell's equations; nullptr where none has, where parameters differ between neurons, and
// where numbers are float64.
const KernelEntry* kernel_of(const Cell& cell);

}  // namespace lpl::spiking
