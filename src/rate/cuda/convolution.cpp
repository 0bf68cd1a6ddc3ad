#include "rate/cuda/convolution.hpp"

#include <fmt/format.h>

#include <memory>

namespace lpl::rate::cuda {
namespace {

// The share of a device that a workspace may take. Of all its memory, not of what is free: what is chosen, and with it
// the last bits of the numbers, must not depend on who else uses the device, or on whether a run was interrupted.
constexpr std::int64_t kWorkspaceShare = 8;

constexpr const char* name_of(Operation operation) {
  constexpr const char* kNames[] = {"forward pass", "gradient of the filters", "gradient of the input"};
  return kNames[static_cast<int>(operation)];
}

ConvolutionProblem problem_of(const Convolution& layer, const Tensor& x) {
  return {x.precision == Precision::float32 ? CUDNN_DATA_FLOAT : CUDNN_DATA_BFLOAT16,
          x.shape.samples,
          layer.in,
          layer.out,
          x.shape.height,
          x.shape.width,
          layer.kernel,
          layer.stride,
          layer.padding};
}

}  // namespace

void Convolutions::forward(const Convolution& layer, const Tensor& x, const void* filters, void* y) {
  run(Operation::forward, layer, x, {x.data.get(), filters, y});
}

void Convolutions::filter_gradient(const Convolution& layer, const Tensor& x, const void* dy, void* dfilters) {
  run(Operation::filter_gradient, layer, x, {x.data.get(), dfilters, dy});
}

void Convolutions::input_gradient(const Convolution& layer, const Tensor& x, const void* filters, const void* dy,
                                  void* dx) {
  run(Operation::input_gradient, layer, x, {dx, filters, dy});
}

void Convolutions::run(Operation operation, const Convolution& layer, const Tensor& x,
                       const ConvolutionArrays& arrays) {
  const ConvolutionProblem problem = problem_of(layer, x);
  const std::string what =
      fmt::format("the {0} of a {1}x{1} convolution from {2} to {3} channels of {4}x{5} maps", name_of(operation),
                  problem.side, problem.in, problem.out, problem.rows, problem.columns);
  auto known = plans_.find({operation, problem});
  const bool first = known == plans_.end();
  if (first) known = plans_.insert({{operation, problem}, choose(operation, problem, what, arrays)}).first;
  // The first time it was done in passing, and a step's memory is the same every time.
  const auto workspace = device_.allocate(known->second.workspace);
  if (!first) device_.check(execute(known->second, device_.dnn(), arrays, workspace.get()), what + " by cuDNN");
}

ConvolutionPlan Convolutions::choose(Operation operation, const ConvolutionProblem& problem, const std::string& what,
                                     const ConvolutionArrays& arrays) {
  // Does it.
  const auto refusal = [&](const ConvolutionPlan& plan) -> std::string {
    std::shared_ptr<void> workspace;
    try {
      workspace = device_.allocate_aside(plan.workspace);
    } catch (const OutOfMemory& error) {
      return error.what();
    }
    const cudnnStatus_t status = execute(plan, device_.dnn(), arrays, workspace.get());
    if (is_unsupported(status)) return text_of(status);
    device_.check(status, what + " by cuDNN");
    return "";
  };
  try {
    const ChosenPlan chosen =
        choose_plan(problem, operation, {device_.dnn(), nullptr}, device_.memory() / kWorkspaceShare, refusal);
    device_.log(fmt::format("{}: offer {} of {} of cuDNN, engine {}, {}, workspace {} KiB", what, chosen.offer,
                            chosen.offers, chosen.engine.index,
                            chosen.engine.uses_tensor_cores() ? "tensor cores" : "no tensor cores",
                            (chosen.plan.workspace + 1023) >> 10));
    return chosen.plan;
  } catch (const NoPlan& error) {
    throw DeviceError(fmt::format("{}: cuDNN has no deterministic engine for {}: {}; use --device cpu", device_.name(),
                                  what, error.what()));
  }
}

}  // namespace lpl::rate::cuda
