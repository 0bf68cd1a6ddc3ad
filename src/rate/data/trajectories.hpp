// Frame sequences through the factors of 3D Shapes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace lpl::rate {

// The published rule: a trajectory starts at a random image; one of its factors floor, wall and object hue, scale and
// orientation, drawn once for the trajectory, moves at every frame by a step drawn once for the trajectory: +1 or -1,
// and for a quarter of the trajectories +2 or -2. Hues wrap around. Scale and orientation stop at their first and last
// level and turn back there; so a trajectory that starts at an end and looks outwards shows its first frame twice. The
// shape never changes. "Next" hue means next in an order of the hues that is permuted once, by the seed, for floor,
// wall and object each. (The published code doubles a quarter of the steps drawn with replacement, so 22 % of them;
// here each is doubled with probability 1/4.)
//
// Trajectories are concatenated to one stream of frames, and the stream is cut into blocks of pairs + 1 frames: frame
// t of a block and frame t + 1 are a pair. As published, blocks and trajectories are not aligned, so about one pair in
// 17 spans the end of a trajectory and the start of an unrelated one.
class FrameStream {
 public:
  explicit FrameStream(std::uint64_t seed, std::int64_t trajectories = 64'000, int frames_each = 17);

  const std::vector<std::int64_t>& frames() const { return frames_; }  // indices of images, in the order of the file
  // Number of whole blocks of `pairs` pairs; the remainder of the stream is not used.
  std::int64_t blocks(std::int64_t pairs) const { return static_cast<std::int64_t>(frames_.size()) / (pairs + 1); }
  // The pairs + 1 frames of a block.
  std::span<const std::int64_t> block(std::int64_t index, std::int64_t pairs) const {
    const auto length = static_cast<std::size_t>(pairs + 1);
    return std::span(frames_).subspan(static_cast<std::size_t>(index) * length, length);
  }

 private:
  std::vector<std::int64_t> frames_;
};

// Blocks for training come first, then those for validation (and readout training), then those for test. The published
// numbers for blocks of 1024 pairs are 1031, 20 and 10, an epoch being 999 blocks drawn with replacement.
struct BlockSplit {
  std::int64_t train, validation, test;  // numbers of blocks
};
// Throws ConfigError where nothing remains for training.
BlockSplit split_blocks(std::int64_t blocks, std::int64_t validation = 20, std::int64_t test = 10);

}  // namespace lpl::rate
