// NCCL on the host, over MPI, for the twin of the CUDA backend (fake_cuda.cpp): the calls that rate/cuda/exchange.cpp
// makes. The calls of a group are done together at its end; what would leave devices waiting for ever ends the test.
#include <mpi.h>
#include <nccl.h>
#include <unistd.h>

#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "fake_stream.hpp"

struct ncclComm {
  MPI_Comm ranks;
};

namespace {

struct Call {
  enum class Kind { send, receive, broadcast } kind;
  const void* from;
  void* to;
  int count;
  int peer;  // or root
  MPI_Comm ranks;
  cudaStream_t stream;
};

// Of the group that is open.
int depth = 0;
std::vector<Call> calls;

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "NCCL on the host: %s\n", what);
  MPI_Abort(MPI_COMM_WORLD, 1);
  std::abort();
}

MPI_Request begin(const Call& call) {
  MPI_Request request = MPI_REQUEST_NULL;
  switch (call.kind) {
    case Call::Kind::send:
      MPI_Isend(call.from, call.count, MPI_FLOAT, call.peer, 0, call.ranks, &request);
      break;
    case Call::Kind::receive:
      MPI_Irecv(call.to, call.count, MPI_FLOAT, call.peer, 0, call.ranks, &request);
      break;
    case Call::Kind::broadcast: {
      int rank = 0;
      MPI_Comm_rank(call.ranks, &rank);
      if (rank == call.peer && call.from != call.to)
        std::memcpy(call.to, call.from, sizeof(float) * static_cast<std::size_t>(call.count));
      MPI_Ibcast(call.to, call.count, MPI_FLOAT, call.peer, call.ranks, &request);
      break;
    }
  }
  return request;
}

void perform(const std::vector<Call>& group) {
  std::vector<MPI_Request> requests;
  for (const Call& call : group) requests.push_back(begin(call));
  std::vector<MPI_Status> statuses(requests.size());
  MPI_Waitall(static_cast<int>(requests.size()), requests.data(), statuses.data());
  for (std::size_t i = 0; i < group.size(); ++i) {
    if (group[i].kind != Call::Kind::receive) continue;
    int count = 0;
    MPI_Get_count(&statuses[i], MPI_FLOAT, &count);
    if (count != group[i].count) fail("a send was shorter than its receive");
  }
}

ncclResult_t add(const Call& call, std::size_t count, ncclDataType_t type) {
  if (type != ncclFloat32 || count == 0 || count > INT_MAX) return ncclInvalidArgument;
  ncclGroupStart();
  calls.push_back(call);
  return ncclGroupEnd();
}

}  // namespace

const char* ncclGetErrorString(ncclResult_t) { return "an error"; }
const char* ncclGetLastError(ncclComm_t) { return ""; }

// Of this process, with a zero in front: identities are bytes, not text.
ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  *id = {};
  std::snprintf(id->internal + 1, sizeof id->internal - 1, "process %d", static_cast<int>(getpid()));
  return ncclSuccess;
}

ncclResult_t ncclCommInitRank(ncclComm_t* comm, int ranks, ncclUniqueId id, int rank) {
  int world_size = 0, world_rank = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &world_size);
  MPI_Comm_rank(MPI_COMM_WORLD, &world_rank);
  if (ranks != world_size || rank != world_rank) return ncclInvalidArgument;
  ncclUniqueId root = id;
  MPI_Bcast(root.internal, sizeof root.internal, MPI_BYTE, 0, MPI_COMM_WORLD);
  if (std::memcmp(root.internal, id.internal, sizeof id.internal) != 0) fail("ranks with different identities");
  *comm = new ncclComm{};
  MPI_Comm_dup(MPI_COMM_WORLD, &(*comm)->ranks);
  return ncclSuccess;
}

ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  MPI_Comm_free(&comm->ranks);
  delete comm;
  return ncclSuccess;
}
// Other ranks may not come.
ncclResult_t ncclCommAbort(ncclComm_t comm) {
  delete comm;
  return ncclSuccess;
}

ncclResult_t ncclGroupStart() {
  ++depth;
  return ncclSuccess;
}
ncclResult_t ncclGroupEnd() {
  if (depth == 0) return ncclInvalidUsage;
  if (--depth > 0) return ncclSuccess;
  if (calls.empty()) return ncclSuccess;
  const cudaStream_t stream = calls[0].stream;
  for (const Call& call : calls)
    if (call.stream != stream) fail("calls of a group on several streams");
  enqueue(stream, [group = std::exchange(calls, {})] { perform(group); });
  return ncclSuccess;
}

ncclResult_t ncclSend(const void* from, std::size_t count, ncclDataType_t type, int to, ncclComm_t comm,
                      cudaStream_t stream) {
  return add({Call::Kind::send, from, nullptr, static_cast<int>(count), to, comm->ranks, stream}, count, type);
}
ncclResult_t ncclRecv(void* to, std::size_t count, ncclDataType_t type, int from, ncclComm_t comm,
                      cudaStream_t stream) {
  return add({Call::Kind::receive, nullptr, to, static_cast<int>(count), from, comm->ranks, stream}, count, type);
}
ncclResult_t ncclBroadcast(const void* from, void* to, std::size_t count, ncclDataType_t type, int root,
                           ncclComm_t comm, cudaStream_t stream) {
  return add({Call::Kind::broadcast, from, to, static_cast<int>(count), root, comm->ranks, stream}, count, type);
}
