// Membranes that single precision cannot follow.
#pragma once

#include <string>

#include "spiking/description.hpp"
#include "spiking/model/catalogue.hpp"

namespace lpl::spiking {

// What is wrong with the membrane's time constant of a neuron, to follow "'tau_membrane' is ..."; "" where nothing is.
std::string fault_of_slow_membrane(const Cell& cell, const ParameterValues& values, double dt);

}  // namespace lpl::spiking
