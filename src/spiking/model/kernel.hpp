// A hand-written kernel is the fast form of a neuron model: it declares its states and receptors, derives its constants
// from the cell's parameters, and moves blocks of neurons.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "spiking/model/model.hpp"

namespace lpl::spiking {

struct StateInfo {
  std::string_view name, unit;
};

using Parameters = std::function<double(std::string_view name)>;  // SI

struct KernelEntry {
  std::string_view type;
  std::span<const StateInfo> states;
  std::span<const std::string_view> receptors;
  std::optional<std::size_t> membrane;  // the state that clamps hold and rules see
  std::unique_ptr<NeuronModel> (*make)(const Parameters& parameter, double dt);
};
std::span<const KernelEntry> kernels();

// The instruction set that they use, such as "AVX3".
const char* vector_target();

}  // namespace lpl::spiking
