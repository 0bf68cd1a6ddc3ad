// Hand-written kernels: each is the fast form of one text of the catalogue, models/NAME.cell, which says what it does
// and which the register machine runs wherever a text differs. Tests compare the two bit for bit.
#pragma once

#include <span>
#include <string_view>

#include "spiking/model/model.hpp"

namespace lpl::spiking {

struct KernelEntry {
  std::string_view model;
  // Names of its text, in the order of the kernel's arrays. Constants are parameters and derived constants.
  std::span<const std::string_view> states, receptors, constants;
  void (*advance)(const float* constants, const PopulationEpoch& epoch);
};
std::span<const KernelEntry> kernels();

}  // namespace lpl::spiking
