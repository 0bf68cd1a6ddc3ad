#include "rate/cuda/layout.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

namespace lpl::rate::cuda {
namespace {

std::int64_t room_of(const Lifetime& piece) {
  return std::max<std::int64_t>(1, (piece.bytes + kPieceUnit - 1) / kPieceUnit) * kPieceUnit;
}

bool meet(const Lifetime& a, const Lifetime& b) { return a.first < b.end && b.first < a.end; }

}  // namespace

Layout lay_out(std::span<const Lifetime> pieces) {
  std::vector<std::size_t> order(pieces.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::greater<>(), [&](std::size_t p) { return room_of(pieces[p]); });

  Layout layout;
  layout.offsets.resize(pieces.size());
  for (auto next = order.begin(); next != order.end(); ++next) {
    std::vector<std::pair<std::int64_t, std::int64_t>> taken;  // [begin, end), by those placed before
    for (auto placed = order.begin(); placed != next; ++placed)
      if (meet(pieces[*placed], pieces[*next]))
        taken.emplace_back(layout.offsets[*placed], layout.offsets[*placed] + room_of(pieces[*placed]));
    std::ranges::sort(taken);
    const std::int64_t room = room_of(pieces[*next]);
    std::int64_t offset = 0;
    for (const auto& [begin, end] : taken) {
      if (offset + room <= begin) break;
      offset = std::max(offset, end);
    }
    layout.offsets[*next] = offset;
    layout.bytes = std::max(layout.bytes, offset + room);
  }
  return layout;
}

std::int64_t most_at_once(std::span<const Lifetime> pieces) {
  std::map<std::int64_t, std::int64_t> changes;  // by moment
  for (const Lifetime& piece : pieces) {
    changes[piece.first] += room_of(piece);
    changes[piece.end] -= room_of(piece);
  }
  std::int64_t there = 0, most = 0;
  for (const auto& [moment, change] : changes) most = std::max(most, there += change);
  return most;
}

}  // namespace lpl::rate::cuda
