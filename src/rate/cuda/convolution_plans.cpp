#include "rate/cuda/convolution_plans.hpp"

#include <cudnn_backend.h>

#include <algorithm>
#include <array>
#include <utility>

namespace lpl::rate::cuda {
namespace {

void check(cudnnStatus_t status, const char* what) {
  if (status != CUDNN_STATUS_SUCCESS) throw DeviceError(std::string("cuDNN, ") + what + ": " + text_of(status));
}

Descriptor make(cudnnBackendDescriptorType_t type) {
  cudnnBackendDescriptor_t made = nullptr;
  check(cudnnBackendCreateDescriptor(type, &made), "creating a descriptor");
  return {made, [](void* d) { cudnnBackendDestroyDescriptor(d); }};
}

void set(const Descriptor& to, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count,
         const void* values) {
  check(cudnnBackendSetAttribute(to.get(), name, type, count, values), "describing");
}
void set(const Descriptor& to, cudnnBackendAttributeName_t name, const Descriptor& value) {
  cudnnBackendDescriptor_t one = value.get();
  set(to, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &one);
}
void set(const Descriptor& to, cudnnBackendAttributeName_t name, std::int64_t value) {
  set(to, name, CUDNN_TYPE_INT64, 1, &value);
}
// A device that is only described.
#if CUDNN_VERSION >= 90800
void set_heuristic_device(const Descriptor& heuristic, const Descriptor& described) {
  if (described) set(heuristic, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, described);
}
void set_plan_device(const Descriptor& plan, const Descriptor& described) {
  if (described) set(plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, described);
}
#else
void set_heuristic_device(const Descriptor&, const Descriptor&) {}
void set_plan_device(const Descriptor&, const Descriptor&) {}
#endif
void finish(const Descriptor& d) { check(cudnnBackendFinalize(d.get()), "a description"); }

// By which an execution finds its arrays.
constexpr std::int64_t kX = 1, kFilters = 2, kY = 3;

Descriptor tensor(std::int64_t id, cudnnDataType_t type, std::int64_t samples, std::int64_t channels, std::int64_t rows,
                  std::int64_t columns) {
  Descriptor d = make(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  const std::array<std::int64_t, 4> sizes{samples, channels, rows, columns},
      strides{channels * rows * columns, 1, columns * channels, channels};
  set(d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
  set(d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, sizes.data());
  set(d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, strides.data());
  set(d, CUDNN_ATTR_TENSOR_UNIQUE_ID, id);
  set(d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, 16);
  finish(d);
  return d;
}

Descriptor convolution(const ConvolutionProblem& p) {
  Descriptor d = make(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
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
Names names_of(Operation operation) {
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

Descriptor operation_graph(const ConvolutionProblem& p, Operation operation, cudnnHandle_t handle) {
  const Names names = names_of(operation);
  const Descriptor o = make(names.type);
  Descriptor graph = make(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
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

void look_into(Engine& e) {
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

void add_engines(const Descriptor& graph, cudnnBackendHeurMode_t mode, const PlanTarget& target,
                 std::vector<Engine>& found) {
  const Descriptor heuristic = make(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  set(heuristic, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
  set(heuristic, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
  set_heuristic_device(heuristic, target.described);
  const cudnnStatus_t status = cudnnBackendFinalize(heuristic.get());
  if (is_unsupported(status)) return;
  check(status, "asking for engines");
  std::int64_t count = 0;
  check(cudnnBackendGetAttribute(heuristic.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0,
                                 &count, nullptr),
        "counting engines");
  std::vector<Engine> offered(static_cast<std::size_t>(count));
  std::vector<cudnnBackendDescriptor_t> configurations;
  for (Engine& e : offered) {
    e.configuration = make(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    configurations.push_back(e.configuration.get());
  }
  check(cudnnBackendGetAttribute(heuristic.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, count,
                                 &count, configurations.data()),
        "asking for engines");
  offered.resize(static_cast<std::size_t>(count));
  std::ranges::for_each(offered, look_into);
  found.insert(found.end(), offered.begin(), offered.end());
}

bool has(const Engine& engine, cudnnBackendNumericalNote_t note) {
  return std::ranges::find(engine.notes, note) != engine.notes.end();
}

}  // namespace

PlanTarget described_target(const std::string& json) {
#if CUDNN_VERSION >= 90800
  const Descriptor d = make(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  set(d, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, static_cast<std::int64_t>(json.size()),
      json.data());
  finish(d);
  return {nullptr, d};
#else
  throw DeviceError("cuDNN before 9.8 knows no devices that are only described, such as " + json);
#endif
}

bool Engine::uses_tensor_cores() const { return has(*this, CUDNN_NUMERICAL_NOTE_TENSOR_CORE); }

bool Engine::suits(cudnnDataType_t type) const {
  if (has(*this, CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC) || has(*this, CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS) ||
      has(*this, CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION))
    return false;
  return type != CUDNN_DATA_FLOAT ||
         !(uses_tensor_cores() || has(*this, CUDNN_NUMERICAL_NOTE_FFT) || has(*this, CUDNN_NUMERICAL_NOTE_WINOGRAD));
}

std::vector<Engine> engines(const ConvolutionProblem& problem, Operation operation, const PlanTarget& target) {
  const Descriptor graph = operation_graph(problem, operation, target.handle);
  std::vector<Engine> found;
  for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK})
    add_engines(graph, mode, target, found);
  return found;
}

ConvolutionPlan plan_of(const Engine& engine, const PlanTarget& target) {
  const Descriptor d = make(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  if (target.handle) set(d, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &target.handle);
  set_plan_device(d, target.described);
  set(d, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, engine.configuration);
  const cudnnStatus_t status = cudnnBackendFinalize(d.get());
  if (is_unsupported(status)) return {nullptr, text_of(status), 0};
  check(status, "planning");
  ConvolutionPlan plan{d, "", 0};
  std::int64_t one = 0;
  check(cudnnBackendGetAttribute(d.get(), CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &one,
                                 &plan.workspace),
        "asking for a workspace");
  return plan;
}

cudnnStatus_t execute(const ConvolutionPlan& plan, cudnnHandle_t handle, const ConvolutionArrays& arrays,
                      void* workspace) {
  const Descriptor pack = make(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  const std::array<const void*, 3> pointers{arrays.x, arrays.filters, arrays.y};
  const std::array<std::int64_t, 3> ids{kX, kFilters, kY};
  set(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 3, pointers.data());
  set(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 3, ids.data());
  set(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace);
  finish(pack);
  return cudnnBackendExecute(handle, plan.descriptor.get(), pack.get());
}

// An engine that is compiled when it is planned may not compile.
bool is_unsupported(cudnnStatus_t status) {
  return CUDNN_STATUS_CATEGORY(status) == CUDNN_STATUS_NOT_SUPPORTED ||
         status == CUDNN_STATUS_INTERNAL_ERROR_COMPILATION_FAILED;
}

ChosenPlan choose_plan(const ConvolutionProblem& problem, Operation operation, const PlanTarget& target,
                       std::int64_t most_workspace, const std::function<std::string(const ConvolutionPlan&)>& refusal) {
  const std::vector<Engine> offers = engines(problem, operation, target);
  std::string why = "none of its engines is deterministic and exact";
  for (std::size_t i = 0; i < offers.size(); ++i) {
    if (!offers[i].suits(problem.type)) continue;
    ConvolutionPlan plan = plan_of(offers[i], target);
    std::string against = plan.refusal;
    if (plan.descriptor && plan.workspace > most_workspace)
      against = "engine " + std::to_string(offers[i].index) + " needs a workspace of " +
                std::to_string(plan.workspace >> 20) + " MiB";
    else if (plan.descriptor)
      against = refusal(plan);
    if (plan.descriptor && against.empty()) return {offers[i], std::move(plan), i + 1, offers.size()};
    why = std::move(against);
  }
  throw NoPlan(why);
}

}  // namespace lpl::rate::cuda
