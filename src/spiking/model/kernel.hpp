// Hand-written kernels: each is the fast form of one text of the catalogue, models/NAME.cell, which says what it does
// and which the register machine runs wherever equations differ. Tests compare the two bit for bit.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "spiking/model/model.hpp"

namespace lpl::spiking {

using Parameters = std::function<double(std::string_view name)>;  // parameters and constants of the text, dt; SI

struct KernelEntry {
  std::string_view type;                                // the model's name
  std::span<const std::string_view> states, receptors;  // names of the text, in the order of the kernel's arrays
  std::unique_ptr<NeuronModel> (*make)(const Parameters& parameter);
};
std::span<const KernelEntry> kernels();
// The text of models/NAME.cell when the program was built.
std::string_view text_of_kernel(std::string_view type);

// The instruction set that they use, such as "AVX3".
const char* vector_target();

}  // namespace lpl::spiking
