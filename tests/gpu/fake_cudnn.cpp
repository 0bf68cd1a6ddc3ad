// cuDNN on the host, as far as the CUDA backend uses it: descriptors, engines and plans of single convolutions of
// channels-last maps, which are computed literally on the device of fake_device.cpp.
#include <cudnn.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <vector>

#include "fake_numbers.hpp"
#include "fake_stream.hpp"

std::size_t cudnnGetVersion() { return CUDNN_VERSION; }
const char* cudnnGetErrorString(cudnnStatus_t) { return "an error"; }
void cudnnGetLastErrorString(char* message, std::size_t bytes) { std::snprintf(message, bytes, "as told by cuDNN"); }
struct cudnnContext {
  cudaStream_t stream = nullptr;
};
cudnnStatus_t cudnnCreate(cudnnHandle_t* dnn) {
  *dnn = new cudnnContext;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnDestroy(cudnnHandle_t dnn) {
  delete dnn;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetStream(cudnnHandle_t dnn, cudaStream_t stream) {
  dnn->stream = stream;
  return CUDNN_STATUS_SUCCESS;
}

namespace {

// Attributes of a descriptor by name; what other descriptors say is copied when it is given.
struct Described {
  explicit Described(cudnnBackendDescriptorType_t which) : type(which) {}
  cudnnBackendDescriptorType_t type;
  bool finished = false;
  std::map<int, std::vector<std::int64_t>> numbers;  // enumerations too, by value
  std::map<int, std::vector<float>> factors;
  std::map<int, std::vector<void*>> pointers;
  std::map<int, std::vector<Described>> parts;

  std::int64_t number(cudnnBackendAttributeName_t name, std::size_t i = 0) const { return numbers.at(name).at(i); }
  const Described& part(cudnnBackendAttributeName_t name) const { return parts.at(name).at(0); }
};

Described& at(cudnnBackendDescriptor_t descriptor) { return *static_cast<Described*>(descriptor); }

// What is offered for a convolution, in this order; the last is to be taken, the fallback where it finds no room.
struct OfferedEngine {
  std::int64_t index;
  std::vector<cudnnBackendNumericalNote_t> notes;
  std::int64_t workspace = 64;
};
enum Index : std::int64_t { varying, transforming, tf32, coarse, rounding, unplanned, failing, greedy, large, good };
std::vector<OfferedEngine> offered(bool bfloat, cudnnBackendHeurMode_t mode) {
  std::vector<cudnnBackendNumericalNote_t> usual;
  if (bfloat) usual.push_back(CUDNN_NUMERICAL_NOTE_TENSOR_CORE);
  if (mode == CUDNN_HEUR_MODE_FALLBACK) return {{good, usual}};
  return {{varying, {CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC}},
          {transforming, {CUDNN_NUMERICAL_NOTE_WINOGRAD}},
          {tf32, {CUDNN_NUMERICAL_NOTE_TENSOR_CORE}},
          {coarse, {CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION}},
          {rounding, {CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS}},
          {unplanned, usual},
          {failing, usual},
          {greedy, usual, std::int64_t{1} << 40},
          {large, usual, std::int64_t{1} << 20}};
}

const Described& operation_of(const Described& graph) { return graph.part(CUDNN_ATTR_OPERATIONGRAPH_OPS); }

// How the operations name their parts.
struct Names {
  cudnnBackendAttributeName_t convolution, x, filters, y, alpha, beta;
};
Names names_of(const Described& operation) {
  switch (operation.type) {
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
      return {CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR:
      return {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR:
      return {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
    default:
      end_test("an operation that is no convolution");
  }
}

// samples x channels x rows x columns, channels-last. Of filters: out x in x rows x columns.
struct Map {
  bool bfloat;
  std::int64_t samples, channels, rows, columns, id, alignment;
  explicit Map(const Described& d)
      : bfloat(d.number(CUDNN_ATTR_TENSOR_DATA_TYPE) == CUDNN_DATA_BFLOAT16),
        samples(d.number(CUDNN_ATTR_TENSOR_DIMENSIONS, 0)),
        channels(d.number(CUDNN_ATTR_TENSOR_DIMENSIONS, 1)),
        rows(d.number(CUDNN_ATTR_TENSOR_DIMENSIONS, 2)),
        columns(d.number(CUDNN_ATTR_TENSOR_DIMENSIONS, 3)),
        id(d.number(CUDNN_ATTR_TENSOR_UNIQUE_ID)),
        alignment(d.number(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT)) {
    const std::vector<std::int64_t> last{channels * rows * columns, 1, columns * channels, channels};
    if (d.numbers.at(CUDNN_ATTR_TENSOR_STRIDES) != last) end_test("a map whose channels are not last");
  }
  std::int64_t size() const { return samples * channels * rows * columns; }
  std::int64_t at(std::int64_t n, std::int64_t r, std::int64_t c, std::int64_t k) const {
    return ((n * rows + r) * columns + c) * channels + k;
  }
};

struct Problem {
  cudnnBackendDescriptorType_t type;
  Map x, filters, y;
  std::int64_t padding, stride;

  explicit Problem(const Described& operation)
      : Problem(operation, names_of(operation), operation.part(names_of(operation).convolution)) {}
  const Map& result() const {
    if (type == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR) return y;
    return type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR ? filters : x;
  }

 private:
  Problem(const Described& operation, const Names& names, const Described& convolution)
      : type(operation.type),
        x(operation.part(names.x)),
        filters(operation.part(names.filters)),
        y(operation.part(names.y)),
        padding(convolution.number(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS)),
        stride(convolution.number(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES)) {
    for (const std::size_t axis : {0u, 1u})
      if (convolution.number(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, axis) != padding ||
          convolution.number(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, axis) != padding ||
          convolution.number(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, axis) != stride ||
          convolution.number(CUDNN_ATTR_CONVOLUTION_DILATIONS, axis) != 1)
        end_test("a convolution that is not square");
    if (convolution.number(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS) != 2 ||
        convolution.number(CUDNN_ATTR_CONVOLUTION_COMP_TYPE) != CUDNN_DATA_FLOAT ||
        convolution.number(CUDNN_ATTR_CONVOLUTION_CONV_MODE) != CUDNN_CROSS_CORRELATION ||
        operation.factors.at(names.alpha) != std::vector<float>{1} ||
        operation.factors.at(names.beta) != std::vector<float>{0})
      end_test("a convolution of another kind");
    if (filters.samples != y.channels || filters.channels != x.channels || x.samples != y.samples ||
        (x.rows + 2 * padding - filters.rows) / stride + 1 != y.rows ||
        (x.columns + 2 * padding - filters.columns) / stride + 1 != y.columns || x.bfloat != y.bfloat ||
        x.bfloat != filters.bfloat)
      end_test("maps that do not fit a convolution");
  }
};

// Calls f(index of x, of filters, of y) for every product, y by y.
template <class F>
void for_each_product(const Problem& p, F f) {
  for (std::int64_t n = 0; n < p.y.samples; ++n)
    for (std::int64_t r = 0; r < p.y.rows; ++r)
      for (std::int64_t c = 0; c < p.y.columns; ++c)
        for (std::int64_t k = 0; k < p.y.channels; ++k)
          for (std::int64_t i = 0; i < p.filters.rows; ++i)
            for (std::int64_t j = 0; j < p.filters.columns; ++j) {
              const std::int64_t row = r * p.stride + i - p.padding, column = c * p.stride + j - p.padding;
              if (row < 0 || row >= p.x.rows || column < 0 || column >= p.x.columns) continue;
              for (std::int64_t m = 0; m < p.x.channels; ++m)
                f(p.x.at(n, row, column, m), p.filters.at(k, i, j, m), p.y.at(n, r, c, k));
            }
}

// Sums in float32, then stored.
void convolve(const Problem& p, void* x, void* filters, void* y) {
  const bool bfloat = p.x.bfloat;
  std::vector<float> sums(static_cast<std::size_t>(p.result().size()), 0.0f);
  float* const sum = sums.data();
  void* out = y;
  if (&p.result() == &p.y) {
    for_each_product(p, [=](std::int64_t i, std::int64_t j, std::int64_t k) {
      sum[k] += load(x, bfloat, i) * load(filters, bfloat, j);
    });
  } else if (&p.result() == &p.filters) {
    out = filters;
    for_each_product(
        p, [=](std::int64_t i, std::int64_t j, std::int64_t k) { sum[j] += load(x, bfloat, i) * load(y, bfloat, k); });
  } else {
    out = x;
    for_each_product(p, [=](std::int64_t i, std::int64_t j, std::int64_t k) {
      sum[i] += load(filters, bfloat, j) * load(y, bfloat, k);
    });
  }
  for (std::int64_t i = 0; i < p.result().size(); ++i) store(sum[i], out, bfloat, i);
}

// Enumerations, numbers, pointers, factors or descriptors, by the type that is said.
cudnnStatus_t keep(Described& d, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count,
                   const void* values) {
  for (std::int64_t i = 0; i < count; ++i) switch (type) {
      case CUDNN_TYPE_INT64:
        d.numbers[name].push_back(static_cast<const std::int64_t*>(values)[i]);
        break;
      case CUDNN_TYPE_DATA_TYPE:
      case CUDNN_TYPE_CONVOLUTION_MODE:
      case CUDNN_TYPE_HEUR_MODE:
        d.numbers[name].push_back(static_cast<const std::int32_t*>(values)[i]);
        break;
      case CUDNN_TYPE_FLOAT:
        d.factors[name].push_back(static_cast<const float*>(values)[i]);
        break;
      case CUDNN_TYPE_VOID_PTR:
      case CUDNN_TYPE_HANDLE:
        d.pointers[name].push_back(static_cast<void* const*>(values)[i]);
        break;
      case CUDNN_TYPE_BACKEND_DESCRIPTOR: {
        const Described& part = at(static_cast<const cudnnBackendDescriptor_t*>(values)[i]);
        if (!part.finished) return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
        d.parts[name].push_back(part);
        break;
      }
      default:
        end_test("an attribute of a type that nobody knows");
    }
  return CUDNN_STATUS_SUCCESS;
}

std::vector<OfferedEngine> offers_of(const Described& heuristic) {
  const Problem problem(operation_of(heuristic.part(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH)));
  return offered(problem.x.bfloat, static_cast<cudnnBackendHeurMode_t>(heuristic.number(CUDNN_ATTR_ENGINEHEUR_MODE)));
}

Described described_engine(const OfferedEngine& offer, const Described& graph) {
  Described engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  engine.finished = true;
  engine.numbers[CUDNN_ATTR_ENGINE_GLOBAL_INDEX] = {offer.index};
  engine.numbers[CUDNN_ATTR_ENGINE_NUMERICAL_NOTE].assign(offer.notes.begin(), offer.notes.end());
  engine.numbers[CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE] = {offer.workspace};
  engine.parts[CUDNN_ATTR_ENGINE_OPERATION_GRAPH] = {graph};
  return engine;
}

// As a test says, or that it cannot.
cudnnStatus_t status_of(const char* variable) {
  const char* const status = std::getenv(variable);
  return static_cast<cudnnStatus_t>(status ? std::atoi(status) : CUDNN_STATUS_NOT_SUPPORTED);
}

const Described& engine_of(const Described& plan) {
  return plan.part(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG).part(CUDNN_ATTR_ENGINECFG_ENGINE);
}

}  // namespace

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t* descriptor) {
  *descriptor = new Described(type);
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor) {
  delete static_cast<Described*>(descriptor);
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, std::int64_t count, const void* values) {
  if (at(descriptor).finished) return CUDNN_STATUS_BAD_PARAM;
  return keep(at(descriptor), name, type, count, values);
}
cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor) {
  Described& d = at(descriptor);
  if (d.type == CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR &&
      engine_of(d).number(CUDNN_ATTR_ENGINE_GLOBAL_INDEX) == unplanned)
    return status_of("LPL_CUDNN_PLANNING");
  d.finished = true;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t, std::int64_t room, std::int64_t* count,
                                       void* values) {
  const Described& d = at(descriptor);
  if (!d.finished) return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
  switch (name) {
    case CUDNN_ATTR_ENGINEHEUR_RESULTS: {
      const std::vector<OfferedEngine> offers = offers_of(d);
      *count = static_cast<std::int64_t>(offers.size());
      for (std::int64_t i = 0; i < std::min(room, *count); ++i) {
        Described& configuration = at(static_cast<cudnnBackendDescriptor_t*>(values)[i]);
        configuration.parts[CUDNN_ATTR_ENGINECFG_ENGINE] = {
            described_engine(offers[static_cast<std::size_t>(i)], d.part(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH))};
        configuration.finished = true;
      }
      return CUDNN_STATUS_SUCCESS;
    }
    case CUDNN_ATTR_ENGINECFG_ENGINE:
      at(*static_cast<cudnnBackendDescriptor_t*>(values)) = d.part(name);
      *count = 1;
      return CUDNN_STATUS_SUCCESS;
    case CUDNN_ATTR_ENGINE_GLOBAL_INDEX:
      *static_cast<std::int64_t*>(values) = d.number(name);
      return CUDNN_STATUS_SUCCESS;
    case CUDNN_ATTR_ENGINE_NUMERICAL_NOTE:
      *count = static_cast<std::int64_t>(d.numbers.at(name).size());
      if (room < *count) return CUDNN_STATUS_BAD_PARAM_SIZE_INSUFFICIENT;
      for (std::size_t i = 0; i < d.numbers.at(name).size(); ++i)
        static_cast<cudnnBackendNumericalNote_t*>(values)[i] =
            static_cast<cudnnBackendNumericalNote_t>(d.number(name, i));
      return CUDNN_STATUS_SUCCESS;
    case CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE:
      *static_cast<std::int64_t*>(values) = engine_of(d).number(name);
      return CUDNN_STATUS_SUCCESS;
    default:
      return CUDNN_STATUS_NOT_SUPPORTED;
  }
}
cudnnStatus_t cudnnBackendExecute(cudnnHandle_t dnn, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t pack) {
  const Described& engine = engine_of(at(plan));
  const Problem problem(operation_of(engine.part(CUDNN_ATTR_ENGINE_OPERATION_GRAPH)));
  const std::int64_t index = engine.number(CUDNN_ATTR_ENGINE_GLOBAL_INDEX);
  if (at(plan).pointers.at(CUDNN_ATTR_EXECUTION_PLAN_HANDLE).at(0) != dnn || !at(plan).finished || !at(pack).finished)
    return CUDNN_STATUS_BAD_PARAM;
  if (index == varying || index == coarse || index == rounding ||
      (!problem.x.bfloat && (index == transforming || index == tf32)))
    end_test("an engine that is not as exact as was asked for");
  if (index == failing) return status_of("LPL_CUDNN_FAILURE");
  if (index != good && index != large) return CUDNN_STATUS_NOT_SUPPORTED;
  std::map<std::int64_t, void*> arrays;
  for (std::size_t i = 0; i < 3; ++i)
    arrays[at(pack).number(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, i)] =
        at(pack).pointers.at(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS).at(i);
  for (const Map& map : {problem.x, problem.filters, problem.y})
    if (reinterpret_cast<std::uintptr_t>(arrays.at(map.id)) % static_cast<std::uintptr_t>(map.alignment) != 0)
      return CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER;
  void* const workspace = at(pack).pointers.at(CUDNN_ATTR_VARIANT_PACK_WORKSPACE).at(0);
  const auto needed = static_cast<std::size_t>(engine.number(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE));
  enqueue(dnn->stream, [=] {
    check_memory(workspace, needed, "a convolution's workspace");
    convolve(problem, arrays.at(problem.x.id), arrays.at(problem.filters.id), arrays.at(problem.y.id));
  });
  return CUDNN_STATUS_SUCCESS;
}
