// The CUDA runtime on the host: everything is done at once, and while a stream is captured calls are kept and not done.
// With LPL_DEVICE_LATE=0 or 1 what happens on the first or second stream of a device is done as late as it may be: when
// somebody waits for it. So who does not wait for the other stream computes with what was there before.
// Stricter than a device, which would compute something: whoever uses a stream that is none, memory that was freed, is
// not there as a piece of an arena or ends earlier, or the host's memory where the device's belongs, ends the test, and
// whoever asks for memory in a graph. Fresh memory is filled with what is no number, and so are pieces that are not
// there: pages that lie in one are closed, the rest of it must stay as it is.
//
// The environment makes it fail, to test what is said then:
//   LPL_DEVICE_ERROR=E         cudaGetDeviceCount answers with error E; the driver is for CUDA LPL_DEVICE_DRIVER
//   (13000) LPL_DEVICE_MEMORY=N        it has N MiB (4096) LPL_DEVICE_FULL="R N M"    rank R has no memory from the
//   N-th time on that it asks, M times LPL_DEVICE_COUNTS=1        it tells on stderr what recorded graphs are made of
//   LPL_DEVICE_FAULT=N         the N-th piece of work goes wrong, which shows when somebody waits for the device
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "fake_stream.hpp"

struct CUstream_st {
  bool late = false;
  std::size_t enqueued = 0, done = 0;
  std::deque<std::function<void()>> waiting;  // those between
};
struct CUevent_st {
  bool captured = false;
  cudaStream_t stream = nullptr;  // null before it is recorded
  std::size_t after = 0;          // so much that was enqueued
};
struct CUgraph_st {
  struct Call {
    std::function<void()> call;
    bool watches;  // is none of the device's own
  };
  std::vector<Call> calls;
  bool valid = true;
};
// A graph and what can be launched of it are the same thing here.
struct CUgraphExec_st : CUgraph_st {};

namespace {

constexpr int kDevices = 4;                       // a rank takes one of its own
constexpr std::size_t kSharedMemory = 163 << 10;  // of a block, as of an A100
constexpr std::size_t kPage = 4096;
// As CUDA aligns, and no more.
constexpr std::size_t kAlignment = 256;
// Of room for a whole data set most is never touched.
constexpr std::size_t kFilled = 64 << 20;
// Blocks whose addresses are not used again yet.
constexpr std::size_t kQuarantine = 512;

// Pages of a block's own, which ends where they do; then one that nobody may touch.
struct Block {
  char* pages;
  std::size_t size;  // of the pages
  std::size_t bytes;
  bool there;
  bool of_pool;
};
std::map<const char*, Block>& blocks() {
  static std::map<const char*, Block> all;
  return all;
}
std::deque<const char*> freed;

// Bytes of the device. The pool keeps what was freed until it is trimmed.
std::size_t fixed = 0, pool = 0, pool_kept = 0, most_pool = 0;

std::set<cudaStream_t> streams;
CUgraphExec_st* capture = nullptr;
cudaStream_t captured_stream = nullptr;
cudaError_t last_error = cudaSuccess;
cudaError_t fault_of_work = cudaSuccess;

void touched_wrongly(int, siginfo_t* info, void*) {
  const auto* const at = static_cast<const char*>(info->si_addr);
  for (const auto& [start, block] : blocks())
    if (at >= block.pages && at < block.pages + block.size + kPage)
      end_test(!block.there                    ? "memory of the device is used that is freed"
               : at < block.pages + block.size ? "a piece of an arena is used that is not there"
                                               : "memory of the device is used beyond its end");
  signal(SIGSEGV, SIG_DFL);
}

void protect(const Block& block, bool there) {
  if (mprotect(block.pages, block.size, there ? PROT_READ | PROT_WRITE : PROT_NONE) != 0) end_test("mprotect failed");
}

void* new_block(std::size_t bytes, bool of_pool) {
  static const bool watching = [] {
    struct sigaction action {};
    action.sa_sigaction = touched_wrongly;
    action.sa_flags = SA_SIGINFO;
    return sigaction(SIGSEGV, &action, nullptr) == 0;
  }();
  if (!watching) end_test("no handler of faults");
  const std::size_t room = (std::max<std::size_t>(bytes, 1) + kAlignment - 1) / kAlignment * kAlignment;
  const std::size_t size = (room + kPage - 1) / kPage * kPage;
  void* const pages = mmap(nullptr, size + kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (pages == MAP_FAILED) end_test("the host has no memory for the device");
  const Block block{static_cast<char*>(pages), size, bytes, false, of_pool};
  char* const start = block.pages + size - room;
  blocks()[start] = block;
  return start;
}

void show(void* memory) {
  Block& block = blocks().at(static_cast<const char*>(memory));
  block.there = true;
  protect(block, true);
  std::memset(memory, 0xff, std::min(block.bytes, kFilled));
}

void hide(void* memory) {
  Block& block = blocks().at(static_cast<const char*>(memory));
  block.there = false;
  protect(block, false);
}

void forget(const char* memory) {
  const auto found = blocks().find(memory);
  munmap(found->second.pages, found->second.size + kPage);
  blocks().erase(found);
}

void free_block(void* memory) {
  const auto found = blocks().find(static_cast<const char*>(memory));
  if (found == blocks().end() || !found->second.there) end_test("memory is freed that is not allocated");
  (found->second.of_pool ? pool : fixed) -= found->second.bytes;
  hide(memory);
  freed.push_back(found->first);
  if (freed.size() <= kQuarantine) return;
  forget(freed.front());
  freed.pop_front();
}

// The block that holds an address, if it is the device's.
const Block* block_of(const void* memory) {
  const auto* const at = static_cast<const char*>(memory);
  const auto next = blocks().upper_bound(at);
  if (next == blocks().begin()) return nullptr;
  const auto& [start, block] = *std::prev(next);
  return at < start + std::max<std::size_t>(block.bytes, 1) ? &block : nullptr;
}

cudaError_t remember(cudaError_t status) {
  if (status != cudaSuccess) last_error = status;
  return status;
}

// What waits for a stream cannot be recorded, and spoils the recording.
cudaError_t wait(bool for_captured) {
  if (capture && for_captured) {
    capture->valid = false;
    return remember(cudaErrorStreamCaptureUnsupported);
  }
  return remember(fault_of_work);
}

int own_rank() {
  const char* const rank = std::getenv("OMPI_COMM_WORLD_RANK");
  return std::atoi(rank ? rank : "0");
}

bool is_full() {
  static const char* const when = std::getenv("LPL_DEVICE_FULL");
  static int asked = 0;
  int rank = 0, after = 0, count = 0;
  if (!when || std::sscanf(when, "%d %d %d", &rank, &after, &count) != 3) return false;
  ++asked;
  return own_rank() == rank && asked >= after && asked - after < count;
}

bool goes_wrong() {
  static const char* const when = std::getenv("LPL_DEVICE_FAULT");
  static int pieces = 0;
  return when && ++pieces == std::atoi(when);
}

int number_of(const char* variable, int otherwise) {
  const char* const value = std::getenv(variable);
  return value ? std::atoi(value) : otherwise;
}

std::size_t all_memory() { return static_cast<std::size_t>(number_of("LPL_DEVICE_MEMORY", 4096)) << 20; }

// Whether the pool may keep so much; if so, it does.
bool keep(std::size_t of_pool) {
  if (fixed + of_pool > all_memory()) return false;
  pool_kept = of_pool;
  most_pool = std::max(most_pool, pool_kept);
  return true;
}

// What lies in whole pages of a piece, or touches them.
std::pair<char*, char*> pages_of(char* begin, char* end, bool whole) {
  const auto page = [](char* at, std::size_t add) {
    return reinterpret_cast<char*>((reinterpret_cast<std::uintptr_t>(at) + add) / kPage * kPage);
  };
  return whole ? std::pair{page(begin, kPage - 1), page(end, 0)} : std::pair{page(begin, 0), page(end, kPage - 1)};
}

void set_piece(char* begin, char* end, bool there) {
  const auto protect_pages = [](std::pair<char*, char*> pages, int access) {
    if (pages.first < pages.second &&
        mprotect(pages.first, static_cast<std::size_t>(pages.second - pages.first), access))
      end_test("mprotect failed");
  };
  if (there) {
    protect_pages(pages_of(begin, end, false), PROT_READ | PROT_WRITE);
    if (std::any_of(begin, end, [](char byte) { return byte != '\xff'; }))
      end_test("a piece of an arena was written that was not there");
  } else {
    std::memset(begin, 0xff, static_cast<std::size_t>(end - begin));
    protect_pages(pages_of(begin, end, true), PROT_NONE);
  }
}

}  // namespace

void end_test(const char* why) {
  std::fprintf(stderr, "device on the host: %s\n", why);
  signal(SIGABRT, SIG_DFL);
  std::abort();
}

namespace {

void run_until(cudaStream_t stream, std::size_t count) {
  while (stream->done < count) {
    const std::function<void()> call = std::move(stream->waiting.front());
    stream->waiting.pop_front();
    ++stream->done;
    call();
  }
}

void run(cudaStream_t stream, std::function<void()> call) {
  ++stream->enqueued;
  stream->waiting.push_back(std::move(call));
  if (!stream->late) run_until(stream, stream->enqueued);
}

void run_before(const CUevent_st& event) {
  if (event.stream) run_until(event.stream, event.after);
}

}  // namespace

void watch_piece(cudaStream_t stream, void* memory, std::size_t bytes, bool there) {
  auto* const begin = static_cast<char*>(memory);
  const auto set = [=] { set_piece(begin, begin + bytes, there); };
  if (capture && stream == captured_stream)
    capture->calls.push_back({set, true});
  else
    run(stream, set);
}

void enqueue(cudaStream_t stream, std::function<void()> call) {
  if (!streams.contains(stream)) end_test("a call on no stream of the device");
  if (capture && stream == captured_stream) {
    capture->calls.push_back({std::move(call), false});
  } else if (goes_wrong()) {
    fault_of_work = cudaErrorIllegalAddress;
  } else {
    run(stream, std::move(call));
  }
}

void check_launch(std::size_t blocks_x, std::size_t blocks_y, std::size_t threads, std::size_t shared_bytes) {
  if (blocks_x == 0 || blocks_y == 0 || threads == 0) end_test("a launch without threads");
  if (blocks_x > INT32_MAX || blocks_y > 65535) end_test("a grid that is too large");
  if (threads > 1024) end_test("a block of too many threads");
  if (shared_bytes > kSharedMemory) end_test("a block with too much shared memory");
}

void check_aligned(const void* address, std::size_t bytes) {
  const std::size_t unit = bytes % 16 == 0 ? 16 : bytes % 8 == 0 ? 8 : 1;
  if (reinterpret_cast<std::uintptr_t>(address) % unit != 0)
    end_test("elements are moved together from a misaligned address");
}

void check_memory(const void* memory, std::size_t bytes, const char* call) {
  if (bytes == 0) return;
  const auto* const at = static_cast<const char*>(memory);
  const Block* const block = block_of(at);
  const char* const why = !block                                    ? "not the device's"
                          : !block->there                           ? "freed"
                          : at + bytes > block->pages + block->size ? "smaller"
                                                                    : nullptr;
  if (!why) return;
  std::fprintf(stderr, "%s of %zu bytes: ", call, bytes);
  end_test((std::string("memory that is ") + why).c_str());
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = number_of("LPL_DEVICE_DRIVER", 13000);
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int* count) {
  *count = kDevices;
  return remember(static_cast<cudaError_t>(number_of("LPL_DEVICE_ERROR", cudaSuccess)));
}
cudaError_t cudaDeviceGetPCIBusId(char* address, int size, int device) {
  if (device < 0 || device >= kDevices) return remember(cudaErrorInvalidDevice);
  std::snprintf(address, static_cast<std::size_t>(size), "host:%d", device);
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {};
  std::strcpy(properties->name, "host");
  properties->totalGlobalMem = all_memory();
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int) { return cudaSuccess; }
cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr, int) {
  *value = kSharedMemory;
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  *total = all_memory();
  *free = *total - fixed - pool_kept;
  return cudaSuccess;
}
cudaError_t cudaGetLastError() { return std::exchange(last_error, cudaSuccess); }
const char* cudaGetErrorName(cudaError_t status) {
  switch (status) {
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorInsufficientDriver:
      return "cudaErrorInsufficientDriver";
    case cudaErrorIllegalAddress:
      return "cudaErrorIllegalAddress";
    default:
      return "cudaErrorOfTheHost";
  }
}
const char* cudaGetErrorString(cudaError_t status) {
  switch (status) {
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInsufficientDriver:
      return "CUDA driver version is insufficient for CUDA runtime version";
    case cudaErrorIllegalAddress:
      return "an illegal memory access was encountered";
    case cudaErrorStreamCaptureUnsupported:
      return "operation not permitted when stream is capturing";
    default:
      return "an error";
  }
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  static int created = 0;
  *stream = *streams.insert(new CUstream_st).first;
  (*stream)->late = created++ % 2 == number_of("LPL_DEVICE_LATE", -1);
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  if (streams.erase(stream) == 0) end_test("a stream is destroyed that is none");
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (!streams.contains(stream)) end_test("no stream of the device is waited for");
  if (stream != captured_stream) run_until(stream, stream->enqueued);
  return wait(stream == captured_stream);
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new CUevent_st;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (!streams.contains(stream)) end_test("an event of no stream of the device");
  *event = {capture && stream == captured_stream, stream, stream->enqueued};
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  run_before(*event);
  return wait(event->captured);
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  if (!streams.contains(stream)) end_test("no stream of the device waits");
  if (stream == captured_stream) end_test("a recorded step waits for what is not recorded");
  run(stream, [before = *event] { run_before(before); });
  return cudaSuccess;
}
cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int) {
  *pool = nullptr;
  return cudaSuccess;
}
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, std::size_t) {
  pool_kept = pool;
  return cudaSuccess;
}
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr attribute, void*) {
  if (attribute == cudaMemPoolAttrReservedMemHigh) most_pool = pool_kept;
  return cudaSuccess;
}
cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t, cudaMemPoolAttr, void* value) {
  *static_cast<std::uint64_t*>(value) = most_pool;
  return cudaSuccess;
}
cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  *memory = new_block(bytes, false);
  show(*memory);
  fixed += bytes;
  return cudaSuccess;
}
cudaError_t cudaMallocAsync(void** memory, std::size_t bytes, cudaStream_t stream) {
  if (!streams.contains(stream)) end_test("memory is allocated on no stream of the device");
  if (capture && stream == captured_stream) end_test("memory is allocated in a recorded step");
  if (is_full() || !keep(std::max(pool_kept, pool + bytes))) return remember(cudaErrorMemoryAllocation);
  pool += bytes;
  *memory = new_block(bytes, true);
  show(*memory);
  return cudaSuccess;
}
cudaError_t cudaMallocHost(void** memory, std::size_t bytes) {
  *memory = std::malloc(bytes);
  std::memset(*memory, 0xff, bytes);
  return cudaSuccess;
}
cudaError_t cudaFree(void* memory) {
  if (memory) free_block(memory);
  return cudaSuccess;
}
cudaError_t cudaFreeAsync(void* memory, cudaStream_t stream) {
  if (capture && stream == captured_stream) {
    capture->valid = false;
    return remember(cudaErrorInvalidValue);
  }
  if (!streams.contains(stream)) end_test("memory is freed on no stream of the device");
  run(stream, [memory] { cudaFree(memory); });
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* memory) {
  std::free(memory);
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  if (capture && stream == captured_stream && kind != cudaMemcpyDeviceToDevice)
    end_test("a recorded copy from or to the host, whose memory changes meanwhile");
  enqueue(stream, [=] {
    if (kind != cudaMemcpyHostToDevice) check_memory(from, bytes, "cudaMemcpyAsync");
    if (kind != cudaMemcpyDeviceToHost) check_memory(to, bytes, "cudaMemcpyAsync");
    std::memcpy(to, from, bytes);
  });
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* memory, int value, std::size_t bytes, cudaStream_t stream) {
  enqueue(stream, [=] {
    check_memory(memory, bytes, "cudaMemsetAsync");
    std::memset(memory, value, bytes);
  });
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (!streams.contains(stream) || capture) return remember(cudaErrorStreamCaptureUnsupported);
  capture = new CUgraphExec_st;
  captured_stream = stream;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t* graph) {
  CUgraphExec_st* const made = std::exchange(capture, nullptr);
  captured_stream = nullptr;
  *graph = made;
  return remember(made->valid ? cudaSuccess : cudaErrorStreamCaptureInvalidated);
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  *executable = new CUgraphExec_st;
  std::swap(**executable, *static_cast<CUgraphExec_st*>(graph));
  if (std::getenv("LPL_DEVICE_COUNTS"))
    std::fprintf(stderr, "recorded: %td operations\n",
                 std::ranges::count((*executable)->calls, false, &CUgraph_st::Call::watches));
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete static_cast<CUgraphExec_st*>(graph);
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  if (stream == captured_stream) return wait(true);
  for (const auto& [call, watches] : executable->calls)
    if (watches)
      run(stream, call);
    else
      enqueue(stream, call);
  return cudaSuccess;
}
