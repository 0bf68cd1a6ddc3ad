// What one block of threads does to make a view from an image on the device: the views of ViewMaker::augment
// (rate/data/augment.hpp), bit by bit. The arithmetic is that of rate/data/pixel_arithmetic.hpp, tables come from the
// host, and sums have the CPU's order.
//
// A view is made in phases, whose indices a Block hands to its threads: each(count, body) calls body(0), ...,
// body(count - 1); sum(count, value, total) is the sum of the whole numbers value(0), ..., value(count - 1), formed in
// *total. Both return to all threads when all are done. A call of a phase writes what no other one reads or writes.
#pragma once

#include <algorithm>
#include <cstdint>

#include "rate/cuda/bodies.hpp"
#include "rate/data/augment_choices.hpp"
#include "rate/data/pixel_arithmetic.hpp"

namespace lpl::rate::cuda {

// All of it on the device.
struct ViewBatch {
  Index side, size;             // of the images, of the views
  const std::uint8_t* images;   // images x side x side x 3
  pixel::TapTable crop_taps;    // for crops of length 1 .. side
  const float* normalised;      // 3 x 256: the network's input by channel and byte
  const ViewRequest* requests;  // by view
  const float* blur_taps;       // views x blur_length(size), used where a view is blurred
};

// Memory of a block [bytes]: the larger of the resampled rows and a blurred plane of float, then three planes of bytes.
LPL_DEVICE inline std::int64_t planes_offset(std::int64_t side, std::int64_t size) {
  return std::max(3 * side * size, 4 * size * size);
}
inline std::int64_t view_memory(std::int64_t side, std::int64_t size) {
  return planes_offset(side, size) + 3 * size * size;
}

template <class Block>
class ViewCanvas {
 public:
  // `memory`: view_memory() bytes, aligned for float.
  LPL_DEVICE_ONLY ViewCanvas(const Block& block, const ViewBatch& batch, void* memory)
      : block_(block),
        batch_(batch),
        size_(batch.size),
        pixels_(size_ * size_),
        rows_(static_cast<std::uint8_t*>(memory)),
        blurred_(static_cast<float*>(memory)),
        total_(static_cast<int*>(memory)),
        planes_(rows_ + planes_offset(batch.side, batch.size)) {}

  // to: size x size x 3.
  template <class Element>
  LPL_DEVICE_ONLY void make(Index view, Element* to) const {
    const ViewRequest& request = batch_.requests[view];
    const AugmentChoices& choices = request.choices;
    resample(batch_.images + static_cast<std::size_t>(request.image) * (3 * batch_.side * batch_.side), choices.crop,
             choices.flip);
    if (choices.jitter) jitter(choices);
    if (choices.grey) grey();
    if (choices.blur) blur(batch_.blur_taps + view * static_cast<Index>(blur_length()));
    block_.each(3 * pixels_, [&](Index i) {
      const Index c = i % 3;
      narrow(batch_.normalised[256 * c + planes_[c * pixels_ + i / 3]], to[i]);
    });
  }

 private:
  LPL_DEVICE_ONLY int width() const { return static_cast<int>(size_); }
  LPL_DEVICE_ONLY int blur_length() const { return pixel::blur_length(width()); }

  // The crop across to rows_ (3, height of the crop, size), then down to the planes.
  LPL_DEVICE_ONLY void resample(const std::uint8_t* image, const Crop& crop, bool flip) const {
    const pixel::Taps across = batch_.crop_taps.of(crop.width), down = batch_.crop_taps.of(crop.height);
    const auto side = static_cast<int>(batch_.side);
    const auto height = static_cast<Index>(crop.height);
    const std::uint8_t* const corner = image + 3 * (crop.top * side + crop.left);
    block_.each(height * size_, [&](Index i) {
      const Index y = i / size_, o = i % size_;
      const std::uint8_t* const from = corner + 3 * (static_cast<int>(y) * side + across.first[o]);
      std::uint8_t* const to = rows_ + y * size_ + (flip ? size_ - 1 - o : o);
      for (Index c = 0; c < 3; ++c) to[c * height * size_] = resampled(across, o, from + c, 3);
    });
    block_.each(3 * pixels_, [&](Index i) {
      const Index c = i / pixels_, o = i / size_ % size_, x = i % size_;
      const Index first = static_cast<Index>(down.first[o]);
      planes_[i] = resampled(down, o, rows_ + (c * height + first) * size_ + x, size_);
    });
  }

  // Output o from sources `stride` bytes apart.
  LPL_DEVICE_ONLY static std::uint8_t resampled(const pixel::Taps& taps, Index o, const std::uint8_t* from,
                                                Index stride) {
    const auto count = static_cast<Index>(taps.count);
    const float* const weight = taps.weight + o * count;
    float sum = 0;
    for (Index t = 0; t < count; ++t) sum += weight[t] * from[t * stride];
    return static_cast<std::uint8_t>(pixel::rounded_sum(sum));
  }

  LPL_DEVICE_ONLY void jitter(const AugmentChoices& choices) const {
    for (int k = 0; k < 4; ++k) switch (choices.order[static_cast<std::size_t>(k)]) {
        case Adjustment::brightness:
          blend_with(0.0f, choices.brightness);
          break;
        case Adjustment::contrast:
          blend_with(mean_luminance(), choices.contrast);
          break;
        case Adjustment::saturation:
          saturate(choices.saturation);
          break;
        case Adjustment::hue:
          turn_hue(pixel::hue_steps(choices.hue));
          break;
      }
  }

  LPL_DEVICE_ONLY float byte(Index c, Index i) const { return planes_[c * pixels_ + i]; }
  LPL_DEVICE_ONLY void set(Index c, Index i, float value) const {
    planes_[c * pixels_ + i] = static_cast<std::uint8_t>(value);
  }
  LPL_DEVICE_ONLY float luminance(Index i) const { return pixel::luminance(byte(0, i), byte(1, i), byte(2, i)); }

  LPL_DEVICE_ONLY void blend_with(float degenerate, float factor) const {
    block_.each(3 * pixels_, [&](Index i) { set(0, i, pixel::blend(degenerate, factor, byte(0, i))); });
  }

  LPL_DEVICE_ONLY float mean_luminance() const {
    const int sum = block_.sum(
        pixels_, [&](Index i) { return static_cast<int>(luminance(i)); }, total_);
    return pixel::mean_luminance(sum, static_cast<int>(pixels_));
  }

  LPL_DEVICE_ONLY void saturate(float factor) const {
    block_.each(pixels_, [&](Index i) {
      const float grey = luminance(i);
      for (Index c = 0; c < 3; ++c) set(c, i, pixel::blend(grey, factor, byte(c, i)));
    });
  }

  LPL_DEVICE_ONLY void turn_hue(int shift) const {
    block_.each(pixels_, [&](Index i) {
      float r = byte(0, i), g = byte(1, i), b = byte(2, i);
      pixel::shift_hue(r, g, b, shift);
      set(0, i, r);
      set(1, i, g);
      set(2, i, b);
    });
  }

  LPL_DEVICE_ONLY void grey() const {
    block_.each(pixels_, [&](Index i) {
      const float grey = luminance(i);
      for (Index c = 0; c < 3; ++c) set(c, i, grey);
    });
  }

  // Plane by plane: across to blurred_ (size, size), then down.
  LPL_DEVICE_ONLY void blur(const float* taps) const {
    const int length = blur_length(), reach = length / 2;
    for (Index c = 0; c < 3; ++c) {
      block_.each(pixels_, [&](Index i) {
        const Index x = i % size_;
        float sum = 0;
        for (int j = 0; j < length; ++j) sum += taps[j] * byte(c, i - x + mirrored(x, j - reach));
        blurred_[i] = sum;
      });
      block_.each(pixels_, [&](Index i) {
        const Index x = i % size_, y = i / size_;
        float sum = 0.5f;
        for (int j = 0; j < length; ++j) sum += taps[j] * blurred_[mirrored(y, j - reach) * size_ + x];
        set(c, i, pixel::truncated(sum));
      });
    }
  }

  // The row or column `step` from one.
  LPL_DEVICE_ONLY Index mirrored(Index from, int step) const {
    return static_cast<Index>(pixel::mirrored(static_cast<int>(from) + step, width()));
  }

  const Block& block_;
  const ViewBatch& batch_;
  const Index size_, pixels_;
  // Needed one after the other, in the same memory.
  std::uint8_t* const rows_;
  float* const blurred_;
  int* const total_;
  std::uint8_t* const planes_;
};

}  // namespace lpl::rate::cuda
