// What cuDNN's graph API has for a convolution of channels-last maps, with float32 sums: engines, best first as cuDNN
// thinks, a plan by one of them, and which is taken. On the device of a handle, or on one that is only described and
// need not be there. All throw DeviceError where cuDNN fails.
#pragma once

#include <cudnn.h>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "rate/cuda/device_error.hpp"

namespace lpl::rate::cuda {

// One of cuDNN's, which destroys itself.
using Descriptor = std::shared_ptr<void>;

enum class Operation { forward, filter_gradient, input_gradient };

// Maps x of samples x rows x columns x in; square filters of out x side x side x in; maps y.
struct ConvolutionProblem {
  cudnnDataType_t type;  // of x, filters and y
  std::int64_t samples, in, out, rows, columns, side, stride, padding;
  std::int64_t out_rows() const { return (rows + 2 * padding - side) / stride + 1; }
  std::int64_t out_columns() const { return (columns + 2 * padding - side) / stride + 1; }
  auto operator<=>(const ConvolutionProblem&) const = default;
};

// A handle where there is a device, and otherwise a device's properties as JSON in cuDNN's own form (since cuDNN 9.8).
struct PlanTarget {
  cudnnHandle_t handle = nullptr;
  Descriptor described;
};
PlanTarget described_target(const std::string& json);

struct Engine {
  Descriptor configuration;
  std::int64_t index = 0;  // cuDNN's number of it
  std::vector<cudnnBackendNumericalNote_t> notes;

  // Whether it gives the same numbers every time, as exact as sums in float32 of elements of `type` are: of float32
  // without TF32, and without transforming the maps, which loses digits.
  bool suits(cudnnDataType_t type) const;
  bool uses_tensor_cores() const;
};

// Those that cuDNN's heuristics name, then those that it falls back to.
std::vector<Engine> engines(const ConvolutionProblem& problem, Operation operation, const PlanTarget& target);

struct ConvolutionPlan {
  Descriptor descriptor;   // none where the engine cannot
  std::string refusal;     // then why
  std::int64_t workspace;  // bytes
};
ConvolutionPlan plan_of(const Engine& engine, const PlanTarget& target);

// Of the device; one of them is the result. 16 bytes aligned.
struct ConvolutionArrays {
  const void *x, *filters, *y;
};

// Enqueues it on the handle's stream.
cudnnStatus_t execute(const ConvolutionPlan& plan, cudnnHandle_t handle, const ConvolutionArrays& arrays,
                      void* workspace);

// Whether cuDNN says that something is not to be had, rather than that it failed.
bool is_unsupported(cudnnStatus_t status);

class NoPlan : public DeviceError {
 public:
  using DeviceError::DeviceError;
};

struct ChosenPlan {
  Engine engine;
  ConvolutionPlan plan;
  std::size_t offer, offers;  // which it was, from 1, of how many
};

// The first engine that suits, has a plan of at most `most_workspace` bytes and to which `refusal` says nothing.
// Throws NoPlan with the last reason against one.
ChosenPlan choose_plan(const ConvolutionProblem& problem, Operation operation, const PlanTarget& target,
                       std::int64_t most_workspace, const std::function<std::string(const ConvolutionPlan&)>& refusal);

}  // namespace lpl::rate::cuda
