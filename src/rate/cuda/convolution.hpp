// Convolutions by cuDNN: maps channels-last, filters out x row x column x in, which is the order of Arrays. Sums are
// float32; elements float32 (no TF32) or bfloat16. Each by the first of cuDNN's engines, as it orders them, that is
// deterministic and exact enough and can be run.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "rate/backend.hpp"
#include "rate/cuda/convolution_plans.hpp"
#include "rate/cuda/device.hpp"

namespace lpl::rate::cuda {

class Convolutions {
 public:
  // `device` must outlive this.
  explicit Convolutions(Device& device) : device_(device) {}

  // y = filters * x, before bias, rectifier and pooling: maps of layer.convolved(x.shape).
  void forward(const Convolution& layer, const Tensor& x, const void* filters, void* y);
  // Gradient with respect to the filters, in the precision of x.
  void filter_gradient(const Convolution& layer, const Tensor& x, const void* dy, void* dfilters);
  // Gradient with respect to x, for maps like x.
  void input_gradient(const Convolution& layer, const Tensor& x, const void* filters, const void* dy, void* dx);

 private:
  void run(Operation operation, const Convolution& layer, const Tensor& x, const ConvolutionArrays& arrays);
  ConvolutionPlan choose(Operation operation, const ConvolutionProblem& problem, const std::string& what,
                         const ConvolutionArrays& arrays);

  Device& device_;
  std::map<std::pair<Operation, ConvolutionProblem>, ConvolutionPlan> plans_;
};

}  // namespace lpl::rate::cuda
