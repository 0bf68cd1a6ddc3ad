// What cuDNN's graph API offers for a convolution of channels-last maps: of the device of a handle, or of a device that
// is only described and need not be there.
#pragma once

#include <cudnn.h>
#include <cudnn_backend.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace lpl::tools {

inline void check(cudnnStatus_t status, const std::string& call) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  char detail[512] = {};
  cudnnGetLastErrorString(detail, sizeof detail);
  throw std::runtime_error(call + ": " + cudnnGetErrorString(status) + " " + detail);
}

using Descriptor = std::shared_ptr<void>;

inline Descriptor make(cudnnBackendDescriptorType_t type) {
  cudnnBackendDescriptor_t made = nullptr;
  check(cudnnBackendCreateDescriptor(type, &made), "cudnnBackendCreateDescriptor");
  return {made, [](void* d) { cudnnBackendDestroyDescriptor(d); }};
}
inline void set(const Descriptor& to, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                std::int64_t count, const void* values) {
  check(cudnnBackendSetAttribute(to.get(), name, type, count, values), "cudnnBackendSetAttribute");
}
inline void set(const Descriptor& to, cudnnBackendAttributeName_t name, const Descriptor& value) {
  cudnnBackendDescriptor_t one = value.get();
  set(to, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &one);
}
inline void set(const Descriptor& to, cudnnBackendAttributeName_t name, std::int64_t value) {
  set(to, name, CUDNN_TYPE_INT64, 1, &value);
}
inline void finish(const Descriptor& d) { check(cudnnBackendFinalize(d.get()), "cudnnBackendFinalize"); }

enum class Operation { forward, filter_gradient, input_gradient };
inline constexpr Operation kOperations[] = {Operation::forward, Operation::filter_gradient, Operation::input_gradient};
inline const char* name_of(Operation operation) {
  constexpr const char* kNames[] = {"forward pass", "filter gradient", "input gradient"};
  return kNames[static_cast<int>(operation)];
}

// Square filters of `side`.
struct Problem {
  cudnnDataType_t type;
  std::int64_t samples, in, out, rows, columns, side, stride, padding;
  std::int64_t out_rows() const { return (rows + 2 * padding - side) / stride + 1; }
  std::int64_t out_columns() const { return (columns + 2 * padding - side) / stride + 1; }
};

// Of x, filters and y in a plan.
inline constexpr std::int64_t kX = 1, kFilters = 2, kY = 3;

inline Descriptor tensor(std::int64_t id, cudnnDataType_t type, std::int64_t n, std::int64_t c, std::int64_t h,
                         std::int64_t w) {
  const Descriptor d = make(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  const std::array<std::int64_t, 4> sizes{n, c, h, w}, strides{c * h * w, 1, w * c, c};
  set(d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
  set(d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, sizes.data());
  set(d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, strides.data());
  set(d, CUDNN_ATTR_TENSOR_UNIQUE_ID, id);
  set(d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, 16);
  finish(d);
  return d;
}

inline Descriptor convolution(const Problem& p) {
  const Descriptor d = make(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  const cudnnDataType_t sums = CUDNN_DATA_FLOAT;
  const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
  const std::array<std::int64_t, 2> padding{p.padding, p.padding}, strides{p.stride, p.stride}, ones{1, 1};
  set(d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &sums);
  set(d, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
  set(d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, 2);
  set(d, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, padding.data());
  set(d, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, padding.data());
  set(d, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, strides.data());
  set(d, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, ones.data());
  finish(d);
  return d;
}

// How the three operations name their parts.
struct Names {
  cudnnBackendDescriptorType_t type;
  cudnnBackendAttributeName_t convolution, x, filters, y, alpha, beta;
};
inline Names names_of(Operation operation) {
  switch (operation) {
    case Operation::forward:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
    case Operation::filter_gradient:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
    default:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
  }
}

// Without a handle for a device that is described.
inline Descriptor operation_graph(const Problem& p, Operation operation, cudnnHandle_t handle) {
  const Names names = names_of(operation);
  const Descriptor o = make(names.type), graph = make(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  const float one = 1, zero = 0;
  set(o, names.convolution, convolution(p));
  set(o, names.x, tensor(kX, p.type, p.samples, p.in, p.rows, p.columns));
  set(o, names.filters, tensor(kFilters, p.type, p.out, p.in, p.side, p.side));
  set(o, names.y, tensor(kY, p.type, p.samples, p.out, p.out_rows(), p.out_columns()));
  set(o, names.alpha, CUDNN_TYPE_FLOAT, 1, &one);
  set(o, names.beta, CUDNN_TYPE_FLOAT, 1, &zero);
  finish(o);
  set(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, o);
  if (handle) set(graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle);
  finish(graph);
  return graph;
}

// A device that need not be there, in cuDNN's own form.
inline Descriptor described_device(const std::string& json) {
  const Descriptor d = make(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  set(d, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, static_cast<std::int64_t>(json.size()),
      json.data());
  finish(d);
  return d;
}

struct Engine {
  Descriptor configuration;
  std::int64_t index = 0;
  std::vector<cudnnBackendNumericalNote_t> notes;

  bool has(cudnnBackendNumericalNote_t note) const { return std::ranges::find(notes, note) != notes.end(); }
  bool deterministic() const { return !has(CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC); }
  // Whether sums of products of float32 are as exact as float32.
  bool exact() const {
    return !has(CUDNN_NUMERICAL_NOTE_TENSOR_CORE) && !has(CUDNN_NUMERICAL_NOTE_FFT) &&
           !has(CUDNN_NUMERICAL_NOTE_WINOGRAD);
  }
};

// Best first, as cuDNN thinks; of `device`, where one is described.
inline std::vector<Engine> engines(const Descriptor& graph, cudnnBackendHeurMode_t mode, const Descriptor& device) {
  const Descriptor heuristic = make(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  set(heuristic, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
  set(heuristic, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
  if (device) set(heuristic, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, device);
  finish(heuristic);
  std::int64_t count = 0;
  check(cudnnBackendGetAttribute(heuristic.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0,
                                 &count, nullptr),
        "counting engines");
  std::vector<Engine> found(static_cast<std::size_t>(count));
  std::vector<cudnnBackendDescriptor_t> configurations;
  for (Engine& e : found) {
    e.configuration = make(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    configurations.push_back(e.configuration.get());
  }
  check(cudnnBackendGetAttribute(heuristic.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, count,
                                 &count, configurations.data()),
        "asking for engines");
  found.resize(static_cast<std::size_t>(count));
  for (Engine& e : found) {
    const Descriptor engine = make(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    cudnnBackendDescriptor_t own = engine.get();
    std::int64_t one = 0, notes = 0;
    check(cudnnBackendGetAttribute(e.configuration.get(), CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                                   &one, &own),
          "asking for an engine");
    check(cudnnBackendGetAttribute(own, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &one, &e.index),
          "asking for an engine's number");
    e.notes.resize(CUDNN_NUMERICAL_NOTE_TYPE_COUNT);
    check(cudnnBackendGetAttribute(own, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                   CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &notes, e.notes.data()),
          "asking for an engine's notes");
    e.notes.resize(static_cast<std::size_t>(notes));
  }
  return found;
}

struct Plan {
  Descriptor descriptor;  // none where the engine cannot
  std::int64_t workspace = 0;
};

inline Plan plan_of(const Engine& engine, cudnnHandle_t handle, const Descriptor& device) {
  const Descriptor d = make(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  if (handle) set(d, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle);
  if (device) set(d, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, device);
  set(d, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, engine.configuration);
  if (cudnnBackendFinalize(d.get()) != CUDNN_STATUS_SUCCESS) return {};
  Plan plan{d};
  std::int64_t one = 0;
  check(cudnnBackendGetAttribute(d.get(), CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &one,
                                 &plan.workspace),
        "asking for a workspace");
  return plan;
}

}  // namespace lpl::tools
