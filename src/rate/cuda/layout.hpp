// Where in one piece of memory others lie whose lifetimes are known beforehand.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace lpl::rate::cuda {

// So many bytes are there from moment `first` on, and no longer at moment `end`.
struct Lifetime {
  std::int64_t bytes, first, end;
};

struct Layout {
  std::vector<std::int64_t> offsets;  // by piece, multiples of kPieceUnit
  std::int64_t bytes = 0;             // of all
};

// Pieces take whole units, and begin where CUDA's own would.
inline constexpr std::int64_t kPieceUnit = 256;

// Pieces that are there at the same time do not overlap. The largest are placed first, each as low as those that it
// meets leave room.
Layout lay_out(std::span<const Lifetime> pieces);

// The most bytes, in whole units, that are there at once: no layout does with less.
std::int64_t most_at_once(std::span<const Lifetime> pieces);

}  // namespace lpl::rate::cuda
