#include "rate/exchange.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "core/errors.hpp"

namespace lpl::rate {
namespace {

// Each rank contributes words[rank] numbers, in rank order.
void gather_floats(Communicator& comm, const std::vector<float>& own, const std::vector<int>& words, float* all) {
  comm.all_gather(reinterpret_cast<const std::uint32_t*>(own.data()), words, reinterpret_cast<std::uint32_t*>(all));
}

}  // namespace

HookShape hook_shape(Communicator& comm, const Batch& batch, const std::vector<Tensor>& z) {
  // The rank of the first slice says it.
  std::vector<std::int64_t> extent(2, 0);
  if (!z.empty() && batch.first_slice(comm.rank()) == 0) extent = {z[0].shape.positions(), z[0].shape.channels};
  if (comm.size() > 1) comm.sum(extent);
  const HookShape shape{batch.samples(), extent[0], extent[1]};
  if (2 * shape.view() > std::numeric_limits<std::int32_t>::max())
    throw ConfigError(
        fmt::format("a hook has {} numbers, more than the 2^31 that are possible; use a smaller "
                    "training.batch, or network.pooling = true",
                    2 * shape.view()));
  return shape;
}

std::vector<float> gather_slices(Communicator& comm, const Batch& batch, std::int64_t row, std::vector<float> own) {
  if (comm.size() == 1) return own;
  std::vector<int> words;
  for (int r = 0; r < comm.size(); ++r) words.push_back(static_cast<int>(2 * batch.samples_of(r) * row));
  std::vector<float> all(static_cast<std::size_t>(2 * batch.samples() * row));
  gather_floats(comm, own, words, all.data());
  return all;
}

void sum_slices(Communicator& comm, const Batch& batch, std::int64_t size, const std::vector<const float*>& own,
                float* to) {
  constexpr std::int64_t kPiece = 1 << 18;  // numbers of every part that travel at once
  const std::size_t total = batch.slices().size();
  std::vector<float> send, received;
  for (std::int64_t first = 0; first < size; first += kPiece) {
    const std::int64_t length = std::min(kPiece, size - first);
    send.clear();
    for (const float* part : own) send.insert(send.end(), part + first, part + first + length);
    std::vector<int> words;
    for (int r = 0; r < comm.size(); ++r)
      words.push_back(
          static_cast<int>(static_cast<std::int64_t>(batch.first_slice(r + 1) - batch.first_slice(r)) * length));
    received.resize(total * static_cast<std::size_t>(length));
    gather_floats(comm, send, words, received.data());
    std::fill(to + first, to + first + length, 0.0f);
    for (std::size_t s = 0; s < total; ++s)
      for (std::int64_t i = 0; i < length; ++i)
        to[first + i] += received[s * static_cast<std::size_t>(length) + static_cast<std::size_t>(i)];
  }
}

}  // namespace lpl::rate
