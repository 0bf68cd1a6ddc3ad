// Whatever outlives an epoch. What can be recorded and what a checkpoint saves is this list.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/types.hpp"

namespace lpl::spiking {

// Ranks have the values of a source, by presynaptic neuron, that they hear, and 0 for the others; and all of a device,
// the same.
enum class By : std::uint8_t { neuron, synapse, source, device };
inline constexpr std::array<std::string_view, 4> kByNames = {"neuron", "synapse", "source", "device"};
inline bool is_shared(By by) { return by == By::source || by == By::device; }

// Of variables that are steps: before the first event. Other steps count from the beginning of the run; where another
// one begins with them, they become negative.
inline constexpr Step kNotYet = std::numeric_limits<Step>::min();

// Spikes of the steps that are kept, [step][block], a bit a lane.
struct SpikeLanes {
  std::span<std::uint16_t> words;
  std::size_t blocks;
};

struct Variable {
  std::string name;  // "V", "input_exc.mean", "input_exc.weight"
  std::string unit;
  By by = By::neuron;
  std::size_t owner = 0;  // index of the population (also of a device's), connection or source
  // By neuron: an element a local neuron, and padding of the last block.
  std::variant<std::span<float>, std::span<double>, std::span<Step>, SpikeLanes> data;
  std::size_t history = 1;  // values an element, [block][history][16] where above 1
  bool saved = true;
  // What records show at the end of an epoch, where that is not the number that is kept.
  std::function<float(std::size_t element)> shown = nullptr;
  // By source: those that the values are of, ascending, and how many there are in all; null: all.
  const std::vector<NeuronId>* heard = nullptr;
  NeuronId sources = 0;

  std::size_t bytes() const {
    if (const auto* floats = std::get_if<std::span<float>>(&data)) return floats->size_bytes();
    if (const auto* doubles = std::get_if<std::span<double>>(&data)) return doubles->size_bytes();
    if (const auto* steps = std::get_if<std::span<Step>>(&data)) return steps->size_bytes();
    return std::get<SpikeLanes>(data).words.size_bytes();
  }
};

// In an order that does not depend on ranks.
class Variables {
 public:
  void add(Variable variable) { list_.push_back(std::move(variable)); }
  const Variable* find(By by, std::size_t owner, std::string_view name) const {
    const auto found = std::ranges::find_if(
        list_, [&](const Variable& v) { return v.by == by && v.owner == owner && v.name == name; });
    return found == list_.end() ? nullptr : &*found;
  }
  const std::vector<Variable>& all() const { return list_; }
  std::size_t bytes() const {
    std::size_t sum = 0;
    for (const Variable& variable : list_) sum += variable.bytes();
    return sum;
  }

 private:
  std::vector<Variable> list_;
};

}  // namespace lpl::spiking
