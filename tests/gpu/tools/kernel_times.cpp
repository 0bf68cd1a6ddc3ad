// To be injected (CUDA_INJECTION64_PATH): sums by name the time that kernels, copies and fills of CUDA graphs take on
// the device, and the gaps between them. With KERNEL_TIMES=all also of what is in no graph.
#include <cuda.h>
#include <cupti.h>
#include <cxxabi.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace {

constexpr std::size_t kBuffer = std::size_t{8} << 20, kName = 110, kRows = 60;
constexpr std::uint64_t kLongestGap = 100000;  // ns; beyond, the host had nothing to do

struct Sum {
  double ns = 0;
  long count = 0;
};

struct Times {
  std::mutex lock;
  std::map<std::string, Sum> sums;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> spans;
};
// Outlives destructors of others.
Times& times() {
  static auto* const all = new Times;
  return *all;
}

void add(const std::string& name, std::uint64_t begin, std::uint64_t end, std::uint32_t graph) {
  static const char* const wanted = std::getenv("KERNEL_TIMES");
  if (graph == 0 && !(wanted && std::strcmp(wanted, "all") == 0)) return;
  Sum& sum = times().sums[name];
  sum.ns += static_cast<double>(end - begin);
  ++sum.count;
  times().spans.emplace_back(begin, end);
}

std::string readable(const char* name) {
  int status = 0;
  char* const text = abi::__cxa_demangle(name, nullptr, nullptr, &status);
  std::string found = status == 0 ? text : name;
  std::free(text);
  for (const char* const cut : {"lpl::rate::cuda::", "(anonymous namespace)::"})
    for (std::size_t at = 0; (at = found.find(cut)) != std::string::npos;) found.erase(at, std::strlen(cut));
  return found.substr(0, kName);
}

void CUPTIAPI request(std::uint8_t** buffer, std::size_t* size, std::size_t* most) {
  *size = kBuffer;
  *buffer = static_cast<std::uint8_t*>(std::aligned_alloc(8, kBuffer));
  *most = 0;
}

void CUPTIAPI complete(CUcontext, std::uint32_t, std::uint8_t* buffer, std::size_t, std::size_t valid) {
  const std::lock_guard guard(times().lock);
  CUpti_Activity* record = nullptr;
  while (cuptiActivityGetNextRecord(buffer, valid, &record) == CUPTI_SUCCESS) {
    if (record->kind == CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL) {
      const auto* const kernel = reinterpret_cast<const CUpti_ActivityKernel10*>(record);
      add(readable(kernel->name), kernel->start, kernel->end, kernel->graphId);
    } else if (record->kind == CUPTI_ACTIVITY_KIND_MEMSET) {
      const auto* const fill = reinterpret_cast<const CUpti_ActivityMemset4*>(record);
      add("[fill]", fill->start, fill->end, fill->graphId);
    } else if (record->kind == CUPTI_ACTIVITY_KIND_MEMCPY) {
      const auto* const copy = reinterpret_cast<const CUpti_ActivityMemcpy6*>(record);
      add("[copy]", copy->start, copy->end, copy->graphId);
    }
  }
  std::free(buffer);
}

void report_spans(std::vector<std::pair<std::uint64_t, std::uint64_t>>& spans) {
  std::ranges::sort(spans);
  double busy = 0, waiting = 0;
  std::uint64_t last = 0;
  long gaps = 0;
  for (const auto& [begin, end] : spans) {
    if (last > 0 && begin > last && begin - last < kLongestGap) {
      waiting += static_cast<double>(begin - last);
      ++gaps;
    }
    if (end <= last) continue;
    busy += static_cast<double>(end - std::max(begin, last));
    last = end;
  }
  std::fprintf(stderr, "kernel_times: %zu calls, busy %.3f ms, %ld gaps of together %.3f ms\n", spans.size(),
               busy / 1e6, gaps, waiting / 1e6);
}

void report() {
  cuptiActivityFlushAll(1);
  const std::lock_guard guard(times().lock);
  report_spans(times().spans);
  std::vector<std::pair<std::string, Sum>> rows(times().sums.begin(), times().sums.end());
  std::ranges::sort(rows, [](const auto& a, const auto& b) { return a.second.ns > b.second.ns; });
  double total = 0;
  for (const auto& [name, sum] : rows) total += sum.ns;
  if (rows.size() > kRows) rows.resize(kRows);
  for (const auto& [name, sum] : rows)
    std::fprintf(stderr, "kernel_times: %5.1f %% %9.3f ms %7ld x %9.2f us  %s\n", 100 * sum.ns / total, sum.ns / 1e6,
                 sum.count, sum.ns / static_cast<double>(sum.count) / 1e3, name.c_str());
}

}  // namespace

extern "C" int InitializeInjection() {
  if (cuptiActivityRegisterCallbacks(request, complete) != CUPTI_SUCCESS) {
    std::fprintf(stderr, "kernel_times: no CUPTI\n");
    return 1;
  }
  for (const auto kind :
       {CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL, CUPTI_ACTIVITY_KIND_MEMSET, CUPTI_ACTIVITY_KIND_MEMCPY})
    cuptiActivityEnable(kind);
  std::atexit(report);
  return 1;
}
