// To be preloaded (LD_PRELOAD): times every launch of a CUDA graph on the device, by events. Training steps are graphs
// from the third of a size on. Prints launches, median, fastest and slowest by graph when the stream ends.
#include <cuda_runtime_api.h>
#include <dlfcn.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <vector>

namespace {

struct Launch {
  cudaEvent_t begin, end;
};

// Outlives destructors of others.
std::map<cudaGraphExec_t, std::vector<Launch>>& launches() {
  static auto* const all = new std::map<cudaGraphExec_t, std::vector<Launch>>;
  return *all;
}

template <class Function>
Function* real(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

void report() {
  for (const auto& [graph, all] : launches()) {
    std::vector<float> times;
    for (const Launch& launch : all) {
      float milliseconds = 0;
      if (cudaEventElapsedTime(&milliseconds, launch.begin, launch.end) == cudaSuccess) times.push_back(milliseconds);
    }
    if (times.empty()) continue;
    std::ranges::sort(times);
    std::fprintf(stderr, "graph_time: %zu launches, median %.3f ms, fastest %.3f, slowest %.3f\n", times.size(),
                 static_cast<double>(times[times.size() / 2]), static_cast<double>(times.front()),
                 static_cast<double>(times.back()));
  }
  launches().clear();
}

}  // namespace

cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream) {
  Launch launch{};
  cudaEventCreate(&launch.begin);
  cudaEventCreate(&launch.end);
  cudaEventRecord(launch.begin, stream);
  const cudaError_t status = real<cudaError_t(cudaGraphExec_t, cudaStream_t)>("cudaGraphLaunch")(graph, stream);
  cudaEventRecord(launch.end, stream);
  launches()[graph].push_back(launch);
  return status;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  cudaStreamSynchronize(stream);
  report();
  return real<cudaError_t(cudaStream_t)>("cudaStreamDestroy")(stream);
}
