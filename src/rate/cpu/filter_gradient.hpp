// The gradient of a convolution's filters from its active outputs alone (decision 0007).
#pragma once

#include <span>
#include <vector>

#include "rate/backend.hpp"
#include "rate/cpu/kernels.hpp"

namespace lpl::rate {

// What the forward pass leaves for the gradient of a convolution.
struct ConvolutionTrace {
  Tensor y;                               // kept where the layer does not pool: its positive outputs were active
  std::shared_ptr<std::uint8_t> winners;  // kept where it does: by pooled output
};

class FilterGradient {
 public:
  // Backend::add_gradient(); `dy` by position.
  void add(const Convolution& layer, std::span<const Trace> traces, std::span<const Tensor> x,
           std::span<const Tensor> dy, Array& weight, Array& bias);

 private:
  struct Geometry;
  struct SliceLists {
    ActiveOutput* outputs;  // [output unit][capacity]
    std::int64_t* counts;   // [output unit]
    float* bias;            // [output unit]
  };

  void make_room(const Geometry& g, std::size_t slices);
  SliceLists lists_of(const Geometry& g, std::size_t slice);
  void list(const Geometry& g, std::span<const Trace> traces, std::span<const Tensor> dy);
  void sum(const Geometry& g, std::span<const Tensor> x, Array& weight);

  std::vector<ActiveOutput> active_;
  std::vector<std::int64_t> counts_;
  std::vector<float> bias_;
};

}  // namespace lpl::rate
